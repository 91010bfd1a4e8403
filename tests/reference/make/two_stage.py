"""Take the numbers of `tests/reference/two_stage.json` out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/two_stage.py``. The full results (``../shared/reference``) were computed by R
from ``../shared/data/sim_two_stage.csv``; this keeps the regressions of the clusters and what mixmeta pools from them.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCE = ROOT.parent / "shared" / "reference" / "two_stage_e1_norm.json"
TARGET = ROOT / "tests" / "reference" / "two_stage.json"


def main() -> None:
    """Write the file."""
    full = json.loads(SOURCE.read_text())
    analysis = full["two_stage_meta_analysis"]
    clusters = analysis["stage1"]
    result = {
        "origin": {
            "data": full["simulation"],
            "models": analysis["note"],
            "software": full["packages"] | {"R": full["r_version"]},
            "made_by": "tests/reference/make/two_stage.py",
        },
        "df": [cluster["df"] for cluster in clusters],
        "coef": [list(cluster["coef"].values()) for cluster in clusters],
        "vcov": [cluster["vcov"] for cluster in clusters],
        "log_sigma2": [cluster["log_sigma2"] for cluster in clusters],
        "reml": pooled(analysis["reml"]),
        "moments": pooled(analysis["mm"]),
    }
    TARGET.write_text(json.dumps(result) + "\n")


def pooled(fit: dict) -> dict:
    """What one estimator pools."""
    return fit | {"beta": list(fit["beta"].values())}


if __name__ == "__main__":
    main()
