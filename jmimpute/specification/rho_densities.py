"""Densities, ends and standard deviations of the priors on rho."""

import numpy as np

from jmimpute.specification.rho_priors import FisherZ, RhoPrior, TruncatedNormal, Uniform

#: Points of the quadrature for the standard deviation of tanh of a normal number.
POINTS = 2001
#: Where fixed values of rho are suggested, as shares of the way between the ends of the prior: -0.6 to 0.6 between -1 and 1.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)


def ends(prior: RhoPrior) -> tuple[float, float]:
    """Return the ends of the values that a prior allows.

    Parameters
    ----------
    prior : RhoPrior
    """
    return (-1.0, 1.0) if isinstance(prior, FisherZ) else (prior.lower, prior.upper)


def log_density(prior: RhoPrior, rho: np.ndarray) -> np.ndarray:
    """Return the log density of a prior at correlations; minus infinity outside its ends.

    Parameters
    ----------
    prior : RhoPrior
    rho : ndarray, between -1 and 1, both left out

    Returns
    -------
    ndarray, in the shape of rho
    """
    from scipy import stats

    if isinstance(prior, Uniform):
        return stats.uniform.logpdf(rho, prior.lower, prior.upper - prior.lower)
    if isinstance(prior, TruncatedNormal):
        return stats.truncnorm.logpdf(rho, *_standardised_ends(prior), prior.mean, prior.sd)
    return stats.norm.logpdf(np.arctanh(rho), 0.0, prior.sd) - np.log1p(-np.square(rho))


def standard_deviation(prior: RhoPrior) -> float:
    """Return the standard deviation of a prior.

    Parameters
    ----------
    prior : RhoPrior
    """
    from scipy import stats

    if isinstance(prior, Uniform):
        return (prior.upper - prior.lower) / np.sqrt(12.0)
    if isinstance(prior, TruncatedNormal):
        return float(stats.truncnorm.std(*_standardised_ends(prior), prior.mean, prior.sd))
    middles = (np.arange(POINTS) + 0.5) / POINTS
    return float(np.sqrt(np.mean(np.tanh(stats.norm.ppf(middles, 0.0, prior.sd)) ** 2)))


def suggested_values(prior: RhoPrior | float) -> list[float]:
    """Return values at which rho may be held for a sensitivity analysis: five within the ends of the prior, and 0.

    Parameters
    ----------
    prior : RhoPrior or float
        Of a number, values between -1 and 1.
    """
    low, high = (-1.0, 1.0) if isinstance(prior, float) else ends(prior)
    return sorted({0.0, *(round(low + share * (high - low), 2) for share in SHARES)})


def _standardised_ends(prior: TruncatedNormal) -> tuple[float, float]:
    return (prior.lower - prior.mean) / prior.sd, (prior.upper - prior.mean) / prior.sd
