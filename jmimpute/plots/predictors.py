"""The matrix of predictors of a joint model."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.plots.figure import CHAINS, LABEL_SIZE, OBSERVED, TEXT, legend, new_figure, upright_names
from jmimpute.plots.roles import BOTH, FIXED, JOINT, JOINT_LEVEL2, RANDOM, levels_of_terms, responses_of, roles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours and, for those who do not see them, letters.
LOOKS = {
    FIXED: ("#9CCBE6", "f"),
    RANDOM: ("#F0E442", "r"),
    BOTH: (OBSERVED, "fr"),
    JOINT: (CHAINS[1], "j"),
    JOINT_LEVEL2: ("#F6D9A0", "j2"),
}
CELL = 0.34


def predictors(model: Any) -> "Figure":
    """Draw which variable informs which in a joint model, as a matrix: for models of many variables.

    Parameters
    ----------
    model : JointModel

    Returns
    -------
    matplotlib.figure.Figure
        A row a response, a column a term or a response. Cells tell how the column informs the row: ``f`` by a fixed effect,
        ``r`` by a random one, ``fr`` by both; ``j`` jointly, by correlated residuals and, with clusters, correlated random
        effects; ``j2`` jointly, by what belongs to clusters only. Variables of level 2 are marked (2).

    See Also
    --------
    diagram : The same as boxes and arrows.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    table = predictors_table(model)
    levels = levels_of_terms(model) | {response.name: response.level for response in responses_of(model)}
    kinds = list(LOOKS)
    codes = np.array([[kinds.index(cell) if cell else np.nan for cell in row] for row in table.to_numpy()])
    width, height = CELL * table.shape[1], CELL * table.shape[0]
    longest_row, longest_column = (0.075 * max(map(len, names)) for names in (table.index, table.columns))
    figure = new_figure(max(width + longest_row + 0.6, 5.2), height + longest_column + 0.9)
    axes = figure.subplots()
    axes.pcolormesh(
        codes,
        cmap=ListedColormap([colour for colour, _ in LOOKS.values()]),
        vmin=-0.5,
        vmax=len(kinds) - 0.5,
        edgecolors="white",
        linewidth=1.5,
    )
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks(np.arange(len(table)) + 0.5, [_label(name, levels) for name in table.index])
    axes.tick_params(length=0, labelsize=LABEL_SIZE + 1, colors=TEXT)
    upright_names(axes, [_label(name, levels) for name in table.columns])
    for (row, column), cell in np.ndenumerate(table.to_numpy()):
        if cell:
            colour = "white" if cell == BOTH else TEXT
            axes.text(column + 0.5, row + 0.5, LOOKS[cell][1], ha="center", va="center", fontsize=LABEL_SIZE, color=colour)
    found = [kind for kind in kinds if (table == kind).any(axis=None)]
    legend(figure, [Patch(color=LOOKS[kind][0]) for kind in found], [f"{kind} ({LOOKS[kind][1]})" for kind in found])
    return figure


def predictors_table(model: Any) -> pd.DataFrame:
    """Lay what `predictors` draws out as a table.

    Parameters
    ----------
    model : JointModel

    Returns
    -------
    DataFrame of str
        A row a response, a column a term of the formulas (without intercepts), then a column a response. Cells tell how the
        column informs the row: ``fixed``, ``random``, ``fixed + random``, ``joint``, ``joint at level 2`` or nothing.
    """
    return roles(model)


def _label(name: str, levels: dict[str, int]) -> str:
    return f"{name} (2)" if levels[name] == 2 else name
