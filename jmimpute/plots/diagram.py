"""A joint model as boxes and arrows: which variable informs which, at which level."""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.names import INTERCEPT
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, SHADE, TEXT, legend, new_figure, wrapped
from jmimpute.plots.roles import Response, levels_of_terms, responses_of
from jmimpute.specification.covariances import COMMON

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    Places = dict[str, tuple[float, float]]
    Nodes = dict[str, FancyBboxPatch]

COLUMN, NAME_WIDTH = 1.25, 14  # inches from node to node, characters of a line in one
LINE_HEIGHT = 0.14
WHITE, PAPER, PALE_ORANGE, EFFECT_LINE, GREY = "#FFFFFF", "#F7F7F7", "#F6C9A0", "#7F7F7F", "#555555"
#: Heights of the rows of nodes, from the bottom.
COVARIATES_1, RESPONSES_1, LEVEL_2 = 0.0, 1.6, 3.9
BAR, BAR_STEP = 0.68, 0.12  # height of lines of covariances above their nodes
FIXED_EFFECT, RANDOM_EFFECT, COVARIANCE = "fixed effect", "random effect", "covariance"


def diagram(model: Any) -> "Figure":
    """Draw a joint model as boxes and arrows.

    Parameters
    ----------
    model : JointModel

    Returns
    -------
    matplotlib.figure.Figure
        Orange boxes are responses, with their share of missing values; white rounded boxes covariates; circles the random
        effects of a response. Arrows lead from what informs to what is informed. What hangs on one double-headed line is
        correlated. Level 2 is above level 1. Of more than about 12 variables `predictors` is easier to read.

    See Also
    --------
    predictors : The same as a matrix.
    """
    responses, table = responses_of(model), diagram_table(model)
    places = _places(responses, levels_of_terms(model))
    right = max(x for x, _ in places.values())
    clustered = any(y == LEVEL_2 for _, y in places.values())
    top = (LEVEL_2 if clustered else RESPONSES_1) + 1.35
    figure = new_figure(max(COLUMN * (right + 1.2), 4.2), top + 1.1)
    axes = figure.subplots()
    axes.set_xlim(-0.6, right + 0.6)
    axes.set_ylim(COVARIATES_1 - 0.6, top)
    axes.axis("off")
    _draw_levels(axes, model, right, clustered)
    nodes = {name: _draw_node(axes, name, place, responses) for name, place in places.items()}
    _draw_arrows(axes, table, places, nodes)
    _draw_covariances(axes, model, table, places, nodes)
    _add_legend(figure, clustered)
    return figure


def diagram_table(model: Any) -> pd.DataFrame:
    """List the arrows that `diagram` draws.

    Parameters
    ----------
    model : JointModel

    Returns
    -------
    DataFrame
        Columns ``source``, ``target``, ``kind`` (``fixed effect``, ``random effect``, ``covariance``) and ``level`` (of a
        covariance or random effect where it lives, of a fixed effect that of its target). The source of a random effect is
        ``u[english]``, of all effects of this response together. Covariances are listed once, also those between such effects
        and level-2 responses.
    """
    responses = responses_of(model)
    rows = [
        (term, response.name, FIXED_EFFECT, response.level)
        for response in responses
        for term in response.fixed
        if term != INTERCEPT
    ]
    rows += [(_effects(response), response.name, RANDOM_EFFECT, 2) for response in responses if response.random]
    first = [response.name for response in responses if response.level == 1]
    rows += [(a, b, COVARIANCE, 1) for a, b in combinations(first, 2)]
    second = sorted((response for response in responses if response.blocks), key=lambda response: -response.level)
    rows += [(_at_level_2(a), _at_level_2(b), COVARIANCE, 2) for a, b in combinations(second, 2) if a.is_joint_at_level_2(b)]
    return pd.DataFrame(rows, columns=["source", "target", "kind", "level"])


def _effects(response: Response) -> str:
    return f"u[{response.name}]"


def _at_level_2(response: Response) -> str:
    """What stands for a response at level 2: itself or its random effects."""
    return response.name if response.level == 2 else _effects(response)


def _places(responses: list[Response], levels: dict[str, int]) -> "Places":
    """Where each node stands: random effects above their responses, level-2 variables on their left."""
    above = [term for term, level in levels.items() if level == 2]
    above += [response.name for response in responses if response.level == 2]
    below = [term for term, level in levels.items() if level == 1]
    first = [response for response in responses if response.level == 1]
    left = len(above)
    places = {name: (float(k), LEVEL_2) for k, name in enumerate(above)}
    places |= {response.name: (float(left + k), RESPONSES_1) for k, response in enumerate(first)}
    places |= {_effects(response): (places[response.name][0], LEVEL_2) for response in first if response.random}
    # Covariates are centred below the responses that they inform.
    start = max(0.0, left + (len(first) - len(below)) / 2)
    return places | {name: (start + k, COVARIATES_1) for k, name in enumerate(below)}


