"""What is missing in a table, where, and at which level: the first look, before any model."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options, some
from jmimpute.table.clusters import Clusters, code
from jmimpute.table.level2 import conflicts
from jmimpute.table.reading import read

COMPLETE, SPORADIC, SYSTEMATIC = "complete", "sporadic", "systematic"

NAME_WIDTH = 30
PATTERNS_SHOWN = 10
LINE_WIDTH = 100
# A column that differs within no more than this share of the clusters is taken to belong to clusters, with mistakes in it.
FEW_CONFLICTS = 0.1


@dataclass(frozen=True, repr=False)
class Inspection:
    """Missing values of a table, by column, pattern and cluster. Made by `inspect`.

    Attributes
    ----------
    n_rows : int
    cluster : str or None
        The cluster column.
    variables : DataFrame
        One row a column of the table, indexed by its name:

        - ``kind``: numeric, boolean, ordered, categorical, text, date or other;
        - ``n_missing``: rows; ``percent_missing``: of all rows, 0 to 100.

        With clusters also

        - ``level``: 2 if observed values never differ within a cluster, else 1; NA where no cluster has two observed
          values;
        - ``sporadic``, ``systematic``: clusters in which some, or all, values are missing;
        - ``icc``: one-way analysis-of-variance estimate of the intraclass correlation of the observed values of numeric
          columns, negative where clusters differ less than chance would make them; NaN where it cannot be computed.
    patterns : DataFrame of bool
        One row a missing-data pattern, commonest first; one column an incomplete variable, fewest missing values first;
        True where observed. The index, ``n_rows``, counts the rows of each pattern.
    kinds : DataFrame of str, or None
        Clusters (rows) by variables other than the cluster column: ``complete``, ``sporadic`` (some values missing) or
        ``systematic`` (all missing). None without clusters.
    cluster_sizes : Series of int, or None
        Rows of each cluster, indexed by cluster label.
    notes : tuple of str
        What to look at before modelling.
    """

    n_rows: int
    cluster: str | None
    variables: pd.DataFrame
    patterns: pd.DataFrame
    kinds: pd.DataFrame | None
    cluster_sizes: pd.Series | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Lay the tables out as text, at most 100 columns wide."""
        parts = [_headline(self), _variables_as_text(self.variables), _patterns_as_text(self.patterns)]
        systematic = _systematic(self.kinds)
        if systematic:
            heading = "Systematically missing: clusters without any value"
            parts.append("\n".join([heading, *(_cut("  " + line, LINE_WIDTH) for line in systematic)]))
        if self.notes:
            parts.append("\n".join(["Notes", *(_cut("  " + note, LINE_WIDTH) for note in self.notes)]))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Lay the tables out for a notebook."""
        shown = self.patterns.head(PATTERNS_SHOWN).replace({True: "observed", False: "missing"})
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        systematic = "".join(f"<li>{escape(line)}</li>" for line in _systematic(self.kinds))
        return "".join(
            [
                f"<p>{escape(_headline(self))}</p>",
                self.variables.to_html(float_format="{:.2f}".format, na_rep=""),
                f"<p>{escape(_patterns_heading(self.patterns))}</p>",
                shown.to_html(),
                f"<p>Systematically missing: clusters without any value</p><ul>{systematic}</ul>" if systematic else "",
                f"<ul>{notes}</ul>" if notes else "",
            ]
        )


def inspect(data: Any, cluster: str | None = None) -> Inspection:
    """Look at the missing values of a table.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row a unit. NaN counts as missing, as do None, null and NA.
    cluster : str, optional
        Column that says which cluster a row belongs to. With it, columns get a level, and values that a cluster lacks
        altogether (systematically missing) are told from the others (sporadically missing).

    Returns
    -------
    Inspection

    Raises
    ------
    TableError
        If `data` is not a table, is empty or has duplicate column names; if there is no column `cluster`, or it has
        missing values.

    Examples
    --------
    >>> import jmimpute as jm
    >>> found = jm.inspect(jm.datasets.load("pupils"), cluster="school")
    >>> int(found.variables.loc["motivation", "systematic"])
    8
    """
    frame = read(data).frame
    if cluster is not None and cluster not in frame.columns:
        raise TableError(f"There is no column {cluster!r} to take clusters from. Choose {options(list(frame.columns))}.")
    clusters = None if cluster is None else code(frame, cluster)
    kinds = None if clusters is None else _kinds(frame, clusters)
    variables = _variables(frame, clusters, kinds)
    return Inspection(
        n_rows=len(frame),
        cluster=cluster,
        variables=variables,
        patterns=_patterns(frame),
        kinds=kinds,
        cluster_sizes=None if clusters is None else _labelled(clusters.sizes, clusters),
        notes=(*_notes(frame, variables), *(() if clusters is None else _notes_on_levels(frame, clusters, variables))),
    )


def kind_of(series: pd.Series) -> str:
    """Name what a column holds.

    Parameters
    ----------
    series : Series

    Returns
    -------
    str
        ``numeric``, ``boolean``, ``ordered``, ``categorical``, ``text``, ``date`` or ``other``.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered" if series.dtype.ordered else "categorical"
    # Truth values and decimals with missing cells arrive as objects, so that the dtype alone does not tell.
    return {
        "boolean": "boolean",
        "integer": "numeric",
        "floating": "numeric",
        "mixed-integer-float": "numeric",
        "decimal": "numeric",
        "string": "text",
        "datetime64": "date",
        "datetime": "date",
        "date": "date",
    }.get(pd.api.types.infer_dtype(series, skipna=True), "other")


