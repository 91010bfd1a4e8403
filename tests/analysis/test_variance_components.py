"""Intervals of variance components and the ICC: scales, edges, and coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.pool import combine
from jmimpute.analysis.variance_components import COLUMNS


def fit(random, residual, covariance, names=("Intercept",)):
    return Estimates(
        ("x",),
        np.ones(1),
        np.eye(1),
        random=RandomEffects("g", names, np.array(random, dtype=float)),
        residual_variance=residual,
        components_covariance=np.array(covariance, dtype=float),
    )


def two_fits():
    return [fit([[2.0]], 4.0, np.diag([0.3, 0.1])), fit([[3.0]], 5.0, np.diag([0.5, 0.2]))]


def by_hand(values, variances, back=lambda x: x):
    """Rubin's rules for m = 2."""
    between, within = np.var(values, ddof=1), np.mean(variances)
    total = within + 1.5 * between
    df = (total / (1.5 * between)) ** 2
    half = t.ppf(0.975, df) * np.sqrt(total)
    return np.sqrt(total), back(np.mean(values) - half), back(np.mean(values) + half), 1.5 * between / within


def test_variances_are_pooled_as_logarithms():
    table = combine(two_fits()).random_effects.set_index("term")
    assert [table.index.name, *table.columns] == list(COLUMNS)
    _, low, high, riv = by_hand(np.log([2, 3]), [0.3 / 4, 0.5 / 9], np.exp)
    plain = by_hand([2, 3], [0.3, 0.5])[0]
    np.testing.assert_allclose(table.loc["var(Intercept|g)"].iloc[:5], [2.5, plain, low, high, riv])
    plain = by_hand(np.sqrt([2, 3]), [0.3 / 8, 0.5 / 12])[0]
    expected = [np.sqrt(2.5), plain, np.sqrt(low), np.sqrt(high), riv]
    np.testing.assert_allclose(table.loc["sd(Intercept|g)"].iloc[:5], expected)
    np.testing.assert_allclose(table.loc["var(residual)", "std_error"], by_hand([4, 5], [0.1, 0.2])[0])


def test_fmi_has_the_df_of_the_logarithms():
    table = combine(two_fits()).random_effects.set_index("term")
    riv = by_hand(np.log([2, 3]), [0.3 / 4, 0.5 / 9])[3]
    np.testing.assert_allclose(table.loc["var(Intercept|g)", "fmi"], (riv + 2 / ((1 + 1 / riv) ** 2 + 3)) / (riv + 1))


def test_icc_is_pooled_as_a_logit():
    pooled = combine(two_fits())
    shares = np.array([2 / 6, 3 / 8])
    # logit(icc) is log(var) - log(residual).
    variances = [0.3 / 4 + 0.1 / 16, 0.5 / 9 + 0.2 / 25]
    _, low, high, _ = by_hand(np.log([2 / 4, 3 / 5]), variances, lambda x: 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose([pooled.icc, *pooled.icc_interval], [shares.mean(), low, high])
    assert f"ICC {shares.mean():.4g} (95 % confidence interval {low:.4g} to {high:.4g})" in repr(pooled)


def test_correlations_are_pooled_as_fishers_z():
    covariance = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.1], [0.0, 0.1, 0.9]])
    names = ("Intercept", "x")
    fits = [fit([[4, 1], [1, 9]], 1.0, _with_residual(covariance), names)]
    fits.append(fit([[5, 2], [2, 8]], 1.0, _with_residual(covariance), names))
    table = combine(fits).random_effects.set_index("term")
    assert list(table.index) == [
        *("var(Intercept|g)", "var(x|g)", "cov(Intercept,x|g)", "var(residual)"),
        *("sd(Intercept|g)", "sd(x|g)", "sd(residual)", "cor(Intercept,x|g)"),
    ]
    values, variances = [], []
    for each in fits:
        (a, c), (_, b) = each.random.covariance
        step = 1e-6

        def z(theta):
            return np.arctanh(theta[1] / np.sqrt(theta[0] * theta[2]))

        theta = np.array([a, c, b])
        slope = np.array([(z(theta + step * unit) - z(theta - step * unit)) / (2 * step) for unit in np.eye(3)])
        values.append(z(theta))
        variances.append(slope @ covariance @ slope)
    _, low, high, riv = by_hand(values, variances, np.tanh)
    row = table.loc["cor(Intercept,x|g)"]
    np.testing.assert_allclose(row[["conf_low", "conf_high", "riv"]].astype(float), [low, high, riv], rtol=1e-7)
    np.testing.assert_allclose(row["estimate"], 1.5 / np.sqrt(4.5 * 8.5))
    _, low, high, _ = by_hand([1.0, 2.0], [0.4, 0.4])
    np.testing.assert_allclose(table.loc["cov(Intercept,x|g)", ["conf_low", "conf_high"]].astype(float), [low, high])


