"""The generators of published studies: what is fixed, what is drawn, and what is missing."""

import numpy as np
import pandas as pd
import pytest

from jmimpute import study
from jmimpute.analysis.engines import fit_statsmodels
from jmimpute.errors import StudyError


def rng(seed=1):
    return np.random.default_rng(seed)


def slopes(frame):
    """Least squares of y on x1 and x2 within each of the clusters, which have one size: shape (n_clusters, 3)."""
    clusters = frame["cluster"].nunique()
    X = np.column_stack([np.ones(len(frame)), frame[["x1", "x2"]]]).reshape(clusters, -1, 3)
    y = frame["y"].to_numpy().reshape(clusters, -1, 1)
    return np.linalg.solve(X.mT @ X, X.mT @ y)[:, :, 0]


def test_munoz_has_the_columns_and_holes_it_says():
    made = study.munoz(rng(), clusters=11, size=20)
    assert list(made.data.columns) == ["cluster", "x1", "x2", "x3", "y"]
    assert made.data["cluster"].value_counts(sort=False).to_dict() == dict.fromkeys(range(1, 12), 20)
    assert made.complete.notna().all(axis=None)
    seen = made.data["y"].notna()
    pd.testing.assert_frame_equal(made.data[seen], made.complete[seen])
    pd.testing.assert_frame_equal(made.data.drop(columns="y"), made.complete.drop(columns="y"))
    # a fifth of 11 clusters, rounded up
    assert set(made.data.loc[made.data["cluster"] <= 3, "y"].isna()) == {True}
    assert made.data.loc[made.data["cluster"] > 3, "y"].notna().groupby(made.data["cluster"]).any().all()


def test_munoz_is_the_same_for_the_same_seed():
    for process in ("heckman", "skewed_t", "self_masking"):
        first, again = (study.munoz(rng(3), 4, 30, process=process).data for _ in range(2))
        pd.testing.assert_frame_equal(first, again)


def test_munoz_has_the_parameters_of_the_paper():
    """400 clusters of 300: coefficients, standard deviations, correlations and the errors within 5 standard errors."""
    made = study.munoz(rng(), clusters=400, size=300)
    found = slopes(made.complete)
    error = np.sqrt(0.4 / 400) + 0.005
    np.testing.assert_allclose(found.mean(axis=0), [0.3, 1, 1], atol=5 * error)
    # estimated slopes have sampling variance of some 1/300 / 0.24 beside that of the effects
    np.testing.assert_allclose(np.cov(found.T), 0.4 * np.eye(3), atol=5 * 0.4 * np.sqrt(2 / 400) + 0.02)
    assert abs(made.complete["x1"].mean() - 0.6) < 5 * np.sqrt(0.24 / 1.2e5)
    assert abs(made.complete["x2"].std() - 1) < 0.01
    assert abs(made.complete["x3"].std() - 0.7) < 0.01
    assert list(made.truth[["Intercept", "x1", "x2", "sd(residual)"]]) == [0.3, 1, 1, 1]
    assert np.allclose(made.truth[["sd(Intercept|cluster)", "sd(x1|cluster)", "sd(x2|cluster)"]], np.sqrt(0.4))


def test_munoz_random_effects_of_both_equations_are_correlated():
    """With rho 0.9 the intercepts of y and s correlate by 0.36; shares of observed values among x1 = 0 follow those of s."""
    made = study.munoz(rng(), clusters=1500, size=60, rho=0.9)
    apart = made.complete["x1"].eq(0) & (made.data["cluster"] > 300)
    share = made.data["y"].notna()[apart].groupby(made.data["cluster"]).mean()
    centre = (made.complete["y"] - made.complete["x2"])[apart].groupby(made.data["cluster"]).mean()
    # 1200 clusters have an error of 0.03; noise within clusters makes 0.36 smaller
    assert 0.1 < np.corrcoef(share, centre)[0, 1] < 0.5


