"""Mixed models with uncorrelated random effects: dense algebra, variances of zero, and their way into pooled tables."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.analysis.mixed import fit_mixed
from jmimpute.errors import AnalysisError


def simulate(seed, sds, clusters=20, size=12):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), size)
    X = np.column_stack([np.ones(len(codes)), rng.random(len(codes)) < 0.6, rng.normal(2, 3, len(codes))])
    effects = rng.normal(size=(clusters, 3)) * sds
    return (X * (np.array([3, 1, -1]) + effects[codes])).sum(axis=1) + rng.normal(size=len(codes)), X, codes


def dense(theta, y, X, codes, reml):
    """Log likelihood at variances of three effects and a residual, from the covariance matrix of all rows."""
    V = theta[3] * np.eye(len(y)) + (codes[:, None] == codes) * (X * theta[:3] @ X.T)
    solved = np.linalg.solve(V, np.column_stack([X, y]))
    information = X.T @ solved[:, :-1]
    rest = y - X @ np.linalg.solve(information, X.T @ solved[:, -1])
    n, k = X.shape
    value = (n - k if reml else n) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + rest @ np.linalg.solve(V, rest)
    return -(value + (np.linalg.slogdet(information)[1] if reml else 0.0)) / 2


@pytest.mark.parametrize("reml", [True, False])
def test_is_the_maximum_with_the_curvature_there(reml):
    y, X, codes = simulate(1, [1.0, 1.5, 0.5])
    fit = fit_mixed(y, X, X, codes, reml, uncorrelated=True)
    best = np.append(np.diag(fit.random), fit.residual)
    assert fit.converged and not fit.singular
    assert np.count_nonzero(fit.random) == 3
    np.testing.assert_allclose(fit.log_likelihood, dense(best, y, X, codes, reml), rtol=1e-10)
    steps = 1e-3 * np.diag(best)
    at = [dense(best + sign * step, y, X, codes, reml) for step in steps for sign in (1, -1)]
    assert max(at) < fit.log_likelihood
    hessian = np.array(
        [
            [
                sum(s * t * dense(best + s * a + t * b, y, X, codes, reml) for s in (1, -1) for t in (1, -1))
                / (4 * a.sum() * b.sum())
                for a in steps
            ]
            for b in steps
        ]
    )
    components = fit.components_covariance
    # lower triangle row by row: variances stand at 0, 2 and 5
    kept = [0, 2, 5, 6]
    np.testing.assert_allclose(components[np.ix_(kept, kept)], np.linalg.inv(-hessian), rtol=2e-3, atol=1e-5)
    assert not components[[1, 3, 4]].any() and not components[:, [1, 3, 4]].any()


def test_one_effect_is_neither_correlated_nor_uncorrelated():
    y, X, codes = simulate(2, [1.0, 0.0, 0.0])
    one, other = (fit_mixed(y, X, X[:, :1], codes, uncorrelated=each) for each in (True, False))
    np.testing.assert_allclose(one.random, other.random, rtol=1e-5)
    np.testing.assert_allclose(one.components_covariance, other.components_covariance, rtol=1e-4)


def test_scales_of_covariates_do_not_matter():
    y, X, codes = simulate(3, [1.0, 1.5, 0.5])
    scales = np.array([1, 1e4, 1e-3])
    plain, scaled = (fit_mixed(y, X * by, X * by, codes, uncorrelated=True) for by in (np.ones(3), scales))
    np.testing.assert_allclose(np.diag(scaled.random), np.diag(plain.random) / scales**2, rtol=1e-5)
    np.testing.assert_allclose(scaled.values, plain.values / scales, rtol=1e-7)


def test_a_variance_of_zero_is_found_and_said():
    y, X, codes = simulate(4, [1.0, 0.0, 0.5])
    fits = [fit_mixed(y, X, X[:, columns], codes, uncorrelated=True) for columns in ([0, 1, 2], [0, 2])]
    assert fits[0].singular and fits[0].converged
    assert np.diag(fits[0].random)[1] < 1e-6
    np.testing.assert_allclose(fits[0].log_likelihood, fits[1].log_likelihood, rtol=1e-7)
    assert np.isnan(fits[0].components_covariance[0, 0]) and fits[0].components_covariance[6, 6] > 0


def test_a_search_that_lands_on_a_variance_of_zero_goes_on(monkeypatch):
    import scipy.optimize

    y, X, codes = simulate(5, [1.0, 1.5, 0.5])
    expected = fit_mixed(y, X, X, codes, uncorrelated=True)
    search, starts = scipy.optimize.minimize, []

    def first_at_zero(function, start, **options):
        starts.append(start)
        return search(function, start * ([1, 0, 1] if len(starts) == 1 else 1), **options)

    monkeypatch.setattr(scipy.optimize, "minimize", first_at_zero)
    fit = fit_mixed(y, X, X, codes, uncorrelated=True)
    assert len(starts) == 2
    np.testing.assert_allclose(fit.random, expected.random, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_converges_on_small_and_awkward_tables(seed):
    y, X, codes = simulate(seed, [[0.0, 1.0][seed % 2], [0.0, 0.1, 3.0][seed % 3], 0.05], clusters=8 + seed, size=5)
    fit = fit_mixed(y, X, X, codes, uncorrelated=True)
    assert fit.converged
    assert fit.log_likelihood <= fit_mixed(y, X, X, codes).log_likelihood + 1e-6


@pytest.fixture
def tables():
    made = []
    for k in range(3):
        y, X, codes = simulate(10 + k, [1.0, 1.5, 0.5])
        made.append(pd.DataFrame({"y": y, "x1": X[:, 1], "x2": X[:, 2], "g": codes}))
    return made


def test_two_bars_in_a_formula(tables):
    """Pooled tables have no covariances that are zero by definition, and likelihoods are those of the smaller model."""
    separate, joint = (jm.analyze(tables, f"y ~ x1 + x2 + (1 + x1 + x2 {bar} g)") for bar in ("||", "|"))
    pooled = separate.pool()
    assert list(pooled.random_effects["term"]) == [
        *("var(Intercept|g)", "var(x1|g)", "var(x2|g)", "var(residual)"),
        *("sd(Intercept|g)", "sd(x1|g)", "sd(x2|g)", "sd(residual)"),
    ]
    assert pooled.random_effects["std_error"].gt(0).all()
    assert pooled.notes == ()
    expected = [fit_mixed(*parts(table), uncorrelated=True).random for table in tables]
    np.testing.assert_allclose(
        pooled.random_effects["estimate"][:3], np.mean([np.diag(matrix) for matrix in expected], axis=0), rtol=1e-8
    )
    for small, large in zip(separate.fits, joint.fits, strict=True):
        assert small.log_likelihood < large.log_likelihood


def parts(table):
    X = np.column_stack([np.ones(len(table)), table["x1"], table["x2"]])
    return table["y"].to_numpy(), X, X, table["g"].to_numpy()


def test_only_gaussian_models_have_two_bars(tables):
    with pytest.raises(AnalysisError, match=r"uses '\|\|'"):
        jm.analyze([table.assign(y=table["y"] > 0) for table in tables], "y ~ x1 + (1 || g)", family="binomial")
