"""Whether residual variances differ between clusters by more than chance, whatever the kurtosis of the residuals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.specification.design import design
from jmimpute.specification.formula import Formula
from jmimpute.table.clusters import Clusters

#: What counts: the p value, the standard deviation between clusters of the log residual SD, clusters, and degrees of freedom
#: of the residuals of a cluster.
P_VALUE, SPREAD, CLUSTERS, DF = 0.001, 0.2, 10, 5


@dataclass(frozen=True)
class Spread:
    """How residual standard deviations differ between clusters.

    Attributes
    ----------
    sd : float
        Standard deviation between clusters of the log residual standard deviation; 0.2 are about 20 %.
    p_value : float
        Of the hypothesis that it is 0.
    clusters : int
        With enough rows to say something.
    """

    sd: float
    p_value: float
    clusters: int

    @property
    def is_large(self) -> bool:
        """Whether a model with one covariance matrix for all clusters is far from the data."""
        return self.p_value < P_VALUE and self.sd > SPREAD


def spread(response: str, formula: Formula, frame: pd.DataFrame, clusters: Clusters) -> Spread | None:
    """Compare the residual variances of clusters.

    Parameters
    ----------
    response : str
        A column of numbers.
    formula : Formula
        Of a model of it.
    frame : pandas.DataFrame
    clusters : Clusters
        Of its rows.

    Returns
    -------
    Spread or None
        None if fewer than `CLUSTERS` clusters have `DF` degrees of freedom.

    Notes
    -----
    Residuals are those of least squares for all clusters, then of the random part in each. The variance of a log residual
    standard deviation with nu degrees of freedom is c / nu, with c = 1/2 for normal residuals and more for those with heavy
    tails; c is the mean of jackknife estimates (Miller 1968, Annals of Mathematical Statistics 39, 567-582), and at least 1/2.
    Cochran's Q tests whether standard deviations are equal, and the moment estimate of DerSimonian and Laird (1986) says how
    much they differ.
    """
    from scipy.stats import chi2

    present = frame[response].notna().to_numpy()
    own, codes = frame[present], clusters.codes[present]
    found = _log_sds(own[response].to_numpy(dtype=float), own, codes, formula)
    if len(found) < CLUSTERS:
        return None
    logs, df, jackknifed = found.T
    weights = df / max(0.5, np.mean(df * jackknifed))
    q = float(np.sum(weights * (logs - np.average(logs, weights=weights)) ** 2))
    excess = max(0.0, q - (len(logs) - 1)) / (weights.sum() - np.sum(weights**2) / weights.sum())
    return Spread(float(np.sqrt(excess)), float(chi2.sf(q, len(logs) - 1)), len(logs))


def _log_sds(y: np.ndarray, frame: pd.DataFrame, codes: np.ndarray, formula: Formula) -> np.ndarray:
    """Log residual SDs of clusters, their degrees of freedom and jackknife variances, shape (n_clusters, 3)."""
    x, z = design(formula.common, frame).matrix, design(formula.random or "1", frame).matrix
    y = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    clusters = np.split(np.argsort(codes, kind="stable"), np.flatnonzero(np.diff(np.sort(codes))) + 1)
    found = [_log_sd(y[rows], z[rows]) for rows in clusters]
    return np.array([one for one in found if one is not None]).reshape(-1, 3)


def _log_sd(y: np.ndarray, z: np.ndarray) -> tuple[float, float, float] | None:
    """The same of one cluster; None if it has too few degrees of freedom, or no residual variance."""
    left, singular, _ = np.linalg.svd(z, full_matrices=False)
    basis = left[:, singular > 1e-10 * singular.max()]
    n, df = len(y), len(y) - basis.shape[1]
    residuals = y - basis @ (basis.T @ y)
    total = residuals @ residuals
    leverage = np.sum(basis**2, axis=1)
    if df < DF or not total > 0:
        return None
    # The sum of squares without row i; a row that alone determines a coefficient takes nothing away.
    without = total - np.divide(residuals**2, 1 - leverage, out=np.zeros(n), where=leverage < 1 - 1e-10)
    if without.min() <= 1e-10 * total:
        return None
    logs = np.log(without / (df - 1)) / 2
    return np.log(total / df) / 2, df, (n - 1) / n * np.sum((logs - logs.mean()) ** 2)
