"""Small targets that the tests of methods share."""

import numpy as np

from jmimpute.chained.target import Target


def target(y, observed, x, codes=None, columns=None, **changes):
    """A target of numbers with a constant before the columns of x."""
    y, observed = np.asarray(y, dtype=float), np.asarray(observed, dtype=bool)
    x = np.column_stack([np.ones(len(y)), x])
    codes = np.zeros(len(y), dtype=int) if codes is None else np.asarray(codes)
    given = {
        "name": "y",
        "y": y,
        "observed": observed,
        "x": x,
        "columns": columns or ("Intercept", *(f"x{k}" for k in range(1, x.shape[1]))),
        "random": np.array([], dtype=int),
        "codes": codes,
        "labels": [f"c{j}" for j in range(codes.max() + 1)],
        "means": np.empty((codes.max() + 1, 0)),
        "selection": None,
        "n_categories": 0,
    }
    return Target(**(given | changes))


def regression(rng, n=20, n_missing=3, slope=0.8):
    """A target of a linear regression on a number far from 0, with missing cells at its end."""
    x = rng.normal(50, 2, n)
    y = 3 + slope * x + rng.normal(size=n)
    return target(y, np.arange(n) < n - n_missing, x)


def z_scores(draws, mean, covariance):
    """z-scores of the means, variances and covariances of independent rows of draws."""
    n = len(draws)
    centred = draws - mean
    products = np.einsum("na,nb->nab", centred, centred)[:, *np.tril_indices(draws.shape[1])]
    expected = np.asarray(covariance)[np.tril_indices(draws.shape[1])]
    of_means = centred.mean(axis=0) / (draws.std(axis=0) / np.sqrt(n))
    return np.concatenate([of_means, (products.mean(axis=0) - expected) / (products.std(axis=0) / np.sqrt(n))])
