"""Replications: kept when finished, the same however they are run, failures not lost, other studies refused."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute import study
from jmimpute.errors import StudyError, StudyWarning

ROOT = Path(__file__).parents[2]


def draw(seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"method": ["a", "b"], "term": "x", "estimate": rng.normal(size=2)})


def run(folder, n, function=draw, **arguments):
    return study.replicate(function, n, 7, folder, progressbar=False, **arguments)


def test_results_are_the_rows_of_all_in_order(tmp_path):
    done = run(tmp_path / "new" / "study", 3)
    assert list(done.results["replicate"]) == [1, 1, 2, 2, 3, 3]
    for number, part in done.results.groupby("replicate"):
        expected = draw(np.random.SeedSequence(7).spawn(3)[number - 1])
        pd.testing.assert_frame_equal(part.drop(columns="replicate").reset_index(drop=True), expected, check_dtype=False)
    assert done.failures.empty
    assert (done.n, done.folder) == (3, tmp_path / "new" / "study")
    assert "3 replications, of which 0 failed; 6 rows" in repr(done)


def test_a_stopped_study_goes_on_with_the_same_results(tmp_path):
    whole = run(tmp_path / "whole", 6).results
    calls = []

    def stopped(seed):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(seed)
        return draw(seed)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", 6, stopped)
    assert len(list((tmp_path / "stopped").glob("replicate-*.parquet"))) == 3
    calls.clear()
    resumed = run(tmp_path / "stopped", 6, lambda seed: (calls.append(seed), draw(seed))[1])
    assert len(calls) == 3, "finished replications are not done again"
    pd.testing.assert_frame_equal(resumed.results, whole)


def test_a_longer_study_begins_with_the_shorter_one(tmp_path):
    short = run(tmp_path / "a", 2).results
    longer = run(tmp_path / "a", 5).results
    pd.testing.assert_frame_equal(longer.head(4), short)
    pd.testing.assert_frame_equal(run(tmp_path / "b", 5).results, longer)
    pd.testing.assert_frame_equal(run(tmp_path / "b", 2).results, short)


def test_a_replication_half_written_is_done_again(tmp_path):
    whole = run(tmp_path, 2).results
    path = tmp_path / "replicate-000002.parquet"
    path.with_name(f".{path.name}.unfinished").write_bytes(path.read_bytes()[:50])
    path.unlink()
    pd.testing.assert_frame_equal(run(tmp_path, 2).results, whole)


def test_cores_do_not_matter(tmp_path):
    pd.testing.assert_frame_equal(run(tmp_path / "one", 4).results, run(tmp_path / "two", 4, cores=2).results)


def test_failures_are_kept_and_told(tmp_path):
    def failing(seed):
        if seed.spawn_key[0] in (1, 3):
            raise ValueError("no variance left")
        return draw(seed)

    with pytest.warns(StudyWarning, match=r"2 of 5 replications failed .* 2, 4\. 2 times: ValueError: no variance left"):
        done = run(tmp_path, 5, failing)
    assert sorted(set(done.results["replicate"])) == [1, 3, 5]
    assert list(done.failures["replicate"]) == [2, 4]
    assert list(done.failures["error"]) == ["ValueError", "ValueError"]
    assert "in failing" in done.failures["traceback"].iloc[0]
    # they stay failures, as in a study that was never stopped
    with pytest.warns(StudyWarning, match="2 of 5"):
        run(tmp_path, 5)
    (tmp_path / "failed-000002.json").unlink()
    with pytest.warns(StudyWarning, match="1 of 5"):
        assert sorted(set(run(tmp_path, 5).results["replicate"])) == [1, 2, 3, 5]


def test_a_study_of_failures_has_no_results(tmp_path):
    def failing(seed):
        raise RuntimeError("never")

    with pytest.warns(StudyWarning, match="2 of 2 replications failed"):
        done = run(tmp_path, 2, failing)
    assert done.results.empty
    with pytest.raises(StudyError, match="no column 'method'"):
        study.performance(done, {"x": 0})


def test_another_study_is_refused(tmp_path):
    run(tmp_path, 1, settings={"rho": 0.6, "sizes": (1, 2)})
    run(tmp_path, 1, settings={"rho": 0.6, "sizes": [1, 2]})
    with pytest.raises(StudyError, match=r"another study: rho 0.6, now 0.3\."):
        run(tmp_path, 1, settings={"rho": 0.3, "sizes": [1, 2]})
    with pytest.raises(StudyError, match=r"rho 0.6, now None, sizes \[1, 2\], now None"):
        run(tmp_path, 1)
    with pytest.raises(StudyError, match="seed 7, now 8"):
        study.replicate(draw, 1, 8, tmp_path, settings={"rho": 0.6, "sizes": [1, 2]}, progressbar=False)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("a")
    with pytest.raises(StudyError, match="not empty and holds no study"):
        run(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3.0, "returned float"),
        (pd.DataFrame({"a": []}), "returned 0 rows with the columns a"),
        (pd.DataFrame({"replicate": [1]}), "without a column 'replicate'"),
    ],
)
def test_what_is_no_table_of_results_is_refused(tmp_path, returned, message):
    with pytest.raises(StudyError, match=message):
        run(tmp_path, 1, lambda seed: returned)


@pytest.mark.parametrize(
    ("n", "seed", "settings", "message"),
    [(0, 1, None, "n is 0"), (1, -1, None, "seed is -1"), (1, 1, {"f": draw}, "cannot be kept as JSON")],
)
def test_arguments_out_of_range_are_refused(tmp_path, n, seed, settings, message):
    with pytest.raises(StudyError, match=message):
        study.replicate(draw, n, seed, tmp_path / "study", settings=settings, progressbar=False)
    assert not (tmp_path / "study").exists()


KILLED = """
    import sys, time
    import numpy as np, pandas as pd
    from jmimpute import study

    def draw(seed):
        time.sleep(0.1)
        rng = np.random.default_rng(seed)
        return pd.DataFrame({"method": ["a", "b"], "term": "x", "estimate": rng.normal(size=2)})

    study.replicate(draw, 30, 7, sys.argv[1], cores=int(sys.argv[2]), progressbar=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cores", ["1", "2"])
def test_a_killed_study_goes_on_with_the_same_results(tmp_path, cores):
    """SIGKILL in the middle, to the process and its workers."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(KILLED))
    folder = tmp_path / "study"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, script, folder, cores], env=environment, start_new_session=True)
    while len(list(folder.glob("replicate-*.parquet"))) < 8:
        time.sleep(0.02)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list(folder.glob("replicate-*.parquet")))
    assert 8 <= finished < 30
    assert json.loads((folder / "study.json").read_text()) == {"seed": 7, "settings": {}}
    resumed = run(folder, 30)
    pd.testing.assert_frame_equal(resumed.results, run(tmp_path / "whole", 30).results)
