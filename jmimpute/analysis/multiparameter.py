"""Multi-parameter tests over m imputations, from estimates or from statistics: D1, D2, D3 and D4, as numbers.

Each gives an F statistic with its degrees of freedom and the average relative increase in variance (ARIV) due to missing
values. They equal those of R's mitml (Grund, Robitzsch and Luedtke 2023), but where a docstring says otherwise.
"""

from dataclasses import dataclass

import numpy as np

from jmimpute.errors import AnalysisError


@dataclass(frozen=True)
class FTest:
    """An F test.

    Attributes
    ----------
    statistic : float
        F.
    df1, df2 : float
        Degrees of freedom of its numerator and its denominator.
    riv : float
        Average relative increase in variance.
    """

    statistic: float
    df1: float
    df2: float
    riv: float

    @property
    def p_value(self) -> float:
        """Probability of a larger F where the null hypothesis holds; 1 for a negative one."""
        from scipy.stats import chi2, f

        # SciPy has no F distribution beyond about 1e15 degrees of freedom, where it is a chi-square by any measure.
        if self.df2 > 1e10:
            return float(chi2.sf(self.df1 * self.statistic, self.df1))
        return float(f.sf(self.statistic, self.df1, self.df2))


def wald(estimates: np.ndarray, covariances: np.ndarray, df_complete: float = np.inf) -> FTest:
    """Test whether all of k quantities are zero: D1.

    Parameters
    ----------
    estimates : ndarray, shape (m, k)
    covariances : ndarray, shape (m, k, k)
    df_complete : float, optional
        Complete-data degrees of freedom.

    Returns
    -------
    FTest

    Raises
    ------
    AnalysisError
        If the mean covariance matrix is singular.

    Notes
    -----
    Li, Raghunathan and Rubin (1991), with Q the estimates, U their covariances, B the covariance between imputations:

    * r = (1 + 1/m) tr(B mean(U)^-1) / k,  D1 = mean(Q)' mean(U)^-1 mean(Q) / (k (1 + r))
    * with t = k (m - 1): df2 = 4 + (t - 4) (1 + (1 - 2/t) / r)^2 if t > 4, else t (1 + 1/k) (1 + 1/r)^2 / 2
    * with finite complete-data df: the expression of Reiter (2007), as in mitml.

    Reiter's expression needs t > 4 and a df_complete beyond 4 (1 + a). At t = 4, as with one quantity and five imputations,
    it has the limit 4, which mitml gives and this too: it is too careful, and the row of the pooled table, with the df of
    Barnard and Rubin (1999), is better for one quantity. Where the expression is not defined, and mitml gives a number
    without meaning or none, the df above are combined with the observed-data df of Barnard and Rubin as those do:
    1 / (1/df2 + 1/df_obs).
    """
    m, k = estimates.shape
    mean, within = estimates.mean(axis=0), covariances.mean(axis=0)
    inverse = _inverse(within)
    between = np.cov(estimates, rowvar=False, ddof=1).reshape(k, k)
    riv = (1 + 1 / m) * np.sum(between * inverse) / k
    df2 = _wald_df(float(riv), k, m) if np.isinf(df_complete) else _reiter_df(float(riv), k, m, df_complete)
    return FTest(float(mean @ inverse @ mean / (k * (1 + riv))), k, df2, float(riv))


def _inverse(matrix: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(matrix))
    if not np.isfinite(matrix).all():
        raise AnalysisError(
            "The covariances between the estimates are not known, only their standard errors. A test of several estimates "
            "needs whole covariance matrices."
        )
    if (scale == 0).any() or np.linalg.cond(matrix / np.outer(scale, scale)) > 1e12:
        raise AnalysisError(
            "The covariance matrix of what is tested is singular: an estimate or constraint repeats others, or has no "
            "variance. Leave it out."
        )
    return np.linalg.inv(matrix)


def _wald_df(riv: float, k: int, m: int) -> float:
    """Degrees of freedom of Li, Raghunathan and Rubin (1991), which D3 has as well."""
    t = k * (m - 1)
    if riv == 0:
        return np.inf
    if t > 4:
        return 4 + (t - 4) * (1 + (1 - 2 / t) / riv) ** 2
    return t * (1 + 1 / k) * (1 + 1 / riv) ** 2 / 2


def _reiter_df(riv: float, k: int, m: int, df_complete: float) -> float:
    """Degrees of freedom of Reiter (2007), where they are defined."""
    t = k * (m - 1)
    observed = (df_complete + 1) / (df_complete + 3) * df_complete
    if t == 4:
        return 4.0
    a = riv * t / (t - 2) if t > 4 else np.inf
    first, second = observed - 2 * (1 + a), observed - 4 * (1 + a)
    if t < 4 or second <= 0:
        return 1 / (1 / _wald_df(riv, k, m) + (1 + riv) / observed)
    terms = (
        a**2 * first / ((1 + a) ** 2 * second)
        + 8 * a**2 * first / ((1 + a) * second**2)
        + 4 * a**2 / ((1 + a) * second)
        + 4 * a**2 / (second * first)
        + 16 * a**2 * first / second**3
        + 8 * a**2 / second**2
    )
    return 4 + 1 / (1 / second + terms / (t - 4))


