"""Colours and empty figures, the same for every plot."""

import re
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.lines import Line2D

# Okabe and Ito (2008): told apart with every common kind of colour blindness, and in grey by their lightness.
OBSERVED = "#0072B2"
IMPUTED = "#D55E00"
SYSTEMATIC_COLOUR = "#7A2E00"
CHAINS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
SHADE, RULE = "#E6E6E6", "#CCCCCC"
TEXT = "#333333"

TITLE_SIZE, LABEL_SIZE = 10, 8


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure that does not enter pyplot's state.

    Parameters
    ----------
    width, height : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it as the value of a cell.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    # Notebooks know how to show figures only after pyplot was imported, unless the figure says how itself.
    figure._repr_png_ = partial(_as_png, figure)
    return figure


def tidy(axes: "Axes", title: str) -> None:
    """Give a panel its title, small labels and only the left and bottom lines.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    title : str
    """
    axes.set_title(title, fontsize=TITLE_SIZE, loc="left", color=TEXT)
    axes.tick_params(labelsize=LABEL_SIZE, colors=TEXT)
    axes.spines[["top", "right"]].set_visible(False)


def new_panels(n: int, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """Make a figure of equal panels, row by row, without empty ones.

    Parameters
    ----------
    n : int
        Panels.
    columns : int
        Panels in a row, at most.
    width, height : float
        Inches of a panel; the figure is at least 4.2 inches wide.

    Returns
    -------
    figure : matplotlib.figure.Figure
    panels : list of matplotlib.axes.Axes, length n
    """
    columns = min(n, columns)
    rows = ceil(n / columns)
    figure = new_figure(max(width * columns, 4.2), height * rows + 0.4)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[n:]:
        axes.remove()
    return figure, panels[:n]


def legend(figure: "FigureBase", keys: "Sequence[Artist]", names: Sequence[str], columns: int = 3) -> None:
    """Put a legend above the panels.

    Parameters
    ----------
    figure : matplotlib.figure.FigureBase
    keys : sequence of matplotlib.artist.Artist
    names : sequence of str
    columns : int
    """
    figure.legend(list(keys), list(names), loc="outside upper left", ncols=columns, frameon=False, fontsize=LABEL_SIZE + 1)


def upright_names(axes: "Axes", names: Sequence[str]) -> None:
    """Write names of columns upright above cells of width 1.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    names : sequence of str
    """
    above = axes.secondary_xaxis("top")
    above.set_xticks([k + 0.5 for k in range(len(names))], names, rotation=90, fontsize=LABEL_SIZE + 1, color=TEXT)
    above.spines[:].set_visible(False)
    above.tick_params(length=0)


def wrapped(text: str, width: int) -> str:
    """Break a name into lines, behind blanks and signs where there are any.

    Parameters
    ----------
    text : str
    width : int
        Characters of a line, at most.
    """
    lines = [""]
    for word in re.split(r"(?<=[ _.:|-])", text):
        for piece in (word[k : k + width] for k in range(0, len(word), width)):
            if len(lines[-1]) + len(piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def dot_key(colour: str, marker: str = "o") -> "Line2D":
    """Make the key of points for a legend.

    Parameters
    ----------
    colour, marker : str
    """
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, markersize=4, linestyle="none")


def _as_png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
