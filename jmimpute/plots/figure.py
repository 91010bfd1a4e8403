"""Colours and empty figures, the same for every plot."""

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with every common kind of colour blindness, and in grey by their lightness.
OBSERVED = "#0072B2"
IMPUTED = "#D55E00"
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


def _as_png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
