"""Report: all that guidelines ask to be told of an analysis with imputations, as one HTML file and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jmimpute.analysis.compare_result import Comparison
from jmimpute.errors import ExchangeError, ImputationError
from jmimpute.imputation.monitor import ImputedDiagnostics
from jmimpute.mnar.assumptions import Assumptions
from jmimpute.mnar.sensitivity import Sensitivity
from jmimpute.mnar.tipping import TippingPoint
from jmimpute.report.blocks import Section, Verdict
from jmimpute.report.conclusions import conclusions
from jmimpute.report.convergence import convergence, imputed_values
from jmimpute.report.data import assumed, missing_data, question
from jmimpute.report.materials import (
    Materials,
    checked_fit,
    checked_plausible,
    checked_reasons,
    named_results,
    several,
)
from jmimpute.report.model import imputation_model, software
from jmimpute.report.results import beside_complete_cases, results
from jmimpute.report.sensitivity import sensitivity as sensitivity_section

#: Of the numbers and names in `Report.to_dict`.
FORMAT = 1


@dataclass(frozen=True, repr=False)
class Report:
    """A report of an analysis with imputations. Made by `jmimpute.report`.

    Attributes
    ----------
    title : str
    made : str
        When, in UTC.
    sections : tuple of Section
        In the order that Lee et al. (2021, TARMOS) ask for.
    """

    title: str
    made: str
    sections: tuple[Section, ...] = field(repr=False)

    def save(self, path: str | Path) -> None:
        """Write one file.

        Parameters
        ----------
        path : str or Path
            ``.html``: self-contained, with pictures, for reading and for paper. ``.json``: the same content, with unrounded
            numbers.

        Raises
        ------
        ExchangeError
            If the name has another ending, or the file cannot be written.
        """
        path = checked_path(path)
        if path.suffix == ".html":
            text = self.to_html()
        else:
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ExchangeError(f"The report cannot be written to {path}: {error.strerror}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Give the content as plain numbers and texts.

        Returns
        -------
        dict
            ``title``, ``made``, ``format`` (1) and ``sections``: each with ``name``, ``title`` and ``content``, a list of
            texts, verdicts and tables. A table has ``table``, its name such as ``"pooled"``, ``columns`` and ``rows``; what is
            not known is None.
        """
        return {
            "title": self.title,
            "made": self.made,
            "format": FORMAT,
            "sections": [section.record() for section in self.sections],
        }

    def to_html(self) -> str:
        """Give the whole page; it asks for nothing from elsewhere."""
        from jmimpute.report.html import render

        return render(self)

    def _repr_html_(self) -> str:
        from jmimpute.report.html import framed

        return framed(self)

    def __repr__(self) -> str:
        """Tell the sections."""
        return "\n".join([f"Report: {self.title}", *(f"  {k}. {one.title}" for k, one in enumerate(self.sections, start=1))])


def checked_path(path: str | Path) -> Path:
    """Refuse names of files that a report cannot be written to.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ExchangeError
        If the name ends neither with ``.html`` nor with ``.json``.
    """
    path = Path(path)
    if path.suffix not in (".html", ".json"):
        raise ExchangeError(f"A report is written as .html or .json, not as {path.name!r}.")
    return path


