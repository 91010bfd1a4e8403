"""Variances, covariances and correlations of random effects over m imputations, with intervals; the ICC."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.analysis.components import pack
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.rules import rubin
from jmimpute.errors import some
from jmimpute.names import INTERCEPT

COLUMNS = ("term", "estimate", "std_error", "conf_low", "conf_high", "riv", "fmi")


@dataclass(frozen=True)
class Components:
    """Pooled variance components.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a component, with `COLUMNS`.
    icc : float or None
        Mean of the intraclass correlations.
    icc_interval : pair of float or None
        Its confidence limits.
    notes : tuple of str
        Why a component has no standard error.
    """

    table: pd.DataFrame
    icc: float | None
    icc_interval: tuple[float, float] | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Scale:
    """A scale on which an estimate is close to normal."""

    to: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


_PLAIN = _Scale(lambda x: x, np.ones_like, lambda x: x)
_LOG = _Scale(np.log, lambda x: 1 / x, np.exp)
_FISHER = _Scale(np.arctanh, lambda x: 1 / (1 - x**2), np.tanh)
_LOGIT = _Scale(lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), lambda x: 1 / (1 + np.exp(-x)))


@dataclass(frozen=True)
class _Quantity:
    """What is reported: a function of the components, and its gradient by them."""

    name: str
    scale: _Scale
    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]


def pool_components(fits: Sequence[Estimates], df_complete: float, level: float) -> Components:
    """Combine the variance components of m fits.

    Parameters
    ----------
    fits : sequence of Estimates, length m
    df_complete : float
        Complete-data degrees of freedom.
    level : float
        Level of the confidence intervals.

    Returns
    -------
    Components

    Notes
    -----
    `estimate` is the mean over the imputations, as in mitml; a standard deviation and a correlation are those of the mean
    covariance matrix. `std_error` is that of Rubin's rules on the scale of the estimate. The interval, riv and fmi come from
    Rubin's rules on a scale on which estimates are closer to normal, with standard errors by the delta method: the logarithm
    of variances and standard deviations, Fisher's z of correlations, the logit of the ICC; covariances stay as they are.
    The interval is taken back from there, and lies around the mean there, not around `estimate`.
    """
    thetas = _components(fits)
    if not thetas.shape[1]:
        empty = pd.DataFrame({name: pd.Series(dtype=object if name == "term" else float) for name in COLUMNS})
        return Components(empty, None, None, ())
    covariances, unknown = _covariances(fits, thetas.shape[1])
    effects = fits[0].random
    names = () if effects is None else effects.names
    quantities = _quantities(effects, thetas.shape[1])
    mean = thetas.mean(axis=0)
    rows = [
        [each.name, float(each.value(mean)), *_pooled(each, thetas, covariances, df_complete, level)] for each in quantities
    ]
    icc, interval = None, None
    if names == (INTERCEPT,) and thetas.shape[1] == 2:
        icc = float(np.mean(thetas[:, 0] / thetas.sum(axis=1)))
        _, low, high, *_ = _pooled(_icc(), thetas, covariances, df_complete, level)
        interval = None if np.isnan(low) else (low, high)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Components(table, icc, interval, _notes(table, covariances, unknown))


def _components(fits: Sequence[Estimates]) -> np.ndarray:
    """Components of each fit in the order of `Estimates.components_covariance`, shape (m, c)."""
    parts = []
    random = [fit.random for fit in fits if fit.random is not None]
    if len(random) == len(fits):
        parts.append(np.array([pack(effects.covariance) for effects in random]))
    residuals = [fit.residual_variance for fit in fits if fit.residual_variance is not None]
    if len(residuals) == len(fits):
        parts.append(np.array(residuals, dtype=float)[:, None])
    return np.hstack(parts) if parts else np.empty((len(fits), 0))


def _covariances(fits: Sequence[Estimates], c: int) -> tuple[np.ndarray, bool]:
    """Covariance matrices of the components, shape (m, c, c); whether a fit has none at all."""
    unknown = any(fit.components_covariance is None for fit in fits)
    matrices = [np.full((c, c), np.nan) if unknown else fit.components_covariance for fit in fits]
    return np.array(matrices, dtype=float), unknown


def _quantities(effects: RandomEffects | None, c: int) -> list[_Quantity]:
    """List variances and covariances, then standard deviations and correlations; no covariances that are zero by definition."""
    names, cluster = ((), "") if effects is None else (effects.names, effects.cluster)
    r = len(names)
    place = {(i, j): i * (i + 1) // 2 + j for i in range(r) for j in range(i + 1)}
    moments, deviations, correlations = [], [], []
    for i, row in enumerate(names):
        moments.append(_element(f"var({row}|{cluster})", place[i, i], _LOG))
        deviations.append(_deviation(f"sd({row}|{cluster})", place[i, i]))
        for j, column in enumerate(() if effects is None or effects.uncorrelated else names[:i]):
            moments.append(_element(f"cov({column},{row}|{cluster})", place[i, j], _PLAIN))
            correlations.append(_correlation(f"cor({column},{row}|{cluster})", place[i, j], place[i, i], place[j, j]))
    if c > len(place):
        moments.append(_element("var(residual)", c - 1, _LOG))
        deviations.append(_deviation("sd(residual)", c - 1))
    return [*moments, *deviations, *correlations]


def _element(name: str, at: int, scale: _Scale) -> _Quantity:
    return _Quantity(name, scale, lambda theta: theta[at], lambda theta: _gradient(theta, {at: 1.0}))


def _deviation(name: str, at: int) -> _Quantity:
    return _Quantity(
        name, _LOG, lambda theta: np.sqrt(theta[at]), lambda theta: _gradient(theta, {at: 0.5 / np.sqrt(theta[at])})
    )


def _correlation(name: str, at: int, first: int, second: int) -> _Quantity:
    def value(theta: np.ndarray) -> float:
        return theta[at] / np.sqrt(theta[first] * theta[second])

    def gradient(theta: np.ndarray) -> np.ndarray:
        half = -value(theta) / 2
        by_covariance = 1 / np.sqrt(theta[first] * theta[second])
        return _gradient(theta, {at: by_covariance, first: half / theta[first], second: half / theta[second]})

    return _Quantity(name, _FISHER, value, gradient)


def _icc() -> _Quantity:
    """Intraclass correlation of a model with the components (variance of the intercept, residual variance)."""

    def gradient(theta: np.ndarray) -> np.ndarray:
        return np.array([theta[1], -theta[0]]) / theta.sum() ** 2

    return _Quantity("icc", _LOGIT, lambda theta: theta[0] / theta.sum(), gradient)


def _gradient(theta: np.ndarray, slopes: dict[int, float]) -> np.ndarray:
    gradient = np.zeros_like(theta)
    gradient[list(slopes)] = list(slopes.values())
    return gradient


def _pooled(quantity: _Quantity, thetas: np.ndarray, covariances: np.ndarray, df_complete: float, level: float) -> list[float]:
    """Give standard error, confidence limits, riv and fmi of one quantity; all NaN where a fit has no standard error."""
    # At the edge of what a component can be, where scales end too, the covariance matrix is NaN and all comes out as NaN.
    with np.errstate(all="ignore"):
        values = np.array([[quantity.value(theta)] for theta in thetas])
        gradients = np.array([quantity.gradient(theta) for theta in thetas])
        used = gradients != 0
        variances = np.array([[g[u] @ V[np.ix_(u, u)] @ g[u]] for g, V, u in zip(gradients, covariances, used, strict=True)])
        plain = rubin(values, variances, df_complete)
        scaled = rubin(quantity.scale.to(values), variances * quantity.scale.slope(values) ** 2, df_complete)
        low, high = (float(quantity.scale.back(limit)[0]) for limit in scaled.interval(level))
    known = bool(np.isfinite(variances).all())
    numbers = (plain.std_error[0], low, high, scaled.riv[0], scaled.fmi[0])
    return [float(number) if known else np.nan for number in numbers]


def _notes(table: pd.DataFrame, covariances: np.ndarray, unknown: bool) -> tuple[str, ...]:
    missing = table["term"].to_numpy()[table["std_error"].isna()]
    if not len(missing):
        return ()
    if unknown:
        return ("The engine gives no standard errors of variance components, so that they have no intervals.",)
    where = np.flatnonzero(np.isnan(covariances).any(axis=(1, 2))) + 1
    return (
        f"No interval for {some(missing)}: in imputations {some(where, 10)} the estimate lies at the edge of what it can "
        "be (a variance of zero, a perfect correlation), or the fit did not converge.",
    )
