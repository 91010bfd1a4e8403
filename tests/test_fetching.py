"""Public data sets are found, checked and downloaded, and every way to fail says what to do. No test needs a network."""

import os
import shutil
import subprocess
from hashlib import sha256

import numpy as np
import pandas as pd
import pooch
import pytest
from requests import ConnectionError

from jmimpute.datasets import available, fetch, fetching
from jmimpute.datasets.public import PUBLIC, PublicTable
from jmimpute.errors import ExchangeError, TableError

CSV = b'"study","pupil","ct","mort"\n"NA",Both,"III",1\n"NABIS","None",,0\n"SAP",,"I/II",\n'
AS_R_WRITES = b'"","study","pupil","ct","mort"\n"1","NA",Both,"III",1\n"2","NABIS","None",NA,0\n"3","SAP",NA,"I/II",NA\n'


def described(**changed):
    """A data set whose file is `CSV`."""
    facts = {"title": "A study", "rows": 3, "cluster": "study", "source": "ours of the R package our", "licence": "GPL-2"}
    facts |= {"levels": {"pupil": ("None", "Both")}, "recipe": "write.csv(our::ours)"}
    return PublicTable(**{"file": "ours.csv", "sha256": sha256(CSV).hexdigest(), **facts, **changed})


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder of one's own and a cache; 'local' is made in R, 'remote' can be downloaded, and nothing is on the web."""
    own, cache = tmp_path / "own", tmp_path / "cache" / "jmimpute"
    own.mkdir()
    monkeypatch.setenv("JMIMPUTE_DATA", str(own))
    monkeypatch.setattr(pooch, "os_cache", lambda name: cache)
    monkeypatch.setitem(PUBLIC, "local", described())
    monkeypatch.setitem(PUBLIC, "remote", described(url="https://example.org/ours.csv"))
    return own, cache


@pytest.fixture
def web(monkeypatch):
    """What the downloader finds, by address: the content or an error; and the addresses that were asked for."""
    found, asked = {}, []

    class Downloader:
        def __init__(self, timeout):
            assert timeout > 0

        def __call__(self, url, output_file, _):
            asked.append(url)
            if isinstance(found[url], Exception):
                raise found[url]
            with open(output_file, "wb") as file:
                file.write(found[url])

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    return found, asked


def check(table):
    assert list(table["study"]) == ["NA", "NABIS", "SAP"], "a study of this name is not a missing value"
    assert list(table["pupil"].cat.categories) == ["None", "Both"]
    assert table["pupil"].tolist()[:2] == ["Both", "None"]
    assert table["pupil"].isna().tolist() == [False, False, True]
    assert table["ct"].isna().tolist() == [False, True, False]
    np.testing.assert_array_equal(table["mort"], [1, 0, np.nan])


def test_a_file_in_the_folder_comes_before_the_cache(folders):
    own, cache = folders
    cache.mkdir(parents=True)
    (own / "ours.csv").write_bytes(CSV)
    (cache / "ours.csv").write_bytes(b"spoiled")
    check(fetch("local"))
    assert fetch("local") is not fetch("local")


@pytest.mark.parametrize("unset", [True, False])
def test_without_a_folder_the_cache_is_looked_at(folders, monkeypatch, unset):
    _, cache = folders
    cache.mkdir(parents=True)
    (cache / "ours.csv").write_bytes(CSV)
    if unset:
        monkeypatch.delenv("JMIMPUTE_DATA")
    else:
        monkeypatch.setenv("JMIMPUTE_DATA", "")
    check(fetch("local"))


def test_another_file_of_the_same_name_is_refused(folders):
    own, _ = folders
    (own / "ours.csv").write_bytes(CSV.replace(b"SAP", b"SIP"))
    with pytest.raises(ExchangeError, match=r"own/ours.csv is not ours of the R package our: its SHA256 .* make it anew. In R"):
        fetch("local")
    assert (own / "ours.csv").exists()


def test_a_file_of_an_r_package_that_is_nowhere(folders):
    own, cache = folders
    with pytest.raises(ExchangeError) as caught:
        fetch("local")
    for part in ("'local' was not found", "write.csv(our::ours)", "ours.csv", "GPL-2", "JMIMPUTE_DATA", str(cache)):
        assert part in str(caught.value)


def test_a_folder_that_is_none(folders, monkeypatch):
    monkeypatch.setenv("JMIMPUTE_DATA", "/nowhere")
    with pytest.raises(ExchangeError, match="JMIMPUTE_DATA is '/nowhere', which is no folder"):
        fetch("local")


def test_unknown_names_list_the_known():
    with pytest.raises(TableError, match="'schools'. Choose 'jsp', .* or 'impact_incomplete'"):
        fetch("schools")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_download_is_checked_and_kept(folders, web, ending):
    _, cache = folders
    found, asked = web
    found["https://example.org/ours.csv"] = AS_R_WRITES.replace(b"\n", ending)
    for _ in range(2):
        check(fetch("remote"))
    assert asked == ["https://example.org/ours.csv"]
    assert [path.name for path in cache.iterdir()] == ["ours.csv"]


def test_a_file_of_ones_own_is_not_downloaded(folders, web):
    (folders[0] / "ours.csv").write_bytes(CSV)
    check(fetch("remote"))
    assert web[1] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ConnectionError("no route"), "could not be downloaded from https://example.org/ours.csv: no route. In R"),
        (AS_R_WRITES.replace(b"SAP", b"SIP"), "is not the table it was: its checksum is wrong. In R"),
    ],
)
def test_a_failed_download_leaves_nothing(folders, web, content, message):
    web[0]["https://example.org/ours.csv"] = content
    with pytest.raises(ExchangeError, match=message):
        fetch("remote")
    assert list(folders[1].iterdir()) == []


def test_the_list_has_what_an_analyst_asks():
    table = available()
    assert list(table.index) == list(PUBLIC)
    assert table["download"].sum() == 1
    assert (table[["title", "source", "licence", "cluster"]] != "").all(axis=None)
    assert table["file"].is_unique
    assert all(PUBLIC[name].file in PUBLIC[name].recipe for name in table.index)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_data_set_is_what_is_said_of_it(name):
    folder = os.environ.get("JMIMPUTE_DATA")
    if not folder:
        pytest.skip("needs ../shared/data or JMIMPUTE_DATA")
    table, said = fetch(name), PUBLIC[name]
    assert len(table) == said.rows
    assert table[said.cluster].notna().all() and table[said.cluster].nunique() >= 9
    plain = pd.read_csv(f"{folder}/{said.file}", keep_default_na=False)
    holes = plain.astype(str) == ""
    pd.testing.assert_frame_equal(table.isna(), holes)
    for column, levels in said.levels.items():
        assert list(table[column].cat.categories) == list(levels)
        assert set(plain[column].astype(str)) - {""} == set(levels)


@pytest.mark.parametrize("package", ["jomo", "mice"])
def test_the_lines_of_r_write_the_very_files(package, tmp_path):
    """Bytes are compared, so that whoever follows the advice of an error gets a file that is accepted."""
    made = {name: table for name, table in PUBLIC.items() if f"{package}::" in table.recipe}
    assert made
    if not shutil.which("Rscript") or subprocess.run(["Rscript", "-e", f"library({package})"], capture_output=True).returncode:
        pytest.skip(f"needs R with {package}")
    for table in made.values():
        subprocess.run(["Rscript", "-e", table.recipe], cwd=tmp_path, check=True, capture_output=True)
        assert fetching._checked(table, tmp_path / table.file)
