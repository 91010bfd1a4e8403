"""Sections on the imputation model and on how it was run."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from jmimpute.analysis.compare_tables import columns_of
from jmimpute.errors import JMImputeError, some
from jmimpute.report.blocks import Block, Heading, Items, NotDone, Section, Table, Text, Verdict, listed, picture
from jmimpute.report.materials import Materials
from jmimpute.specification.advice.findings import ERROR, Finding
from jmimpute.stopwatch import SECONDS

#: Parts of a model in words that other sections tell.
ELSEWHERE = ("Missing cells",)


def imputation_model(materials: Materials) -> Section:
    """Equations, priors and auxiliary variables of what imputed.

    Parameters
    ----------
    materials : Materials
    """
    made = materials.imputations.provenance
    if materials.fit is not None:
        blocks = [*_joint(materials.fit.model)]
    elif "chained" in made:
        blocks = [*_chained(made["chained"])]
    elif "formulas" in made:
        blocks = [*_recorded(made)]
    else:
        blocks = [
            NotDone("The imputation model is not recorded: " + made.get("source", "put together of other imputations") + ".")
        ]
    return Section(
        "imputation_model",
        "Imputation model",
        (*blocks, *_auxiliary(materials), *_congenial(materials), *_identifiable(materials)),
    )


def _joint(model: Any) -> Iterator[Block]:
    """A joint model as it prints itself, and drawn."""
    from jmimpute.plots.diagram import diagram

    first, *parts = str(model).split("\n\n")
    yield Text(f"{first}. All incomplete variables are responses of one multivariate normal mixed model.")
    for part in parts:
        title, *lines = part.splitlines()
        if title.removesuffix(":") not in ELSEWHERE:
            yield Heading(title.removesuffix(":"))
            yield Items(tuple(line.strip() for line in lines), code=title.startswith(("Level", "Priors", "Categories")))
    yield picture(
        "diagram",
        diagram(model),
        "The imputation model: responses, covariates and what is correlated.",
        f"Diagram of the equations above: {first[0].lower()}{first[1:]}.",
    )


def _chained(record: Mapping[str, Any]) -> Iterator[Block]:
    yield Text(
        f"Chained equations: {len(record['methods'])} conditional models, in the order {listed(record['visit'])}, "
        f"{record['iterations']} sweep(s) of each stream."
    )
    rows = [
        {"variable": name, "method": method, "predictors": record["predictors"][name]}
        for name, method in record["methods"].items()
    ]
    yield Table("equations", "Conditional models by variable.", pd.DataFrame(rows))
    for title, what in (("Passive variables", "passive"), ("Selection equations", "selection")):
        if record.get(what):
            yield Heading(title)
            yield Items(tuple(f"{name}: {text}" for name, text in record[what].items()), code=True)
    if record.get("left_out"):
        yield Text(f"Left out of the predictors: {_said(record['left_out'])}.")
    if record.get("problems"):
        yield Heading("To be looked at")
        yield Items(tuple(f"{problem} (in {count} streams)" for problem, count in record["problems"].items()))


def _recorded(made: Mapping[str, Any]) -> Iterator[Block]:
    """What imputations say of a joint model whose fit is not at hand."""
    yield Text(
        f"Joint model, level-1 covariance {made['covariance']}. The fit is not at hand; this is what the imputations record."
    )
    yield Items((*made["formulas"], *(f"level 2: {text}" for text in made.get("level2", []))), code=True)
    families = [{"variable": name, "family": record["kind"]} for name, record in made["families"].items()]
    yield Table("families", "Families of the responses.", pd.DataFrame(families))
    yield Heading("Priors, on the standardised scale")
    yield Items(tuple(f"{name}: {_said(record)}" for name, record in made["priors"].items()), code=True)


def _said(record: Any) -> str:
    if isinstance(record, Mapping):
        return ", ".join(f"{name} {value}" for name, value in record.items())
    return some(record, 20) if isinstance(record, list | tuple) else str(record)


def _auxiliary(materials: Materials) -> Iterator[Block]:
    """What the imputation model uses beyond the analyses."""
    frame, used = materials.imputations.original, _columns_of_imputation(materials)
    if used is None or not materials.results:
        return
    wanted = [None if result.analyses is None else _columns(result.formula, frame) for result in materials.results]
    yield Heading("Auxiliary variables")
    if any(columns is None for columns in wanted):
        yield NotDone("Not listed: the columns of an analysis are not known.")
        return
    in_analyses = {name for columns in wanted for name in columns or ()}
    others = [name for name in used if name not in in_analyses]
    yield Text(
        f"In the imputation model and in no analysis: {listed(others)}." if others else "None: all are in an analysis too."
    )


def _columns_of_imputation(materials: Materials) -> list[str] | None:
    """Columns of the table that a joint model uses, if they are recorded."""
    made, frame = materials.imputations.provenance, materials.imputations.original
    if "formulas" not in made:
        return None
    formulas = [*made["formulas"], *made.get("level2", [])]
    columns = {name for text in formulas for name in _columns(text, frame) or ()}
    for clause in made.get("missing", {}).values():
        columns |= set(_columns(f"{next(iter(frame.columns))} {clause['formula']}", frame) or ()) - {next(iter(frame.columns))}
    return [str(name) for name in frame.columns if name in columns]


def _columns(formula: str | None, frame: pd.DataFrame) -> list[str] | None:
    try:
        return None if formula is None else columns_of(formula, frame)
    except JMImputeError:  # of a function of several rows, or a column that was derived later
        return None


def _congenial(materials: Materials) -> Iterator[Block]:
    """Whether the imputation model has what the analyses need."""
    if materials.fit is None or not materials.results:
        return
    yield Heading("Does it suit the analyses?")
    for result in materials.results:
        if result.formula is None:
            yield NotDone(f"{result.name}: not checked, since no formula is known.")
            continue
        try:
            checked = materials.fit.model.check(result.formula, result.analyses.family if result.analyses else "gaussian")
        except JMImputeError as error:
            yield NotDone(f"{result.name}: not checked. {error}")
            continue
        lacking = any(finding.severity == ERROR for finding in checked.findings)
        verdict = "lacks something that the analysis needs" if lacking else "has what the analysis needs"
        yield Verdict(not lacking, (f"The imputation model {verdict}: {result.formula}.",))
        yield from _found(checked.findings)


def _identifiable(materials: Materials) -> Iterator[Block]:
    """Whether data can tell rho of selection submodels."""
    if materials.fit is None or not materials.fit.model.specification.selections:
        return
    found = materials.fit.model.check().identifiability
    yield Heading("Can the data tell rho?")
    titles = {"exclusion_sd": "SD of exclusion", "mills_r2": "R² of Mills ratio"}
    caption = (
        "Selection submodels: SD of what excluded terms add to the probit of being observed, R² of the inverse Mills ratio on "
        "the covariates of the variable."
    )
    yield Table("identifiability", caption, found.variables.rename_axis("variable").reset_index(), titles)
    if len(found.terms):
        yield Table("exclusions", "Terms of the exclusion restriction.", found.terms, {"chi2": "χ²", "sd": "SD"})
    yield from _found(found.findings)


def _found(findings: Iterable[Finding]) -> list[Block]:
    lines = tuple(f"{finding.severity.capitalize()}. {finding}" for finding in findings)
    return [Items(lines)] if lines else []


def software(materials: Materials, made_at: str) -> Section:
    """Programs, versions, settings and seeds.

    Parameters
    ----------
    materials : Materials
    made_at : str
        When the report was made.
    """
    made = materials.imputations.provenance
    settings = {
        name: value
        for name, value in made.get("settings", {}).items()
        if name not in ("progressbar", "cores") and value is not None
    }
    entries: dict[str, Any] = {"imputations": materials.imputations.m}
    if "seed" in made:
        entries["seed"] = made["seed"]
    entries |= {name.replace("_", " "): value for name, value in settings.items()}
    if "chained" in made:
        entries |= {"streams": materials.imputations.m, "sweeps": made["chained"]["iterations"]}
    entries |= {f"{what} seconds": f"{seconds:.1f}" for what, seconds in made.get(SECONDS, {}).items()}
    entries |= {f"{name} (imputation)": version for name, version in made.get("versions", {}).items()}
    entries |= {"Python (report)": platform.python_version(), "report made": made_at}
    table = pd.DataFrame({"setting": list(entries), "value": [str(value) for value in entries.values()]})
    blocks: list[Block] = [Table("software", "Software, settings and seeds.", table)]
    if "seed" not in made:
        blocks.append(NotDone("The seed of the imputations is not recorded."))
    return Section("software", "Software, draws and seeds", tuple(blocks))
