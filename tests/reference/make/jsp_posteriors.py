"""Take the posteriors of `tests/reference/jsp_a*.json` out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/jsp_posteriors.py``. The full results (``../shared/reference``) are chains of
the R package jomo, summarised by coda; this keeps means, standard deviations and their Monte Carlo errors, under our names.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCE = ROOT.parent / "shared" / "reference"
TARGET = ROOT / "tests" / "reference"
MODELS = (
    "jsp_a1_single_level",
    "jsp_a2_two_level_common",
    "jsp_a3_two_level_slope",
    "jsp_a4_two_level_mixed_corrected",
    "jsp_a4_two_level_mixed_as_shipped",
)

NAMES = {"beta": "beta", "omega_e": "Omega_e", "omega_u": "Omega_u"}
STARTS = (
    "Both chains can be had again, to the last digit of their means, with the stated seeds and jomo's default starting values, "
    "although the even one is recorded as started elsewhere."
)
KNOWN_PROBLEMS = {
    "jsp_a4_two_level_mixed_corrected": "Made by a private build of jomo 2.7-4 without its box for latents, and with the "
    "Hastings correction that it lacks. Omega_e has a flat prior on its free elements.",
    "jsp_a4_two_level_mixed_as_shipped": "jomo 2.7-4 draws latents of observed categories inside (-3, 4) only, which is no "
    "part of the model. Omega_e has a flat prior on its free elements.",
    "jsp_a3_two_level_slope": "The chains mix slowly in the covariances of the slopes (effective sample sizes from 460). Made "
    "again, they give larger Monte Carlo errors of the means than the recorded ones, by ArviZ and by batch means: up to 1.8 "
    "times for Omega_u. Names of Omega_u follow jomo's order of storage, not its own dimnames, which are wrong with more than "
    "one Z column.",
}


def main() -> None:
    """Write the files."""
    for name in MODELS:
        full = json.loads((SOURCE / f"{name}.json").read_text())
        result = {
            "origin": origin(full) | {"known_problems": " ".join([STARTS, KNOWN_PROBLEMS.get(name, "")]).strip()},
            "formula": full["formula"].replace("(1+sex|school)", "(1 + sex | school)").replace("(1|school)", "(1 | school)"),
            "posterior": {label(row["parameter"]): numbers(row) for row in full["posterior"]},
        }
        (TARGET / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def origin(full: dict) -> dict:
    """Say what the numbers were computed from, and by what."""
    return {
        "data": "JSPmiss of R package jomo",
        "software": {full["package"]: full["package_version"], "R": full["r_version"]},
        "call": full["r_call"],
        "seeds": full["seeds"],
        "iterations_per_chain": full["iterations_per_chain"],
        "burn_in_discarded": full["burn_in_discarded"],
        "max_rhat": full["convergence"]["max_rhat"],
        "prior": "flat coefficients; inverse-Wishart with scale I: Omega_e with -1 df, Omega_u with its dimension as df",
        "definitions": "mcse, ess: time-series standard error and effective sample size of coda. mcse_sd: sd / sqrt(2 ess), "
        "the Monte Carlo error of the sd of a normal variable; with kurtosis k it is sqrt((k - 1) / 2) times as large.",
        "made_by": "tests/reference/make/jsp_posteriors.py",
    }


def label(parameter: str) -> str:
    """Rename a parameter: ``omega_u[ravens*cons,english*sex]`` is our ``Omega_u[ravens|Intercept, english|sex]``."""
    name, inner = re.fullmatch(r"(\w+)\[(.*)\]", parameter).groups()
    renamed = inner.replace("*", "|").replace("cons", "Intercept").replace(",", ", ")
    return f"{NAMES[name]}[{renamed}]"


def numbers(row: dict) -> dict:
    """Mean, standard deviation and their Monte Carlo errors."""
    return {key: row[key] for key in ("mean", "sd", "mcse", "ess")} | {"mcse_sd": row["sd"] / (2.0 * row["ess"]) ** 0.5}


if __name__ == "__main__":
    main()