def chi_squares(statistics: np.ndarray, k: float) -> FTest:
    """Combine chi-square statistics: D2.

    Parameters
    ----------
    statistics : ndarray, shape (m,)
        Wald or likelihood-ratio statistics of the same hypothesis, one an imputation; not negative.
    k : float
        Their degrees of freedom.

    Returns
    -------
    FTest
        The statistic can be negative, which means: nothing there.

    Notes
    -----
    Li, Meng, Raghunathan and Rubin (1991), with d the statistics:

    * r = (1 + 1/m) var(sqrt(d))
    * D2 = (mean(d) / k - r (m + 1) / (m - 1)) / (1 + r)
    * df2 = k^(-3/m) (m - 1) (1 + 1/r)^2
    """
    m = len(statistics)
    riv = float((1 + 1 / m) * np.var(np.sqrt(statistics), ddof=1))
    value = (statistics.mean() / k - (m + 1) / (m - 1) * riv) / (1 + riv)
    df2 = k ** (-3 / m) * (m - 1) * (1 + 1 / riv) ** 2 if riv > 0 else np.inf
    return FTest(float(value), k, float(df2), riv)


def likelihood_ratios(own: np.ndarray, pooled: np.ndarray, k: int, positive: bool = False) -> FTest:
    """Combine likelihood-ratio statistics at each imputation's estimates and at the pooled ones: D3.

    Parameters
    ----------
    own : ndarray, shape (m,)
        Twice the log likelihood ratio of the larger and the smaller model, at the estimates from the same table.
    pooled : ndarray, shape (m,)
        The same at the means over all tables of the estimates of each model.
    k : int
        Number of parameters that the larger model has more.
    positive : bool, optional
        Set a negative ARIV to zero.

    Returns
    -------
    FTest

    Notes
    -----
    Meng and Rubin (1992):

    * r = (m + 1) / (k (m - 1)) (mean(own) - mean(pooled))
    * D3 = mean(pooled) / (k (1 + r)), with the df2 of D1

    The ARIV can be negative, which is left so by default, as in mitml.
    """
    m = len(own)
    riv = float((m + 1) / (k * (m - 1)) * (own.mean() - pooled.mean()))
    riv = max(0.0, riv) if positive else riv
    return FTest(float(pooled.mean() / (k * (1 + riv))), k, _wald_df(riv, k, m), riv)


def stacked_ratios(own: np.ndarray, stacked: float, k: int, positive: bool = False) -> FTest:
    """Combine likelihood-ratio statistics of each table and of all tables stacked: D4.

    Parameters
    ----------
    own : ndarray, shape (m,)
        Twice the log likelihood ratio of the larger and the smaller model, at the estimates from the same table.
    stacked : float
        The same for both models fitted to all tables, one below the other, divided by m.
    k : int
        Number of parameters that the larger model has more.
    positive : bool, optional
        Set a negative ARIV to zero.

    Returns
    -------
    FTest

    Notes
    -----
    Chan and Meng (2022, Statistica Sinica 32), with their first estimator of the ARIV:

    * r = (m + 1) / (k (m - 1)) (mean(own) - stacked)
    * D4 = stacked / (k (1 + r)),  df2 = k (m - 1) (1 + 1/r)^2
    """
    m = len(own)
    riv = float((m + 1) / (k * (m - 1)) * (own.mean() - stacked))
    return _stacked(stacked, k, k * (m - 1), max(0.0, riv) if positive else riv)


def robust_stacked_ratios(own: np.ndarray, stacked_own: float, stacked: float, k: int, n_parameters: int) -> FTest:
    """Combine as `stacked_ratios`, with an ARIV that is never negative and holds under the alternative too.

    Parameters
    ----------
    own : ndarray, shape (m,)
        Log likelihoods of the larger model.
    stacked_own : float
        That of the larger model fitted to all tables, one below the other, divided by m.
    stacked : float
        As in `stacked_ratios`.
    k : int
        Number of parameters that the larger model has more.
    n_parameters : int
        Number h of parameters of the larger model.

    Returns
    -------
    FTest

    Notes
    -----
    Chan and Meng (2022), with their robust estimator: r = 2 (m + 1) / (h (m - 1)) (mean(own) - stacked_own),
    df2 = h (m - 1) (1 + 1/r)^2.
    """
    m = len(own)
    riv = float(2 * (m + 1) / (n_parameters * (m - 1)) * (own.mean() - stacked_own))
    return _stacked(stacked, k, n_parameters * (m - 1), riv)


def _stacked(stacked: float, k: int, t: int, riv: float) -> FTest:
    return FTest(float(stacked / (k * (1 + riv))), k, t * (1 + 1 / riv) ** 2 if riv else np.inf, riv)