def test_munoz_residuals_differ_between_clusters():
    frame = study.munoz(rng(), clusters=300, size=500).complete
    coefficients = slopes(frame)
    fitted = (np.column_stack([np.ones(len(frame)), frame[["x1", "x2"]]]) * coefficients[frame["cluster"] - 1]).sum(axis=1)
    log_sd = np.log((frame["y"] - fitted).groupby(frame["cluster"]).std())
    # sampling adds a variance of 1 / (2 n): sd 0.05 becomes 0.0592
    assert abs(log_sd.std() - 0.0592) < 5 * 0.0592 / np.sqrt(600)
    assert abs(log_sd.mean()) < 5 * 0.0592 / np.sqrt(300) + 0.004


@pytest.mark.parametrize(
    ("process", "arguments", "published", "bias"),
    [
        ("heckman", {}, 60.36, (0.5617, -0.2401, 0.1153)),
        ("heckman", {"rho": 0.9}, 60.34, (0.837, -0.3618, 0.1707)),
        ("skewed_t", {"centred": False}, 60.4, (-0.4382, -0.1682, 0.0847)),
        ("self_masking", {"rho": 0.0}, 60.36, (0.5258, -0.1377, -0.1276)),
    ],
)
def test_complete_cases_have_the_published_bias(process, arguments, published, bias):
    """30 tables of 10 clusters of 200: means within 4.5 Monte Carlo errors, ours and theirs (16 comparisons: 1 in 9000)."""
    tables = [study.munoz(rng([5, k]), size=200, process=process, **arguments).data for k in range(30)]
    fits = [fit_statsmodels("y ~ x1 + x2 + (1 + x1 + x2 || cluster)", table.dropna()).values for table in tables]
    errors = np.std(fits, axis=0, ddof=1) / np.sqrt(30)
    assert (np.abs(np.mean(fits, axis=0) - [0.3, 1, 1] - bias) < 4.5 * np.hypot(errors, 0.011)).all()
    missing = [100 * table["y"].isna().mean() for table in tables]
    assert abs(np.mean(missing) - published) < 4.5 * np.std(missing) / np.sqrt(30)


def test_skewed_errors_are_centred_or_as_published():
    """The mean of the published errors is -0.931 (closed form); within 5 standard errors."""
    for centred, mean in ((True, 0.0), (False, -0.931)):
        made = study.munoz(rng(), clusters=400, size=200, process="skewed_t", centred=centred).complete
        off = slopes(made)[:, 0] - 0.3
        assert abs(off.mean() - mean) < 5 * off.std() / np.sqrt(400)


