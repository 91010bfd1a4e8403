"""What an analyst's function may return, and what is said about everything else."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.estimates import Estimates, as_estimates
from jmimpute.errors import AnalysisError

MATRIX = np.array([[4.0, 1.0], [1.0, 9.0]])
LABELLED = pd.DataFrame(MATRIX, index=["a", "b"], columns=["a", "b"])


@pytest.mark.parametrize(
    "returned",
    [
        ({"a": 1.0, "b": 2.0}, MATRIX),
        (pd.Series({"a": 1.0, "b": 2.0}), LABELLED.loc[["b", "a"], ["b", "a"]]),
        ([1.0, 2.0], LABELLED),
        (pd.Series({"a": 1, "b": 2}), MATRIX.tolist()),
        SimpleNamespace(params=pd.Series({"a": 1.0, "b": 2.0}), cov_params=lambda: LABELLED),
        Estimates(("a", "b"), np.array([1.0, 2.0]), MATRIX),
    ],
)
def test_every_form_reads_the_same(returned):
    fit = as_estimates(returned, n_rows=7)
    assert fit.names == ("a", "b")
    assert fit.values.tolist() == [1, 2]
    np.testing.assert_array_equal(fit.covariance, MATRIX)
    assert fit.std_errors.tolist() == [2, 3]
    assert fit.df_complete == np.inf
    assert fit.n_rows == 7


@pytest.mark.parametrize("variances", [[4.0, 9.0], {"b": 9.0, "a": 4.0}, pd.Series({"b": 9.0, "a": 4.0})])
def test_squared_standard_errors(variances):
    fit = as_estimates(({"a": 1.0, "b": 2.0}, variances))
    assert fit.std_errors.tolist() == [2, 3]
    assert np.isnan(fit.covariance[0, 1])


def test_scalars_are_one_term():
    fit = as_estimates((1.5, 0.25))
    assert (fit.names, fit.values.tolist(), fit.std_errors.tolist()) == (("b1",), [1.5], [0.5])


def test_residual_df_of_results_are_kept():
    results = SimpleNamespace(params=pd.Series({"a": 1.0}), cov_params=lambda: np.eye(1), df_resid=12)
    assert as_estimates(results).df_complete == 12


def test_of_a_mixed_model_only_fixed_effects_are_read():
    results = SimpleNamespace(
        params=pd.Series({"a": 1.0, "a Var": 3.0}),
        fe_params=[1.0],
        cov_params=lambda: np.diag([4.0, np.nan]),
        df_resid=9,
    )
    fit = as_estimates(results)
    assert (fit.names, fit.values.tolist(), fit.covariance.tolist(), fit.df_complete) == (("a",), [1], [[4]], np.inf)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned NoneType. It must return a pair"),
        ("ab", "returned str"),
        (([1.0], [1.0], 3), "returned tuple"),
        (([], []), "no estimates"),
        (([[1.0, 2.0]], MATRIX), r"estimates have shape \(1, 2\)"),
        ((["x"], [1.0]), "estimates cannot be read as numbers"),
        (([1.0], ["x"]), "covariance cannot be read as numbers"),
        (([1.0, 2.0], [1.0]), r"covariance has shape \(1,\). For 2 estimates it must be a matrix of shape \(2, 2\)"),
        (([1.0], LABELLED), "1 estimates, but the covariance names 2: a, b"),
        (({"a": 1.0, "c": 2.0}, LABELLED), "covariance is labelled a, b, the estimates a, c"),
        ((pd.Series([1.0, 2.0], index=["a", "a"]), MATRIX), "Two estimates have the same name: a"),
        (([1.0, np.nan], MATRIX), "estimate of b2 is not finite"),
        (([1.0, 2.0], [1.0, np.inf]), "variance of b2 is not finite"),
        (([1.0, 2.0], [-1.0, 1.0]), "variance of b1 is negative"),
        (([1.0, 2.0], [[1.0, np.nan], [0.5, 1.0]]), "not finite off its diagonal"),
        (([1.0, 2.0], [[1.0, 0.5], [0.2, 1.0]]), "not symmetric"),
        (Estimates(("a",), np.ones(2), np.eye(2)), r"1 terms, but values of shape \(2,\)"),
        (Estimates(("a",), np.ones(1), np.eye(1), df_complete=0), "degrees of freedom are 0"),
    ],
)
def test_what_cannot_be_pooled_is_refused(returned, message):
    with pytest.raises(AnalysisError, match=message):
        as_estimates(returned)
