"""Cells are taken out of imputations at their places."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots.cells import cells, evenly, numbers_of, thinned
from jmimpute.plots.figure import new_panels, wrapped


def test_categories_are_positions_in_their_levels(make_imputations):
    table = pd.DataFrame({"c": ["u", None, "v", None]})
    found = cells(make_imputations(table, {"c": np.array([["u", "v"], ["v", "v"]])}, categories={"c": ("v", "u")}), "c")
    assert found["row"].tolist() == [0, 2, 1, 3, 1, 3]
    assert found["imputation"].tolist() == [0, 0, 1, 1, 2, 2]
    assert found["value"].tolist() == [1, 0, 1, 0, 0, 0]


def test_numbers_leave_categories_out_only_if_they_were_not_asked_for(imputations):
    assert list(numbers_of(imputations, None)["variable"].cat.categories) == ["x", "y"]
    with pytest.raises(TableError, match="'g' has categories.*`bars`"):
        numbers_of(imputations, ["x", "g"])


def test_only_categories_are_no_numbers(make_imputations):
    table = pd.DataFrame({"c": ["u", None]})
    with pytest.raises(TableError, match="All imputed variables have categories"):
        numbers_of(make_imputations(table, {"c": np.array([["u"]])}, categories={"c": ("u",)}), None)


def test_thinning_keeps_the_ends_and_the_order():
    table = pd.DataFrame({"x": [5.0, 1.0, 3.0, 2.0, 4.0]})
    assert thinned(table, "x", 3)["x"].tolist() == [1, 3, 5]
    assert sorted(thinned(table, "x", 5)["x"]) == [1, 2, 3, 4, 5]
    assert evenly(np.arange(10), 4).tolist() == [0, 3, 6, 9] and evenly(np.arange(3), 4).tolist() == [0, 1, 2]


def test_there_are_as_many_panels_as_asked_for():
    figure, panels = new_panels(5, 3, 2, 2)
    assert len(panels) == len(figure.axes) == 5


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("a rather long name", ["a rather", "long name"]),
        ("question_of_the_day", ["question", "_of_the_", "day"]),
        ("abcdefghijklmnop", ["abcdefghi", "jklmnop"]),
        ("x|Intercept", ["x|", "Intercept"]),
    ],
)
def test_long_names_are_broken_behind_signs(text, lines):
    found = wrapped(text, 9).split("\n")
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= 9 for line in found)
    if "_" not in text:
        assert found == lines
