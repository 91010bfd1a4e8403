"""Pictures of checks show the numbers of their tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from jmimpute.errors import TableError
from jmimpute.imputation.overimpute_tables import calibration, coverage
from jmimpute.plots import check, check_table, imputed_trace, imputed_trace_table, overimpute, overimpute_table
from jmimpute.plots.check import OUTSIDE
from jmimpute.plots.figure import OBSERVED

RNG = np.random.default_rng(1)


def statistics(by, variable, groups, statistic, category=None):
    n = len(groups)
    data = np.arange(n)[::-1] * 1.0
    p = np.where(np.arange(n) == 1, 0.01, 0.5)
    row = {"by": by, "variable": variable, "category": category, "group": groups, "statistic": statistic, "n": range(5, 5 + n)}
    return pd.DataFrame(row | {"data": data, "low": data - 1, "high": data + 2, "p_value": p})


def checked(n_clusters):
    """A check of one continuous variable and one with categories."""
    labels = [f"s{j}" for j in range(n_clusters)]
    parts = [
        statistics("variable", "x", [None], "mean"),
        statistics("variable", "x, y", [None], "correlation"),
        statistics("cluster", "x", labels, "mean"),
        statistics("cluster", "x", labels[1:], "sd"),
        *(statistics("cluster", "g", labels, "share", level) for level in ("u", "v", "w")),
        statistics("pattern", "x", ["complete", "without g"], "mean"),
    ]
    return SimpleNamespace(
        table=pd.concat(parts, ignore_index=True),
        data={"x": RNG.normal(size=(1, 50)), "g": np.array([[0.0, 0, 1, 2]])},
        replicates={"x": RNG.normal(size=(7, 50)), "g": np.array([[0.0, 1, 1, 1]] * 3)},
        levels={"g": ("u", "v", "w")},
        cells="observed",
        clusters="same",
        cluster="school",
    )


def test_a_panel_a_variable_with_the_data_over_replicates():
    figure = check(checked(3))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["x", "g"]
    curves = figure.axes[0].lines
    assert len(curves) == 8 and [line.get_color() for line in curves][-1] == OBSERVED
    assert [bar.get_height() for bar in figure.axes[1].patches] == [0.5, 0.25, 0.25]
    dashes = np.array([path.vertices[0] for path in figure.axes[1].collections[0].get_paths()])
    np.testing.assert_allclose(dashes[:, 1], [0.25, 0.75, 0])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed data", "replicates (7)"]


def test_a_line_a_cluster_in_the_order_of_the_first_panel():
    figure = check(checked(4), "cluster")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["mean of x", "sd of x", "share of g = u", "share of g = v", "share of g = w"]
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["s3", "s2", "s1", "s0"]
    dots = axes.collections[1]
    assert dots.get_offsets().tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert [tuple(colour) for colour in dots.get_facecolors()] == [to_rgba(c) for c in (OBSERVED, OBSERVED, OUTSIDE, OBSERVED)]
    ends = [path.vertices[:, 0].tolist() for path in axes.collections[0].get_paths()]
    assert ends == [[-1, 2], [0, 3], [1, 4], [2, 5]]
    sd = figure.axes[1].collections[1].get_offsets()
    assert sd[:3].tolist() == [[0, 0], [1, 1], [2, 2]], "s0 has no sd, its line is empty"


def test_of_many_clusters_sixty_are_drawn():
    figure = check(checked(300), "cluster", "x")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 60 and (labels[0], labels[-1]) == ("s299", "s0")
    assert figure.axes[0].get_ylabel() == "school (60 of 300, evenly spaced)"
    assert check(checked(4), "pattern").axes[0].get_yticklabels()[1].get_text() == "without g"


def test_tables_of_checks_and_what_is_refused():
    assert check_table(checked(3), variables="x")["statistic"].tolist() == ["mean", "correlation"]
    assert check_table(checked(3), "cluster", "g")["category"].unique().tolist() == ["u", "v", "w"]
    with pytest.raises(TableError, match="by must be 'variable', 'cluster' or 'pattern', not 'row'"):
        check(checked(3), "row")
    with pytest.raises(TableError, match="'g' was not compared by pattern. Choose among 'x'"):
        check(checked(3), "pattern", "g")
    alone = checked(3)
    alone.table = alone.table[alone.table["by"] == "variable"]
    with pytest.raises(TableError, match="Nothing was compared by cluster"):
        check(alone, "cluster")


def overimputed(n):
    observed = np.sort(RNG.normal(size=n))
    cells = pd.DataFrame(
        {
            "row": np.arange(n),
            "cluster": "s",
            "pattern": "complete",
            "missing_share": 0.25 * (np.arange(n) % 2),
            "observed": observed,
            "mean": 0.5 * observed,
            "low_90": 0.5 * observed - 1,
            "high_90": 0.5 * observed + 1,
            "pit": RNG.random(n),
        }
    )
    return SimpleNamespace(variable="x", levels=(), cells=cells, table=coverage(cells, [0.9]))


def test_cells_stand_at_their_values_with_their_intervals():
    figure = overimpute(overimputed(40))
    axes = figure.axes[0]
    lines, dots = axes.collections[0], axes.collections[1]
    table = overimpute_table(overimputed(40))
    assert len(table) == 40 and len(dots.get_offsets()) == 40
    x, y = dots.get_offsets().T
    np.testing.assert_allclose(y, 0.5 * x)
    np.testing.assert_allclose([path.vertices[:, 1] for path in lines.get_paths()], np.column_stack([y - 1, y + 1]))
    assert len(np.unique(dots.get_facecolors(), axis=0)) == 2
    np.testing.assert_array_equal(*axes.lines[0].get_data())
    assert "90 % intervals cover" in axes.get_title(loc="left") and "of 40 cells" in axes.get_title(loc="left")
    assert figure.axes[1].get_ylabel() == "share of responses that the row lacks"


def test_of_many_cells_three_hundred_are_drawn_and_the_figure_says_so():
    figure = overimpute(overimputed(1000))
    assert len(figure.axes[0].collections[1].get_offsets()) == 300
    assert figure.axes[0].get_xlabel() == "observed (300 of 1000 cells, evenly spaced)"


def test_categories_have_a_panel_of_calibration_each():
    p = np.repeat([0.15, 0.55, 0.3], 20)
    cells = pd.DataFrame({"p[a]": p, "p[b]": 0.2, "p[c]": 0.8 - p, "observed": "a", "cluster": "s", "pattern": "complete"})
    result = SimpleNamespace(variable="g", levels=("a", "b", "c"), cells=cells, table=calibration(cells, ("a", "b", "c")))
    figure = overimpute(result)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["g = a", "g = b", "g = c"]
    np.testing.assert_allclose(figure.axes[0].collections[1].get_offsets(), [[0.15, 1], [0.3, 1], [0.55, 1]])
    assert [text.get_text() for text in figure.axes[1].texts] == ["60"]
    assert overimpute_table(result)["by"].unique().tolist() == ["probability"]


@pytest.fixture
def diagnostics():
    names = ["mean[x]", "sd[x]", "mean[x, school a]"]
    coords = {"chain": [0, 1], "draw": [0, 2, 4, 6], "quantity": names, "of_cluster": ("quantity", [False, False, True])}
    return SimpleNamespace(draws=xr.DataArray(np.arange(24.0).reshape(2, 4, 3), coords, ("chain", "draw", "quantity")))


def test_quantities_are_drawn_by_chain_with_their_ranks(diagnostics):
    figure = imputed_trace(diagnostics)
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["mean[x]", "sd[x]"]
    assert [line.get_xydata().tolist() for line in figure.axes[1].lines][1] == [[0, 12], [2, 15], [4, 18], [6, 21]]
    ranks = [patch.get_data().values for patch in figure.axes[0].patches]
    assert ranks[0][:5].sum() == 1 and ranks[1][5:].sum() == 1, "all draws of the first chain are below those of the second"
    table = imputed_trace_table(diagnostics, "mean[x, school a]")
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8] and table["value"].iloc[1] == 5
    with pytest.raises(TableError, match=r"no quantity 'mean\[y\]'. Choose among 'mean\[x\]'"):
        imputed_trace(diagnostics, "mean[y]")
