"""Make `tests/reference/selection_block.json`: a meta-analysis with several maxima of its restricted likelihood.

Run from anywhere: ``python tests/reference/make/selection_block.py``. The selection equations of regions are estimated by
jmimpute from ``../shared/data/hiv_heckman.csv``; what mixmeta pools from those of R is in ``../shared/reference``. In region 9,
where the likelihood rises to rho = -1, the estimate is R's, which stopped near it, with rho as known.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from jmimpute.chained.heckman_clusters import fit_clusters
from jmimpute.chained.heckman_likelihood import heckman_rows, hessian
from jmimpute.chained.target import Target

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
OUTCOME = ["age10", "education", "condom", "smoke", "evertested", "currently_married", "formerly_married"]
#: Theirs has the interviewer second, ours last.
ORDER = [0, *range(2, 9), 1]


def main() -> None:
    """Write the file."""
    full = json.loads((SHARED / "reference" / "heckman_e2_hiv_micemd.json").read_text())
    theirs = full["stage2_reml"]["sel"]
    block = fit_clusters(target := hiv(), target.x, target.selection, binary=True).blocks["gamma"]
    estimates, covariances = block.estimates.copy(), block.covariances.copy()
    estimates[8], covariances[8] = last_region(target, np.array(full["stage1"][8]["coef"]))
    rows, columns = np.tril_indices(len(ORDER))
    result = {
        "origin": {
            "data": "hiv_heckman.csv",
            "models": "The selection equation of Heckman's model of hiv in each of nine regions. Pooled: mixmeta, REML.",
            "software": full["packages"] | {"R": full["r_version"]},
            "made_by": "tests/reference/make/selection_block.py",
        },
        "estimates": np.round(estimates, 10).tolist(),
        "lower_triangles": [[float(f"{value:.10g}") for value in each] for each in covariances[:, rows, columns]],
        "beta": np.array(theirs["coef"])[ORDER].tolist(),
        "se": np.array(theirs["se"])[ORDER].tolist(),
        "Psi": np.array(theirs["Psi"])[np.ix_(ORDER, ORDER)].tolist(),
    }
    (ROOT / "tests" / "reference" / "selection_block.json").write_text(json.dumps(result) + "\n")


def last_region(target: Target, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of selection in region 9 and their covariance, at R's estimate: selection, outcome, atanh rho."""
    rows = target.rows[8]
    ours = np.concatenate([theirs[9:17], theirs[ORDER], theirs[17:]])
    data = heckman_rows(target.y[rows], target.observed[rows], target.x[rows], target.selection[rows], binary=True)
    return ours[8:17], np.linalg.inv(-hessian(ours, data)[:-1, :-1])[8:, 8:]


def hiv() -> Target:
    """HIV status by region, missing where a person did not consent."""
    data = pd.read_csv(SHARED / "data" / "hiv_heckman.csv")
    x = np.column_stack([np.ones(len(data)), data[OUTCOME]])
    return Target(
        name="hiv",
        y=data["hiv"].to_numpy(),
        observed=data["hivconsent"].to_numpy() == 1,
        x=x,
        columns=("Intercept", *OUTCOME),
        random=np.arange(x.shape[1]),
        codes=data["region"].to_numpy() - 1,
        labels=sorted(data["region"].unique()),
        means=np.empty((data["region"].nunique(), 0)),
        selection=np.column_stack([x, data["interviewer_rate"]]),
        n_categories=2,
    )


if __name__ == "__main__":
    main()