def _variables(frame: pd.DataFrame, clusters: Clusters | None, kinds: pd.DataFrame | None) -> pd.DataFrame:
    columns = list(frame.columns)
    missing = frame.isna().sum()
    table = pd.DataFrame(
        {
            "kind": [kind_of(frame[column]) for column in columns],
            "n_missing": missing.to_numpy(),
            "percent_missing": 100 * missing.to_numpy() / len(frame),
        },
        index=pd.Index(columns, name="variable"),
    )
    if clusters is None or kinds is None:
        return table
    table["level"] = pd.array([_level(frame[column], clusters.codes) for column in columns], dtype="Int64")
    for kind in (SPORADIC, SYSTEMATIC):
        table[kind] = (kinds == kind).sum().reindex(columns, fill_value=0)
    table["icc"] = [
        _icc(frame[column], clusters.codes) if kind == "numeric" and column != clusters.name else np.nan
        for column, kind in table["kind"].items()
    ]
    return table


def _level(series: pd.Series, codes: np.ndarray) -> int | None:
    observed = series.dropna()
    if kind_of(observed) == "other":  # lists and the like cannot be compared
        return None
    groups = observed.groupby(codes[series.notna()])
    if len(observed) == groups.ngroups:
        return None
    return 2 if (groups.nunique() == 1).all() else 1


def _icc(series: pd.Series, codes: np.ndarray) -> float:
    """ICC(1) = (MSB - MSW) / (MSB + (n0 - 1) MSW); n0, an average cluster size: Donner (1986), Int. Stat. Rev. 54."""
    keep = series.notna().to_numpy()
    values, codes = series[keep].to_numpy(dtype=float), codes[keep]
    sizes = np.bincount(codes)
    means = np.bincount(codes, values) / np.maximum(sizes, 1)
    sizes, n, k = sizes[sizes > 0], len(values), np.count_nonzero(sizes)
    if k < 2 or n == k or not np.isfinite(values).all():
        return np.nan
    within = ((values - means[codes]) ** 2).sum() / (n - k)
    between = ((means[codes] - values.mean()) ** 2).sum() / (k - 1)
    total = between + ((n - (sizes**2).sum() / n) / (k - 1) - 1) * within
    return float((between - within) / total) if total > 0 else np.nan


def _patterns(frame: pd.DataFrame) -> pd.DataFrame:
    missing = frame.isna().sum()
    incomplete = missing[missing > 0].sort_values(kind="stable").index
    observed = frame[incomplete].notna()
    if observed.empty:
        return pd.DataFrame(index=pd.Index([len(frame)], name="n_rows"))
    found, counts = np.unique(observed.to_numpy(), axis=0, return_counts=True)
    # Commonest first; of equally common ones the more complete, then the one whose rarer holes are observed.
    order = sorted(range(len(counts)), key=lambda i: (-counts[i], -found[i].sum(), tuple(~found[i])))
    return pd.DataFrame(found[order], columns=incomplete, index=pd.Index(counts[order], name="n_rows"))


