"""Monte Carlo error and required imputations."""

import json
from pathlib import Path

import numpy as np
import pytest

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.pool import pool
from jmimpute.errors import AnalysisError


def lm1():
    model = json.loads((Path(__file__).parents[1] / "reference" / "jsp_pooling.json").read_text())["models"]["lm1"]
    pairs = zip(model["coef"], model["vcov"], strict=True)
    return Analyses(tuple(Estimates(tuple(model["terms"]), np.array(q), np.array(u)) for q, u in pairs), "lm1", None, None)


def test_monte_carlo_error_of_an_estimate_is_that_of_a_mean():
    table = lm1().monte_carlo_error().table
    values = np.array([fit.values for fit in lm1()])
    np.testing.assert_allclose(table["estimate"], values.std(axis=0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose(table["relative"], table["estimate"] / lm1().pool().table["std_error"])


@pytest.mark.parametrize("df_complete", [np.inf, 1114])
def test_others_are_by_the_jackknife(df_complete):
    fits = lm1()
    table = fits.monte_carlo_error(df_complete=df_complete).table
    for column in ("std_error", "statistic", "df", "p_value", "fmi"):
        left = [
            Analyses(fits.fits[:i] + fits.fits[i + 1 :], "lm1", None, None).pool(df_complete=df_complete).table[column]
            for i in range(5)
        ]
        np.testing.assert_allclose(table[column], np.std(left, axis=0, ddof=0) * 2, err_msg=column)


def test_jackknife_errors_are_those_of_repeated_imputation():
    """Over 2,000 sets of 20 imputations from a normal, the mean jackknife variance of a standard error is that of the sets.

    The ratio was 1.06 over 20,000 sets, and has a Monte Carlo error of about 4 % here.
    """
    values = np.random.default_rng(1).normal(size=(20, 2000))
    names = tuple(map(str, range(2000)))
    fits = Analyses(tuple(Estimates(names, each, np.eye(2000)) for each in values), "f", None, None)
    jackknife = (fits.monte_carlo_error().table["std_error"] ** 2).mean()
    assert 0.92 < jackknife / np.var(np.sqrt(1 + 1.05 * values.var(axis=0, ddof=1))) < 1.2


def test_required_m_by_hand():
    """With FMI 0.5 and 20 imputations: the upper limit is expit(1.96 sqrt(0.1)) = 0.65."""
    pooled = lm1().pool()
    pooled.table["fmi"] = [0.1, 0.2, 0.3, 0.5, 0.4]
    upper = 1 / (1 + np.exp(-1.959963984540054 * np.sqrt(2 / 5)))
    assert pooled.required_m() == int(np.ceil(1 + (upper / 0.05) ** 2 / 2))
    assert pooled.required_m(cv=0.1) == int(np.ceil(1 + (upper / 0.1) ** 2 / 2))
    logit = np.log(0.1 / 0.9)
    low = 1 / (1 + np.exp(-(logit + 0.6744897501960817 * np.sqrt(2 / 5))))
    assert pooled.required_m(terms="(Intercept)", level=0.5) == int(np.ceil(1 + (low / 0.05) ** 2 / 2))
    assert pooled.required_m(terms=["ravens", "sex"]) < pooled.required_m(terms="fluent2") < pooled.required_m()


def test_required_m_as_published():
    """Von Hippel (2020): without uncertainty of the FMI, cv 0.05 asks for 1 + 200 FMI^2."""
    pooled = lm1().pool()
    pooled.table["fmi"] = 0.31
    assert pooled.required_m(level=1e-12) == 21  # 20.22
    pooled.table["fmi"] = 0.0
    assert pooled.required_m() == 2


def test_words():
    text = repr(lm1().monte_carlo_error())
    assert "Monte Carlo errors of results from 5 imputations" in text
    assert "of the standard error (fluent1)" in text
    needed = lm1().pool().required_m()
    assert f"{needed} are needed (fluent1): imputations.extend(m={needed})" in text
    assert "5 are enough" in repr(lm1().monte_carlo_error(cv=0.9))


def test_terms_without_missing_information_have_no_error():
    fits = Analyses(tuple(Estimates(("a",), np.ones(1), np.eye(1)) for _ in range(4)), "f", None, None)
    found = fits.monte_carlo_error().table.loc[0]
    assert found[["estimate", "std_error", "df", "p_value", "fmi", "relative"]].tolist() == [0] * 6
    assert found["required_m"] == 2


def test_what_is_refused():
    with pytest.raises(AnalysisError, match="There are 2 imputations. The jackknife .* at least three"):
        Analyses(lm1().fits[:2], "f", None, None).monte_carlo_error()
    pooled = pool([[1.0], [2.0]], [[1.0], [1.0]])
    with pytest.raises(AnalysisError, match="cv is 0"):
        pooled.required_m(cv=0)
    with pytest.raises(AnalysisError, match="The level is 95"):
        pooled.required_m(level=95)
    with pytest.raises(AnalysisError, match="The model has no term 'z'"):
        pooled.required_m(terms="z")