def _draw_levels(axes: "Axes", model: Any, right: float, clustered: bool) -> None:
    """A box for each level, named at its top left corner."""
    from matplotlib.patches import Rectangle

    specification = model.specification
    rows = f"{len(specification.y)} rows"
    boxes = [(COVARIATES_1 - 0.55, RESPONSES_1 + 1.15, f"level 1: {rows}" if clustered else rows)]
    if clustered:
        name = f"level 2: {specification.n_clusters} clusters ({specification.clusters.name})"
        boxes.append((LEVEL_2 - 0.65, LEVEL_2 + 1.3, name))
    for low, high, name in boxes:
        axes.add_patch(Rectangle((-0.58, low), right + 1.16, high - low, facecolor=PAPER, edgecolor=SHADE, zorder=0))
        cover = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
        axes.text(-0.53, high - 0.08, name, va="top", fontsize=LABEL_SIZE + 1, color=TEXT, bbox=cover, zorder=2)


def _draw_node(axes: "Axes", name: str, place: tuple[float, float], responses: list[Response]) -> "FancyBboxPatch":
    text, shape, face, edge = wrapped(name, NAME_WIDTH), "round,pad=0.35", WHITE, OBSERVED
    for response in responses:
        if name == response.name:
            text, shape, face, edge = f"{text}\n{100 * response.missing:.0f} % missing", "square,pad=0.35", PALE_ORANGE, IMPUTED
        elif name == _effects(response):
            terms = " + ".join("1" if term == INTERCEPT else term for term in response.random)
            text, shape, edge = f"u: {wrapped(terms, NAME_WIDTH)}", "ellipse,pad=0.15", EFFECT_LINE
    box = {"boxstyle": shape, "facecolor": face, "edgecolor": edge, "linewidth": 1}
    drawn = axes.text(*place, text, ha="center", va="center", fontsize=LABEL_SIZE, color=TEXT, bbox=box, zorder=3)
    return drawn.get_bbox_patch()


def _draw_arrows(axes: "Axes", table: pd.DataFrame, places: "Places", nodes: "Nodes") -> None:
    for row in table[table["kind"] != COVARIANCE].itertuples(index=False):
        fixed = row.kind == FIXED_EFFECT
        start, (x, y) = places[row.source], places[row.target]
        # A covariate of a level-2 response stands beside it: its arrow goes over what is between them.
        bend = -0.5 if start[1] == y else 0
        if start[1] < y:  # aim at the foot of the box, so as not to cross those beside it
            y -= LINE_HEIGHT / 2 * (wrapped(row.target, NAME_WIDTH).count("\n") + 2)
        arrow = {
            "arrowstyle": "-|>",
            "color": OBSERVED if fixed else EFFECT_LINE,
            "linewidth": 0.9,
            "linestyle": "-" if fixed else "--",
            "connectionstyle": f"arc3,rad={bend}",
            "patchA": nodes[row.source],
            "patchB": nodes[row.target],
        }
        axes.annotate("", (x, y), start, arrowprops=arrow, zorder=1)


def _draw_covariances(axes: "Axes", model: Any, table: pd.DataFrame, places: "Places", nodes: "Nodes") -> None:
    """A line above the nodes of a level that are correlated, with an arrow down to each."""
    specification = model.specification
    own = "" if specification.covariance == COMMON else f"[{specification.clusters.name}]"
    labels = {1: f"e{own}", 2: "u, v" if specification.layout.level2.variables else "u"}
    for level, label in labels.items():
        pairs = table[(table["kind"] == COVARIANCE) & (table["level"] == level)]
        for k, names in enumerate(_connected(list(zip(pairs["source"], pairs["target"], strict=True)))):
            height = places[names[0]][1] + BAR + k * BAR_STEP
            # Beside the middle, where arrows of random effects come down.
            ends = [places[name][0] + 0.12 for name in names]
            axes.plot([min(ends), max(ends)], [height, height], color=GREY, linewidth=1.2, zorder=1)
            for name, x in zip(names, ends, strict=True):
                arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2, "shrinkA": 0, "patchB": nodes[name]}
                axes.annotate("", (x, places[name][1]), (x, height), arrowprops=arrow, zorder=1)
            axes.text(max(ends) + 0.06, height, label, va="center", fontsize=LABEL_SIZE, style="italic", color=TEXT)


def _connected(pairs: list[tuple[str, str]]) -> list[list[str]]:
    """Sets of names that pairs connect."""
    groups: list[list[str]] = []
    for pair in pairs:
        touched = [group for group in groups if not set(group).isdisjoint(pair)]
        groups = [group for group in groups if group not in touched]
        groups.append(list(dict.fromkeys([name for group in touched for name in group] + list(pair))))
    return groups


def _add_legend(figure: "Figure", clustered: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [
        (Patch(facecolor=PALE_ORANGE, edgecolor=IMPUTED), "response"),
        (Patch(facecolor=WHITE, edgecolor=OBSERVED), "covariate"),
        (Line2D([], [], color=OBSERVED, linewidth=1), "informs"),
        (Line2D([], [], color=GREY, linewidth=1.2), "correlated"),
    ]
    if clustered:
        keys.append((Line2D([], [], color=EFFECT_LINE, linewidth=1, linestyle="--"), "random effects"))
    legend(figure, [key for key, _ in keys], [name for _, name in keys])
