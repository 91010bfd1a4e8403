"""Take the numbers of `tests/reference/jsp_pooling.json` out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/jsp_pooling.py``. The full results (``../shared/reference``) were
computed by R from five completed data sets; this keeps the fits of the larger models, the likelihoods of all, and what mitml
and mice pool from them: estimates, tests of nested models, constraints and multilevel R2.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCE = ROOT.parent / "shared" / "reference" / "jsp_c1_pooling_m5.json"
TARGET = ROOT / "tests" / "reference" / "jsp_pooling.json"

#: Models whose estimates and covariances are kept.
FULL = ("lm1", "me1", "ml1", "gl1")


def main() -> None:
    """Write the file."""
    full = json.loads(SOURCE.read_text())
    result = {
        "origin": origin(full),
        "models": {name: model(full, name) for name in FULL},
        "log_likelihoods": {name: [fit["logLik"] for fit in fits.values()] for name, fits in full["per_imputation"].items()},
        "tests": full["tests_mitml"],
        "constraints": full["constraints_mitml"],
        "multilevel_r2": {name: values["pooled"] for name, values in full["multilevelR2"].items()},
    }
    TARGET.write_text(json.dumps(result, indent=1) + "\n")


def origin(full: dict) -> dict:
    """Say what the numbers were computed from, and by what."""
    return {
        "data": "JSPmiss of R package mitml, five completed data sets by " + full["imputation_call"],
        "software": full["packages"] | {"R": full["r_version"]},
        "seed": full["seed"],
        "definitions": full["definitions"],
        "made_by": "tests/reference/make/jsp_pooling.py",
    }


def model(full: dict, name: str) -> dict:
    """Fits and pooled results of one model."""
    fits = list(full["per_imputation"][name].values())
    pooled = full["pooled_mitml"]
    result = {
        "call": full["models"][name],
        "terms": list(fits[0]["coef"]),
        "coef": [list(fit["coef"].values()) for fit in fits],
        "vcov": [fit["vcov"]["values"] for fit in fits],
        "variances": [[row["vcov"] for row in fit.get("variance_components", [])] for fit in fits],
        "mitml": {key: pooled[key] for key in pooled if key.split("_df.com")[0] == name},
    }
    if name in full["confint_95_mitml"]:
        result |= {"mitml_confint_95": full["confint_95_mitml"][name], "mice": full["pooled_mice"][name]}
    return result


if __name__ == "__main__":
    main()
