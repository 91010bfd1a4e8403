"""Means of a predictor where another variable is missing and where it is observed, and tests that respect clusters."""

import numpy as np

# Two contributions with an estimated mean say nothing about their spread.
FEWEST_CONTRIBUTIONS = 3
# What is smaller than this, relative to the numbers it was computed from, is rounding error.
ROUNDING = 1e-12


def compare(x: np.ndarray, missing: np.ndarray) -> dict[str, float]:
    """Compare a predictor between the units where a variable is missing and the others.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The predictor, without missing values.
    missing : ndarray of bool, shape (n,)

    Returns
    -------
    dict
        n, n_missing, mean_missing, mean_observed, and difference: of the means, in units of the square root of the mean of
        the two variances (Austin 2009, Statistics in Medicine 28, 3083); NaN where it is not defined, infinite where the
        predictor is constant in each of the two.
    """
    where, elsewhere = x[missing], x[~missing]
    return {
        "n": len(x),
        "n_missing": len(where),
        "mean_missing": where.mean() if len(where) else np.nan,
        "mean_observed": elsewhere.mean() if len(elsewhere) else np.nan,
        "difference": standardised(x, x, missing),
    }


def split(x: np.ndarray, missing: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Split a standardised difference into what lies within and between clusters.

    Parameters
    ----------
    x, missing : ndarray, shape (n,)
        As in `compare`.
    codes : ndarray of int, shape (n,)
        Cluster codes.

    Returns
    -------
    dict
        within and between, of deviations from cluster means and of these means, which add up to the difference; p_within
        and p_between.
    """
    means = cluster_means(x, codes)[codes]
    deviations = x - means
    # Of a column of clusters nothing but rounding errors would be tested.
    deviations[np.abs(deviations) <= ROUNDING * np.abs(x).max(initial=0)] = 0
    return {
        "within": standardised(deviations, x, missing),
        "between": standardised(means, x, missing),
        "p_within": p_value(deviations, missing, codes),
        "p_between": p_value(means, missing, codes),
    }


def standardised(part: np.ndarray, x: np.ndarray, missing: np.ndarray) -> float:
    """Difference in means of a part of x, in standard deviations of x."""
    if not missing.any() or missing.all():
        return np.nan
    difference = part[missing].mean() - part[~missing].mean()
    spread = np.sqrt((x[missing].var() + x[~missing].var()) / 2)
    rounding = ROUNDING * np.abs(x).max()
    if spread > rounding:
        return float(difference / spread)
    return float(np.copysign(np.inf, difference)) if abs(difference) > rounding else np.nan


def p_value(x: np.ndarray, missing: np.ndarray, codes: np.ndarray) -> float:
    """Test whether missingness depends on a predictor.

    Generalised score test of the slope in a logistic regression of missingness on x, robust to any dependence within
    clusters (Boos 1992, American Statistician 46, 327): the score is a sum of contributions of clusters,
    U_j = sum_i (x_ij - mean of x) (m_ij - mean of m), and has mean zero if there is no dependence. As the test needs no
    estimate of the slope, a predictor that separates missing from observed does not harm it. For few clusters the
    contributions are compared with zero in a t test, which keeps to its level better than a chi-square test.

    Parameters
    ----------
    x, missing, codes : ndarray, shape (n,)

    Returns
    -------
    float
        Two-sided p value; NaN if the predictor or the missingness is constant, or there are fewer than three clusters.
    """
    from scipy.stats import t as student

    if missing.all() or not missing.any():
        return np.nan
    contributions = np.bincount(codes, (x - x.mean()) * (missing - missing.mean()))[np.bincount(codes) > 0]
    k = len(contributions)
    if k < FEWEST_CONTRIBUTIONS:
        return np.nan
    spread = contributions.std(ddof=1)
    if spread <= ROUNDING * np.abs(x).max():
        return np.nan
    return float(2 * student.sf(abs(contributions.sum()) / (np.sqrt(k) * spread), df=k - 1))


def cluster_means(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of each cluster, by code; NaN in x counts as missing, and a cluster without a value has NaN."""
    seen = ~np.isnan(x)
    counts = np.bincount(codes[seen], minlength=codes.max(initial=-1) + 1)
    sums = np.bincount(codes[seen], x[seen], minlength=codes.max(initial=-1) + 1)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p values for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65); NaN stays NaN and uncounted."""
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted
