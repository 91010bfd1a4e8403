"""What work took: of this process and of others, kept with imputations, and no part of what they are."""

import subprocess
import sys
import time

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.stopwatch import Stopwatch, added
from tests.chained.tables import table

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def test_sleep_is_wall_time_only():
    watch = Stopwatch()
    time.sleep(0.2)
    seconds = watch.seconds()
    assert seconds["wall"] >= 0.2 and seconds["cpu"] < 0.1


@pytest.mark.parametrize("processes", [True, False])
def test_other_processes_count_where_asked_for(processes):
    watch = Stopwatch(processes)
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert (watch.seconds()["cpu"] > 0.2) == processes


def test_of_a_whole_nothing_is_known_without_all_parts():
    assert added({"wall": 1.0, "cpu": 2.0}, {"wall": 0.5, "cpu": 0.25}) == {"wall": 1.5, "cpu": 2.25}
    assert added({"wall": 1.0, "cpu": 2.0}, {}) == added({}, None) == added() == {}


def slow(target, rng):
    """A method that takes a tenth of a CPU second."""
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    return rng.normal(size=int(target.missing.sum()))


def test_chained_equations_keep_time(tmp_path):
    settings = {"m": 3, "random_seed": 1, "progressbar": False}
    imputed = jm.chained(table()[["x1", "y"]], {"x1": slow}, **settings)
    seconds = imputed.provenance["seconds"]
    assert seconds["wall"] >= 0.3 and seconds["cpu"] >= 0.3, "three streams of one sweep"
    imputed.save(tmp_path)
    assert jm.load(tmp_path).provenance["seconds"] == seconds
    again = jm.chained(table()[["x1", "y"]], {"x1": slow}, **settings)
    assert np.array_equal(imputed.values("x1"), again.values("x1"))


@pytest.mark.sampling
def test_streams_in_other_processes_count_too():
    """Their time is known to them alone; the processes go on to live."""
    imputed = jm.chained(table()[["x1", "y"]], {"x1": slow}, m=10, cores=2, random_seed=1, progressbar=False)
    assert imputed.provenance["seconds"]["cpu"] >= 1.0


@pytest.mark.sampling
def test_imputations_of_a_joint_model_count_its_fit(tmp_path):
    pupils = jm.datasets.load("pupils").iloc[:300]
    watch = Stopwatch()
    fit = jm.JointModel("reading ~ age + (1 | school)", pupils).fit(500, 500, random_seed=1, progressbar=False)
    imputations = fit.impute(5, progressbar=False)
    outside, seconds = watch.seconds(), imputations.provenance["seconds"]
    for kind in ("wall", "cpu"):
        assert 0 < fit.seconds[kind] <= seconds[kind] <= outside[kind]
    fit.save(tmp_path)
    loaded = jm.load_fit(tmp_path)
    assert loaded.seconds == fit.seconds
    more = loaded.impute(6, progressbar=False)
    assert more.provenance["seconds"]["wall"] > fit.seconds["wall"]
    assert np.array_equal(more.values("reading")[:5], imputations.values("reading"))
