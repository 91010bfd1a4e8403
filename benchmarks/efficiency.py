"""Effective draws per CPU second: jmimpute and jomo in alternation, on the same data, model and priors.

jomo: one chain from its own starting values, CPU time of the sampling call. The first `BURN_IN` iterations are left out of the
effective sample size and stay in the time, as warm-up does for us. With categorical responses it samples another posterior than
ours, since it draws latent normals inside (-3, 4) only: means differ by more than Monte Carlo error, most with rare categories;
with random covariances also because it imputes with the matrix of another cluster, and has another prior of a and A.
jmimpute: four chains one after another on one core, CPU time of everything from the specified model to labelled draws:
sufficient statistics, mode and curvature, warm-up, sampling, transformation to the original scale. Numba's caches are warm. The
convergence check that `fit` adds at the end has a column of its own.
Effective sample size: bulk, by ArviZ, over all free elements of beta, Omega_e and Omega_u, those of latent normals included.
"""

import re
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from arviz_stats import ess, mcse
from measuring import ROOT, data_file, have_jomo, run, show, verdict
from simulating import MIXED_FORMULA, simulate_mixed

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning
from jmimpute.sampling.elements import elements
from jmimpute.sampling.threads import Settings

BURN_IN = 1000
# Draws a chain: the default of `fit`, and a run as long as one makes to study a posterior.
DRAWS = {"default": Settings.draws, "long": 10_000}


@dataclass(frozen=True)
class Case:
    """A model that both programs fit, and what we want to reach: ratios of effective draws per CPU second.

    Attributes
    ----------
    data : str or callable
        File, or what simulates the table.
    formula : str
    cluster : str
    covariates : tuple of str
    continuous, categorical : tuple of str
        Responses; in the formula they have this order, as they have in jomo.
    iterations : int
        Of jomo.
    target_min, target_median : float
    runs : tuple of str
        Which of `DRAWS` we make.
    covariance : str
        "random" is the method of this name in jomo.
    """

    data: str | Callable[[], pd.DataFrame]
    formula: str
    cluster: str
    covariates: tuple[str, ...]
    continuous: tuple[str, ...]
    iterations: int
    target_min: float
    target_median: float
    categorical: tuple[str, ...] = ()
    runs: tuple[str, ...] = tuple(DRAWS)
    covariance: str = "common"

    @property
    def families(self) -> dict[str, str]:
        """Families to tell our side."""
        return dict.fromkeys(self.categorical, "nominal")


CASES = {
    "JSPmiss": Case(
        "JSPmiss.csv", "english + ravens ~ sex + (1 | school)", "school", ("sex",), ("english", "ravens"), 20_000, 80.0, 20.0
    ),
    "ExamScores": Case(
        "ExamScores.csv", "normexam + standlrt ~ 1 + (1 | school)", "school", (), ("normexam", "standlrt"), 12_000, 500.0, 60.0
    ),
    "JSPmiss with fluent": Case(
        "JSPmiss.csv", "english + ravens + fluent ~ sex + (1 | school)", "school", ("sex",), ("english", "ravens"),
        20_000, 200.0, 20.0, ("fluent",),
    ),
    "JSPmiss with fluent, random covariances": Case(
        "JSPmiss.csv", "english + ravens + fluent ~ sex + (1 | school)", "school", ("sex",), ("english", "ravens"),
        10_000, 20.0, 10.0, ("fluent",), covariance="random",
    ),
    "5 000 rows, 6 mixed responses": Case(
        lambda: simulate_mixed(5_000), MIXED_FORMULA, "cluster", ("x",), ("y1", "y2", "y3"),
        5_000, 1.0, 30.0, ("b1", "b2", "f"), ("default",),
    ),
}  # fmt: skip


def measure(rounds: int) -> dict:
    """Compare both programs on all cases.

    Parameters
    ----------
    rounds : int
        Alternations.

    Returns
    -------
    dict
        Rows of the printed tables, by case.
    """
    return {name: _measure_case(name, case, rounds) for name, case in CASES.items()}


