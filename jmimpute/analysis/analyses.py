"""The fits of one substantive model to completed tables, and what can be asked of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates, problems_by_imputation
from jmimpute.analysis.pool import Pooled, combine
from jmimpute.analysis.source import Source
from jmimpute.errors import some

if TYPE_CHECKING:
    import xarray as xr

    from jmimpute.analysis.constraints import Constraints
    from jmimpute.analysis.monte_carlo import MonteCarloError
    from jmimpute.analysis.tests import PooledTest


@dataclass(frozen=True, repr=False)
class Analyses:
    """The fits of one substantive model, one a completed table.

    Attributes
    ----------
    fits : tuple of Estimates, length m
        In the order of the imputations.
    model : str
        The formula, or the name of the function.
    engine : str or None
        Name of the engine; None for a function.
    family : str or None
        Family of the response; None for a function.
    source : Source or None
        The tables and the engine, for what needs other fits too; None for a function, and where the tables can be gone
        through only once.
    """

    fits: tuple[Estimates, ...]
    model: str
    engine: str | None
    family: str | None
    source: Source | None = field(default=None, compare=False)

    def pool(self, df_complete: float | None = None, level: float = 0.95) -> Pooled:
        """Combine the fits by Rubin's rules.

        Parameters
        ----------
        df_complete : float, optional
            Complete-data degrees of freedom for the small-sample correction of Barnard and Rubin (1999). By default
            those of the fits: n - k for OLS and GLM, infinite for mixed models and functions. ``np.inf`` gives the
            degrees of freedom of Rubin (1987), mitml's default.
        level : float, optional
            Level of the confidence intervals.

        Returns
        -------
        Pooled

        Raises
        ------
        AnalysisError
            With fewer than two imputations, or if an argument is out of range.
        """
        return combine(self.fits, df_complete=df_complete, level=level)

    def test(
        self,
        smaller: "str | Sequence[str] | Analyses",
        method: str = "D1",
        use: str | None = None,
        ariv: str = "default",
        df_complete: float | None = None,
    ) -> "PooledTest":
        """Test whether terms are zero, or this model against a smaller one.

        Parameters
        ----------
        smaller : str, sequence of str or Analyses
            Terms, where the name of a categorical column stands for all its categories: ``"fluent"`` is ``fluent[1]`` and
            ``fluent[2]``. Or analyses of a nested model on the same tables.
        method : {"D1", "D2", "D3", "D4"}, optional
            D1 (default): from estimates and covariances (Li, Raghunathan and Rubin 1991; Reiter 2007). D2: from one
            chi-square statistic an imputation (Li, Meng, Raghunathan and Rubin 1991), less exact. D3: from likelihoods at
            the pooled estimates (Meng and Rubin 1992). D4: from likelihoods of all tables stacked (Chan and Meng 2022),
            which does not depend on how a model is parameterised. Formulas: `jmimpute.analysis.multiparameter`.
        use : {"wald", "likelihood"}, optional
            What D2 combines: Wald (default) or likelihood-ratio statistics.
        ariv : {"default", "positive", "robust"}, optional
            The relative increase in variance: as it comes out, not below zero (D3 and D4), or by Chan and Meng's robust
            estimator (D4).
        df_complete : float, optional
            Complete-data degrees of freedom of D1; by default as in `pool`. ``np.inf`` is mitml's default.

        Returns
        -------
        PooledTest

        Raises
        ------
        AnalysisError
            If a term is not in the model, models are not nested or not of the same tables, the method needs a likelihood and
            there is none, a covariance matrix is singular, or an argument is not known or belongs to another method.

        Notes
        -----
        D2 from likelihoods, D3 and D4 compare maximum-likelihood fits: models that were fitted by REML are fitted again. D3
        pools the parameters of mitml: fixed effects, covariance matrix of random effects and residual variance (divided by
        n). mice's ``D3`` holds the variances at those of each table instead.
        """
        from jmimpute.analysis.tests import joint_test

        return joint_test(self, smaller, method=method, use=use, ariv=ariv, df_complete=df_complete)

    def compare(self, *smaller: "Analyses", method: str = "D1", ariv: str = "default") -> pd.DataFrame:
        """Compare nested models, each with the next smaller one.

        Parameters
        ----------
        *smaller : Analyses
            Of the same tables, in any order.
        method, ariv
            See `test`.

        Returns
        -------
        pandas.DataFrame
            One row a comparison, the largest models first, with the columns model, against, statistic, df1, df2, p_value and
            riv.

        Raises
        ------
        AnalysisError
            If there is no smaller model, or two models that follow each other cannot be compared.
        """
        from jmimpute.analysis.tests import compare

        return compare(self, smaller, method=method, ariv=ariv)

    def constraint(
        self,
        constraints: str | Sequence[str],
        method: str = "D1",
        df_complete: float | None = None,
        level: float = 0.95,
    ) -> "Constraints":
        """Estimate functions of the estimates, and test whether all of them are zero.

        Parameters
        ----------
        constraints : str or sequence of str
            Such as ``"fluent[1] - fluent[2]"``, ``"ravens * sex = 3"`` or ``"exp(ravens) - 1"``: names of terms, numbers,
            ``+ - * / **``, brackets, ``exp``, ``log`` and ``sqrt``. A term that could be misread stands in backquotes.
        method : {"D1", "D2"}, optional
            Of the joint test; see `test`.
        df_complete : float, optional
            Complete-data degrees of freedom; by default as in `pool`.
        level : float, optional
            Level of the confidence intervals.

        Returns
        -------
        Constraints
            With a table and a test.

        Raises
        ------
        AnalysisError
            If a constraint cannot be read, names no estimate that there is, is not defined at the estimates, or repeats
            others.

        Notes
        -----
        Each constraint is evaluated at the estimates of each table, with its covariance matrix by the delta method (exact
        first derivatives), and these are pooled, as in mitml's ``testConstraints``.
        """
        from jmimpute.analysis.constraints import constrain

        return constrain(self, constraints, method=method, df_complete=df_complete, level=level)

    def r_squared(self, level: float = 0.95) -> pd.DataFrame:
        """Give measures of explained variance.

        Parameters
        ----------
        level : float, optional
            Level of the confidence intervals of single-level measures.

        Returns
        -------
        pandas.DataFrame
            One row a measure, with the columns measure, estimate, conf_low, conf_high and fmi. One level: R2 and
            R2_adjusted. Two levels, as mitml's ``multilevelR2``: RB1 and RB2, by how much residual and intercept variance are
            smaller than in the model without covariates and slopes (Raudenbush and Bryk 2002), SB, the same of their sum
            (Snijders and Bosker 2012), MVP, the variance of predictions from fixed effects (LaHuis et al. 2014); then the
            marginal and the conditional share (Nakagawa and Schielzeth 2013).

        Raises
        ------
        AnalysisError
            If no measure is defined for the model, or the tables are gone, to which the null model has to be fitted.

        Notes
        -----
        See `jmimpute.analysis.r_squared.pool_shares` and `jmimpute.analysis.explained.mixed_shares`. ``pool().r2`` has those
        measures that need no null model.
        """
        from jmimpute.analysis.r_squared import r_squared

        return r_squared(self, level=level)

    def monte_carlo_error(self, df_complete: float | None = None, cv: float = 0.05) -> "MonteCarloError":
        """Estimate how much pooled results would differ with other imputations.

        Parameters
        ----------
        df_complete : float, optional
            Complete-data degrees of freedom; by default as in `pool`.
        cv : float, optional
            What standard errors are asked to reproduce to; see `jmimpute.analysis.pool.Pooled.required_m`.

        Returns
        -------
        MonteCarloError

        Raises
        ------
        AnalysisError
            With fewer than three imputations.

        Notes
        -----
        By the jackknife over imputations (Royston, Carlin and White 2009; White, Royston and Wood 2011). That of
        an estimate is sqrt(B / m), with B the variance between imputations.
        """
        from jmimpute.analysis.monte_carlo import monte_carlo_error

        return monte_carlo_error(self.fits, df_complete=df_complete, cv=cv)

    def predict(self, rows: Any, scale: str = "response", level: float = 0.95) -> pd.DataFrame:
        """Pool fitted values of new rows, with intervals; see `jmimpute.analysis.predictions.predict`.

        Parameters
        ----------
        rows : pandas.DataFrame, polars.DataFrame or pyarrow.Table, n_new rows
        scale : {"response", "link"}, optional
        level : float, optional
        """
        from jmimpute.analysis.predictions import predict

        return predict(self, rows, scale, level)

    def margins(self, variable: str, values: Sequence[Any] | None = None, **options: Any) -> Pooled:
        """Pool marginal means of the categories, or of given values, of a variable; see `jmimpute.analysis.margins.margins`.

        Parameters
        ----------
        variable : str
        values : sequence, optional
        **options
            ``at``, ``scale``, ``over_clusters``, ``level``.
        """
        from jmimpute.analysis.margins import margins

        return margins(self, variable, values, **options)

    def contrast(self, variable: str, values: Sequence[Any] | None = None, **options: Any) -> Pooled:
        """Pool differences between marginal means; see `jmimpute.analysis.margins.contrast`.

        Parameters
        ----------
        variable : str
        values : sequence, optional
        **options
            ``at``, ``scale``, ``over_clusters``, ``adjust``, ``level``.
        """
        from jmimpute.analysis.margins import contrast

        return contrast(self, variable, values, **options)

    def slope(self, variable: str, **options: Any) -> Pooled:
        """Pool the average slope by a numeric variable; see `jmimpute.analysis.margins.slope`.

        Parameters
        ----------
        variable : str
        **options
            ``at``, ``scale``, ``over_clusters``, ``level``.
        """
        from jmimpute.analysis.margins import slope

        return slope(self, variable, **options)

    @property
    def posterior(self) -> "xr.Dataset":
        """Draws of the engine "bambi", with the dimensions imputation, chain and draw."""
        from jmimpute.analysis.posterior import posterior

        return posterior(self.fits)

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Summarise the draws of all tables as one posterior; see `jmimpute.analysis.posterior.summarise`.

        Parameters
        ----------
        level : float, optional
        """
        from jmimpute.analysis.posterior import summarise

        return summarise(self.fits, level)

    def to_frame(self) -> pd.DataFrame:
        """Give all estimates as a table with the columns imputation, term, estimate and std_error."""
        parts = [
            pd.DataFrame({"imputation": i, "term": fit.names, "estimate": fit.values, "std_error": fit.std_errors})
            for i, fit in enumerate(self.fits, start=1)
        ]
        return pd.concat(parts, ignore_index=True)

    def __len__(self) -> int:
        """Count the imputations."""
        return len(self.fits)

    def __iter__(self) -> Iterator[Estimates]:
        """Go through the fits in the order of the imputations."""
        return iter(self.fits)

    def __repr__(self) -> str:
        """Show what was fitted, and how the estimates spread over the imputations."""
        values = np.array([fit.values for fit in self.fits])
        table = pd.DataFrame(
            {
                "term": self.fits[0].names,
                "mean": values.mean(axis=0),
                "smallest": values.min(axis=0),
                "largest": values.max(axis=0),
                "mean std_error": np.mean([fit.std_errors for fit in self.fits], axis=0),
            }
        )
        how = "a function" if self.engine is None else f"{self.family}, engine {self.engine}"
        lines = [f"{len(self)} fits of {self.model} ({how})", table.to_string(index=False, float_format="%.5g")]
        lines += [f"imputations {some(where)}: {problem}" for problem, where in problems_by_imputation(self.fits).items()]
        return "\n".join([*lines, "Combine with .pool()"])
