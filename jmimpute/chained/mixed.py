"""Imputation by mixed models whose covariance matrix of random effects is drawn from an inverse-Wishart distribution."""

import warnings
from dataclasses import dataclass

import numpy as np

from jmimpute.chained.laplace import BINOMIAL, POISSON, Family, LaplaceFit, Modes, find_modes, fit_laplace
from jmimpute.chained.mixed_model import Design, fit_reml, impute, linear_predictor, make_design
from jmimpute.chained.random_effects import draw_effects, draw_inverse_wishart, draw_normal, effects_given_data, root
from jmimpute.chained.target import Target
from jmimpute.errors import ChainedWarning, ImputationError, options, some

CONDITIONAL, EB, MARGINAL = EFFECTS = "conditional", "eb", "marginal"

#: Means of counts beyond which none can be drawn.
LARGEST = 1e18


@dataclass(frozen=True)
class Mixed:
    """Impute by a linear mixed model, as ``2l.lmer`` of mice and ``2l.glm.norm`` of micemd.

    Notes
    -----
    After Jolani and others (2015, Stat Med 34:1841-1863), as in mice 3.19. With estimates by restricted maximum likelihood and
    predicted random effects b_i of N clusters with observed values,

    * the residual variance is (n - p) times its estimate over a chi-square with n - p degrees of freedom,
    * fixed effects have their estimated covariance matrix, with that variance in it,
    * the covariance matrix of random effects is inverse-Wishart with N degrees of freedom and scale ``sum b_i b_i'``.

    Predicted effects vary less than effects do, so that drawn covariance matrices tend to be too small; the method is here for
    comparison. Random effects and missing values are then drawn as in `OneStage`.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values of a target.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If the model cannot be fitted, or has more random coefficients than clusters.
        """
        design = make_design(target)
        _check_clusters(target, design)
        fit = fit_reml(target, design)
        if fit.singular:
            _tell_singular(target, design)
        df = len(design.y) - design.x.shape[1]
        ratio = df / rng.chisquare(df)
        beta = draw_normal(fit.values, ratio * fit.covariance, rng)
        residuals = design.y - design.x @ fit.values
        effects, _ = effects_given_data(residuals, design.z, design.codes, design.n_clusters, fit.random, fit.residual)
        psi = draw_inverse_wishart(design.n_seen, effects.T @ effects, rng)
        return impute(design, beta, psi, ratio * fit.residual, rng)


@dataclass(frozen=True)
class MixedBinary:
    """Impute a binary variable by a logistic mixed model, as ``2l.bin`` of mice and ``2l.glm.bin`` of micemd.

    Attributes
    ----------
    effects : {"conditional", "eb", "marginal"}, optional
        Random effects of clusters with observed values. ``"conditional"`` (default): given these and the drawn parameters,
        the normal distribution at the mode with the curvature there. ``"eb"``: N(b_i, psi), b_i predicted at the estimates.
        ``"marginal"``: N(0, psi), which forgets what the cluster shows. Clusters without observed values always have the last.

    Notes
    -----
    Estimates are by Laplace's approximation. Fixed effects are drawn from their normal distribution, and the covariance matrix
    of the q random effects, independently, from an inverse-Wishart distribution with N + q degrees of freedom and scale
    ``sum b_i b_i' + q psi``, as in mice 3.19, with N clusters that have observed values. There the conditional draw is
    N(b_i, c V_i) at the estimates, with c the ratio of drawn to estimated variances; ``"marginal"`` is what it was before
    3.19.7 and is in micemd 1.10, which has N degrees of freedom and no psi in the scale.
    """

    effects: str = CONDITIONAL

    def __post_init__(self) -> None:
        _check_effects(self.effects)

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values of a target.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            0.0 or 1.0.

        Raises
        ------
        ImputationError
            If the observed values are not 0 and 1, both, or the model cannot be fitted.
        """
        design = make_design(target)
        if set(np.unique(design.y)) != {0.0, 1.0}:
            raise ImputationError(
                f"{target.name!r}: a logistic mixed model needs observed values of 0 and 1, and there are "
                f"{some(f'{value:g}' for value in np.unique(design.y))}. Leave the variable out if it is constant; take "
                "another method if it has more categories."
            )
        predictor = _draw_predictor(target, design, BINOMIAL, self.effects, rng)
        return (rng.random(len(predictor)) < BINOMIAL.mean(predictor)).astype(float)


@dataclass(frozen=True)
class MixedPoisson:
    """Impute counts by a Poisson mixed model, as ``2l.glm.pois`` of micemd.

    Attributes
    ----------
    effects : {"conditional", "eb", "marginal"}, optional
        As in `MixedBinary`.

    Notes
    -----
    Parameters are drawn as in `MixedBinary`.
    """

    effects: str = CONDITIONAL

    def __post_init__(self) -> None:
        _check_effects(self.effects)

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values of a target.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            Counts, as float.

        Raises
        ------
        ImputationError
            If observed values are not counts, all are 0, the model cannot be fitted or a drawn mean is too large for a count.
        """
        design = make_design(target)
        if (design.y < 0).any() or (design.y != np.round(design.y)).any() or not design.y.any():
            raise ImputationError(
                f"{target.name!r}: a Poisson mixed model needs counts 0, 1, 2, ..., not all 0. Take a method for numbers."
            )
        predictor = _draw_predictor(target, design, POISSON, self.effects, rng)
        if (predictor > np.log(LARGEST)).any():
            worst = predictor.argmax()
            raise ImputationError(
                f"{target.name!r}: a drawn mean is exp({predictor[worst]:.0f}), in cluster "
                f"{target.named(design.codes_missing[[worst]])}, too large for a count. Random coefficients of predictors with "
                "long tails do this: make them fixed, or transform the predictors."
            )
        return rng.poisson(np.exp(predictor)).astype(float)


