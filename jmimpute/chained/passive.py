"""Passive variables: columns computed from others, such as products, anew whenever one of these changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.chained.columns import Column
from jmimpute.errors import FormulaError, ImputationError, some
from jmimpute.specification.derived import evaluate, names_in


@dataclass(frozen=True)
class Passive:
    """A passive variable.

    Attributes
    ----------
    name : str
    text : str
        The expression.
    inputs : tuple of str
        What it names.
    sources : frozenset of str
        Columns that are not passive and that it depends on, directly or through other passive variables.
    """

    name: str
    text: str
    inputs: tuple[str, ...]
    sources: frozenset[str]

    def computed(self, columns: Mapping[str, Column], state: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Compute it from completed values.

        Parameters
        ----------
        columns : mapping of str to Column
        state : mapping of str to ndarray, shape (n_rows,)
            Completed values by column.
        rows : ndarray of int, shape (n_rows,)
            Row numbers in the table, for the message.

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        ImputationError
            If it is not a finite number in some row.
        """
        frame = {name: columns[name].decoded(state[name]) if name in columns else state[name] for name in self.inputs}
        values = evaluate(self.text, pd.DataFrame(frame)).astype(float)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ImputationError(
                f"The passive variable {self.name!r} = {self.text!r} is no finite number in {bad.size} row(s), counted from 0: "
                f"{some(sorted(rows[bad]))}. Imputed values may lie where it is not defined, such as below 0 under a "
                "logarithm: impute a transformed column, or use 'pmm'."
            )
        return values


def in_order(said: Mapping[str, str], columns: Sequence[str]) -> tuple[Passive, ...]:
    """Check passive variables and put them into an order in which each needs only those before it.

    Parameters
    ----------
    said : mapping of str to str
        Expressions by name.
    columns : sequence of str
        Columns of the table.

    Returns
    -------
    tuple of Passive

    Raises
    ------
    FormulaError
        If an expression is not allowed, names something that is not there, or depends on itself.
    """
    inputs = {name: names_in(text) for name, text in said.items()}
    for name, used in inputs.items():
        unknown = [other for other in used if other not in columns and other not in said]
        if unknown or not used:
            what = f"names {unknown[0]!r}, which is neither a column nor passive" if unknown else "names no column"
            raise FormulaError(f"The passive variable {name!r} = {said[name]!r} {what}. Columns: {some(columns, 20)}.")
    found: dict[str, Passive] = {}
    left = dict(inputs)
    while left:
        ready = [name for name, used in left.items() if not set(used) & set(left)]
        if not ready:
            raise FormulaError(
                f"Passive variables depend on themselves in a circle: {some(left)}. Compute one of them otherwise."
            )
        for name in ready:
            used = left.pop(name)
            sources = frozenset().union(*(found[other].sources if other in found else {other} for other in used))
            found[name] = Passive(name, said[name], used, sources)
    return tuple(found.values())
