"""Where fits come from: the completed tables and the engine, so that a model can be fitted to them again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError
from jmimpute.specification.formula import parse


class Repeatable:
    """An iterable that can be gone through as often as one likes, and makes each item only when it is asked for.

    Parameters
    ----------
    start : callable
        Gives a new iterator over the items.
    """

    def __init__(self, start: Callable[[], Iterator[pd.DataFrame]]):
        self._start = start

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Go through the items from the first on."""
        return self._start()


@dataclass(frozen=True)
class Source:
    """What is needed to fit a formula to the same tables again.

    Attributes
    ----------
    tables : iterable of pandas.DataFrame
        The completed tables; can be gone through more than once.
    fit : callable
        ``(formula, table, where, reml) -> Estimates``; `where` names the table in an error.
    """

    tables: Iterable[pd.DataFrame]
    fit: Callable[[str, pd.DataFrame, str, bool], Estimates]

    def fits(self, formula: str, reml: bool = False) -> Iterator[Estimates]:
        """Fit a formula to each table, one after the other.

        Parameters
        ----------
        formula : str
        reml : bool, optional
            Restricted or (default) ordinary maximum likelihood.

        Yields
        ------
        Estimates
            With `log_likelihood_at`.
        """
        for number, table in enumerate(self.tables, start=1):
            yield self.fit(formula, table, f"Imputation {number}", reml)

    def stacked(self, formula: str) -> Estimates:
        """Fit a formula once to all tables, one below the other, by maximum likelihood.

        Parameters
        ----------
        formula : str

        Returns
        -------
        Estimates
            A cluster of one table is another cluster than the same of another table. What a formula computes from a
            whole column, such as its mean, it computes from the stack.

        Raises
        ------
        AnalysisError
            If the cluster is a covariate as well.
        """
        available = [str(column) for column in next(iter(self.tables)).columns]
        parsed = parse(formula, available)
        if parsed.cluster in parsed.columns:
            raise AnalysisError(
                f"Column {parsed.cluster!r} is the cluster of {formula!r} and a covariate too, so that the tables cannot be "
                "stacked with clusters that are told apart. Use method='D1', 'D2' or 'D3'."
            )
        (response,) = parsed.responses
        columns = list(dict.fromkeys([*parse(f"{response} ~ {response}", available).columns, *parsed.columns]))
        stack = pd.concat(list(self._parts(columns, parsed.cluster)), ignore_index=True)
        return self.fit(formula, stack, "All tables together", False)

    def _parts(self, columns: list[str], cluster: str | None) -> Iterator[pd.DataFrame]:
        """Yield the columns that are used of each table, with clusters numbered through all tables."""
        before = 0
        for table in self.tables:
            part = pd.DataFrame(table[columns])
            if cluster is not None:
                codes, labels = pd.factorize(table[cluster], sort=False)
                part = part.assign(**{cluster: codes + before})
                before += len(labels)
            yield part
