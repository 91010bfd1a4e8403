"""Section of conclusions: sentences that are true given the numbers."""

from collections.abc import Iterator

import pandas as pd

from jmimpute.analysis.compare_methods import COMPLETE_CASES
from jmimpute.analysis.compare_result import Comparison
from jmimpute.mnar.sensitivity import Sensitivity
from jmimpute.mnar.tipping import TippingPoint
from jmimpute.report.blocks import Items, NotDone, Section, Text, Verdict, listed
from jmimpute.report.materials import Materials, Plausible, Result
from jmimpute.report.numbers import amount, decimals_of, interval, number, span
from jmimpute.report.results import MULTIPLY_IMPUTED, REPRODUCED_TO
from jmimpute.report.sensitivity import terms_of_interest, within


def conclusions(materials: Materials, beside: dict[str, Comparison], unsettled: list[str]) -> Section:
    """What may be concluded, and what it rests on.

    Parameters
    ----------
    materials : Materials
    beside : dict of str to Comparison
        Complete cases and other methods.
    unsettled : list of str
        Verdicts on convergence that are not good.
    """
    said = [sentence for result in materials.results for sentence in _result(result)]
    said += [sentence for comparison in beside.values() for sentence in _complete_cases(comparison)]
    for one in materials.sensitivities:
        range_ = materials.plausible.get(one.variable)
        said += _tipping(one, range_) if isinstance(one, TippingPoint) else _grid(one, range_)
    said += [f"{note}." for one in materials.assumptions for note in one.notes]
    blocks = [Items(tuple(said))] if said else [NotDone("There is no result to draw conclusions from.")]
    first = Text("Sentences that the numbers above bear out; what they mean for the question is for the authors to say.")
    warned = (
        [Verdict(False, ("Conclusions are provisional, since convergence is not settled.", *unsettled))] if unsettled else []
    )
    untried = [] if materials.sensitivities or materials.assumptions else [_untried()]
    return Section("conclusions", "Conclusions", (first, *warned, *blocks, *untried))


def _untried() -> NotDone:
    return NotDone(
        "No conclusion was tested against other assumptions about missing values: all hold under those of this report only."
    )


def _result(result: Result) -> Iterator[str]:
    pooled = result.pooled
    level = f"{100 * pooled.level:g} %"
    table = pooled.table[pooled.table["term"].isin(terms_of_interest(list(pooled.table["term"])))]
    excluded = (table["conf_low"] > 0) | (table["conf_high"] < 0)
    for rows, verb in ((table[excluded], "excludes"), (table[~excluded], "includes")):
        if len(rows):
            yield f"{result.name}: the {level} confidence interval {verb} zero for {_with_intervals(rows)}."
    needed = pooled.required_m(REPRODUCED_TO)
    if needed > pooled.m:
        yield f"{result.name}: {pooled.m} imputations are fewer than the {needed} that standard errors ask for."


def _with_intervals(rows: pd.DataFrame) -> str:
    return listed([f"{row['term']} ({_estimate(row)})" for _, row in rows.iterrows()])


def _estimate(row: pd.Series) -> str:
    decimals = decimals_of(row["std_error"])
    return f"{number(row['estimate'], decimals)}, {interval(row['conf_low'], row['conf_high'], decimals)}"


def _complete_cases(comparison: Comparison) -> Iterator[str]:
    """Where complete cases say something else than the first imputations."""
    others = [method.name for method in comparison.methods if method.kind == MULTIPLY_IMPUTED]
    if COMPLETE_CASES not in comparison.names or not others:
        return
    table = comparison.table
    fixed = table[(table["part"] == "fixed") & table["term"].isin(terms_of_interest(list(comparison.terms)))]
    own, other = (fixed[fixed["method"] == name].set_index("term") for name in (COMPLETE_CASES, others[0]))
    shared = [term for term in other.index if term in own.index]
    turned = [term for term in shared if _says(own.loc[term]) != _says(other.loc[term])]
    rows = int(own["rows"].iloc[0]) if len(own) and pd.notna(own["rows"].iloc[0]) else None
    who = f"complete cases ({rows} rows)" if rows is not None else "complete cases"
    what = f"{comparison.analysis}: {who} and {others[0]}"
    if turned:
        told = [f"{term} ({_estimate(own.loc[term])} against {_estimate(other.loc[term])})" for term in turned]
        yield f"{what} differ in whether the interval excludes zero for {listed(told)}."
    elif shared:
        yield f"{what} agree in which intervals exclude zero."


def _says(row: pd.Series) -> int:
    """Which side of zero an interval lies on; 0 if it includes it."""
    return int(row["conf_low"] > 0) - int(row["conf_high"] < 0)


def _tipping(one: TippingPoint, plausible: Plausible | None) -> Iterator[str]:
    yield str(one)
    if plausible is not None:
        yield f"{one.term}: {judged(one, plausible)}"


def judged(one: TippingPoint, plausible: Plausible) -> str:
    """Say whether a conclusion changes at values that are plausible.

    Parameters
    ----------
    one : TippingPoint
    plausible : pair of float
    """
    low, high = plausible
    from_, to = (one.limits[0] if one.below is None else one.below), (one.limits[1] if one.above is None else one.above)
    said = f"the plausible range of {one.parameter}, {span(plausible)}"
    turns = [value for value in (one.below, one.above) if value is not None and low <= value <= high]
    if turns:
        return f"the conclusion changes within {said}, at {listed([amount(value) for value in turns])}."
    if from_ <= low and high <= to:
        return f"the conclusion is the same as under missing at random throughout {said}."
    beyond = (high < from_ and one.below is not None) or (low > to and one.above is not None)
    if beyond:
        return f"{said} lies beyond the tipping point: under missing at random the conclusion is another one."
    return f"{said} reaches beyond what was searched, {span(one.limits)}; of what lies beyond nothing is known."


def _grid(one: Sensitivity, plausible: Plausible | None) -> Iterator[str]:
    rows, where = one.table, f"over the grid of {listed(one.parameters)} of {one.variable}"
    if plausible is not None:
        rows = within(one, plausible)
        where = f"in the plausible range of {listed(one.parameters)} of {one.variable}, {span(plausible)},"
    points = len(rows) // len(one.terms)
    if not points:
        yield f"{one.analysis}: no point of the grid lies {where}."
        return
    level = f"{100 * one.level:g} % interval"
    for term in terms_of_interest(list(one.terms)):
        yield f"{one.analysis}: {where} {_over(rows[rows['term'] == term], term, level)}."


def _over(rows: pd.DataFrame, term: str, level: str) -> str:
    """What the points of a grid say of one term."""
    excluded = int(((rows["conf_low"] > 0) | (rows["conf_high"] < 0)).sum())
    if len(rows) == 1:
        verb = "excludes" if excluded else "includes"
        return f"there is one point, at which the {level} of {term} {verb} zero ({_estimate(rows.iloc[0])})"
    count = "all" if excluded == len(rows) else excluded or "none"
    range_ = interval(rows["estimate"].min(), rows["estimate"].max(), decimals_of(rows["std_error"].min()))
    return f"the estimate of {term} goes from {range_}; the {level} excludes zero at {count} of {len(rows)} points"
