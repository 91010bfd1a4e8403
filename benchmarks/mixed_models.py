"""How often statsmodels' MixedLM stops short of the maximum of the likelihood: why analyses use a fit of our own.

Simulates two-level tables, fits ``y ~ x + (1 | g)`` and ``y ~ x + (1 + x | g)`` by REML with both, and counts the tables in
which MixedLM ends more than 0.1 log-likelihood units below ours, with what it says of its own convergence. Run it with
``.venv/bin/python benchmarks/mixed_models.py``; a minute.
"""

import time
import warnings

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM

from jmimpute.analysis.mixed import fit_mixed

TABLES = 60


def simulate(rng: np.random.Generator, mean: float) -> pd.DataFrame:
    """A table of 40 clusters of 5 to 30 rows with a random slope; the covariate has the given mean."""
    g = np.repeat(np.arange(40), rng.integers(5, 31, 40))
    x = mean + rng.normal(size=len(g))
    u = rng.normal(size=(40, 2)) * [1.0, 0.5]
    y = 1 + 0.5 * x + u[g, 0] + u[g, 1] * (x - mean) + 2 * rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "x": x, "y": y})


def compare(frame: pd.DataFrame, slope: bool) -> tuple[float, bool, float, float]:
    """Log-likelihood that MixedLM lacks, whether it claims to have converged, and CPU seconds of both."""
    design = np.column_stack([np.ones(len(frame)), frame["x"]])
    random = design if slope else design[:, :1]
    codes, y = frame["g"].to_numpy(), frame["y"].to_numpy()
    start = time.process_time()
    ours = fit_mixed(y, design, random, codes)
    middle = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MixedLM(y, design, codes, exog_re=random).fit()
    return ours.log_likelihood - theirs.llf, bool(theirs.converged), middle - start, time.process_time() - middle


def main() -> None:
    """Print one line a model and covariate."""
    rng = np.random.default_rng(1)
    titles = f"{'random part':>13} {'mean of x':>9} {'tables':>6} {'short':>6} {'of them converged=True':>22}"
    print(f"{titles} {'worst':>8} {'CPU ratio':>9}")
    for slope in (False, True):
        for mean in (0.0, 50.0):
            rows = [compare(simulate(rng, mean), slope) for _ in range(TABLES // 2)]
            gap, claimed, ours, theirs = (np.array(column) for column in zip(*rows, strict=True))
            short = gap > 0.1
            print(
                f"{'(1 + x | g)' if slope else '(1 | g)':>13} {mean:9.0f} {len(rows):6d} {short.sum():6d} "
                f"{(short & claimed).sum():22d} {gap.max():8.1f} {theirs.sum() / ours.sum():9.0f}"
            )


if __name__ == "__main__":
    main()
