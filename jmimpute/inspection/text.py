"""What `inspect` found, laid out as text that fits on a screen, or for a notebook."""

from collections.abc import Sequence
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.inspection.patterns import SYSTEMATIC

if TYPE_CHECKING:
    from jmimpute.inspection.inspection import Inspection

NAME_WIDTH = 30
PATTERNS_SHOWN = 10
LINE_WIDTH = 100


def as_text(inspection: "Inspection") -> str:
    """Lay the tables out as text, at most 100 columns wide."""
    parts = [_headline(inspection), _variables_as_text(inspection.variables), _patterns_as_text(inspection.patterns)]
    systematic = _systematic(inspection.kinds)
    if systematic:
        heading = "Systematically missing: clusters without any value"
        parts.append("\n".join([heading, *(cut("  " + line, LINE_WIDTH) for line in systematic)]))
    if inspection.notes:
        parts.append("\n".join(["Notes", *map(_wrapped, inspection.notes)]))
    return "\n\n".join(parts)


def as_html(inspection: "Inspection") -> str:
    """Lay the tables out for a notebook."""
    shown = inspection.patterns.head(PATTERNS_SHOWN).replace({True: "observed", False: "missing"})
    notes = "".join(f"<li>{escape(note)}</li>" for note in inspection.notes)
    systematic = "".join(f"<li>{escape(line)}</li>" for line in _systematic(inspection.kinds))
    return "".join(
        [
            f"<p>{escape(_headline(inspection))}</p>",
            inspection.variables.to_html(float_format="{:.2f}".format, na_rep=""),
            f"<p>{escape(_patterns_heading(inspection.patterns))}</p>",
            shown.to_html(),
            f"<p>Systematically missing: clusters without any value</p><ul>{systematic}</ul>" if systematic else "",
            f"<ul>{notes}</ul>" if notes else "",
        ]
    )


def _wrapped(note: str) -> str:
    return fill(note, LINE_WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def cut(text: str, width: int) -> str:
    """Shorten a text, with an ellipsis for what is left out."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _systematic(kinds: pd.DataFrame | None) -> list[str]:
    """Clusters that lack a variable altogether, a line for each variable that has such clusters."""
    if kinds is None:
        return []
    lacking = {column: kinds.index[kinds[column] == SYSTEMATIC] for column in kinds}
    return [f"{column}: {len(labels)} of {len(kinds)}: {some(labels)}" for column, labels in lacking.items() if len(labels)]


def _headline(inspection: "Inspection") -> str:
    line = f"{inspection.n_rows} rows, {len(inspection.variables)} columns"
    sizes = inspection.cluster_sizes
    if sizes is None:
        return line
    spread = f"{sizes.min()} to {sizes.max()} rows, median {sizes.median():g}"
    return f"{line}; {len(sizes)} clusters ({cut(str(inspection.cluster), NAME_WIDTH)}) of {spread}"


def _variables_as_text(variables: pd.DataFrame) -> str:
    shown = variables.reset_index()
    shown["variable"] = [cut(str(name), NAME_WIDTH) for name in shown["variable"]]
    shown = shown.rename(columns={"n_missing": "missing", "percent_missing": "%"})
    number = {"%": "{:.1f}".format, "icc": lambda icc: "" if np.isnan(icc) else f"{icc:.2f}"}
    for column in shown.columns.drop(["variable", "kind"]):
        shown[column] = [number.get(column, str)(value) for value in shown[column]]
    text = _aligned(shown, left=("variable", "kind"))
    return f"{text}\n(sporadic, systematic: clusters in which some, or all, values are missing)" if "level" in shown else text


def _aligned(table: pd.DataFrame, left: Sequence[str]) -> str:
    """Write a table of texts in columns two blanks apart; `left` are flush left, the others flush right."""
    widths = {column: max(len(column), *map(len, table[column])) for column in table}

    def line(cells: Sequence[str]) -> str:
        pairs = zip(widths.items(), cells, strict=True)
        texts = [cell.ljust(width) if column in left else cell.rjust(width) for (column, width), cell in pairs]
        return "  ".join(texts).rstrip()

    return "\n".join([line(list(table.columns)), *(line(row) for row in table.itertuples(index=False, name=None))])


def _patterns_heading(patterns: pd.DataFrame) -> str:
    return f"Missing-data patterns: {len(patterns)}" + (
        f", the commonest {PATTERNS_SHOWN} shown" if len(patterns) > PATTERNS_SHOWN else ""
    )


def _patterns_as_text(patterns: pd.DataFrame) -> str:
    total = patterns.index.to_numpy().sum()
    lines = [_patterns_heading(patterns), "    rows      %  missing"]
    for n_rows, observed in patterns.head(PATTERNS_SHOWN).iterrows():
        names = ", ".join(str(name) for name in patterns.columns[~observed.to_numpy(dtype=bool)])
        lines.append(cut(f"{n_rows:>8}  {100 * n_rows / total:5.1f}  {names or 'nothing'}", LINE_WIDTH))
    return "\n".join(lines)
