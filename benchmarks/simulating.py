"""Tables drawn from the model, with cells missing completely at random."""

import numpy as np
import pandas as pd

CLUSTERS = 100
MISSING = 0.2
MIXED_FORMULA = "y1 + y2 + y3 + b1 + b2 + f ~ x + (1 | cluster)"


def simulate(n_rows: int, n_responses: int, n_clusters: int = CLUSTERS) -> tuple[str, pd.DataFrame]:
    """Continuous responses.

    Parameters
    ----------
    n_rows, n_responses, n_clusters : int

    Returns
    -------
    formula : str
    data : pandas.DataFrame
        Columns `y1`, `y2`, ..., `x` and `cluster`.
    """
    data = _normals(n_rows, n_responses, n_clusters)
    responses = [f"y{k + 1}" for k in range(n_responses)]
    table = data[responses].mask(data[[f"missing{k + 1}" for k in range(n_responses)]].to_numpy())
    return f"{' + '.join(responses)} ~ x + (1 | cluster)", table.assign(x=data["x"], cluster=data["cluster"])


def simulate_mixed(n_rows: int) -> pd.DataFrame:
    """Three continuous, two binary and a nominal response, whose first category of four has some 3 % of the rows.

    Parameters
    ----------
    n_rows : int

    Returns
    -------
    pandas.DataFrame
        The columns of `MIXED_FORMULA`; categories are numbers from 0.
    """
    data = _normals(n_rows, 8)
    y = data[[f"y{k + 1}" for k in range(8)]].to_numpy()
    latents = y[:, 5:] + [-1.9, -0.2, -0.2]
    best = latents.argmax(axis=1)
    table = pd.DataFrame(y[:, :3], columns=["y1", "y2", "y3"])
    table["b1"], table["b2"] = (y[:, 3] > 0).astype(float), (y[:, 4] > 0.5).astype(float)
    table["f"] = np.where(latents[np.arange(n_rows), best] > 0, best, 3).astype(float)
    table = table.mask(data[[f"missing{k + 1}" for k in range(6)]].to_numpy())
    return table.assign(x=data["x"], cluster=data["cluster"])


def simulate_binary(n_rows: int, n_responses: int) -> tuple[str, pd.DataFrame]:
    """Binary responses; see `simulate`.

    Parameters
    ----------
    n_rows, n_responses : int
    """
    formula, table = simulate(n_rows, n_responses)
    responses = [f"y{k + 1}" for k in range(n_responses)]
    return formula, table.assign(**(table[responses] > 0).astype(float).where(table[responses].notna()))


def _normals(n_rows: int, n_responses: int, n_clusters: int = CLUSTERS) -> pd.DataFrame:
    """Complete normal responses `y1`, ..., `x`, `cluster`, and which cells will be missing: `missing1`, ..."""
    rng = np.random.default_rng(1)
    cluster = np.arange(n_rows) % n_clusters
    x = rng.standard_normal(n_rows)
    correlated = np.linalg.cholesky(0.3 + 0.7 * np.eye(n_responses)).T
    effects = 0.5 * rng.standard_normal((n_clusters, n_responses)) @ correlated
    y = rng.standard_normal((n_rows, n_responses)) @ correlated + effects[cluster] + 0.5 * x[:, None]
    table = pd.DataFrame(y, columns=[f"y{k + 1}" for k in range(n_responses)]).assign(x=x, cluster=cluster)
    missing = rng.random(y.shape) < MISSING
    return table.assign(**{f"missing{k + 1}": missing[:, k] for k in range(n_responses)})
