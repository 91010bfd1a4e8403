"""The Bayesian engine: bambi's model on every completed table, sampled by one compiled graph."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.engines.arrays import Arrays, arrays_of, cut_point_names, without_intercept
from jmimpute.analysis.engines.problems import listed
from jmimpute.analysis.engines.reuse import Compiled
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.errors import AnalysisError, options, some
from jmimpute.names import INTERCEPT
from jmimpute.sampling.diagnostics import ESS_PER_CHAIN, RHAT_LIMIT, RHAT_LIMIT_CHANCE, of_draws
from jmimpute.sampling.threads import Settings
from jmimpute.specification.design import FUNCTIONS, Design

#: bambi's family and link by our families.
FAMILIES = {
    "gaussian": ("gaussian", "identity"),
    "binomial": ("bernoulli", "logit"),
    "poisson": ("poisson", "log"),
    "ordinal": ("cumulative", "logit"),
    "ordinal-probit": ("cumulative", "probit"),
}

#: bambi's name of the response, which may be a call in the formula.
RESPONSE = "response_"

DISAGREEING = "chains disagree (R-hat too high): increase tune and draws"
SCARCE = "few independent draws (effective sample size below 100 a chain): increase draws"
DIVERGENT = (
    "divergent transitions, so that parts of the posterior may have been missed: raise target_accept, or give tighter priors"
)
ONE_CHAIN = "one chain only, so that convergence cannot be judged"


def bambi(
    formula: str,
    family: str = "gaussian",
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    target_accept: float = 0.8,
    priors: Mapping[str, Any] | None = None,
    random_seed: int | None = None,
) -> Callable[[pd.DataFrame], Estimates]:
    """Posterior of bambi's model by NUTS (nutpie).

    Parameters
    ----------
    formula : str
        As for engine "statsmodels", with any random part. bambi has no correlations between random effects: more than one
        column of them must be written ``(1 + ravens || school)``.
    family : {"gaussian", "binomial", "poisson", "ordinal", "ordinal-probit"}, optional
        The links of engine "statsmodels". bambi's names for these families are gaussian, bernoulli, poisson and cumulative.
    draws, tune, chains : int, optional
        Draws a chain that are kept, those before, and chains; for each table.
    cores : int, optional
        Chains that run at a time; by default as many as there are processors. Results do not depend on it.
    target_accept : float, optional
        Of NUTS.
    priors : mapping of str to bambi.Prior, optional
        By term as in ``bambi.Model``: ``{"ravens": bambi.Prior("Normal", mu=0, sigma=1), "1|school": ...}``. The term of a
        random effect is ``effect|cluster``.
    random_seed : int, optional

    Returns
    -------
    callable
        Takes a completed table and gives Estimates: posterior means and covariances of coefficients (and cut points), of
        variances and of standard deviations, and `Estimates.draws`. Tables are to be given in their order.

    Raises
    ------
    AnalysisError
        If the family is unknown, or a setting is out of range, or bambi is not installed.

    Notes
    -----
    bambi's default priors depend on standard deviations of the data. They are taken from the first table and used for all:
    the posterior given incomplete data is a mixture over the tables of one and the same model. As in bambi, the prior of the
    intercept is that of the intercept of centred covariates, and the same holds here for the priors of cut points; the draws
    are those of the intercept and the cut points themselves.
    """
    if family not in FAMILIES:
        raise AnalysisError(f"The engine 'bambi' has no family {family!r}. Choose {options(list(FAMILIES))}.")
    settings = Settings(draws, tune, chains, cores, target_accept, progressbar=False)
    _require_bambi()
    seed = np.random.SeedSequence(random_seed)
    return _Sampled(formula, family, settings, dict(priors or {}), seed)


def _require_bambi() -> None:
    from importlib.util import find_spec

    if find_spec("bambi") is None:
        raise AnalysisError("The engine 'bambi' needs the package bambi: pip install \"jmimpute[bambi]\"")


class _Sampled:
    """The engine at work: the first table decides on priors and is compiled, the others bring their data."""

    def __init__(self, formula: str, family: str, settings: Settings, priors: dict[str, Any], seed: np.random.SeedSequence):
        self._formula, self._family, self._settings, self._seed = formula, family, settings, seed
        self._priors, self._scaled = priors, False
        self._compiled: Compiled | None = None

    def __call__(self, table: pd.DataFrame) -> Estimates:
        arrays = arrays_of(self._formula, table, self._family, allow_uncorrelated=True)
        _check_random_part(arrays)
        terms = without_intercept(arrays, self._family) if arrays.categories else arrays.fixed
        model = self._build(arrays, table)
        variables = _variables(model, arrays, terms)
        names = [name for group in variables.values() for name in group]
        tree = self._sample(self._compile(model, len(table), names))
        values = {kind: _stacked(tree, group) for kind, group in variables.items()}
        return _estimates(arrays, terms, values, int(tree["sample_stats"]["diverging"].to_numpy().sum()))

    def _build(self, arrays: Arrays, table: pd.DataFrame) -> Any:
        """Build the model of a table; that of the first one fixes all priors."""
        import bambi

        family, link = FAMILIES[self._family]
        formula, data, settings = _formula(arrays), _data(arrays, table), {"auto_scale": not self._scaled}
        try:
            with warnings.catch_warnings():
                # That there are cut points instead of an intercept, and priors without a parameter, which are refused below.
                warnings.simplefilter("ignore")
                model = bambi.Model(formula, data, family, self._priors, link, extra_namespace=dict(FUNCTIONS), **settings)
                if arrays.categories:
                    _centre(model)
                model.build()
        except Exception as error:
            raise AnalysisError(f"bambi cannot build the model {self._formula!r}: {error}") from error
        if not self._scaled:
            self._priors, self._scaled = _priors(model, self._priors), True
        return model

    def _compile(self, model: Any, n_rows: int, names: list[str]) -> Any:
        """Compile the first model, and any that differs from it in more than its data."""
        compiled = self._compiled.with_data_of(model.backend.model) if self._compiled else None
        if compiled is not None:
            return compiled
        self._compiled = Compiled(model.backend.model, n_rows, names)
        return self._compiled.with_data_of(model.backend.model)

    def _sample(self, compiled: Any) -> Any:
        """Sample with one thread a chain: threads of the linear algebra library would compete with the chains."""
        import nutpie
        from threadpoolctl import threadpool_limits

        (seed,) = self._seed.spawn(1)
        with threadpool_limits(1, user_api="blas"):
            return nutpie.sample(
                compiled,
                draws=self._settings.draws,
                tune=self._settings.tune,
                chains=self._settings.chains,
                cores=self._settings.workers,
                target_accept=self._settings.target_accept,
                seed=int(seed.generate_state(1)[0]),
                progress_bar=False,
                save_warmup=False,
            )


def _centre(model: Any) -> None:
    """Centre covariates, as bambi itself does where there is an intercept: priors of cut points expect it."""
    for term in _component(model).common_terms.values():
        term.data = term.data - term.data.mean(axis=0)


def _priors(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Priors of a model by parameter, those that were given and those that bambi chose."""
    parts = [*_component(model).terms.values(), *model.marginal_parameters.values()]
    priors = {part.name: part.prior for part in parts}
    unknown = [name for name in given if name not in priors]
    if unknown:
        raise AnalysisError(f"There are priors for {some(map(repr, unknown))}, but the model has {options(list(priors))}.")
    return priors