def _measure_case(name: str, case: Case, rounds: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        path = _table(case, Path(folder))
        data = pd.read_csv(path)
        ours(case, data, 100, 0)  # fills caches
        rows = []
        for k in range(1, rounds + 1):
            theirs = jomo(case, path, k) if have_jomo() else None
            for label in case.runs:
                rows.append({"round": k, "draws": label, **_compare(ours(case, data, DRAWS[label], k), theirs)})
    for label in case.runs:
        own = [row for row in rows if row["draws"] == label]
        rows.append({"round": "median", "draws": label} | {key: median(row[key] for row in own) for key in list(own[0])[2:]})
    show(f"{name}: {case.formula}; effective draws per CPU second, minimum and median over elements", rows)
    if have_jomo():
        for row in rows[-len(case.runs) :]:
            verdict(f"median ratio, {row['draws']} run", row["ratio med"], case.target_median)
            verdict(f"minimum ratio, {row['draws']} run", row["ratio min"], case.target_min)
        print()
    return rows


def _table(case: Case, folder: Path) -> Path:
    """Find the table, or write it."""
    if isinstance(case.data, str):
        return data_file(case.data)
    path = folder / "simulated.csv"
    case.data().to_csv(path, index=False)
    return path


def ours(case: Case, data: pd.DataFrame, draws: int, seed: int) -> tuple[list[np.ndarray], float, float]:
    """Sample with jmimpute.

    Returns
    -------
    draws : list of ndarray, shape (chains, draws)
        One a free element.
    cpu : float
        Seconds without the convergence check.
    cpu_fit : float
        Seconds of `fit`, another run of the same.
    """
    from jmimpute.sampling.sample import COMPILED, sample

    settings = Settings(draws, cores=1, progressbar=False)
    model = jm.JointModel(case.formula, data, families=case.families, covariance=case.covariance, priors=jm.priors.jomo())
    started = time.process_time()
    posterior = sample(model.specification, model.statistics, settings, COMPILED, seed, [])["posterior"]
    cpu = time.process_time() - started
    model = jm.JointModel(case.formula, data, families=case.families, covariance=case.covariance, priors=jm.priors.jomo())
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(draws, cores=1, random_seed=seed, progressbar=False)
    cpu_fit = time.process_time() - started
    return [values for _, values in elements(posterior, ("beta", "Omega_e", "Omega_u"))], cpu, cpu_fit


def jomo(case: Case, path: Path, seed: int) -> tuple[list[np.ndarray], float]:
    """Sample with jomo: draws of the free elements, shape (1, iterations) each, and the CPU seconds of its sampling call."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "chain.bin"
        script = ROOT / "benchmarks" / "jomo_chain.R"
        names = [",".join(names) or "-" for names in (case.continuous, case.categorical, case.covariates)]
        output = run(
            ["Rscript", script, path, out, str(seed), str(case.iterations), case.cluster, *names, case.covariance]
        ).output
        chain = np.fromfile(out).reshape(-1, 1, case.iterations)
    free = np.ptp(chain, axis=(1, 2)) > 1e-9  # variances and covariances of latents may be known
    return list(chain[free, :, BURN_IN:]), float(re.search(r"cpu_seconds (\S+)", output).group(1))


def _compare(ours: tuple, theirs: tuple | None) -> dict[str, float]:
    """One row of the table."""
    draws, cpu, cpu_fit = ours
    rates = np.array([ess(values) for values in draws]) / cpu
    row = {"CPU s": cpu, "CPU s with check": cpu_fit, "min": float(rates.min()), "med": float(np.median(rates))}
    if theirs is None:
        return row
    their_rates = np.array([ess(values) for values in theirs[0]]) / theirs[1]
    lowest, middle = float(their_rates.min()), float(np.median(their_rates))
    return row | {
        "jomo CPU s": theirs[1],
        "jomo min": lowest,
        "jomo med": middle,
        "ratio min": row["min"] / lowest,
        "ratio med": row["med"] / middle,
        "largest |z| of means": _disagreement(draws, theirs[0]),
    }


def _disagreement(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Largest difference of means in units of its Monte Carlo error: a check that both sample the same posterior."""
    return max(abs(a.mean() - b.mean()) / np.hypot(mcse(a), mcse(b)) for a, b in zip(ours, theirs, strict=True))
