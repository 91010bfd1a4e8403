"""Two-level tables with holes, drawn as in published simulation studies, and what is true of them."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, options

TABLES = (1, 2, 3, 4, 8, 9)


@dataclass(frozen=True)
class Simulated:
    """A simulated table.

    Attributes
    ----------
    data : pandas.DataFrame
        The table with its missing values.
    complete : pandas.DataFrame
        The same rows and columns before values were taken away.
    truth : pandas.Series
        The parameters that an analysis aims at, by the names that pooled results give them: ``Intercept``, ``x1``,
        ``sd(x1|cluster)``, ``sd(residual)``.
    """

    data: pd.DataFrame
    complete: pd.DataFrame
    truth: pd.Series


def munoz(
    rng: np.random.Generator,
    clusters: int = 10,
    size: int = 1000,
    rho: float = 0.6,
    outcome: Literal["continuous", "binary"] = "continuous",
    process: Literal["heckman", "skewed_t", "self_masking"] = "heckman",
    centred: bool = True,
) -> Simulated:
    """Draw an outcome that is missing not at random, some 60 % of it, as in Munoz et al. (2023).

    Parameters
    ----------
    rng : numpy.random.Generator
    clusters, size : int, optional
        Number of clusters, and rows in each.
    rho : float, optional
        Correlation of the errors of outcome and selection; 0.4 times it is that of their random effects.
    outcome : {"continuous", "binary"}, optional
        Binary is 1 where the continuous outcome is positive.
    process : {"heckman", "skewed_t", "self_masking"}, optional
        What takes values away: a selection equation with normal errors; one with errors that are skew-t; or the outcome
        itself, which is observed with probability ``logistic(-0.96 + y)`` whatever `rho` is.
    centred : bool, optional
        Whether skew-t errors have mean zero. As published they have not, so that 0.3 is not the intercept of the complete data.

    Returns
    -------
    Simulated
        With the columns cluster (from 1), x1 (0 or 1), x2, x3 (not in the equation of the outcome) and y. The first fifth of
        the clusters, rounded up, has no y at all.

    Raises
    ------
    StudyError
        If an argument is out of range.

    Notes
    -----
    Munoz J, Efthimiou O, Audigier V, de Jong VMT, Debray TPA (2023), Multiple imputation of incomplete multilevel data using
    Heckman selection models, arXiv 2301.05043. Where paper and code differ, this is the code. With u_j and v_j ~ N(0, 0.4) for
    each coefficient (0.2 for that of x3), standard normal epsilon, and e ~ N(0, sigma_j^2), log sigma_j ~ N(0, 0.05^2)::

        y = 0.3 + u0 + (1 + u1) x1 + (1 + u2) x2 + e
        s = -0.8 + v0 + (1.3 + v1) x1 - (0.7 + v2) x2 + (1.2 + v3) x3 + epsilon,        y observed where s > 0

    Skew-t errors, (epsilon, e), have 4 degrees of freedom and slant (2, -6); not centred, 0.29 is added to the -0.8.
    """
    _check_munoz(clusters, size, rho, outcome, process)
    cluster = np.repeat(np.arange(clusters), size)
    means = rng.multivariate_normal([0, 0], [[0.2, 0.0015], [0.0015, 0.2]])
    x1 = (rng.random(len(cluster)) < 0.6).astype(float)
    x2, x3 = rng.normal(means[0], 1.0, len(cluster)), rng.normal(means[1], 0.7, len(cluster))
    pair = 0.4 * np.array([[1, 0.4 * rho], [0.4 * rho, 1]])
    effects = rng.multivariate_normal([0, 0], pair, (clusters, 3))
    slope3 = rng.normal(0, np.sqrt(0.2), clusters)
    sigma = np.exp(rng.normal(0, 0.05, clusters))
    skewed = process == "skewed_t"
    errors = _skewed_t(rng, len(cluster), rho, centred) if skewed else _normals(rng, len(cluster), rho)
    own = effects[cluster]
    y = 0.3 + own[:, 0, 0] + (1 + own[:, 1, 0]) * x1 + (1 + own[:, 2, 0]) * x2 + sigma[cluster] * errors[:, 1]
    if process == "self_masking":
        observed = rng.random(len(y)) < 1 / (1 + np.exp(0.96 - y))
    else:
        constant = -0.8 + 0.29 * (skewed and not centred)
        linear = constant + own[:, 0, 1] + (1.3 + own[:, 1, 1]) * x1 - (0.7 - own[:, 2, 1]) * x2
        observed = linear + (1.2 + slope3[cluster]) * x3 + errors[:, 0] > 0
    observed &= cluster >= ceil(0.2 * clusters)
    values = (y > 0).astype(float) if outcome == "binary" else y
    complete = pd.DataFrame({"cluster": cluster + 1, "x1": x1, "x2": x2, "x3": x3, "y": values})
    data = complete.assign(y=complete["y"].where(observed))
    truth = {"Intercept": 0.3, "x1": 1.0, "x2": 1.0, **_deviations(np.sqrt(0.4)), "sd(residual)": 1.0}
    if outcome == "binary":
        del truth["sd(residual)"]
    return Simulated(data, complete, pd.Series(truth))


def _check_munoz(clusters: int, size: int, rho: float, outcome: str, process: str) -> None:
    for name, value, known in (
        ("outcome", outcome, ["continuous", "binary"]),
        ("process", process, ["heckman", "skewed_t", "self_masking"]),
    ):
        if value not in known:
            raise StudyError(f"The {name} {value!r} is not known. Choose {options(known)}.")
    if clusters < 2 or size < 1:
        raise StudyError(f"There are {clusters} clusters of {size} rows. Give at least two clusters of at least one row.")
    if not -1 < rho < 1:
        raise StudyError(f"rho is {rho}. A correlation of errors lies between -1 and 1.")


def _deviations(sd: float) -> dict[str, float]:
    return {f"sd({name}|cluster)": sd for name in ("Intercept", "x1", "x2")}


def _normals(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """Errors of selection and outcome, shape (n, 2), with standard deviation 1."""
    return rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n)


def _skewed_t(rng: np.random.Generator, n: int, rho: float, centred: bool) -> np.ndarray:
    """Skew-t errors of selection and outcome with scale 1, shape (n, 2) (Azzalini and Capitanio 2003, section 4)."""
    from scipy.special import gammaln

    df, slant = 4, np.array([2.0, -6.0])
    correlation = np.array([[1, rho], [rho, 1]])
    normal = rng.multivariate_normal([0, 0], correlation, n)
    sign = np.where(rng.standard_normal(n) < normal @ slant, 1.0, -1.0)
    errors = sign[:, None] * normal / np.sqrt(rng.chisquare(df, n) / df)[:, None]
    if not centred:
        return errors
    delta = correlation @ slant / np.sqrt(1 + slant @ correlation @ slant)
    return errors - delta * np.sqrt(df / np.pi) * np.exp(gammaln((df - 1) / 2) - gammaln(df / 2))


@dataclass(frozen=True)
class _Table:
    """What differs between the tables of Resche-Rigon and White."""

    sizes: tuple[int, ...] = (100,) * 20
    sd_means: tuple[float, float] = (0.5, 0.5)
    sd_within: tuple[float, float] = (0.5, 0.5)
    spread: tuple[float, float] = (0.0, 0.0)
    systematic: float = 0.2
    sporadic: float = 0.3


_UNEQUAL = _Table(sd_means=(0.17, 0.5), sd_within=(0.5, 0.17))
_TABLES = {
    1: _Table(),
    2: _UNEQUAL,
    3: _Table((160,) * 10 + (40,) * 10, _UNEQUAL.sd_means, _UNEQUAL.sd_within),
    4: _Table(_UNEQUAL.sizes, _UNEQUAL.sd_means, _UNEQUAL.sd_within, spread=(0.17, 0.06)),
    8: _Table(systematic=0.0, sporadic=0.44),
    9: _Table(systematic=0.44, sporadic=0.0),
}


def resche_rigon(
    rng: np.random.Generator,
    table: int = 1,
    spread: Literal["log-variance", "sd"] = "log-variance",
    systematic: float | None = None,
) -> Simulated:
    """Draw a complete outcome and two covariates that are missing completely at random, as in Resche-Rigon and White (2018).

    Parameters
    ----------
    rng : numpy.random.Generator
    table : {1, 2, 3, 4, 8, 9}, optional
        Setting, by the number of the table that reports it: 1 base case; 2 covariates whose means and values spread unequally;
        3 as 2, with clusters of 160 and 40 rows; 4 as 2, with variances of covariates that differ between clusters;
        8 only sporadically missing values; 9 only systematically missing ones.
    spread : {"log-variance", "sd"}, optional
        Of table 4: whether logarithms of variances are normal, as the paper says, or standard deviations are (their absolute
        values are taken). Neither gives the published rows.
    systematic : float, optional
        Probability that a cluster has no value of a covariate, where it is not to be that of the table. The published rows of
        table 9 go with 0.3, not with the 0.44 that the paper states.

    Returns
    -------
    Simulated
        With the columns cluster (from 1), x1, x2 and y.

    Raises
    ------
    StudyError
        If an argument is out of range.

    Notes
    -----
    Resche-Rigon M, White IR (2018), Multiple imputation by chained equations for systematically and sporadically missing
    multilevel data, Stat Methods Med Res 27(6), section 4::

        y = b0_j + (0.5 + b1_j) x1 + (1 + b2_j) x2 + e,        e ~ N(0, 0.5^2)

    Random effects have standard deviation 0.5 and correlation 0.3. Covariates have correlation 0.5 within clusters, and so have
    their means. For each covariate a cluster has no value with probability `systematic`; where it has, each is missing with the
    probability that makes a setting (0.3 in tables 1 to 4).
    """
    chosen = _chosen(table, spread, systematic)
    sizes = np.array(chosen.sizes)
    clusters, cluster = len(sizes), np.repeat(np.arange(len(sizes)), sizes)
    correlation = np.array([[1, 0.5], [0.5, 1]])
    means = rng.multivariate_normal([0, 0], correlation, clusters) * chosen.sd_means
    noise = rng.standard_normal((clusters, 2)) * chosen.spread
    within = np.array(chosen.sd_within)
    sds = within * np.exp(noise / 2) if spread == "log-variance" else np.abs(within + noise)
    x = means[cluster] + sds[cluster] * rng.multivariate_normal([0, 0], correlation, len(cluster))
    b = [0.0, 0.5, 1.0] + 0.5 * rng.multivariate_normal(np.zeros(3), 0.3 + 0.7 * np.eye(3), clusters)
    y = b[cluster, 0] + (b[cluster, 1:] * x).sum(axis=1) + rng.normal(0, 0.5, len(cluster))
    missing = (rng.random((clusters, 2)) < chosen.systematic)[cluster] | (rng.random(x.shape) < chosen.sporadic)
    complete = pd.DataFrame({"cluster": cluster + 1, "x1": x[:, 0], "x2": x[:, 1], "y": y})
    data = complete.assign(x1=complete["x1"].mask(missing[:, 0]), x2=complete["x2"].mask(missing[:, 1]))
    correlations = {f"cor({name}|cluster)": 0.3 for name in ("Intercept,x1", "Intercept,x2", "x1,x2")}
    truth = {"Intercept": 0.0, "x1": 0.5, "x2": 1.0, **_deviations(0.5), "sd(residual)": 0.5, **correlations}
    return Simulated(data, complete, pd.Series(truth))


def _chosen(table: int, spread: str, systematic: float | None) -> _Table:
    if table not in _TABLES:
        raise StudyError(f"There is no setting for table {table!r}. Choose {options(TABLES)}.")
    if spread not in ("log-variance", "sd"):
        raise StudyError(f"The spread {spread!r} is not known. Choose 'log-variance' or 'sd'.")
    chosen = _TABLES[table]
    if systematic is None:
        return chosen
    if not 0 <= systematic < 1:
        raise StudyError(f"systematic is {systematic}. The probability that a cluster has no value lies between 0 and 1.")
    return _Table(chosen.sizes, chosen.sd_means, chosen.sd_within, chosen.spread, systematic, chosen.sporadic)