def report(
    imputations: Any,
    analyses: Any = None,
    *,
    fit: Any = None,
    imputed_diagnostics: ImputedDiagnostics | None = None,
    comparison: Comparison | Sequence[Comparison] | None = None,
    sensitivity: Any = None,
    assumptions: Assumptions | Sequence[Assumptions] | None = None,
    plausible: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    source: str = "",
    title: str = "Multiple imputation: report",
    description: str = "",
    reasons: Mapping[str, str] | None = None,
) -> Report:
    """Report an analysis with imputations: data, assumptions, model, convergence, results, sensitivity, conclusions.

    Parts for which nothing is given stay in the report, and say that this was not done.

    Parameters
    ----------
    imputations : Imputations
        Of a joint model, of chained equations, or read from another program.
    analyses : Analyses or Pooled, or mapping of str to these, optional
        What `Imputations.analyze` returned, or its ``pool()``; several by name. Of formulas that were fitted by maximum
        likelihood or estimating equations complete cases are analysed too.
    fit : Fit, optional
        That made the imputations; they know it unless they were saved and loaded.
    imputed_diagnostics : ImputedDiagnostics, optional
        Of `Fit.imputed_diagnostics`; made if not given, which takes as long as a thousand imputations.
    comparison : Comparison or sequence of these, optional
        Of `jmimpute.compare`.
    sensitivity : Sensitivity or TippingPoint, or sequence of these, optional
        Of `jmimpute.sensitivity` and `jmimpute.tipping_point`.
    assumptions : Assumptions or sequence of these, optional
        Of `jmimpute.assumptions`.
    plausible : pair of float, or mapping of str to these, optional
        Range of what sensitivity analyses vary that is found plausible; by variable if it differs.
    source : str
        Where this range comes from: literature, or who was asked, and when. Not optional where there is one.
    title : str
    description : str
        What is asked, of whom, in words.
    reasons : mapping of str to str, optional
        Why values are missing, by variable.

    Returns
    -------
    Report
        ``save("report.html")`` and ``save("report.json")`` write it.

    Raises
    ------
    ImputationError
        If parts are of the wrong kind or do not belong together, or a plausible range has no source.
    AnalysisError
        If an analysis is of another number of imputations.

    Notes
    -----
    The order is that of TARMOS (Lee et al. 2021, Journal of Clinical Epidemiology 134:79-88); of sensitivity analyses,
    Cro et al. (2020, Statistics in Medicine 39:2815-2842).

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> imputations = jm.impute(pupils, "reading + maths ~ sex + age + (1 | school)", m=20, progressbar=False)  # doctest: +SKIP
    >>> jm.report(imputations, imputations.analyze("reading ~ maths + (1 | school)")).save("report.html")  # doctest: +SKIP
    """
    if not all(hasattr(imputations, name) for name in ("original", "provenance", "rows")):
        raise ImputationError(
            f"A report is of Imputations, not of {type(imputations).__name__}: give those of the analyses too."
        )
    found = several(sensitivity, (Sensitivity, TippingPoint), "sensitivity")
    variables = list(dict.fromkeys(one.variable for one in found))
    own = checked_fit(imputations, fit)
    materials = Materials(
        imputations=imputations,
        results=named_results(analyses, imputations.m),
        fit=own,
        imputed_diagnostics=_judged(own) if imputed_diagnostics is None else imputed_diagnostics,
        comparisons=several(comparison, (Comparison,), "comparison"),
        sensitivities=found,
        assumptions=several(assumptions, (Assumptions,), "assumptions"),
        plausible=checked_plausible(plausible, source, variables),
        source=source.strip(),
        description=description,
        reasons=checked_reasons(reasons, imputations.original.columns),
    )
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(title, made, _sections(materials, made))


def _judged(fit: Any) -> ImputedDiagnostics | None:
    """Verdict on imputed quantities; None where there are too few draws to judge, or nothing is missing."""
    if fit is None:
        return None
    try:
        return fit.imputed_diagnostics(progressbar=False)
    except ImputationError:
        return None


def _sections(materials: Materials, made: str) -> tuple[Section, ...]:
    beside, notes = beside_complete_cases(materials)
    judged = convergence(materials)
    unsettled = [
        message for block in judged.blocks if isinstance(block, Verdict) and not block.ok for message in block.messages
    ]
    return (
        question(materials),
        missing_data(materials),
        assumed(materials),
        imputation_model(materials),
        software(materials, made),
        judged,
        imputed_values(materials),
        results(materials, beside, notes),
        sensitivity_section(materials),
        conclusions(materials, beside, unsettled),
    )