def _kinds(frame: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    others = frame.columns.drop(clusters.name)
    share = frame[others].isna().groupby(clusters.codes).mean()
    kinds = np.select([share == 0, share == 1], [COMPLETE, SYSTEMATIC], SPORADIC)
    return pd.DataFrame(kinds, index=pd.Index(clusters.labels, name=clusters.name), columns=others)


def _labelled(sizes: np.ndarray, clusters: Clusters) -> pd.Series:
    return pd.Series(sizes, index=pd.Index(clusters.labels, name=clusters.name), name="n_rows")


def _notes(frame: pd.DataFrame, variables: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    for column, kind in variables["kind"].items():
        observed = frame[column].dropna()
        if observed.empty:
            notes.append(f"{column}: no value is observed.")
        elif kind != "other" and observed.nunique() == 1:
            notes.append(f"{column}: constant, every observed value is {observed.iloc[0]!s}.")
        if kind == "numeric":
            infinite = np.flatnonzero(np.isinf(frame[column].astype(float)))
            if infinite.size:
                notes.append(f"{column}: infinite values in {len(infinite)} row(s), counted from 0: {some(infinite)}.")
    if "level" in variables:
        undecided = variables.index[variables["level"].isna() & (variables["n_missing"] < len(frame))]
        notes += [f"{column}: level not known, no cluster has two values to compare." for column in undecided]
    return tuple(notes)


def _notes_on_levels(frame: pd.DataFrame, clusters: Clusters, variables: pd.DataFrame) -> list[str]:
    """Columns of clusters that are given in some rows only, or that seem to be such columns with mistakes in them."""
    notes = []
    for column, level in variables["level"].drop(clusters.name).dropna().items():
        series, present = frame[column], frame[column].notna().to_numpy()
        counts = np.bincount(clusters.codes[present], minlength=len(clusters.labels))
        partly = [clusters.labels[j] for j in np.flatnonzero((counts > 0) & (counts < clusters.sizes))]
        if level == 2 and partly and series.nunique() > 1:
            notes.append(
                f"{column}: belongs to clusters and is given in some rows only of {len(partly)} of them: {some(partly)}. A "
                "model that has it at level 2 carries it to their other rows."
            )
        if level == 1:
            comparable = int(np.sum(counts > 1))
            differing = int((series[present].groupby(clusters.codes[present]).nunique() > 1).sum())
            if differing <= FEW_CONFLICTS * comparable:
                notes.append(
                    f"{column}: does not vary within {comparable - differing} of {comparable} clusters, but "
                    f"{some(conflicts(series, clusters), 3)}. Correct these rows, counted from 0, if it belongs to clusters."
                )
    return notes


def _systematic(kinds: pd.DataFrame | None) -> list[str]:
    """Clusters that lack a variable altogether, a line for each variable that has such clusters."""
    if kinds is None:
        return []
    lacking = {column: kinds.index[kinds[column] == SYSTEMATIC] for column in kinds}
    return [f"{column}: {len(labels)} of {len(kinds)}: {some(labels)}" for column, labels in lacking.items() if len(labels)]


def _headline(inspection: Inspection) -> str:
    line = f"{inspection.n_rows} rows, {len(inspection.variables)} columns"
    sizes = inspection.cluster_sizes
    if sizes is None:
        return line
    spread = f"{sizes.min()} to {sizes.max()} rows, median {sizes.median():g}"
    return f"{line}; {len(sizes)} clusters ({_cut(str(inspection.cluster), NAME_WIDTH)}) of {spread}"


def _variables_as_text(variables: pd.DataFrame) -> str:
    shown = variables.reset_index()
    shown["variable"] = [_cut(str(name), NAME_WIDTH) for name in shown["variable"]]
    shown = shown.rename(columns={"n_missing": "missing", "percent_missing": "%"})
    number = {"%": "{:.1f}".format, "icc": lambda icc: "" if np.isnan(icc) else f"{icc:.2f}"}
    for column in shown.columns.drop(["variable", "kind"]):
        shown[column] = [number.get(column, str)(value) for value in shown[column]]
    return _aligned(shown, left=("variable", "kind"))


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
        lines.append(_cut(f"{n_rows:>8}  {100 * n_rows / total:5.1f}  {names or 'nothing'}", LINE_WIDTH))
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
