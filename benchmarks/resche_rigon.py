"""Covariates missing systematically and sporadically: the simulation study of Resche-Rigon and White (2018).

Generator, analysis model and measures are those of the paper, with its published rows beside ours where
``../shared/reference/resche_rigon_tables.csv`` is there. Methods: complete cases; one- and two-stage chained equations (the
latter by REML or moments), with cluster means of the predictors (``+means``) or without; the joint model of both covariates and
the outcome with a common, cluster-specific or random covariance matrix, or given the outcome with a random slope of it; and
always the table before deletion. m = 5 and 10 sweeps, as there; large-sample df, since the paper does not say which it took.

    .venv/bin/python benchmarks/resche_rigon.py --table 1 --replicates 300 --methods two-stage-mm joint-random --out out/table1

What is known of the published rows: those of table 9 go with 30 % systematically missing values (``--systematic 0.3``), not
with the 44 % that are stated, and no reading of table 4 gives its rows (``--spread sd`` is the other one).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import studies
from measuring import ROOT
from studies import Rows, Settings

import jmimpute as jm

PUBLISHED = ROOT.parent / "shared" / "reference" / "resche_rigon_tables.csv"
MODEL = "y ~ x1 + x2 + (1 + x1 + x2 | cluster)"
EVERYTHING = "x1 + x2 + y ~ 1 + (1 | cluster)"
MEASURES = ("mean", "model_se", "empirical_se", "coverage")
COUNTERPARTS = {
    "before deletion": ("none", "no_missing"),
    "complete": ("none", "complete_case"),
    **{
        f"{name.replace('_', '-')}{suffix}": (means, name)
        for name in ("one_stage", "two_stage_reml", "two_stage_mm")
        for suffix, means in (("", "excluded"), ("+means", "included"))
    },
}
#: Published parameters by ours.
PARAMETERS = {"x1": "beta1", "x2": "beta2", "sd(x1|cluster)": "sqrt_psi_b11", "sd(x2|cluster)": "sqrt_psi_b22"}


def chained(
    data: pd.DataFrame, seed: int, settings: Settings, method: Any, means: bool = False
) -> tuple[list[pd.DataFrame], Rows]:
    made = jm.chained(
        data,
        {"x1": method, "x2": method},
        {"x1": "~ x2 + y + (1 + x2 + y | cluster)", "x2": "~ x1 + y + (1 + x1 + y | cluster)"},
        cluster="cluster",
        m=settings["m"],
        iterations=settings["sweeps"],
        cluster_means=means,
        random_seed=seed,
        progressbar=False,
    )
    return list(made), []


def joint(
    data: pd.DataFrame,
    seed: int,
    settings: Settings,
    covariance: str = "common",
    formula: str = EVERYTHING,
) -> tuple[list[pd.DataFrame], Rows]:
    return studies.joint_model(jm.JointModel(formula, data, covariance=covariance), seed, settings)


def both(name: str, method: Any) -> dict[str, studies.Method]:
    """A chained method without and with cluster means."""
    return {name: partial(chained, method=method), f"{name}+means": partial(chained, method=method, means=True)}


METHODS: dict[str, studies.Method] = {
    "complete": studies.complete_cases,
    **both("one-stage", "one-stage"),
    **both("two-stage-reml", jm.methods.TwoStage(estimator="reml")),
    **both("two-stage-mm", jm.methods.TwoStage(estimator="moments")),
    "joint-common": joint,
    "joint-cluster": partial(joint, covariance="cluster-specific"),
    "joint-random": partial(joint, covariance="random"),
    "joint-slope": partial(joint, formula="x1 + x2 ~ y + (1 + y | cluster)"),
}


def simulate(rng: np.random.Generator, settings: Settings) -> jm.study.Simulated:
    return jm.study.resche_rigon(rng, settings["table"], settings["spread"], settings["systematic"])


def replication(seed: np.random.SeedSequence, settings: Settings) -> pd.DataFrame:
    return studies.replication(seed, settings, simulate, METHODS, MODEL)


def published(table: int) -> dict[tuple[str, str], dict[str, float]]:
    """Published measures by (cluster means, method), each by ``parameter measure``; none if the file is not there."""
    if not PUBLISHED.exists():
        return {}
    rows = pd.read_csv(PUBLISHED, keep_default_na=False, dtype={"value": float})
    rows = rows[rows["table"] == table]
    return {
        key: dict(zip(part["parameter"] + " " + part["measure"], part["value"], strict=True))
        for key, part in rows.groupby(["cluster_means", "method"])
    }


def measures_of(row: dict[str, float], term: str) -> list[float] | None:
    """Published measures of a term, in the order of `MEASURES`."""
    if term not in PARAMETERS:
        return None
    return [row.get(f"{PARAMETERS[term]} {name}", np.nan) for name in ("est_mean", "model_se", "emp_se", "cover")]


def main() -> None:
    """Run what is not there yet, and print and write the measures of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=int, choices=[1, 2, 3, 4, 8, 9], default=1)
    parser.add_argument("--spread", choices=["log-variance", "sd"], default="log-variance", help="of table 4")
    parser.add_argument("--systematic", type=float, help="probability that a cluster has no value of a covariate")
    parser.add_argument("--sweeps", type=int, default=10)
    given = studies.arguments(parser, METHODS, list(METHODS), m=5)
    truth = jm.study.resche_rigon(np.random.default_rng(1), given["table"]).truth
    table = studies.study(replication, given, truth)
    if table is None:
        return
    rows = published(given["table"])
    ours = {name: rows[theirs] for name, theirs in COUNTERPARTS.items() if theirs in rows}
    titles = dict.fromkeys(ours, "1000 data sets")
    seconds = {name: row[" run_time_seconds"] for name, row in ours.items() if " run_time_seconds" in row}
    titles |= {name: f"{titles[name]}, {each:g} s" for name, each in seconds.items()}
    studies.show(table, MEASURES, lambda method, term: measures_of(ours[method], term), titles)


if __name__ == "__main__":
    main()
