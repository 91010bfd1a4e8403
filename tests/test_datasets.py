"""The generator draws from the truth it documents, and the shipped table is what it made."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.data.make_pupils import make_pupils
from jmimpute.datasets import COVARIATES, PUPILS_TRUTH, RESPONSES, load, simulate_pupils
from jmimpute.errors import TableError

PER_SCHOOL = 30


@pytest.fixture(scope="module")
def large():
    """2000 schools of 30 pupils: the incomplete and the complete table."""
    return simulate_pupils(2000, (PER_SCHOOL, PER_SCHOOL), random_seed=1, return_complete=True)


def residuals(table):
    """Responses minus fixed effects at the truth, shape (n_rows, 3)."""
    x = np.column_stack([np.ones(len(table)), table["sex"] == "girl", table["age"]])
    return table[list(RESPONSES)].to_numpy() - x @ PUPILS_TRUTH["beta"].to_numpy().T


def test_coefficients_are_the_documented_ones(large):
    _, complete = large
    x = np.column_stack([np.ones(len(complete)), complete["sex"] == "girl", complete["age"]])
    estimate = np.linalg.lstsq(x, complete[list(RESPONSES)].to_numpy())[0].T
    truth = PUPILS_TRUTH["beta"]
    assert list(truth.columns) == list(COVARIATES)
    # Standard errors: about sd / sqrt(n) for girls, twice that for a year of age, 11 times the latter for the constant.
    tolerance = 4 * np.array([[9], [8], [0.7]]) / np.sqrt(len(complete)) * np.array([1.1 * 22, 2, 2])
    assert (np.abs(estimate - truth.to_numpy()) < tolerance).all()


def test_covariances_are_the_documented_ones(large):
    _, complete = large
    frame = pd.DataFrame(residuals(complete)).groupby(complete["school"].to_numpy())
    within = (frame.transform(lambda column: column - column.mean())).to_numpy()
    omega_e = within.T @ within / (len(complete) - 2000)
    omega_u = np.cov(frame.mean().to_numpy().T) - omega_e / PER_SCHOOL
    intercepts = [f"{response}|Intercept" for response in RESPONSES]
    expected_u = PUPILS_TRUTH["Omega_u"].loc[intercepts, intercepts].to_numpy()
    for found, truth, n in ((omega_e, PUPILS_TRUTH["Omega_e"].to_numpy(), 58000), (omega_u, expected_u, 1500)):
        scale = np.sqrt(np.outer(np.diag(truth), np.diag(truth)))
        assert np.abs((found - truth) / scale).max() < 4 * np.sqrt(2 / n)


def test_sex_slope_varies_between_schools_only_when_asked():
    flat = simulate_pupils(400, (400, 400), 2, return_complete=True)[1]
    sloped = simulate_pupils(400, (400, 400), 2, sex_slope=True, return_complete=True)[1]
    boys = flat["sex"] == "boy"
    pd.testing.assert_frame_equal(flat[boys], sloped[boys])
    difference = (sloped.loc[~boys, list(RESPONSES)] - flat.loc[~boys, list(RESPONSES)]).groupby(flat["school"]).mean()
    slopes = [f"{response}|sex[girl]" for response in RESPONSES]
    truth = np.sqrt(np.diag(PUPILS_TRUTH["Omega_u"].loc[slopes, slopes]))
    np.testing.assert_allclose(difference.std(), truth, rtol=4 / np.sqrt(2 * 400))
    correlation = difference.corr().to_numpy()[np.tril_indices(3, -1)]
    np.testing.assert_allclose(correlation, 0.3, atol=4 * 0.91 / np.sqrt(400))


def test_holes_follow_the_documented_mechanism(large):
    table, complete = large
    missing = table[list(RESPONSES)].isna()
    by_school = missing["motivation"].groupby(table["school"]).mean()
    assert (by_school == 1).sum() == 400
    with_questionnaire = table["school"].isin(by_school[by_school < 1].index)
    absent = with_questionnaire & missing["motivation"]
    assert missing[absent].all(axis=None)
    assert absent.sum() / with_questionnaire.sum() == pytest.approx(0.02, abs=0.003)
    rows = with_questionnaire & ~absent

    def check(found, log_odds):
        assert found.mean() == pytest.approx((1 / (1 + np.exp(-log_odds))).mean(), abs=0.012)

    girl, age = complete["sex"] == "girl", complete["age"]
    for chosen in (girl & (age > 11.5), girl & (age < 10.5), ~girl & (age > 11.5), ~girl & (age < 10.5)):
        chosen = chosen & rows
        check(missing["reading"][chosen], (-2 - 0.5 * girl + 0.8 * (age - 11))[chosen])
    seen = rows & ~missing["reading"]
    for chosen in (seen & (table["reading"] < 45), seen & (table["reading"] > 55)):
        check(missing["maths"][chosen], (-1.6 - 0.1 * (table["reading"] - 47))[chosen])
    hidden = rows & missing["reading"]
    for chosen in (hidden & (complete["reading"] < 45), hidden & (complete["reading"] > 55)):
        assert missing["maths"][chosen].mean() == pytest.approx(1 / (1 + np.exp(1.6)), abs=0.05)


def test_observed_cells_are_those_of_the_complete_table(large):
    table, complete = large
    assert not complete.isna().any(axis=None)
    assert not table[["school", "pupil", "sex", "age"]].isna().any(axis=None)
    seen = table[list(RESPONSES)].notna()
    assert table[list(RESPONSES)].where(seen, 0).equals(complete[list(RESPONSES)].where(seen, 0))


def test_same_seed_same_table():
    first, again, other = (simulate_pupils(5, (3, 6), seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    sizes = first["school"].value_counts()
    assert sizes.between(3, 6).all()
    assert list(first["school"].unique()) == [f"school-0{number}" for number in range(1, 6)]
    assert list(first["pupil"]) == list(range(1, len(first) + 1))
    assert first[list(RESPONSES)].isna().all(axis=1).any(), "even a small table has an absent pupil"


def test_shipped_pupils_are_what_the_generator_makes():
    table = load("pupils")
    # Another build of BLAS may tip the rounding to two decimals.
    pd.testing.assert_frame_equal(table, make_pupils(), atol=0.0101, rtol=0)
    assert table["school"].nunique() == 40
    assert list(table["sex"].cat.categories) == ["boy", "girl"]


@pytest.mark.parametrize("bad", [{"schools": 0}, {"pupils": (0, 4)}, {"pupils": (5, 4)}])
def test_empty_schools_are_refused(bad):
    with pytest.raises(TableError, match="Give at least 1 school"):
        simulate_pupils(**bad)


def test_unknown_name_lists_the_options():
    with pytest.raises(TableError, match="'schools'.*Choose 'pupils' or 'survey'"):
        load("schools")
