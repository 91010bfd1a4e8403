"""Two-stage imputation: a regression in every cluster, a meta-analysis of them, and draws for every cluster."""

import warnings
from dataclasses import dataclass

import numpy as np

from jmimpute.chained.donors import nearest
from jmimpute.chained.stage_one import ClusterFits, fit_linear
from jmimpute.chained.stage_one_glm import LOGISTIC, POISSON, Family, fit_glm
from jmimpute.chained.stage_two import ESTIMATORS, MODERATED, Drawn, meta
from jmimpute.chained.target import Target
from jmimpute.chained.two_stage_checks import check_counts, check_fitted, check_predictors
from jmimpute.errors import ChainedWarning, ImputationError, options

COMPATIBLE = (None, "micemd")
#: Largest mean of a count that is drawn: beyond it a 64-bit integer overflows.
LARGEST_MEAN = 1e18


@dataclass(frozen=True)
class _TwoStage:
    """What all two-stage methods share: their options, and the draw of coefficients from what clusters estimated."""

    estimator: str = "reml"
    cluster_means: str = "all"
    compat: str | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("estimator", self.estimator, ESTIMATORS),
            ("cluster_means", self.cluster_means, MODERATED),
            ("compat", self.compat, COMPATIBLE),
        ):
            if value not in allowed:
                raise ImputationError(f"{name} is {value!r}. It can be {options(allowed)}.")

    def _linear(self, target: Target, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw coefficients, shape (J, p), and residual standard deviations, shape (J,), from linear regressions."""
        check_predictors(target)
        seen = target.observed
        fits = fit_linear(target.y[seen], target.x[seen], target.codes[seen], target.n_clusters)
        check_fitted(target, fits.fitted, "they have too few values, collinear predictors, or no residual")
        between = self._between(target, fits.log_sds, fits.log_sd_variances, None, rng)
        sds = np.exp(between.cluster_draw(rng, fits.fitted, fits.log_sds, fits.log_sd_variances)[:, 0])
        pooled = fits.covariances
        if self.compat == "micemd":
            pooled = sds[fits.fitted, None, None] ** 2 * np.linalg.inv(target.x.T @ target.x)
        return self._coefficients(target, fits, pooled, rng), sds

    def _generalised(self, target: Target, family: Family, rng: np.random.Generator) -> np.ndarray:
        """Draw linear predictors of the missing cells from generalised linear models, shape (n_missing,)."""
        check_predictors(target)
        seen = target.observed
        fits = fit_glm(family, target.y[seen], target.x[seen], target.codes[seen], target.n_clusters)
        check_fitted(
            target, fits.fitted, "their predictors are collinear, or coefficients have no finite estimate (separation)"
        )
        return _predicted(target, self._coefficients(target, fits, fits.covariances, rng), target.missing)

    def _coefficients(self, target: Target, fits: ClusterFits, pooled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Coefficients of every cluster, shape (J, p); `pooled` are the sampling covariances with which fits are pooled."""
        moderators = target.means if target.means.shape[1] else None
        given = None if moderators is None else moderators[fits.fitted]
        between = self._between(target, fits.estimates, pooled, given, rng)
        pseudo_inverse = self.compat == "micemd"
        return between.cluster_draw(rng, fits.fitted, fits.estimates, fits.covariances, moderators, pseudo_inverse)

    def _between(
        self,
        target: Target,
        estimates: np.ndarray,
        covariances: np.ndarray,
        moderators: np.ndarray | None,
        rng: np.random.Generator,
    ) -> Drawn:
        """Draw a distribution between clusters."""
        try:
            return meta(estimates, covariances, self.estimator, moderators, self.cluster_means).draw(rng)
        except ImputationError as error:
            raise ImputationError(f"{target.name!r} has no two-stage imputation. {error}") from error


@dataclass(frozen=True)
class TwoStage(_TwoStage):
    """Impute a number by linear regressions of all clusters, with their own residual variances, and a meta-analysis.

    Every predictor has a random coefficient.

    Parameters
    ----------
    estimator : str, optional
        Of the distribution between clusters: ``"reml"``, with the covariance matrix between clusters drawn, or ``"moments"``,
        which is faster and keeps that matrix at its estimate.
    cluster_means : str, optional
        What the predictors of clusters, cluster means among them, predict: ``"all"`` coefficients of a cluster, or its
        ``"intercept"`` only.
    compat : str, optional
        ``"micemd"`` departs from the published method in two ways as that R package (1.10.1) does, for comparisons: clusters
        are pooled with sampling covariances from the predictors of all rows instead of their own, and a singular covariance
        matrix between clusters is inverted by its pseudo-inverse, so that coefficients without variance between clusters are
        not shrunk.

    Raises
    ------
    ImputationError
        If an option is none of these.

    Notes
    -----
    Resche-Rigon and White (2018, Stat Methods Med Res 27:1634-1649), section 3. A cluster is fitted if its predictors are
    not collinear and it has more than 4 degrees of freedom; others are imputed as clusters without any observed value,
    which a ChainedWarning tells.
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
            If too few clusters can be fitted, or the distribution between clusters cannot be estimated.
        """
        beta, sds = self._linear(target, rng)
        predicted = _predicted(target, beta, target.missing)
        return predicted + sds[target.codes[target.missing]] * rng.standard_normal(len(predicted))


@dataclass(frozen=True)
class TwoStagePmm(_TwoStage):
    """Impute by predictive mean matching with the coefficients of `TwoStage`.

    Parameters
    ----------
    estimator, cluster_means, compat : str, optional
        See `TwoStage`.
    in_cluster : bool, optional
        Take donors from the same cluster if it has as many observed values as there are donors.
    donors : int, optional
        How many observed rows with the nearest predicted values one is drawn from.

    Raises
    ------
    ImputationError
        If an option is out of range.

    Notes
    -----
    Rows are predicted, donors and recipients alike, with the drawn coefficients of their own clusters, as micemd does.
    """

    in_cluster: bool = False
    donors: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.donors, int) or self.donors < 1:
            raise ImputationError(f"donors is {self.donors!r}. It must be a whole number of at least 1.")

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values of a target.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            Values that were observed.

        Raises
        ------
        ImputationError
            As `TwoStage`.
        """
        beta, _ = self._linear(target, rng)
        values, codes = target.y[target.observed], target.codes[target.observed]
        given, wanted = _predicted(target, beta, target.observed), _predicted(target, beta, target.missing)
        imputed = values[nearest(given, wanted, self.donors, rng)]
        for cluster in self._own_donors(codes, target.codes[target.missing]):
            own, to = codes == cluster, target.codes[target.missing] == cluster
            imputed[to] = values[own][nearest(given[own], wanted[to], self.donors, rng)]
        return imputed

    def _own_donors(self, codes: np.ndarray, codes_missing: np.ndarray) -> np.ndarray:
        """Clusters whose missing values are matched within them."""
        if not self.in_cluster:
            return np.array([], dtype=int)
        clusters = np.unique(codes_missing)
        return clusters[np.bincount(codes, minlength=clusters[-1] + 1)[clusters] >= self.donors]


@dataclass(frozen=True)
class TwoStageBinary(_TwoStage):
    """Impute a variable with two categories by logistic regressions of all clusters and a meta-analysis.

    Parameters
    ----------
    estimator, cluster_means : str, optional
        See `TwoStage`.
    compat : str, optional
        ``"micemd"`` inverts a singular covariance matrix between clusters by its pseudo-inverse, as that R package does.

    Raises
    ------
    ImputationError
        If an option is none of these.

    Notes
    -----
    Clusters in which a predictor separates the categories, or a standard error exceeds 1000, are imputed as clusters without
    any observed value, which a ChainedWarning tells. micemd's ``2l.2stage.bin`` does so too.
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
            0 or 1.

        Raises
        ------
        ImputationError
            As `TwoStage`, and if there are not two categories.
        """
        if target.n_categories != 2:
            raise ImputationError(
                f"{target.name!r} has {target.n_categories or 'no'} categories, but a logistic regression needs two. Use "
                "another method."
            )
        predicted = self._generalised(target, LOGISTIC, rng)
        return (predicted + rng.logistic(size=len(predicted)) > 0).astype(float)


@dataclass(frozen=True)
class TwoStagePoisson(_TwoStage):
    """Impute a count by Poisson regressions of all clusters and a meta-analysis.

    Parameters
    ----------
    estimator, cluster_means : str, optional
        See `TwoStage`.
    compat : str, optional
        See `TwoStageBinary`.

    Raises
    ------
    ImputationError
        If an option is none of these.

    Notes
    -----
    Clusters without a finite estimate, such as those in which all counts are 0, are imputed as clusters without any
    observed value, which a ChainedWarning tells. A drawn mean of more than 1e18 is replaced by the mean of the other imputed
    counts with a ChainedWarning, as in micemd's ``2l.2stage.pois``.
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
            Whole numbers.

        Raises
        ------
        ImputationError
            As `TwoStage`, and if an observed value is no count.
        """
        check_counts(target)
        predicted = self._generalised(target, POISSON, rng)
        with np.errstate(over="ignore"):
            means = np.exp(predicted)
        excessive = means > LARGEST_MEAN
        imputed = rng.poisson(np.where(excessive, 0.0, means)).astype(float)
        if excessive.any():
            imputed[excessive] = _replacement(target, imputed, excessive)
        return imputed


def _replacement(target: Target, imputed: np.ndarray, excessive: np.ndarray) -> float:
    """The mean of the other imputed counts, with a warning."""
    where = target.named(np.unique(target.codes[target.missing][excessive]))
    if excessive.all():
        raise ImputationError(
            f"{target.name!r}: the drawn mean of every count to be imputed is beyond {LARGEST_MEAN:g}. Use fewer predictors, "
            "or predictors without extreme values."
        )
    value = float(np.round(imputed[~excessive].mean()))
    warnings.warn(
        f"{target.name!r}: the drawn means of {excessive.sum()} counts in clusters {where} are beyond {LARGEST_MEAN:g}; the "
        f"mean of the other imputed counts, {value:g}, was taken. Use fewer predictors, or predictors without extreme values.",
        ChainedWarning,
        stacklevel=3,
    )
    return value


def _predicted(target: Target, beta: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Linear predictors of some rows with the coefficients of their clusters."""
    return np.einsum("np,np->n", target.x[rows], beta[target.codes[rows]])
