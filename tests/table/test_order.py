"""One order of rows whatever order they come in."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.table.order import canonical

N = 200


@pytest.fixture
def table():
    """Few distinct values of the modelled columns, so that ties abound; `id` tells all rows apart."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.choice([1.0, 2.0, np.nan], N),
            "x": pd.Categorical(rng.choice(["a", "b"], N)),
            "id": rng.permutation(N),
            "codes": rng.integers(0, 5, N),
        }
    )


def ordered(frame, columns=("y", "x")):
    """Return the frame in canonical order."""
    content = frame.drop(columns="codes")
    return frame.iloc[canonical(content, frame["codes"].to_numpy(), columns)].reset_index(drop=True)


def test_it_is_an_order_of_all_rows(table):
    rows = canonical(table, table["codes"].to_numpy(), ["y"])
    assert sorted(rows) == list(range(N))


def test_clusters_are_contiguous_and_ascending(table):
    assert (np.diff(ordered(table)["codes"]) >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_rows_come_out_alike(table, seed):
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(ordered(shuffled), ordered(table))


def test_without_other_columns_only_equal_rows_trade_places(table):
    table = table.drop(columns="id")
    pd.testing.assert_frame_equal(ordered(table.sample(frac=1, random_state=1)), ordered(table))


def test_modelled_columns_come_first(table):
    """Other columns decide between ties only: changing them moves no row past one that differs in a modelled column."""
    changed = table.assign(id=table["id"].to_numpy()[::-1])
    pd.testing.assert_frame_equal(ordered(changed)[["codes", "y", "x"]], ordered(table)[["codes", "y", "x"]])
    assert not ordered(changed).equals(ordered(table))


def test_cells_that_cannot_be_hashed_are_fine():
    frame = pd.DataFrame({"y": [1.0, 1.0, 1.0], "list": [[3], [1], {"a": 2}], "codes": 0})
    first = ordered(frame, ["y"])["list"].tolist()
    assert ordered(frame.iloc[::-1], ["y"])["list"].tolist() == first


def test_all_columns_modelled_and_none():
    frame = pd.DataFrame({"y": [2.0, 1.0]})
    assert sorted(canonical(frame, np.array([1, 0]), ["y"])) == [0, 1]
    assert canonical(frame, np.array([1, 0]), ["y"]).tolist() == [1, 0]
    assert canonical(frame, np.array([1, 0]), []).tolist() == [1, 0]
