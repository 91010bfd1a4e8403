"""The first look at a table: what is missing, where, and at which level."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, meant, options
from jmimpute.inspection.correlations import find_correlations
from jmimpute.inspection.dependence import Dependence, find_dependence
from jmimpute.inspection.flux import find_flux
from jmimpute.inspection.notes import find_mistakes, notes_on_columns, notes_on_levels, notes_on_values
from jmimpute.inspection.patterns import find_kinds, find_patterns
from jmimpute.inspection.text import as_html, as_text
from jmimpute.inspection.variables import describe_variables
from jmimpute.table.clusters import Clusters, code
from jmimpute.table.reading import read


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
        - ``icc``: one-way analysis-of-variance estimate of the intraclass correlation of the observed values, negative
          where clusters differ less than chance would make them. Truth values count as 0 and 1 (the estimator that
          Ridout, Demetrio and Firth 1999, Biometrics 55, recommend for binary data), ordered categories as 0, 1, 2 ...;
          NaN for other kinds and where it cannot be computed.
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

    _frame: pd.DataFrame
    _clusters: Clusters | None

    def __str__(self) -> str:
        """Lay the tables out as text, at most 100 columns wide."""
        return as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Lay the tables out for a notebook."""
        return as_html(self)

    @cached_property
    def flux(self) -> pd.DataFrame:
        """How the variables connect to each other through their missing cells, of mice's `flux`.

        Van Buuren (2018), Flexible imputation of missing data, section 4.1.3.

        Returns
        -------
        DataFrame
            One row a column of the table, indexed by its name; shares, 0 to 1.

            - ``pobs``: observed cells of the variable;
            - ``influx``: pairs of cells, one of the variable, missing, with one of another variable, observed, as a share of
              all observed cells: how well its missing cells connect to observed ones;
            - ``outflux``: pairs of cells, one of the variable, observed, with one of another variable, missing, as a share of
              all missing cells: how useful it is to impute others; NaN if nothing is missing;
            - ``ainb``, ``aout``: observed (missing) shares of the other variables, averaged over them, in rows where the
              variable is missing (observed); 0 if there is no such row, NaN if there is no other variable;
            - ``fico``: incomplete rows among those where the variable is observed; NaN if it never is.
        """
        return find_flux(self._frame)

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Correlations of numeric, boolean and ordered variables in the rows where both are observed.

        Truth values count as 0 and 1, ordered categories as 0, 1, 2 ... The cluster column and columns with infinite values,
        which `notes` names, are left out.

        Returns
        -------
        DataFrame
            One row a pair of variables, in the order of the table.

            - ``variable_1``, ``variable_2``;
            - ``total``: Pearson correlation over rows;
            - ``within``: of the deviations from cluster means, pooled over clusters; NaN without clusters;
            - ``between``: of the means of clusters, weighted by their rows, so that covariances add up: total = within +
              between. These are means of what is observed: the smaller the clusters, the more of ``within`` is in it. NaN
              without clusters;
            - ``n_pairs``: rows where both are observed.

            Correlations of a variable that does not vary (at the level in question) are NaN.
        """
        return find_correlations(self._frame, self._clusters)

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """Cells that differ within a cluster in columns that seem to belong to clusters: those of the notes, by row.

        Returns
        -------
        DataFrame
            One row a row of a cluster whose rows disagree: ``variable``, ``cluster`` (its label), ``row`` (position from 0)
            and ``value``. A column is looked at if it differs within no more than a tenth of the clusters.
        """
        columns = ["variable", "cluster", "row", "value"]
        if self._clusters is None:
            return pd.DataFrame(columns=columns)
        cells = [
            (column, conflict.cluster, row, value)
            for column, conflicts in find_mistakes(self._frame, self._clusters, self.variables).items()
            for conflict in conflicts
            for value, rows in conflict.values.items()
            for row in rows
        ]
        return pd.DataFrame(sorted(cells, key=lambda cell: (cell[0], cell[2])), columns=columns)

    def dependence(self, variable: str | None = None) -> Dependence:
        """Ask whether values are missing more often where other variables are high or low.

        Parameters
        ----------
        variable : str, optional
            An incomplete variable; every one of them if not given.

        Returns
        -------
        Dependence

        Raises
        ------
        TableError
            If `variable` is not a column of the table, or has no missing values.

        Examples
        --------
        >>> import jmimpute as jm
        >>> found = jm.inspect(jm.datasets.load("pupils"), cluster="school")
        >>> print(found.dependence("reading"))
        Notable in 1 of 5 comparisons: standardised difference above 0.1, p < 0.05 after Holm's correction.
          Dependence on values that are missing themselves cannot be seen in a table.
        - reading is missing more often where age is higher: mean 11.15 where missing, 10.96 where observed;
          standardised difference 0.34 (within clusters 0.34, between 0.00), p = 0.008.
        Let the imputation model have these. reading: age.
        Note: Incomplete themselves, and compared in the units that have them: maths, motivation.
        """
        return find_dependence(self._frame, self._clusters, variable)


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
        hint = meant(cluster, frame.columns)
        raise TableError(f"There is no column {cluster!r} to take clusters from.{hint} Choose {options(list(frame.columns))}.")
    clusters = None if cluster is None else code(frame, cluster)
    kinds = None if clusters is None else find_kinds(frame, clusters)
    variables = describe_variables(frame, clusters, kinds)
    return Inspection(
        n_rows=len(frame),
        cluster=cluster,
        variables=variables,
        patterns=find_patterns(frame),
        kinds=kinds,
        cluster_sizes=None if clusters is None else _labelled(clusters.sizes, clusters),
        notes=(
            *notes_on_columns(frame, variables),
            *notes_on_values(frame, variables, cluster),
            *(() if clusters is None else notes_on_levels(frame, clusters, variables)),
        ),
        _frame=frame,
        _clusters=clusters,
    )


def _labelled(sizes: np.ndarray, clusters: Clusters) -> pd.Series:
    return pd.Series(sizes, index=pd.Index(clusters.labels, name=clusters.name), name="n_rows")
