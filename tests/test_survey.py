"""The survey is drawn from the truth it documents."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.data.make_survey import make_survey
from jmimpute.datasets import SURVEY_TRUTH, load, simulate_survey
from jmimpute.errors import TableError

COLUMNS = ["weight", "height", "age"]


@pytest.fixture(scope="module")
def large():
    return simulate_survey(1000, (50, 50), 1)


def test_parameters_are_the_documented_ones(large):
    """1000 regions of 50: means, residual sds and sds between regions within 4 of their errors; shares of family histories."""
    _, complete = large
    truth_e, truth_u = (np.sqrt(np.diag(SURVEY_TRUTH[name])) for name in ("Omega_e", "Omega_u"))
    men = (complete["sex"] == "male").to_numpy()
    for k, name in enumerate(COLUMNS):
        constant, of_male = SURVEY_TRUTH["beta"].loc[name]
        error = np.hypot(truth_e[k] / np.sqrt(25_000), truth_u[k] / np.sqrt(1000))
        assert complete.loc[~men, name].mean() == pytest.approx(constant, abs=4 * error)
        assert complete.loc[men, name].mean() - complete.loc[~men, name].mean() == pytest.approx(
            of_male, abs=4 * truth_e[k] * np.sqrt(2 / 25_000)
        )
        rest = complete[name] - constant - of_male * men
        within = rest - rest.groupby(complete["region"]).transform("mean")
        assert np.sqrt(np.sum(within**2) / (50_000 - 1000)) == pytest.approx(truth_e[k], rel=4 / np.sqrt(2 * 49_000))
        between = rest.groupby(complete["region"]).mean().var() - truth_e[k] ** 2 / 50
        assert between == pytest.approx(
            truth_u[k] ** 2, rel=4 * np.sqrt(2 / 1000) * (1 + truth_e[k] ** 2 / 50 / truth_u[k] ** 2)
        )
    residual = complete[COLUMNS].sub(complete[COLUMNS].groupby([complete["region"], complete["sex"]]).transform("mean"))
    sds = np.outer(truth_e, truth_e)[:3, :3]
    expected = (SURVEY_TRUTH["Omega_e"].to_numpy()[:3, :3] / sds)[np.tril_indices(3, -1)]
    np.testing.assert_allclose(residual.corr().to_numpy()[np.tril_indices(3, -1)], expected, atol=4 / np.sqrt(48_000))
    spread = np.sqrt(1 + SURVEY_TRUTH["Omega_u"].iloc[3, 3])
    from scipy.stats import norm

    assert (complete.loc[~men, "famhist"] == "yes").mean() == pytest.approx(norm.cdf(-0.5 / spread), abs=0.02)


def test_holes_follow_the_documented_mechanism(large):
    table, complete = large
    pd.testing.assert_frame_equal(table[["region", "sex", "duration"]], complete[["region", "sex", "duration"]])
    seen = table[COLUMNS].notna()
    assert table[COLUMNS].where(seen, 0).equals(complete[COLUMNS].where(seen, 0))
    absent = table["weight"].isna().groupby(table["region"]).mean()
    assert (absent == 1).sum() == 2 and (table["height"].isna().groupby(table["region"]).mean() == 1).sum() == 1
    asked = table["region"].isin(absent[absent < 1].index)
    men = table["sex"] == "male"
    for name, shares in (("age", (0.05, 0.05)), ("famhist", (0.12, 0.2))):
        for rows, share in ((~men, shares[0]), (men, shares[1])):
            assert table.loc[rows, name].isna().mean() == pytest.approx(share, abs=4 * np.sqrt(share / 25_000))
    # Probit of being recorded: 0.7 + 0.7 z, spread by the region's 0.3.
    from scipy.stats import norm

    for low, high in ((10, 20), (28, 32), (40, 50)):
        rows = asked & ~men & table["duration"].between(low, high)
        eta = (0.7 + 0.7 * (table.loc[rows, "duration"] - 30) / 8) / np.hypot(1, 0.3)
        assert table.loc[rows, "weight"].notna().mean() == pytest.approx(norm.cdf(eta).mean(), abs=0.03)
    # Heavier than the region and sex makes expect: mean of the residual given selection has the sign of rho.
    residual = complete["weight"] - complete["weight"].groupby([complete["region"], complete["sex"]]).transform("mean")
    assert residual[asked & table["weight"].isna()].mean() - residual[asked & table["weight"].notna()].mean() > 5
    other, whole = simulate_survey(200, (50, 50), 1, rho=0.0)
    residual = whole["weight"] - whole["weight"].groupby([whole["region"], whole["sex"]]).transform("mean")
    assert abs(residual[other["weight"].isna()].mean()) < 4 * 12 / np.sqrt(other["weight"].isna().sum())


def test_the_shipped_survey_is_what_the_generator_makes():
    # Another build of BLAS may tip the rounding.
    pd.testing.assert_frame_equal(load("survey"), make_survey(), atol=0.101, rtol=0)


@pytest.mark.parametrize("bad", [{"regions": 3}, {"people": (5, 4)}, {"people": (0, 4)}, {"rho": 1.0}])
def test_what_makes_no_survey_is_refused(bad):
    with pytest.raises(TableError, match="make no survey"):
        simulate_survey(**bad)
