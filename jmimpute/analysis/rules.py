"""Rubin's rules for numbers: the estimate of each of several quantities by itself."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rubin:
    """Estimates of k quantities, combined over m imputations; each attribute has shape (k,).

    Attributes
    ----------
    estimate, std_error, df : ndarray
        Mean, square root of the total variance, and degrees of freedom.
    riv, share, fmi : ndarray
        Relative increase in variance due to missing values, their share of the total variance (lambda), and the fraction of
        missing information.
    """

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    riv: np.ndarray
    share: np.ndarray
    fmi: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Give the limits of the confidence intervals, from the t distribution.

        Parameters
        ----------
        level : float

        Returns
        -------
        low, high : ndarray, shape (k,)
        """
        from scipy.stats import t

        half = t.ppf((1 + level) / 2, self.df) * self.std_error
        return self.estimate - half, self.estimate + half

    def p_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Test each quantity against zero.

        Returns
        -------
        statistic, p_value : ndarray, shape (k,)
            NaN for a quantity without any variance. The p value is two-sided.
        """
        from scipy.stats import t

        known = self.std_error == 0
        statistic = np.divide(self.estimate, self.std_error, out=np.full_like(self.estimate, np.nan), where=~known)
        return statistic, 2 * t.sf(np.abs(statistic), self.df)


def rubin(estimates: np.ndarray, variances: np.ndarray, df_complete: float = np.inf) -> Rubin:
    """Combine estimates by Rubin's rules.

    Parameters
    ----------
    estimates : ndarray, shape (m, k)
        One row an imputation.
    variances : ndarray, shape (m, k)
        Squared standard errors.
    df_complete : float, optional
        Complete-data degrees of freedom.

    Returns
    -------
    Rubin

    Notes
    -----
    With Q the estimates, U their variances, B the variance of Q between imputations (Rubin 1987, equations 3.1.2 to
    3.1.10):

    * total variance T = mean(U) + (1 + 1/m) B; riv = (1 + 1/m) B / mean(U); lambda = (1 + 1/m) B / T
    * df = (m - 1) / lambda^2, infinite where B is zero
    * with finite complete-data df nu: 1 / (1/df + 1/df_obs), df_obs = (1 - lambda) nu (nu + 1) / (nu + 3)
      (Barnard and Rubin 1999, equation 3)
    * fmi = (riv + 2 / (df + 3)) / (riv + 1), with whichever df was used (Rubin 1987, equation 3.1.10)
    """
    return combined(estimates.mean(axis=0), variances.mean(axis=0), estimates.var(axis=0, ddof=1), len(estimates), df_complete)


def combined(estimate: np.ndarray, within: np.ndarray, between: np.ndarray, m: float, df_complete: float = np.inf) -> Rubin:
    """Combine what `rubin` takes means and variances of.

    Parameters
    ----------
    estimate, within, between : ndarray, shape (k,)
        Mean of the estimates, mean of their variances, and variance of the estimates between imputations.
    m : float
        Imputations; with weights, as many as would do as well without.
    df_complete : float, optional
        Complete-data degrees of freedom.

    Returns
    -------
    Rubin
    """
    extra = (1 + 1 / m) * between
    total = within + extra
    # 0/0 is a quantity that is known exactly: no variance, none of it from missing values.
    share = np.divide(extra, total, out=np.zeros_like(total), where=total > 0)
    riv = np.divide(extra, within, out=np.where(extra > 0, np.inf, 0.0), where=within > 0)
    df = _degrees_of_freedom(share, m, df_complete)
    # (riv + a) / (riv + 1), written with the share so that an infinite riv gives 1.
    fmi = share + 2 / (df + 3) * (1 - share)
    return Rubin(estimate, np.sqrt(total), df, riv, share, fmi)


def _degrees_of_freedom(share: np.ndarray, m: float, df_complete: float) -> np.ndarray:
    df = np.divide(m - 1, share**2, out=np.full_like(share, np.inf), where=share > 0)
    if np.isinf(df_complete):
        return df
    observed = (1 - share) * df_complete * (df_complete + 1) / (df_complete + 3)
    # A quantity without variance within imputations has no complete-data df to correct by.
    correction = np.divide(1, observed, out=np.zeros_like(share), where=observed > 0)
    return 1 / (1 / df + correction)
