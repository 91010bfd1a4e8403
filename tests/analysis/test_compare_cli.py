"""`jmimpute compare` from folders."""

import pytest

import jmimpute as jm
from jmimpute import cli
from tests.analysis.compared import imputations, incomplete

ANALYSIS = "y ~ x + sex"


@pytest.fixture
def folders(tmp_path):
    """Saved imputations, a finished run, and what mice wrote: categories are texts there."""
    table = incomplete()
    table["sex"] = table["sex"].astype("category")
    first, second, third = (imputations(2, seed, original=table) for seed in (1, 2, 3))
    first.save(tmp_path / "a" / "joint")
    second.save(tmp_path / "b" / "joint" / "imputations")
    third.to_mice(tmp_path / "mice.v3")
    return tmp_path, (first, second, third)


def test_folders_are_set_beside_each_other(folders, capsys):
    folder, sources = folders
    paths = [str(folder / "a" / "joint"), str(folder / "mice.v3")]
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", *paths, "--analysis", ANALYSIS])
    assert not stop.value.code
    expected = jm.compare({"joint": sources[0], "mice.v3": sources[2]}, ANALYSIS)
    assert capsys.readouterr().out.strip() == repr(expected)


def test_folders_of_the_same_name_are_told_by_their_paths(folders, capsys):
    folder, sources = folders
    paths = [str(folder / "a" / "joint"), str(folder / "b" / "joint")]
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", *paths, "--analysis", ANALYSIS, "--level", "0.9"])
    assert not stop.value.code
    expected = jm.compare(dict(zip(paths, sources, strict=False)), ANALYSIS, level=0.9)
    assert capsys.readouterr().out.strip() == repr(expected)


@pytest.mark.parametrize(
    ("paths", "message"),
    [([], "There are no sources"), (["nothing"], "nothing"), (["a/joint", "a/joint"], "twice")],
)
def test_what_is_refused(folders, paths, message, capsys):
    folder, _ = folders
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", *(str(folder / path) for path in paths), "--analysis", ANALYSIS])
    assert stop.value.code == 1
    assert message in capsys.readouterr().err
