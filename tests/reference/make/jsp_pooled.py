"""Take the numbers of `tests/reference/jsp_c2_pooled_m100_corrected.json` out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/jsp_pooled.py``. The full results (``../shared/reference``) are 100 imputations
of JSPmiss by jomo without its box for latents, analysed by lme4 and pooled by mitml.
"""

import json

from jsp_posteriors import SOURCE, TARGET

NAME = "jsp_c2_pooled_m100_corrected.json"
TERMS = {"(Intercept)": "Intercept", "fluent1": "fluent[1]", "fluent2": "fluent[2]"}


def main() -> None:
    """Write the file."""
    full = json.loads((SOURCE / NAME).read_text())
    keys = ("model", "packages", "r_version", "seed", "imputation_call", "known_problem", "m")
    rows = full["pooled"]["reml"]["estimates"]
    result = {
        "origin": {key: full[key] for key in keys} | {"made_by": "tests/reference/make/jsp_pooled.py"},
        "pooled": {TERMS.get(row["parameter"], row["parameter"]): numbers(row) for row in rows},
        "summaries": {row["summary"]: (row["mean"], row["sd_between_imputations"]) for row in full["completed_data_summaries"]},
    }
    (TARGET / NAME).write_text(json.dumps(result, indent=1) + "\n")


def numbers(row: dict) -> dict:
    """Estimate, its variances and what is missing of its information."""
    names = {
        "Estimate": "estimate",
        "Std.Error": "se",
        "within_variance": "within",
        "between_variance": "between",
        "FMI": "fmi",
    }
    return {ours: row[theirs] for theirs, ours in names.items()}


if __name__ == "__main__":
    main()