def _check_random_part(arrays: Arrays) -> None:
    grouping = arrays.grouping
    if grouping is not None and len(grouping.design.names) > 1 and not grouping.uncorrelated:
        raise AnalysisError(
            f"bambi has no correlations between random effects. Write ({grouping.side} || {grouping.name}), with two bars, for "
            "random effects that are uncorrelated."
        )


def _formula(arrays: Arrays) -> str:
    """The formula as bambi reads it: `_data` has the response, and one bar stands for uncorrelated random effects."""
    if arrays.grouping is None:
        return f"{RESPONSE} ~ {arrays.side}"
    cluster = arrays.grouping.name
    return f"{RESPONSE} ~ {arrays.side} + ({arrays.grouping.side}|{cluster if cluster.isidentifier() else f'`{cluster}`'})"


def _data(arrays: Arrays, table: pd.DataFrame) -> pd.DataFrame:
    if RESPONSE in table.columns:
        raise AnalysisError(f"The table has a column {RESPONSE!r}, a name that engine 'bambi' needs. Rename it.")
    ordered = pd.CategoricalDtype(range(len(arrays.categories)), ordered=True)
    return table.assign(**{RESPONSE: pd.Series(arrays.y, table.index, dtype=ordered if arrays.categories else None)})


def _component(model: Any) -> Any:
    """The part of bambi's model that has the linear predictor."""
    return model.parameters[model.family.likelihood.parent]


