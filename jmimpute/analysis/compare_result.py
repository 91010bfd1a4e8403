"""The results of one analysis by several methods, laid out as papers do."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from math import floor, log10
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.compare_methods import COUNTS, FIXED, IMPUTED, NUMBERS, TIMES, Method, jackknife
from jmimpute.errors import AnalysisError, options
from jmimpute.stopwatch import SECONDS

METHOD, REFERENCE = "method", "reference"
#: Labels of what is told of a method as a whole, and decimals.
_BELOW = dict(zip((*COUNTS, *TIMES), (("imputations", 0), ("rows", 0), ("wall seconds", 1), ("CPU seconds", 1)), strict=True))


@dataclass(frozen=True, repr=False)
class Comparison:
    """One analysis by several methods. Made by `jmimpute.compare`.

    Attributes
    ----------
    methods : tuple of Method
        Complete cases first, then the sources, published results, and what is true.
    analysis : str
        Formula, or name of the function.
    level : float
        Of the confidence intervals.
    causes : tuple of str
        Why methods may differ, as far as it is known from how their imputations were made.
    notes : tuple of str
        What one should know about these results.
    """

    methods: tuple[Method, ...]
    analysis: str
    level: float
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods."""
        return tuple(method.name for method in self.methods)

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the analysis in order of appearance, then those of random effects and residuals."""
        return tuple(parts_of(self.methods))

    @property
    def table(self) -> pd.DataFrame:
        """A row a method and term.

        Columns method, part ("fixed", or "random" for standard deviations and correlations of random effects, the residual
        standard deviation and the ICC), term, estimate, std_error, df, conf_low, conf_high, riv, fmi, mc_error (Monte Carlo
        error of the estimate: how much it would differ with other imputations; NaN where not known), m (imputations), rows
        (that were analysed), and wall_seconds and cpu_seconds (of imputation: of a joint model to sample and to impute; missing
        where not known).
        """
        types = dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(TIMES, "Float64")
        parts = [
            method.table.assign(method=method.name, **{name: getattr(method, name) for name in types})
            for method in self.methods
        ]
        columns = [METHOD, "part", "term", *NUMBERS, *types]
        return pd.concat([pd.DataFrame(part[columns]).astype(types) for part in parts], ignore_index=True)

    def wide(self, column: str | None = None) -> pd.DataFrame:
        """Give a row a term and a column a method.

        Parameters
        ----------
        column : str, optional
            A column of `table`. If not given, texts as in papers: the estimate, its standard error in brackets where there is
            one, and below numbers of imputations and rows, and seconds where they are known.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        AnalysisError
            If there is no such column.
        """
        if column is None:
            return self._as_in_papers()
        known = (*NUMBERS, *COUNTS, *TIMES)
        if column not in known:
            raise AnalysisError(f"There is no column {column!r}. Choose {options(known)}, or None.")
        wide = self.table.pivot(index="term", columns=METHOD, values=column)
        ordered = wide.reindex(index=list(self.terms), columns=list(self.names))
        return ordered.rename_axis(index="term", columns=None)

    def differences(self, reference: str | None = None) -> pd.DataFrame:
        """Set each method against one of them, and say which differences other imputations could have made.

        Parameters
        ----------
        reference : str, optional
            Name of a method; the first source if not given.

        Returns
        -------
        pandas.DataFrame
            A row a method and term that the reference has too, with the columns method, reference, part, term, difference,
            mc_error (the Monte Carlo error of the difference), beyond_noise (whether the difference exceeds it by more than
            chance, at the level of the comparison; missing where the error is not known), in_std_errors (the difference by the
            standard error of the method) and std_error_ratio (that standard error by the one of the reference).

        Raises
        ------
        AnalysisError
            If there is no such method.

        Notes
        -----
        Imputations of two methods are taken as independent, their Monte Carlo errors add up by squares, and the limit is that
        of the t distribution with Welch's degrees of freedom. Imputations that come from the same draws, such as those before
        and after a delta adjustment, are compared pair by pair instead. Complete cases and true values have no such error. The
        difference itself can be due to how values were imputed, and is no test of a method.
        """
        if reference is None:
            reference = next((method.name for method in self.methods if method.kind == IMPUTED), self.names[0])
        if reference not in self.names:
            raise AnalysisError(f"There is no method {reference!r}. Choose {options(self.names)}.")
        base = self.methods[self.names.index(reference)]
        parts = [_difference(method, base, self.level) for method in self.methods if method is not base]
        if not parts:
            raise AnalysisError(f"There is no other method than {reference!r}, so that there are no differences.")
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        """Show terms by methods, and why methods may differ."""
        parts = [self._title(), self.wide().to_string()]
        for title, lines in self._below():
            parts += ["", title, *(f"  {line}" for line in lines)]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self._title())}</p>", self.wide().to_html()]
        for title, lines in self._below():
            parts += [f"<p>{escape(title)}</p>", f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"]
        return "\n".join(parts)

    def _title(self) -> str:
        return f"{self.analysis}: estimates (standard errors) by {len(self.methods)} methods"

    def _below(self) -> list[tuple[str, Sequence[str]]]:
        """Titled lists below the table."""
        lists = [("Monte Carlo error", self._noise()), ("Why methods may differ", self.causes), ("Notes", self.notes)]
        return [(title, lines) for title, lines in lists if lines]

    def _noise(self) -> list[str]:
        """Say by how much estimates of imputations would differ with others."""
        lines = []
        for method in self.methods:
            fixed = pd.DataFrame(method.table[method.table["part"] == FIXED])
            share = np.asarray(fixed["mc_error"] / fixed["std_error"])
            if method.kind == IMPUTED and np.isfinite(share).any():
                k = int(np.nanargmax(share))
                where = f"{fixed['term'].iloc[k]}, m = {method.m}"
                lines.append(f"{method.name}: at most {100 * share[k]:.1f} % of the standard error ({where})")
        return lines

    def _as_in_papers(self) -> pd.DataFrame:
        estimates, errors = self.wide("estimate"), self.wide("std_error")
        shown = pd.DataFrame("", index=estimates.index, columns=estimates.columns)
        for term, name in product(shown.index, shown.columns):
            if np.isfinite(estimates.at[term, name]):
                shown.at[term, name] = _with_error(estimates.at[term, name], errors.at[term, name])
        for name, (label, digits) in _BELOW.items():
            numbers = [getattr(method, name) for method in self.methods]
            if name in COUNTS or any(number is not None for number in numbers):
                shown.loc[label] = ["" if number is None else f"{number:.{digits}f}" for number in numbers]
        return shown


def parts_of(methods: Sequence[Method]) -> dict[str, str]:
    """List the terms of all methods, fixed ones first, with the part that each belongs to.

    Parameters
    ----------
    methods : sequence of Method

    Returns
    -------
    dict of str to str
    """
    pairs = [pair for method in methods for pair in zip(method.table["term"], method.table["part"], strict=True)]
    return dict(sorted(dict(pairs).items(), key=lambda pair: pair[1] != FIXED))


def _with_error(estimate: float, error: float) -> str:
    """Write an estimate and its standard error with as many decimals as the latter tells."""
    if not error > 0:
        return f"{estimate:.4g}"
    decimals = max(0, 2 - floor(log10(error)))
    return f"{estimate:.{decimals}f} ({error:.{decimals}f})"


def _difference(method: Method, base: Method, level: float) -> pd.DataFrame:
    """Rows of `Comparison.differences` for one method."""
    common = np.isin(method.table["term"].tolist(), base.table["term"].tolist())
    own = method.table[common].reset_index(drop=True)
    places = pd.Index(base.table["term"]).get_indexer(list(own["term"]))
    other = base.table.iloc[places].reset_index(drop=True)
    if _is_paired(method, base):
        error = jackknife(method.left_out[:, common] - base.left_out[:, places])
        df = np.full(len(own), len(method.left_out) - 1.0)
    else:
        error, df = _added_up(np.asarray(own["mc_error"]), np.asarray(other["mc_error"]), method.m, base.m)
    difference = own["estimate"] - other["estimate"]
    return pd.DataFrame(
        {
            METHOD: method.name,
            REFERENCE: base.name,
            "part": own["part"],
            "term": own["term"],
            "difference": difference,
            "mc_error": error,
            "beyond_noise": _exceeds(difference.to_numpy(), error, df, level),
            "in_std_errors": difference / own["std_error"],
            "std_error_ratio": own["std_error"] / other["std_error"],
        }
    )


def _is_paired(method: Method, base: Method) -> bool:
    """Whether two methods are the same draws, changed in different ways."""
    if method.m != base.m or "seed" not in method.provenance:
        return False
    first, second = ({k: v for k, v in each.provenance.items() if k not in ("changes", SECONDS)} for each in (method, base))
    return first == second


def _added_up(first: np.ndarray, second: np.ndarray, m: int | None, other: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Monte Carlo error of a difference of independent estimates, and Welch's degrees of freedom."""
    error = np.hypot(first, second)
    spread = sum(each**4 / (count - 1) for each, count in ((first, m), (second, other)) if count is not None)
    return error, np.divide(error**4, spread, out=np.full_like(error, np.inf), where=np.asarray(spread) > 0)


def _exceeds(difference: np.ndarray, error: np.ndarray, df: np.ndarray, level: float) -> Any:
    """Whether differences are larger than chance makes them, missing where the error is not known."""
    from scipy.stats import t

    known = np.isfinite(error)
    limit = t.ppf((1 + level) / 2, df) * np.where(known, error, 0.0)
    return pd.arrays.BooleanArray(np.abs(difference) > limit, ~known)