def _with_residual(covariance):
    return np.block([[covariance, np.zeros((3, 1))], [np.zeros((1, 3)), np.full((1, 1), 0.1)]])


def test_a_singular_fit_has_no_interval_and_says_so():
    fits = [two_fits()[0], fit([[0.0]], 5.0, [[np.nan, np.nan], [np.nan, 0.2]])]
    pooled = combine(fits)
    table = pooled.random_effects.set_index("term")
    assert table.loc["var(Intercept|g)", "estimate"] == 1
    assert table.loc["var(Intercept|g)", ["std_error", "conf_low", "conf_high", "riv", "fmi"]].isna().all()
    assert table.loc["var(residual)"].notna().all()
    assert pooled.icc == pytest.approx(1 / 6)
    assert pooled.icc_interval is None
    assert pooled.notes[0].startswith("No interval for var(Intercept|g), sd(Intercept|g): in imputations 2 the estimate lies")
    for text in (repr(pooled), pooled._repr_html_()):
        assert "No interval for var(Intercept|g)" in text
        assert "nan" not in text.lower()
        assert "ICC 0.1667" in text


def test_an_engine_without_standard_errors_says_so():
    fits = [Estimates(("x",), np.ones(1), np.eye(1), residual_variance=1.0) for _ in range(2)]
    pooled = combine(fits)
    assert pooled.random_effects["std_error"].isna().all()
    assert pooled.notes == ("The engine gives no standard errors of variance components, so that they have no intervals.",)


def simulate(rng, clusters=60, size=8):
    codes, x = np.repeat(np.arange(clusters), size), rng.normal(size=clusters * size)
    effects = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 0.5]], clusters)
    y = 1 + x + effects[codes, 0] + effects[codes, 1] * x + 1.5 * rng.normal(size=len(x))
    return pd.DataFrame({"y": y, "x": x, "g": codes})


def test_residual_variance_of_least_squares():
    table = simulate(np.random.default_rng(1))
    row = analyze([table, table], "y ~ x").pool(df_complete=np.inf).random_effects.loc[0]
    np.testing.assert_allclose(row["std_error"], row["estimate"] * np.sqrt(2 / 478))
    np.testing.assert_allclose(row["conf_high"], row["estimate"] * np.exp(norm.ppf(0.975) * np.sqrt(2 / 478)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*singular")
def test_intervals_cover_the_truth():
    """In 500 simulated tables. Coverage has a Monte Carlo error of 1 %; large-sample theory is off a little."""
    rng = np.random.default_rng(2)
    truth = {"var(Intercept|g)": 1.0, "var(x|g)": 0.5, "var(residual)": 2.25, "cor(Intercept,x|g)": 0.3 / np.sqrt(0.5)}
    truth["cov(Intercept,x|g)"], truth["sd(x|g)"] = 0.3, np.sqrt(0.5)
    covered = []
    for _ in range(500):
        table = simulate(rng)
        found = analyze([table, table], "y ~ x + (1 + x | g)").pool().random_effects.set_index("term")
        if found["std_error"].notna().all():
            covered.append(
                {key: found.loc[key, "conf_low"] < value < found.loc[key, "conf_high"] for key, value in truth.items()}
            )
    assert len(covered) > 490
    coverage = pd.DataFrame(covered).mean()
    assert coverage.between(0.915, 0.98).all(), coverage


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*singular")
def test_intervals_after_imputation_cover_the_truth():
    """A third of the responses is missing at random, and 5 proper imputations are drawn from the true model."""
    rng = np.random.default_rng(3)
    covered = {"var(Intercept|g)": [], "icc": []}
    for _ in range(200):
        codes = np.repeat(np.arange(50), 8)
        y = rng.normal(size=50)[codes] + 1.5 * rng.normal(size=400)
        missing = rng.uniform(size=400) < 1 / 3
        tables = [pd.DataFrame({"y": _imputed(y, missing, codes, rng), "g": codes}) for _ in range(5)]
        pooled = analyze(tables, "y ~ 1 + (1 | g)").pool()
        if pooled.icc_interval is None:
            continue
        row = pooled.random_effects.loc[0]
        covered["var(Intercept|g)"].append(row["conf_low"] < 1 < row["conf_high"])
        covered["icc"].append(pooled.icc_interval[0] < 1 / 3.25 < pooled.icc_interval[1])
    assert len(covered["icc"]) > 190
    # Parameters of the imputation model are known, so that intervals are a little too wide.
    for each in covered.values():
        assert 0.92 < np.mean(each) < 0.995


def _imputed(y, missing, codes, rng):
    """Draw missing responses given those of the same cluster, under mean 0, variance 1 between and 2.25 within."""
    n = np.bincount(codes[~missing], minlength=50)
    total = np.bincount(codes[~missing], y[~missing], minlength=50)
    precision = 1 + n / 2.25
    u = total / 2.25 / precision + rng.normal(size=50) / np.sqrt(precision)
    return np.where(missing, u[codes] + 1.5 * rng.normal(size=len(y)), y)
