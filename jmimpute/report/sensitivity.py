"""Section on sensitivity analyses: what was varied and why so far, the whole grid, tipping points, and implied means."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from jmimpute.mnar.assumptions import Assumptions
from jmimpute.mnar.rho_grid import RHO
from jmimpute.mnar.sensitivity import Sensitivity
from jmimpute.mnar.tipping import TippingPoint
from jmimpute.report.blocks import Block, Heading, Items, NotDone, Section, Table, Text, listed, picture
from jmimpute.report.materials import Materials, Plausible
from jmimpute.report.numbers import amount, number, span

INTERCEPT = "Intercept"
#: Values of a tipping point that are listed besides those that matter.
TRIED_SHOWN = 15
SHOWN = ["estimate", "std_error", "conf_low", "conf_high", "p_value", "fmi", "implied_mean"]


def terms_of_interest(terms: list[str]) -> list[str]:
    """Terms that conclusions are about: all but the intercept, unless there is no other.

    Parameters
    ----------
    terms : list of str
    """
    return [term for term in terms if term != INTERCEPT] or terms


def sensitivity(materials: Materials) -> Section:
    """What follows from other assumptions about missing values.

    Parameters
    ----------
    materials : Materials
    """
    blocks: list[Block] = []
    for one in materials.sensitivities:
        blocks += _tipping(one, materials) if isinstance(one, TippingPoint) else _grid(one, materials)
    for one in materials.assumptions:
        blocks += _assumptions(one)
    if not blocks:
        blocks = [
            NotDone("No sensitivity analysis was given: nothing is said of how results would change under other assumptions.")
        ]
    return Section("sensitivity", "Sensitivity analyses", tuple(blocks))


def _plausible(materials: Materials, variable: str, parameter: str) -> Block:
    """The range that is found plausible, and where it comes from."""
    range_ = materials.plausible.get(variable)
    if range_ is None:
        return NotDone("No plausible range was stated, so that it is not judged which of these assumptions are realistic.")
    return Text(f"Plausible values of {parameter}: {span(range_)}. Source: {materials.source}.")


def _grid(one: Sensitivity, materials: Materials) -> Iterator[Block]:
    columns = [*one.parameters, "term", *SHOWN, *[name for name in ("r_hat", "ess") if name in one.table]]
    amounts = f"amounts by which missing values of {one.variable} are adjusted"
    what = f"correlation of the selection model of {one.variable}" if one.parameters == (RHO,) else amounts
    ranges = [f"{name} from {span((one.points[name].min(), one.points[name].max()))}" for name in one.parameters]
    yield Heading(f"{one.variable}: {one.analysis} at {len(one)} assumptions")
    yield Text(f"Varied: {what}; {listed(ranges)}, where {amount(one.neutral)} stands for missing at random.")
    yield _plausible(materials, one.variable, listed(one.parameters))
    level = f"{100 * one.level:g} %"
    caption = f"All points of the grid, {level} intervals; mean of missing: of the adjusted values."
    yield Table("grid", caption, one.table[columns], of=f"{one.variable}: {one.analysis}", amounts=one.parameters)
    yield from _drawn(one, materials.plausible.get(one.variable))
    yield from [Items(one.notes)] if one.notes else []


def _drawn(one: Sensitivity, plausible: Plausible | None) -> Iterator[Block]:
    """A curve a term of interest over one parameter, a map over two."""
    from jmimpute.plots.sensitivity_grid import sensitivity_grid
    from jmimpute.plots.tipping import tipping

    if min(one.points[name].nunique() for name in one.parameters) < 2 or len(one.parameters) > 2:
        return
    for term in terms_of_interest(list(one.terms)):
        own = one.table[one.table["term"] == term]
        told = f"{term} from {number(own['estimate'].min())} to {number(own['estimate'].max())} over {listed(one.parameters)}"
        figure = tipping(one, term, plausible) if len(one.parameters) == 1 else sensitivity_grid(one, term)
        yield picture(
            f"grid_{one.variable}_{term}",
            figure,
            f"{term} as assumptions about {one.variable} change.",
            f"Estimates of {told}.",
        )


def _tipping(one: TippingPoint, materials: Materials) -> Iterator[Block]:
    from jmimpute.plots.tipping import tipping

    yield Heading(f"{one.variable}: tipping point of {one.term}")
    yield Text(f"Conclusion: {one.criterion}. Searched: {one.parameter} from {span(one.limits)}.")
    yield Text(str(one))
    yield _plausible(materials, one.variable, one.parameter)
    table = _thinned(one)[[one.parameter, *SHOWN, "holds"]].astype({"holds": bool})
    which = f"{len(table)} of the {len(one.table)} values" if len(table) < len(one.table) else "the values"
    caption = f"{one.term} at {which} of {one.parameter} that were tried, and whether the conclusion holds."
    yield Table("tipping_point", caption, table, of=f"{one.variable}: {one.term}", amounts=(one.parameter,))
    yield picture(
        f"tipping_{one.variable}_{one.term}",
        tipping(one, plausible=materials.plausible.get(one.variable)),
        f"{one.term} over {one.parameter}; the dashed line is missing at random.",
        str(one),
    )


def _thinned(one: TippingPoint) -> pd.DataFrame:
    """Rows evenly spaced over the range, with missing at random and where the conclusion changes."""
    values = one.table[one.parameter].to_numpy()
    wanted = [*np.linspace(values.min(), values.max(), TRIED_SHOWN), one.neutral, one.below, one.above]
    places = {int(np.abs(values - value).argmin()) for value in wanted if value is not None}
    return one.table.iloc[sorted(places)]


def _assumptions(one: Assumptions) -> Iterator[Block]:
    from jmimpute.plots.assumptions import assumptions

    yield Heading(f"{one.variable}: {one.analysis} under {len(one.fits)} assumptions")
    fits = one.fits.assign(r_hat=one.fits["r_hat"].astype(float), ess=one.fits["ess"].astype(float))
    yield Table(
        "assumptions", "Assumptions: rho (posterior mean and interval, or held), mean of the missing values, convergence.", fits
    )
    columns = ["assumption", "term", "estimate", "std_error", "conf_low", "conf_high", "p_value", "fmi"]
    yield Table("assumptions_results", f"Results under each, {100 * one.level:g} % intervals.", one.table[columns])
    for term in terms_of_interest(list(dict.fromkeys(one.table["term"]))):
        own = one.table[one.table["term"] == term]
        told = f"{term}: from {number(own['estimate'].min())} to {number(own['estimate'].max())} over {len(own)} assumptions"
        yield picture(
            f"assumptions_{one.variable}_{term}",
            assumptions(one, term),
            f"{term} under each assumption.",
            f"Forest plot of {told}.",
        )
    yield from [Items(one.notes)] if one.notes else []


def within(one: Sensitivity, range_: Plausible) -> pd.DataFrame:
    """Rows of a grid whose parameters all lie in a range.

    Parameters
    ----------
    one : Sensitivity
    range_ : pair of float
    """
    inside = np.all([one.table[name].between(*range_) for name in one.parameters], axis=0)
    return one.table[inside]