def _check_effects(effects: str) -> None:
    if effects not in EFFECTS:
        raise ImputationError(f"There is no effects={effects!r}; it is {options(EFFECTS)}.")


def _check_clusters(target: Target, design: Design) -> None:
    """An inverse-Wishart distribution has no fewer degrees of freedom than rows."""
    q = design.z.shape[1]
    if design.n_seen < q:
        raise ImputationError(
            f"{target.name!r}: {design.n_seen} clusters with observed values are too few for {q} random coefficients "
            f"({', '.join(design.random_columns)}). Make some of them fixed."
        )


def _tell_singular(target: Target, design: Design) -> None:
    warnings.warn(
        f"{target.name!r}: the estimated covariance matrix of its random coefficients ({', '.join(design.random_columns)}) is "
        "singular, and so are those that are drawn. Make coefficients fixed that do not vary between clusters.",
        ChainedWarning,
        stacklevel=2,
    )


def _draw_predictor(target: Target, design: Design, family: Family, effects: str, rng: np.random.Generator) -> np.ndarray:
    """Fit, draw parameters and random effects, and give the linear predictors of missing cells."""
    fit = _fit(target, design, family)
    q = design.z.shape[1]
    modes = _modes(design, fit.values, fit.random, family)
    beta = draw_normal(fit.values, fit.covariance, rng)
    psi = draw_inverse_wishart(design.n_seen + q, modes.effects.T @ modes.effects + q * fit.random, rng)
    given = _effects_given_data(design, beta, psi, modes.effects, family, effects)
    return linear_predictor(design, beta, draw_effects(*given, rng))


def _fit(target: Target, design: Design, family: Family) -> LaplaceFit:
    fit = fit_laplace(design.y, design.x, design.z, design.codes, design.n_clusters, family)
    if fit.separated:
        raise ImputationError(
            f"{target.name!r}: its likelihood is flat in a direction of the fixed effects, as where a predictor separates the "
            "categories or a category of a predictor has no events. Leave that predictor out or join categories."
        )
    if not fit.converged:
        raise ImputationError(
            f"{target.name!r}: the search for the maximum likelihood did not converge. Give it fewer random coefficients."
        )
    if fit.singular:
        _tell_singular(target, design)
    return fit


def _modes(design: Design, beta: np.ndarray, psi: np.ndarray, family: Family) -> Modes:
    return find_modes(design.y, design.x @ beta, design.z, design.codes, design.n_clusters, psi, family)


def _effects_given_data(
    design: Design, beta: np.ndarray, psi: np.ndarray, predicted: np.ndarray, family: Family, effects: str
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n_clusters, q) and roots of covariance matrices (n_clusters, q, q) from which random effects are drawn."""
    if effects == CONDITIONAL:
        modes = _modes(design, beta, psi, family)
        return modes.effects, modes.root
    roots = np.broadcast_to(root(psi), (design.n_clusters, *psi.shape))
    return (predicted if effects == EB else np.zeros_like(predicted)), roots