def _variables(model: Any, arrays: Arrays, terms: Design) -> dict[str, list[str]]:
    """Names that bambi gives the parameters, by kind."""
    part = _component(model)
    intercept = [] if part.intercept_term is None else [part.intercept_term.name]
    columns = [term.data.reshape(len(arrays.y), -1) for term in part.common_terms.values()]
    own = terms.matrix[:, len(intercept) :]
    if arrays.categories:
        own = own - own.mean(axis=0)
    if not np.allclose(np.column_stack([own[:, :0], *columns]), own):
        raise AnalysisError(f"bambi makes other columns of {arrays.side!r} than the other engines. Simplify the formula.")
    return {
        "terms": [*intercept, *part.common_terms],
        "constants": list(model.marginal_parameters),
        "random": [f"{name}_sigma" for name in part.group_specific_terms],
    }


def _stacked(tree: Any, names: list[str]) -> np.ndarray:
    """Draws of several variables side by side, shape (chains, draws, elements)."""
    shape = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    parts = [tree["posterior"][name].to_numpy().reshape(*shape, -1) for name in names]
    return np.concatenate([np.empty((*shape, 0)), *parts], axis=-1)


def _estimates(arrays: Arrays, terms: Design, values: dict[str, np.ndarray], n_divergent: int) -> Estimates:
    """Posterior means and covariances, draws, and what speaks against them."""
    effects, names = values["terms"], terms.names
    if INTERCEPT in names:  # that of centred covariates
        effects[:, :, 0] -= effects[:, :, 1:] @ terms.matrix[:, 1:].mean(axis=0)
    if arrays.categories:
        cut_points = values["constants"] + (effects @ terms.matrix.mean(axis=0))[:, :, None]
        effects, names = np.concatenate([effects, cut_points], axis=-1), (*names, *cut_point_names(arrays.categories))
    gaussian = not arrays.categories and values["constants"].shape[-1] == 1
    spreads = values["random"]
    draws = {name: effects[:, :, k] for k, name in enumerate(names)}
    if arrays.grouping is not None:
        labels = [f"sd({name}|{arrays.grouping.name})" for name in arrays.grouping.design.names]
        draws |= {label: spreads[:, :, k] for k, label in enumerate(labels)}
    if gaussian:
        draws["sd(residual)"] = values["constants"][:, :, 0]
    flat = effects.reshape(-1, len(names))
    return Estimates(
        names,
        flat.mean(axis=0),
        np.cov(flat, rowvar=False).reshape(len(names), len(names)),
        n_rows=len(arrays.y),
        random=_random(arrays, spreads),
        residual_variance=float(np.mean(values["constants"] ** 2)) if gaussian else None,
        problems=_problems(draws, n_divergent),
        draws=draws,
    )


def _random(arrays: Arrays, spreads: np.ndarray) -> RandomEffects | None:
    if arrays.grouping is None:
        return None
    return RandomEffects(arrays.grouping.name, arrays.grouping.design.names, np.diag(np.mean(spreads**2, axis=(0, 1))))


def _problems(draws: dict[str, np.ndarray], n_divergent: int) -> tuple[str, ...]:
    """Judge the chains of one table. Chains of different tables have different posteriors and are not compared."""
    table = of_draws(draws)
    n_chains = len(next(iter(draws.values())))
    least = float(table[["ess_bulk", "ess_tail"]].min(axis=None))
    limit = RHAT_LIMIT if least >= ESS_PER_CHAIN * n_chains else RHAT_LIMIT_CHANCE
    return listed(
        {
            ONE_CHAIN: n_chains == 1,
            DISAGREEING: n_chains > 1 and not table["r_hat"].to_numpy().max() <= limit,
            SCARCE: not least >= ESS_PER_CHAIN * n_chains,
            DIVERGENT: n_divergent > 0,
        }
    )
