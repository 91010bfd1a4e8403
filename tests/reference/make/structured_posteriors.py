"""Take posteriors with cluster-specific covariances, and with a level-2 response, out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/structured_posteriors.py``. See `jsp_posteriors.py`, whose names are used. Of
the matrices of single schools only averages over schools have Monte Carlo errors in the full results.
"""

import json

from jsp_posteriors import SOURCE, TARGET, label, numbers

DEFINITIONS = (
    "mcse, ess: time-series standard error and effective sample size of coda. mcse_sd: sd / sqrt(2 ess), the Monte Carlo error "
    "of the sd of a normal variable; with kurtosis k it is sqrt((k - 1) / 2) times as large."
)
JSP = {
    "fixed": "flat coefficients; inverse-Wishart with scale I: Omega_e of each school with 0 df, Omega_u with 2 df",
    "random": "flat coefficients; Omega_u inverse-Wishart with scale I and 2 df; Omega_e of a school inverse-Wishart with a df "
    "and scale A; A Wishart with 3 df and scale I, a chi-square with 2 df, at least 2",
}
OWN_MATRIX = (
    "A private build of jomo 2.7-4 in which missing values are drawn with the matrix of their own school, not with that of the "
    "first school with the same pattern."
)
INTEGERS = " jomo truncates degrees of freedom to integers and draws A before a, given the old one."
MARGINAL = "jomo draws the coefficients of level-2 responses without regard to the random effects of level 1."


def main() -> None:
    """Write the files."""
    full = json.loads((SOURCE / "jsp_a5_hr_corrected.json").read_text())
    for method, prior in JSP.items():
        own = full["methods"][method]
        problem = OWN_MATRIX + (INTEGERS if method == "random" else "")
        origin = _origin(full, own, "JSPmiss", prior, problem)
        posterior = {_label(row["parameter"]): numbers(row) for row in own["posterior"]}
        _write(f"jsp_a5_hr_{method}", origin, "english + ravens ~ sex + (1 | school)", posterior)
    full = json.loads((SOURCE / "examscores_b_level2.json").read_text())
    prior = "flat coefficients; inverse-Wishart with scale I: Omega_e with -1 df, Omega_u with 3 df"
    origin = _origin(full, full, "ExamScores", prior, MARGINAL)
    posterior = {_exam_label(row["parameter"]): numbers(row) for row in full["posterior"]}
    _write("examscores_b_level2", origin, "normexam + standlrt ~ girl + (1 | school)", posterior)


def _origin(full: dict, run: dict, data: str, prior: str, problem: str) -> dict:
    return {
        "data": f"{data} of R package jomo",
        "software": {full["package"]: full["package_version"], "R": full["r_version"]},
        "call": run["r_call"],
        "seeds": full["seeds"],
        "iterations_per_chain": full["iterations_per_chain"],
        "burn_in_discarded": full["burn_in_discarded"],
        "max_rhat": run["convergence"]["max_rhat"],
        "prior": prior,
        "definitions": DEFINITIONS,
        "made_by": "tests/reference/make/structured_posteriors.py",
        "known_problems": problem,
    }


def _write(name: str, origin: dict, formula: str, posterior: dict) -> None:
    content = {"origin": origin, "formula": formula, "posterior": posterior}
    (TARGET / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _label(parameter: str) -> str:
    """``mean_j log omega_e[english,english]`` stays as it is, an average over schools."""
    return parameter if parameter.startswith("mean_j") else label(parameter)


def _exam_label(parameter: str) -> str:
    """Coefficients of avslrt are those of a level-2 response."""
    return label(parameter).replace("beta[avslrt", "beta_level2[avslrt")


if __name__ == "__main__":
    main()
