"""Correlations between variables, in all and split into within and between clusters."""

from itertools import combinations

import numpy as np
import pandas as pd

from jmimpute.inspection.variables import scores
from jmimpute.table.clusters import Clusters

# Mean squares below this share of a variable's own are rounding error.
NOTHING = 1e-10


def find_correlations(frame: pd.DataFrame, clusters: Clusters | None) -> pd.DataFrame:
    """Compute what `Inspection.correlations` documents."""
    names = [name for name in frame.columns if clusters is None or name != clusters.name]
    values = {name: read for name in names if (read := scores(frame[name])) is not None and not np.isinf(read).any()}
    x = _standardised(values, len(frame))
    total, within, between, n_pairs = _split(x, None if clusters is None else clusters.codes)
    pairs = list(combinations(range(len(values)), 2))
    rows, columns = [first for first, _ in pairs], [second for _, second in pairs]
    labels = np.array(list(values), dtype=object)
    return pd.DataFrame(
        {
            "variable_1": labels[rows],
            "variable_2": labels[columns],
            "total": total[rows, columns],
            "within": within[rows, columns],
            "between": between[rows, columns],
            "n_pairs": n_pairs[rows, columns],
        }
    )


def _standardised(values: dict[str, np.ndarray], n_rows: int) -> np.ndarray:
    """Put variables side by side, centred and scaled so that sums of squares do not lose digits."""
    x = np.empty((n_rows, len(values)))
    for k, column in enumerate(values.values()):
        seen = column[~np.isnan(column)]
        centre, scale = (seen.mean(), seen.std()) if len(seen) else (0.0, 0.0)
        # A constant column's standard deviation can be rounding error of its mean.
        x[:, k] = (column - centre) / (scale if scale > 1e-12 * abs(centre) else np.inf)
    return x


def _split(x: np.ndarray, codes: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Correlate all pairs of columns over the rows where both are observed (total, within, between), and count these rows."""
    n, products, squares = _deviations(x, np.zeros(len(x), dtype=np.int64))
    total = _correlation(products, squares, n)
    if codes is None:
        nothing = np.full_like(total, np.nan)
        return total, nothing, nothing, n.astype(int)
    _, products_within, squares_within = _deviations(x, codes)
    within = _correlation(products_within, squares_within, n)
    between = _correlation(products - products_within, squares - squares_within, n)
    return total, within, between, n.astype(int)


def _deviations(x: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count rows and add up products, and squares, of deviations from the means of groups.

    Entry (a, b) is over the rows where variables a and b are observed: squares of a's deviations, from its means over these.
    """
    order = np.argsort(codes, kind="stable")
    n, products, squares = np.zeros((3, x.shape[1], x.shape[1]))
    for group in np.split(x[order], np.flatnonzero(np.diff(codes[order])) + 1):
        seen = (~np.isnan(group)).astype(float)
        filled = np.nan_to_num(group)
        pairs = seen.T @ seen
        sums = filled.T @ seen
        rows = np.maximum(pairs, 1)
        n += pairs
        products += filled.T @ filled - sums * sums.T / rows
        squares += (filled**2).T @ seen - sums**2 / rows
    return n, products, squares


def _correlation(products: np.ndarray, squares: np.ndarray, n: np.ndarray) -> np.ndarray:
    varies = np.minimum(squares, squares.T) > NOTHING * n
    r = np.divide(products, np.sqrt(np.where(varies, squares * squares.T, 1)), out=np.full_like(n, np.nan), where=varies)
    return np.clip(r, -1, 1)
