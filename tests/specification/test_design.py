"""Design matrices: values, names, and errors in the words of this package."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import FormulaError
from jmimpute.specification.design import design


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "x": [1.0, 2.0, 4.0, 8.0],
            "sex": pd.Categorical(["boy", "girl", "girl", "boy"]),
            "kind": ["b", "a", "c", "a"],
            "my col": [1, 0, 1, 3],
            "flag": [True, False, True, True],
        }
    )


GIRL = np.array([0.0, 1, 1, 0])
X = np.array([1.0, 2, 4, 8])
ONE = np.ones(4)
CASES = {
    "1 + x": {"Intercept": ONE, "x": X},
    "1": {"Intercept": ONE},
    "0 + x": {"x": X},
    "1 + 0 + x": {"x": X},
    "1 + x - 1": {"x": X},
    "1 + sex": {"Intercept": ONE, "sex[girl]": GIRL},
    "0 + sex": {"sex[boy]": 1 - GIRL, "sex[girl]": GIRL},
    "1 + sex * x": {"Intercept": ONE, "sex[girl]": GIRL, "x": X, "sex[girl]:x": GIRL * X},
    "1 + kind": {"Intercept": ONE, "kind[b]": np.array([1.0, 0, 0, 0]), "kind[c]": np.array([0.0, 0, 1, 0])},
    "1 + `my col`": {"Intercept": ONE, "my col": np.array([1.0, 0, 1, 3])},
    "1 + log(x)": {"Intercept": ONE, "log(x)": np.log(X)},
    "1 + I(x ** 2)": {"Intercept": ONE, "I(x ** 2)": X**2},
    "1 + abs(x) + exp(x) + sqrt(x) + log1p(x)": {
        "Intercept": ONE,
        "abs(x)": X,
        "exp(x)": np.exp(X),
        "sqrt(x)": np.sqrt(X),
        "log1p(x)": np.log1p(X),
    },
    "1 + center(x)": {"Intercept": ONE, "center(x)": X - X.mean()},
}


@pytest.mark.parametrize("side", CASES)
def test_values_and_names(side, frame):
    built = design(side, frame)
    assert built.names == tuple(CASES[side])
    np.testing.assert_allclose(built.matrix, np.column_stack(list(CASES[side].values())), rtol=1e-14)
    assert built.matrix.flags.c_contiguous


def test_no_columns(frame):
    built = design("0", frame)
    assert (built.names, built.matrix.shape) == ((), (4, 0))


def test_rows_keep_their_order_whatever_the_index(frame):
    built = design("1 + x", frame.iloc[[2, 0, 3, 1]])
    np.testing.assert_array_equal(built.matrix[:, 1], [4, 1, 8, 2])


def test_a_column_called_like_a_function(frame):
    built = design("1 + log + log(x)", frame.assign(log=[5.0, 6.0, 7.0, 9.0]))
    np.testing.assert_allclose(built.matrix[:, 1:], np.column_stack([[5, 6, 7, 9], np.log(X)]))


@pytest.mark.parametrize("side", ["1 + log(kind)", "1 + bs(x)", "1 + C(sex, Treatment('alien'))", "1 + log(x, 2, 3)"])
def test_what_cannot_be_evaluated_is_refused(side, frame):
    with pytest.raises(FormulaError, match="cannot be evaluated") as caught:
        design(side, frame)
    assert repr(side) in str(caught.value)
    assert caught.value.__cause__ is not None


def test_values_out_of_domain_are_left_to_the_checks(frame):
    """No warning of numpy comes before the error that names the column."""
    assert not np.isfinite(design("1 + log(x)", frame.assign(x=[0.0, -1.0, 1.0, 2.0])).matrix).all()
