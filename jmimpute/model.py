"""JointModel: what the analyst writes, and the way from it to a Fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jmimpute.imputations import Imputations
from jmimpute.specification.families import Family
from jmimpute.specification.priors import Priors
from jmimpute.specification.selection import Selection
from jmimpute.specification.specify import specify
from jmimpute.table.reading import read
from jmimpute.table.statistics import Statistics, summarise

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr
    from matplotlib.figure import Figure

    from jmimpute.fit import Fit
    from jmimpute.specification.advice.check import Check


class JointModel:
    """A multivariate normal mixed model for the incomplete variables of a two-level table.

    With rows i in clusters j, responses y (continuous ones, and latent normals of categorical ones), covariates x of the
    fixed and z of the random effects::

        y_ij = B'x_ij + U_j'z_ij + e_ij,     e_ij ~ N(0, Omega_e) or N(0, Omega_e,j),

    and, with responses w and covariates x2 of clusters::

        w_j = B2'x2_j + v_j,     (vec U_j, v_j) ~ N(0, Omega_u)

    (Schafer and Yucel 2002; Yucel 2011; Carpenter and Kenward 2013, chapter 9; Quartagno, Grund and Carpenter 2019).

    Parameters
    ----------
    formulas : str or sequence of str
        lme4 style, incomplete variables left of ``~``: ``"english + ravens ~ sex + (1 + sex | school)"``. A list gives each
        response its own covariates and random effects. Without a grouping term the model has a single level. With ``||`` in
        place of ``|`` random effects of different columns are uncorrelated, those of one column of several responses are not:
        ``"english + ravens ~ sex + (1 + sex || school)"``.
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row a unit. Covariates and the cluster column must be complete.
    families : mapping of str to str or Family, optional
        ``"gaussian"``, ``"binary"``, ``"nominal"``, ``"ordinal"`` or one made by `jm.families`, for a response. If not
        given, truth values are binary, categoricals nominal or, if ordered, ordinal, and numbers gaussian.
    level2 : str or sequence of str, optional
        Formulas of incomplete variables that belong to clusters, without grouping term: ``"avslrt + schgend ~ 1"``. Rows of a
        cluster must agree; a value given in some of them is carried to the others. Covariates must be given once at least.
    covariance : {"common", "cluster-specific", "random"}
        Whether all clusters share the level-1 covariance matrix, each has one of its own, or each has one drawn from a
        distribution that is estimated from all. With few rows a cluster, "random" is safer than "cluster-specific".
    priors : Priors or mapping, optional
        ``jm.priors.default()`` if not given, ``jm.priors.jomo()``, or a dict such as ``{"Omega_u": jm.priors.lkj(eta=4)}``.
    latent_bounds : tuple of float, optional
        Restrict the latent normals of observed categories to a box. This biases results and is there only to compare with
        the R package jomo, which has (-3, 4) since version 2.7; such models are sampled by ``sampler="gibbs"``.
    missing : mapping of str to Selection, optional
        Responses that are missing not at random, each with what says whether it is observed: see `jmimpute.selection`.

    Raises
    ------
    TableError, FormulaError, PriorError
        What is wrong with the data, a formula or a prior, where, and what to do.

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> model = jm.JointModel("reading + maths + motivation ~ sex + age + (1 | school)", pupils)
    >>> print(model)  # doctest: +ELLIPSIS
    Joint model of 3 response(s), 1019 rows in 40 clusters (school)
    ...
    """

    def __init__(
        self,
        formulas: str | Sequence[str],
        data: Any,
        *,
        families: Mapping[str, str | Family] | None = None,
        level2: str | Sequence[str] | None = None,
        covariance: str = "common",
        priors: Priors | Mapping[str, Any] | None = None,
        latent_bounds: tuple[float, float] | None = None,
        missing: Mapping[str, Selection] | None = None,
    ) -> None:
        self.table = read(data)
        self.specification = specify(
            formulas,
            self.table.frame,
            families,
            priors,
            latent_bounds,
            level2=level2,
            covariance=covariance,
            missing=missing,
        )

    @cached_property
    def statistics(self) -> Statistics:
        """Sufficient statistics on the standardised scale."""
        spec = self.specification
        return summarise(spec.y, spec.x, spec.z, spec.clusters.codes, spec.n_clusters, spec.patterns)

    @cached_property
    def pymc(self) -> pm.Model:
        """The generative PyMC model, with random effects and missing cells as parameters: the definition of the model."""
        from jmimpute.graph.generative import generative

        return generative(self.specification)

    @cached_property
    def collapsed(self) -> pm.Model:
        """The PyMC model that samplers see: random effects and missing cells integrated out."""
        from jmimpute.graph.collapsed import collapsed

        return collapsed(self.specification, self.statistics)

    def plot_graph(self) -> Any:
        """Draw the generative model.

        Returns
        -------
        graphviz.Digraph
            Of the Python package graphviz; rendering it also needs the program ``dot``.
        """
        from jmimpute.graph.picture import picture

        return picture(self.pymc)

    def plot_selection(self, variable: str) -> Figure:
        """Draw how often a variable is observed, by its exclusion restriction; see `jmimpute.plots.select`.

        Parameters
        ----------
        variable : str
            With a selection submodel.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        TableError
            If the variable has no selection submodel, or nothing is excluded from its equation.
        """
        from jmimpute.plots.select import select

        return select(self, variable)

    def prior_predictive(self, draws: int = 500, random_seed: int | None = None) -> xr.DataTree:
        """Draw parameters and complete responses from the prior.

        Parameters
        ----------
        draws : int
        random_seed : int, optional

        Returns
        -------
        xarray.DataTree
            Group `prior` with parameters and ``y`` (row, response) on the original scale, rows as in the table. For each
            categorical response ``y`` has its latent normals, and ``category_NAME`` (row) the levels that they stand for, or
            the positions of these if they are of several types.

        Raises
        ------
        PriorError
            If a prior is improper.
        """
        from jmimpute.graph.generative import prior_predictive

        return prior_predictive(self.specification, draws, random_seed)

    def check(self, analysis: str | None = None, family: str = "gaussian") -> Check:
        """Check whether imputations of this model suit an analysis, and whether data can identify its selection submodels.

        Parameters
        ----------
        analysis : str, optional
            Formula of the analysis, lme4 style: ``"popular ~ sex * texp + (1 + sex | school)"``. Without it only selection
            submodels are judged.
        family : {"gaussian", "binomial", "poisson"}
            Family of the outcome of the analysis.

        Returns
        -------
        Check
            What the analysis has and this model lacks: variables, clusters, random slopes, interactions, functions, a
            covariance that differs between clusters. `ok` if nothing is found that biases the analysis and can be mended.
            Of selection submodels, as `identifiability`: how much the exclusion restriction says of whether the variable is
            observed, what undoes it, and a verdict for each variable: "well identified", or "weak", with the call of
            `jmimpute.sensitivity` that takes its place.

        Raises
        ------
        FormulaError
            If the analysis does not parse, has several responses, or names unknown columns; if there is neither an analysis nor
            a selection submodel.

        Examples
        --------
        >>> import jmimpute as jm
        >>> pupils = jm.datasets.load("pupils")
        >>> model = jm.JointModel("reading + motivation ~ sex + (1 | school)", pupils)
        >>> model.check("reading ~ motivation + sex + (1 | school)").ok
        True
        """
        from jmimpute.specification.advice.check import check

        return check(self.specification, self.table.frame, analysis, family)

    def fit(
        self,
        draws: int = 1000,
        tune: int = 500,
        chains: int = 4,
        *,
        sampler: str = "auto",
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float = 0.8,
        thin: int = 1,
        keep_latents: int = 100,
        progressbar: bool = True,
    ) -> Fit:
        """Draw from the posterior of the parameters.

        Parameters
        ----------
        draws, tune : int
            Draws kept and warm-up draws, in each chain.
        chains : int
        sampler : {"auto", "compiled", "nutpie", "pymc", "gibbs"}
            ``"compiled"`` is NUTS compiled together with the likelihood or, with categorical responses, collapsed moves
            of one latent normal after the other; ``"auto"`` takes it, since it finishes first for every model of this
            package. ``"pymc"`` and ``"nutpie"`` sample `collapsed`; with categorical responses ``"pymc"`` samples `pymc` by
            the moves of ``"compiled"``, and ``"nutpie"`` nothing. ``"gibbs"`` is a plain blocked Gibbs sampler, for
            comparison; it needs inverse-Wishart or flat priors. Models with level-2 responses, covariances of clusters or
            uncorrelated random effects have ``"compiled"`` only, blocks of exact draws and collapsed moves. Selection models
            have ``"compiled"`` and ``"nutpie"``: the former is much faster where the variable is continuous, the latter mixes
            better where it is not, and knows crossed random intercepts; ``"auto"`` chooses.
        cores : int, optional
            Chains that run at a time; all cores if not given. The draws do not depend on it.
        random_seed : int, optional
        target_accept : float
            Acceptance probability that the step size is tuned to; raise it if draws diverge.
        thin : int
            Iterations from one draw to the next, of samplers other than NUTS: with categorical or level-2 responses,
            covariances of clusters or uncorrelated random effects.
        keep_latents : int
            With categorical responses, the draws whose latent normals are kept: as many imputations can be made.
        progressbar : bool

        Returns
        -------
        Fit

        Raises
        ------
        SamplingError
            If sampling cannot start, or was interrupted with too few draws to keep.

        Warns
        -----
        ConvergenceWarning
            If `Fit.diagnostics` finds something.
        IdentificationWarning
            If `Fit.identification` finds that the data do not tell rho of a selection submodel.
        InterruptedWarning
            If Ctrl-C ended sampling early; the draws made are kept.
        """
        from jmimpute.fit import fit
        from jmimpute.sampling.threads import Settings

        settings = Settings(draws, tune, chains, cores, target_accept, progressbar, thin)
        return fit(self, settings, sampler, random_seed, keep_latents)

    def __str__(self) -> str:
        """Equations by level, priors, missing cells by kind, and notes."""
        from jmimpute.specification.describe import describe

        return describe(self.specification)

    def __repr__(self) -> str:
        """Show the formulas."""
        texts = [formula.text for formula in self.specification.formulas_of_outcomes]
        texts += [f"level 2: {formula.text}" for formula in self.specification.level2_formulas]
        return f"<JointModel {'; '.join(texts)}>"


def impute(
    data: Any,
    formulas: str | Sequence[str],
    m: int = 20,
    *,
    families: Mapping[str, str | Family] | None = None,
    level2: str | Sequence[str] | None = None,
    covariance: str = "common",
    priors: Priors | Mapping[str, Any] | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> Imputations:
    """Model, fit and impute in one call.

    Parameters
    ----------
    data, formulas
        See `JointModel`.
    m : int
        Number of imputations.
    families, level2, covariance, priors
        See `JointModel`.
    random_seed : int, optional
    progressbar : bool

    Returns
    -------
    Imputations

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> formula = "reading + maths + motivation ~ sex + age + (1 | school)"
    >>> jm.impute(pupils, formula, m=5, random_seed=1, progressbar=False)
    <5 imputations of 1019 rows: reading (...), maths (...), motivation (...)>
    """
    from jmimpute.imputation.schedule import schedule
    from jmimpute.sampling.threads import Settings

    settings = Settings()
    schedule(m, settings.chains, settings.draws)  # an impossible m should not cost a fit
    model = JointModel(formulas, data, families=families, level2=level2, covariance=covariance, priors=priors)
    return model.fit(random_seed=random_seed, keep_latents=m, progressbar=progressbar).impute(m, progressbar=progressbar)
