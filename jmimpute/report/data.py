"""Sections on the question, on what is missing, and on what is assumed of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from jmimpute.errors import some
from jmimpute.inspection import SYSTEMATIC
from jmimpute.report.blocks import Block, Heading, Items, NotDone, Section, Table, Text, listed, picture
from jmimpute.report.materials import Materials, Result

CLUSTERS_SHOWN = 60


def question(materials: Materials) -> Section:
    """What was asked, and by which models it is answered.

    Parameters
    ----------
    materials : Materials
    """
    paragraphs = [" ".join(part.split()) for part in materials.description.split("\n\n") if part.strip()]
    said = [Text(part) for part in paragraphs] or [NotDone("The question is not stated in words.")]
    analyses = [_planned(result) for result in materials.results]
    blocks = [Heading("Analysis models"), *analyses] if analyses else [NotDone("No analysis of the imputations was given.")]
    return Section("question", "Question and analysis model", (*said, *blocks))


def _planned(result: Result) -> Block:
    analyses = result.analyses
    if analyses is None:
        return Text(f"{result.name}: pooled results; the model behind them is not recorded.")
    rows = analyses.fits[0].n_rows
    size = "" if rows is None else f", {rows} rows in each completed table"
    if analyses.engine is None:
        return Text(f"{result.name}: a function of a completed table, {analyses.model}{size}.")
    restricted = ", restricted maximum likelihood" if analyses.fits[0].restricted else ""
    named = "" if result.name == analyses.model else f"{result.name}: "
    return Text(f"{named}{analyses.model} (family {analyses.family}, engine {analyses.engine}{restricted}{size}).")


def missing_data(materials: Materials) -> Section:
    """What is missing, by variable, cluster and pattern, and what that depends on.

    Parameters
    ----------
    materials : Materials
    """
    from jmimpute.plots.pattern import pattern, pattern_table

    found, frame = materials.inspection, materials.imputations.original
    variables = found.variables[found.variables["n_missing"] > 0]
    complete = [str(name) for name in found.variables.index if name not in variables.index]
    blocks: list[Block] = [Text(_size(materials))]
    if variables.empty:
        return Section("data", "Data and missing values", (*blocks, Text("No value is missing.")))
    blocks += [_variables(materials, variables), *([Text(f"Complete: {some(complete, 40)}.")] if complete else [])]
    n_patterns = len(pattern_table(frame, found.cluster))
    blocks.append(
        picture(
            "patterns",
            pattern(frame, found.cluster),
            "Missing-data patterns, commonest first: a line a pattern, a column an incomplete variable; on the right its rows.",
            f"Grid of {n_patterns} missing-data patterns of {listed(list(found.patterns.columns))}. The commonest has "
            f"{int(found.patterns.index[0])} of {found.n_rows} rows and lacks {_lacking(found.patterns)}.",
        )
    )
    if found.kinds is not None:
        blocks += _by_cluster(materials, list(map(str, variables.index)))
    return Section("data", "Data and missing values", (*blocks, *_dependence(materials), *_notes(found.notes)))


def _size(materials: Materials) -> str:
    found = materials.inspection
    complete = int(materials.imputations.original.notna().all(axis=1).sum())
    size = f"{found.n_rows} rows"
    if found.cluster_sizes is not None:
        sizes = found.cluster_sizes
        size += f" in {len(sizes)} clusters ({found.cluster}) of {_between(sizes.min(), sizes.max())}"
    return f"{size}. {complete} rows ({100 * complete / found.n_rows:.1f} %) are complete in all columns."


def _between(least: int, most: int) -> str:
    return f"{least} rows each" if least == most else f"{least} to {most} rows"


def _lacking(patterns: pd.DataFrame) -> str:
    absent = [str(name) for name, seen in patterns.iloc[0].items() if not seen]
    return listed(absent) or "nothing"


def _variables(materials: Materials, variables: pd.DataFrame) -> Table:
    imputed = pd.Series([name in materials.imputations.columns for name in variables.index], variables.index)
    table = variables.assign(imputed=imputed)
    caption = "Missing values by variable"
    if "systematic" in table:
        caption += "; clusters that lack some values (sporadic) and all values (systematic)"
    titles = {"n_missing": "missing", "sporadic": "clusters, sporadic", "systematic": "clusters, systematic"}
    return Table("missing", f"{caption}.", table.rename_axis("variable").reset_index(), titles)


def _by_cluster(materials: Materials, names: Sequence[str]) -> Iterator[Block]:
    """Missing values of each cluster, as numbers and as a picture."""
    from jmimpute.plots.pattern import pattern

    found, frame = materials.inspection, materials.imputations.original
    assert found.kinds is not None and found.cluster_sizes is not None
    counts = frame[list(names)].isna().groupby(frame[found.cluster].to_numpy()).sum().loc[found.cluster_sizes.index]
    lacking = found.kinds[list(names)] == SYSTEMATIC
    without = [listed(lacking.columns[row]) for row in lacking.to_numpy()]
    table = counts.assign(**{"without any value of": pd.Series(without, counts.index).replace("", None)})
    table.insert(0, "rows", found.cluster_sizes)
    worst = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    kept = worst[:CLUSTERS_SHOWN] if len(worst) > CLUSTERS_SHOWN else found.cluster_sizes.index
    shown = table.loc[kept].rename_axis(str(found.cluster)).reset_index()
    which = f", of the {len(kept)} clusters of {len(worst)} with the most," if len(kept) < len(worst) else ""
    yield Table(
        "missing_by_cluster",
        f"Missing values by cluster{which} and by variable, with those that are systematically missing.",
        shown,
    )
    yield picture(
        "patterns_by_cluster",
        pattern(frame, found.cluster, by="cluster"),
        "Share of missing values by cluster and variable; systematically missing variables are marked.",
        f"Grid of {len(counts)} clusters by {len(names)} incomplete variables, darker where more is missing. "
        + _systematic_in_words(found.kinds[list(names)]),
    )


def _systematic_in_words(kinds: pd.DataFrame) -> str:
    counts = (kinds == SYSTEMATIC).sum()
    told = [f"{name} in {count}" for name, count in counts.items() if count]
    return f"Systematically missing: {listed(told)} of {len(kinds)} clusters." if told else "Nothing is systematically missing."


def _dependence(materials: Materials) -> Iterator[Block]:
    """What missingness depends on, line by line as the inspection says it."""
    lines = re.sub(r"\n  +", " ", str(materials.inspection.dependence())).splitlines()
    yield Heading("What missingness depends on")
    yield Text(lines[0])
    items = [line[2:] for line in lines if line.startswith("- ")]
    yield from [Items(tuple(items))] if items else []
    yield from (Text(line) for line in lines[1:] if not line.startswith("- "))


def _notes(notes: Sequence[str]) -> list[Block]:
    return [Heading("To be looked at"), Items(tuple(notes))] if notes else []


def assumed(materials: Materials) -> Section:
    """What is assumed of missing values, in words.

    Parameters
    ----------
    materials : Materials
    """
    made, columns = materials.imputations.provenance, list(materials.imputations.columns)
    selected = made.get("missing", {})
    blocks: list[Block] = [*_recorded(materials, [name for name in columns if name not in selected])]
    blocks += [block for name, clause in selected.items() for block in _selected(name, clause)]
    changes = [change["delta"] for change in made.get("changes", []) if "delta" in change]
    if changes:
        blocks += [Heading("Adjusted imputations"), Items(tuple(map(_adjusted, changes)))]
    if materials.reasons:
        blocks += [Heading("Reasons"), Items(tuple(f"{name}: {reason}" for name, reason in materials.reasons.items()))]
    else:
        blocks.append(NotDone("Why values are missing is not stated."))
    beyond = materials.sensitivities or materials.assumptions or selected
    last = "Sensitivity analyses depart from this: see the section on them." if beyond else None
    blocks.append(Text(last) if last else NotDone("No other assumption was tried."))
    return Section("assumptions", "Assumptions about missing values", tuple(blocks))


def _recorded(materials: Materials, columns: Sequence[str]) -> Iterator[Block]:
    """What is assumed of variables without a selection model."""
    made = materials.imputations.provenance
    if "chained" in made:
        chosen = made["chained"].get("selection", {})
        rest = [name for name in columns if name not in chosen]
        if rest:
            yield Text(_at_random(rest, "the predictors of each equation"))
        for name, formula in chosen.items():
            yield Text(
                f"{name} is taken to be missing not at random: whether it is observed follows {formula}, and the residuals of "
                "this equation and of its own are correlated (Heckman's model)."
            )
    elif "formulas" in made:
        if columns:
            given = "cluster, covariates" if materials.imputations.cluster else "covariates"
            yield Text(_at_random(columns, f"{given} and what is observed of the other responses"))
    else:
        where = made.get("source", "put together of other imputations")
        yield NotDone(f"These imputations were {where}; what was assumed of missing values is not recorded.")


def _at_random(columns: Sequence[str], given: str) -> str:
    be = "is" if len(columns) == 1 else "are"
    return (
        f"{listed(columns)} {be} taken to be missing at random: among rows that are alike in {given}, missing values are "
        "distributed as observed ones. The data cannot tell whether this is so."
    )


def _selected(name: str, clause: Mapping[str, Any]) -> Iterator[Block]:
    """The selection model of a variable."""
    yield Heading(f"{name}: missing not at random")
    yield Text(
        f"Whether {name} is observed depends on its unseen part as well: the residual of {name} and that of its being observed "
        "have the correlation rho; rho = 0 is missing at random."
    )
    yield Items((f"observed({name}) {clause['formula']}", f"rho: {_rho(clause['rho'])}"), code=True)
    if clause["exclude"]:
        yield Text(f"Excluded from the equation of {name}: {listed(clause['exclude'])}. Rationale: {clause['rationale']}.")
    else:
        yield NotDone("Nothing is excluded: rho is identified by the normal distribution alone.")


def _rho(record: Any) -> str:
    if isinstance(record, int | float):
        return f"held at {record:g}"
    settings = ", ".join(f"{name} {value}" for name, value in record.items() if name != "prior" and value is not None)
    return f"{record['prior']}({settings})"


def _adjusted(change: Mapping[str, Any]) -> str:
    amounts = ", ".join(f"{label} {amount}" for label, amount in change["amounts"].items())
    unit = "" if change["unit"] == "raw" else f" in units of {change['unit']}"
    drawn = "".join(f", drawn with {what} {change[what]:g}" for what in ("prior_sd", "cluster_sd") if change.get(what))
    return (
        f"{change['variable']}: {change['kind']} of {change['where']} missing values, {amounts}{unit}{drawn}; scope "
        f"{change['scope']}"
    )