def test_a_binary_outcome_is_the_sign_of_the_continuous_one():
    continuous, binary = (study.munoz(rng(2), 5, 50, outcome=outcome) for outcome in ("continuous", "binary"))
    np.testing.assert_array_equal(binary.complete["y"], continuous.complete["y"] > 0)
    np.testing.assert_array_equal(binary.data["y"].isna(), continuous.data["y"].isna())
    assert "sd(residual)" not in binary.truth


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outcome": "count"}, "outcome 'count' is not known"),
        ({"process": "heckmann"}, "Choose 'heckman', 'skewed_t' or 'self_masking'"),
        ({"clusters": 1}, "at least two clusters"),
        ({"size": 0}, "at least one row"),
        ({"rho": 1.0}, "between -1 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(StudyError, match=message):
        study.munoz(rng(), **arguments)


def shares(made):
    """By covariate: share of cells in clusters without a value, and of missing cells in the others."""
    missing = made.data[["x1", "x2"]].isna()
    whole = missing.groupby(made.data["cluster"]).transform("all")
    return whole.mean().to_numpy(), (missing & ~whole).sum().to_numpy() / (~whole).sum().to_numpy()


@pytest.mark.parametrize(
    ("table", "systematic", "sporadic"),
    [(1, 0.2, 0.3), (2, 0.2, 0.3), (3, 0.2, 0.3), (4, 0.2, 0.3), (8, 0, 0.44), (9, 0.44, 0)],
)
def test_resche_rigon_has_the_holes_of_its_table(table, systematic, sporadic):
    found = np.array([shares(study.resche_rigon(rng(k), table)) for k in range(40)]).mean(axis=0)
    # 40 x 20 clusters of unequal size in table 3; 5 standard errors
    assert np.abs(found[0] - systematic).max() <= 5 * np.sqrt(systematic * (1 - systematic) / 800) * 1.3
    assert np.abs(found[1] - sporadic).max() <= 5 * np.sqrt(sporadic * (1 - sporadic) / 40000)


@pytest.mark.parametrize(
    ("table", "means", "within"),
    [(1, (0.5, 0.5), (0.5, 0.5)), (2, (0.17, 0.5), (0.5, 0.17)), (3, (0.17, 0.5), (0.5, 0.17)), (8, (0.5, 0.5), (0.5, 0.5))],
)
def test_resche_rigon_has_the_spreads_of_its_table(table, means, within):
    """Standard deviations and correlations of 800 clusters, within 5 standard errors."""
    frames = [study.resche_rigon(rng(k), table).complete for k in range(40)]
    centres = np.concatenate([frame.groupby("cluster")[["x1", "x2"]].mean() for frame in frames])
    inside = np.concatenate([(f[["x1", "x2"]] - f.groupby("cluster")[["x1", "x2"]].transform("mean")) for f in frames])
    sizes = np.concatenate([frame["cluster"].value_counts() for frame in frames])
    noise = np.array(within) ** 2 * np.mean(1 / sizes)
    np.testing.assert_allclose(centres.std(axis=0), np.sqrt(np.array(means) ** 2 + noise), rtol=5 / np.sqrt(1600))
    np.testing.assert_allclose(inside.std(axis=0) / np.sqrt(1 - 800 / len(inside)), within, rtol=0.01)
    assert abs(np.corrcoef(centres.T)[0, 1] - 0.5) < 5 * 0.75 / np.sqrt(800)
    assert abs(np.corrcoef(inside.T)[0, 1] - 0.5) < 0.02


def test_resche_rigon_has_unequal_clusters_in_table_3():
    sizes = study.resche_rigon(rng(), 3).data["cluster"].value_counts(sort=False)
    assert list(sizes) == [160] * 10 + [40] * 10


def test_resche_rigon_has_the_outcome_of_the_paper():
    """60 tables of 20 clusters: mean and covariance of the coefficients of clusters, residual; within 5 standard errors."""
    frames = [study.resche_rigon(rng(k), 1).complete for k in range(60)]
    found = np.concatenate([slopes(frame) for frame in frames])
    np.testing.assert_allclose(found.mean(axis=0), [0, 0.5, 1], atol=5 * 0.52 / np.sqrt(1200))
    expected = 0.25 * (0.3 + 0.7 * np.eye(3))
    # least squares adds its own errors, of variance 0.014 or less
    np.testing.assert_allclose(np.cov(found.T), expected, atol=5 * 0.26 * np.sqrt(2 / 1200) + 0.02)
    truth = study.resche_rigon(rng(), 1).truth
    assert truth["sd(x2|cluster)"] == truth["sd(residual)"] == 0.5
    assert truth["cor(x1,x2|cluster)"] == 0.3


def test_both_readings_of_table_4():
    """Spread of the standard deviations of x1 in clusters: 8.5 % if variances are log-normal, a third if they are normal."""
    for spread, expected in (("log-variance", 0.085), ("sd", 0.34)):
        sds = np.concatenate([study.resche_rigon(rng(k), 4, spread).complete.groupby("cluster")["x1"].std() for k in range(25)])
        # 100 rows a cluster: sampling adds a coefficient of variation of 7 %
        assert abs(np.std(sds) / np.mean(sds) - np.hypot(expected, 0.0709)) < 5 * np.hypot(expected, 0.07) / np.sqrt(1000)


def test_the_share_of_systematic_clusters_can_be_another():
    found = np.mean([shares(study.resche_rigon(rng(k), 9, systematic=0.3))[0] for k in range(40)])
    assert abs(found - 0.3) < 5 * np.sqrt(0.21 / 1600)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": 5}, "table 5. Choose 1, 2, 3, 4, 8 or 9"),
        ({"spread": "variance"}, "'log-variance' or 'sd'"),
        ({"systematic": 1.0}, "between 0 and 1"),
    ],
)
def test_settings_that_are_not_there_are_refused(arguments, message):
    with pytest.raises(StudyError, match=message):
        study.resche_rigon(rng(), **arguments)
