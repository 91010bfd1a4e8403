"""An outcome missing not at random in clusters: the simulation study of Munoz et al. (2023), with the joint Heckman model.

Generator, analysis model and measures are those of the paper (arXiv 2301.05043); its published rows stand beside ours where
``../shared/reference/munoz2023_simulation.json`` is there. Methods: complete cases; the joint model as if values were missing
at random (``mar``), with the exclusion variable as predictor too (``mar+x3``, which is what the paper's 2l.MAR has); the joint
model with a selection equation (``heckman``); two-stage Heckman in chained equations (``two-stage``); and always the table
before deletion. Intervals are Rubin's with large-sample degrees of freedom, or Wald's where there is one table.

    .venv/bin/python benchmarks/munoz2023.py --rho 0.6 --replicates 50 --out out/munoz --cores 2

Replications are kept in the folder: a stopped study goes on where it was, and one with more replications begins with these.
Other methods or settings need another folder; the tables of a seed are the same for all methods.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import studies
from measuring import ROOT
from probit_mixed import fit_probit
from studies import Rows, Settings

import jmimpute as jm
from jmimpute.analysis.estimates import Estimates, RandomEffects

PUBLISHED = ROOT.parent / "shared" / "reference" / "munoz2023_simulation.json"
#: Which published method stands beside which of ours.
COUNTERPARTS = {"complete": "CC", "mar": "2l.MAR", "mar+x3": "2l.MAR", "heckman": "2l.Heckman", "two-stage": "2l.Heckman"}
TERMS = ("Intercept", "x1", "x2")
MEASURES = ("bias", "coverage", "empirical_se", "model_se")
CONTINUOUS = "y ~ x1 + x2 + (1 + x1 + x2 || cluster)"


def joint(
    data: pd.DataFrame, seed: int, settings: Settings, outcome: str = "x1 + x2", selection: str | None = None
) -> tuple[list[pd.DataFrame], Rows]:
    """The joint model; every covariate of an equation has a random slope."""
    formula = f"y ~ {outcome} + (1 + {outcome} | cluster)"
    missing = None
    if selection is not None:
        why = "made so by the generator"
        missing = {"y": jm.selection(f"~ {selection} + (1 + {selection} | cluster)", exclude=["x3"], rationale=why)}
    families = {"y": "binary"} if settings["scenario"] == "binary" else None
    return studies.joint_model(jm.JointModel(formula, data, families=families, missing=missing), seed, settings)


def two_stage(data: pd.DataFrame, seed: int, settings: Settings) -> tuple[list[pd.DataFrame], Rows]:
    binary = settings["scenario"] == "binary"
    made = jm.chained(
        data.astype({"y": "category"}) if binary else data,
        {"y": "two-stage-heckman"},
        {"y": "~ x1 + x2"},
        selection={"y": "~ x1 + x2 + x3"},
        cluster="cluster",
        m=settings["m"],
        random_seed=seed,
        progressbar=False,
    )
    return [table.astype({"y": float}) for table in made], []


METHODS: dict[str, studies.Method] = {
    "complete": studies.complete_cases,
    "mar": joint,
    "mar+x3": partial(joint, outcome="x1 + x2 + x3"),
    "heckman": partial(joint, selection="x1 + x2 + x3"),
    "two-stage": two_stage,
}


def probit(table: pd.DataFrame) -> Estimates:
    """The analysis of a binary outcome."""
    X = np.column_stack([np.ones(len(table)), table["x1"], table["x2"]]).astype(float)
    fit = fit_probit(table["y"].to_numpy(float), X, X, pd.factorize(table["cluster"])[0])
    problems = () if fit.converged else ("the search did not converge",)
    random = RandomEffects("cluster", TERMS, np.diag(fit.sd**2), uncorrelated=True)
    return Estimates(TERMS, fit.values, fit.covariance, n_rows=len(table), random=random, problems=problems)


def simulate(rng: np.random.Generator, settings: Settings) -> jm.study.Simulated:
    names = ("clusters", "size", "rho", "process")
    return jm.study.munoz(rng, outcome=settings["scenario"], **{name: settings[name] for name in names})


def replication(seed: np.random.SeedSequence, settings: Settings) -> pd.DataFrame:
    model = probit if settings["scenario"] == "binary" else CONTINUOUS
    return studies.replication(seed, settings, simulate, METHODS, model)


def published(settings: Settings) -> dict[str, dict[str, Any]]:
    """Published rows of the same setting by method, none if the file is not there."""
    if not PUBLISHED.exists():
        return {}
    wanted = {
        "outcome": settings["scenario"],
        "process": {"heckman": "heckman_normal"}.get(settings["process"], settings["process"]),
        "clusters": settings["clusters"],
        "cluster_size": settings["size"],
        "rho": settings["rho"],
    }
    rows = json.loads(PUBLISHED.read_text())["rows"]
    return {row["method"]: row for row in rows if all(row[name] == value for name, value in wanted.items())}


def measures_of(row: Mapping[str, Any], term: str) -> list[float] | None:
    """Published measures of a term, in the order of `MEASURES`."""
    if term in TERMS:
        k = TERMS.index(term)
        return [row["bias"][k], row["coverage_percent"][k] / 100, row["empirical_se"][k], row["mean_model_se"][k]]
    sds = dict(zip((f"sd({name}|cluster)" for name in TERMS), row["bias_sd_random_effects"], strict=True))
    bias = {**sds, "sd(residual)": row["bias_residual_sd"]}.get(term)
    return None if bias is None else [bias, np.nan, np.nan, np.nan]


def main() -> None:
    """Run what is not there yet, and print and write the measures of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", choices=["continuous", "binary"], default="continuous")
    parser.add_argument("--process", choices=["heckman", "skewed_t", "self_masking"], default="heckman")
    parser.add_argument("--rho", type=float, default=0.6)
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--size", type=int, default=1000)
    given = studies.arguments(parser, METHODS, ["complete", "mar", "heckman"])
    truth = jm.study.munoz(np.random.default_rng(1), 2, 1, outcome=given["scenario"]).truth
    if given["process"] == "heckman":
        truth["rho"] = given["rho"]
    table = studies.study(replication, given, truth)
    if table is None:
        return
    rows = published(given)
    ours = {name: rows[theirs] for name, theirs in COUNTERPARTS.items() if theirs in rows}
    titles = {name: f"{row['method']}, {row['data_sets']} data sets" for name, row in ours.items()}
    titles |= {name: f"{title}, {ours[name]['seconds']} s" for name, title in titles.items() if ours[name]["seconds"]}
    studies.show(table, MEASURES, lambda method, term: measures_of(ours[method], term), titles)


if __name__ == "__main__":
    main()
