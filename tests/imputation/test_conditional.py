"""Imputation draws against an independent sampler: obvious, row by row, and slow."""

import numpy as np
import pytest
from scipy.stats import norm

from jmimpute.imputation.conditional import draw_cells, draw_effects
from tests.problems import FORMULAS, cluster_moments, cluster_rows, model, parameters, statistics, unscaled

N_DRAWS = 4000
# Means, variances and covariances of a problem are some 1 500 z-scores; a false alarm in 10 000 runs.
LIMIT = norm.isf(0.5e-4 / 1500)


def ours(specification, values, rng):
    stats = statistics(specification)
    omega_e, omega_u = values.chol_e @ values.chol_e.T, values.chol_u @ values.chol_u.T
    draws = []
    for _ in range(N_DRAWS):
        effects = draw_effects(values.beta, omega_e, omega_u, specification, stats, rng)
        draws.append(draw_cells(values.beta, omega_e, effects, specification, rng))
    return np.array(draws)


def obvious(specification, values, rng):
    """Random effects given all observed cells of a cluster by the textbook formula; then each row by itself."""
    layout = specification.layout
    p, d = len(layout.responses), layout.n_effects
    omega_e, omega_u = values.chol_e @ values.chol_e.T, values.chol_u @ values.chol_u.T
    absent = np.isnan(specification.y)
    draws = np.full((N_DRAWS, *absent.shape), np.nan)
    for rows in cluster_rows(specification):
        mean, covariance = cluster_moments(specification, values, rows)
        loading = np.zeros((len(rows), p, d))
        for e in range(d):
            loading[:, layout.effect_response[e], e] = specification.z[rows, layout.effect_column[e]]
        seen = ~absent[rows].ravel()
        y = specification.y[rows].ravel()
        gain = omega_u @ loading.reshape(len(seen), d)[seen].T @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        u_mean = gain @ (y[seen] - mean[seen])
        u_covariance = omega_u - gain @ loading.reshape(len(seen), d)[seen] @ omega_u
        u = rng.multivariate_normal(u_mean, u_covariance, size=N_DRAWS, method="eigh") if d else np.zeros((N_DRAWS, 0))
        for k, i in enumerate(rows):
            m, o = absent[i], ~absent[i]
            if not m.any():
                continue
            fitted = specification.x[i] @ values.beta + u @ loading[k].T
            weights = omega_e[np.ix_(m, o)] @ np.linalg.inv(omega_e[np.ix_(o, o)])
            rest = omega_e[np.ix_(m, m)] - weights @ omega_e[np.ix_(o, m)]
            noise = rng.multivariate_normal(np.zeros(m.sum()), rest, size=N_DRAWS)
            draws[:, i, m] = fitted[:, m] + (specification.y[i, o] - fitted[:, o]) @ weights.T + noise
    return draws[:, absent]


def z_scores(a, b):
    """Differences of means and of all (co)variances in units of their standard errors."""
    means = (a.mean(0) - b.mean(0)) / np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
    centred = [x - x.mean(0) for x in (a, b)]
    left, right = np.triu_indices(a.shape[1])
    products = [x[:, left] * x[:, right] for x in centred]
    second = (products[0].mean(0) - products[1].mean(0)) / np.sqrt(sum(x.var(0) / len(x) for x in products))
    return means, second


@pytest.mark.parametrize("kind", list(FORMULAS))
def test_draws_agree_with_the_obvious_sampler_in_mean_and_covariance(kind):
    specification = model(kind, 11, n_rows=36, n_clusters=4, missing=0.35).specification
    assert not specification.patterns.observed[0].any(), "the problem should have a row without any response"
    values = parameters(specification, np.random.default_rng(12))
    rng = np.random.default_rng(13)
    means, second = z_scores(ours(specification, values, rng), obvious(specification, values, rng))
    for z in (means, second):
        assert np.abs(z).max() < LIMIT
    # Means are almost independent across cells: their mean square is chi-square over its degrees of freedom.
    assert np.mean(means**2) < 1.0 + 6.0 * np.sqrt(2.0 / len(means))


def test_effects_have_the_conditional_mean_and_covariance():
    specification = model("slopes", 3, n_rows=30, n_clusters=4).specification
    values = parameters(specification, np.random.default_rng(4))
    stats = statistics(specification)
    omegas = values.chol_e @ values.chol_e.T, values.chol_u @ values.chol_u.T
    rng = np.random.default_rng(5)
    draws = np.array([draw_effects(values.beta, *omegas, specification, stats, rng) for _ in range(N_DRAWS)])
    rows = cluster_rows(specification)[2]
    mean, covariance = cluster_moments(specification, values, rows)
    layout = specification.layout
    loading = np.zeros((len(rows), len(layout.responses), layout.n_effects))
    for e in range(layout.n_effects):
        loading[:, layout.effect_response[e], e] = specification.z[rows, layout.effect_column[e]]
    seen = ~np.isnan(specification.y[rows]).ravel()
    gain = omegas[1] @ loading.reshape(-1, layout.n_effects)[seen].T @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    expected = gain @ (specification.y[rows].ravel()[seen] - mean[seen])
    spread = omegas[1] - gain @ loading.reshape(-1, layout.n_effects)[seen] @ omegas[1]
    z = (draws[:, 2].mean(0) - expected) / np.sqrt(np.diag(spread) / N_DRAWS)
    assert np.abs(z).max() < 4.5
    # Sample variance of a normal: standard error variance * sqrt(2 / n).
    z = (draws[:, 2].var(0) / np.diag(spread) - 1) / np.sqrt(2 / N_DRAWS)
    assert np.abs(z).max() < 4.5


def test_singular_covariance_is_told():
    import jmimpute as jm

    specification = unscaled(model("single level", 1).specification)
    omega_e = np.ones((2, 2))
    with pytest.raises(jm.errors.ImputationError, match="numerically singular"):
        draw_cells(np.zeros((2, 2)), omega_e, np.zeros((0, 0)), specification, np.random.default_rng(1))
