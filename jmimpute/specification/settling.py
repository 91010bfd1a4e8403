"""From priors that an analyst chose to those of one model: what a preset means there, and what does not fit it."""

from dataclasses import replace

from jmimpute.errors import PriorError
from jmimpute.specification.covariances import CLUSTER_SPECIFIC, COMMON, RANDOM
from jmimpute.specification.layout import Layout
from jmimpute.specification.priors import (
    LKJ,
    WRITTEN,
    DefaultLevel1,
    Flat,
    HierarchicalInverseWishart,
    InverseWishart,
    JomoLevel1,
    JomoLevel2,
    LogSd,
    Priors,
    flat,
    hierarchical,
    inverse_wishart,
    lkj,
)

#: Priors of the level-1 covariance by its structure; each cluster's own matrix has the prior independently of the others.
LEVEL_1: dict[str, tuple[type, ...]] = {
    COMMON: (LKJ, InverseWishart, Flat),
    CLUSTER_SPECIFIC: (LKJ, InverseWishart, Flat),
    RANDOM: (HierarchicalInverseWishart, LogSd),
}


def settle(priors: Priors, layout: Layout, covariance: str, n_indicators: int = 0) -> Priors:
    """Say what priors are in a model, and refuse those that do not fit it.

    Parameters
    ----------
    priors : Priors
    layout : Layout
    covariance : {"common", "cluster-specific", "random"}
    n_indicators : int
        Last responses of the layout that are indicators of selection submodels, which the prior of Omega_e is not about.

    Returns
    -------
    Priors
        Without markers of presets.

    Raises
    ------
    PriorError
        For a prior of another structure of covariances, or with a matrix of another dimension than the model's.
    """
    outcomes = layout.without_last(n_indicators)
    settled = concrete(priors, covariance, outcomes.has_latents, bool(layout.level2.latent.any()))
    _check_level_1(settled, outcomes, covariance)
    _check_level_2(settled, layout)
    return settled


def concrete(
    priors: Priors, covariance: str = COMMON, has_latents: bool = False, has_latents_at_level_2: bool = False
) -> Priors:
    """Replace priors that depend on the model by those meant.

    Parameters
    ----------
    priors : Priors
    covariance : {"common", "cluster-specific", "random"}
    has_latents, has_latents_at_level_2 : bool
        Whether any response of the level is categorical.
    """
    level_1, level_2 = priors.Omega_e, priors.Omega_u
    if isinstance(level_1, DefaultLevel1):
        level_1 = hierarchical() if covariance == RANDOM else lkj(eta=1.0, sd=1.0)
    elif isinstance(level_1, JomoLevel1) and covariance == RANDOM:
        level_1 = hierarchical(relative=False)
    elif isinstance(level_1, JomoLevel1):
        level_1 = flat() if has_latents else inverse_wishart(df=-1.0 if covariance == COMMON else 0.0)
    if isinstance(level_2, JomoLevel2):
        level_2 = flat() if has_latents_at_level_2 else inverse_wishart()
    return replace(priors, Omega_e=level_1, Omega_u=level_2)


def _check_level_1(priors: Priors, layout: Layout, covariance: str) -> None:
    prior, p = priors.Omega_e, len(layout.responses)
    if not isinstance(prior, LEVEL_1[covariance]):
        fitting = " or ".join(WRITTEN[kind] for kind in LEVEL_1[covariance])
        other = " That prior is for covariance='random'." if isinstance(prior, LEVEL_1[RANDOM]) else ""
        raise PriorError(
            f"The prior of 'Omega_e' does not fit covariance={covariance!r}, which takes {fitting}, not {prior!r}.{other}"
        )
    if isinstance(prior, InverseWishart | HierarchicalInverseWishart):
        prior.scale_matrix(p)
    if isinstance(prior, HierarchicalInverseWishart):
        prior.df_for(p)
    if isinstance(prior, LogSd) and layout.latent.all():
        raise PriorError(
            "jm.priors.heterogeneous('log-sd') lets standard deviations of continuous responses differ between clusters, but "
            "no response at level 1 is continuous. Use jm.priors.hierarchical(), or leave covariance='random' out."
        )


def _check_level_2(priors: Priors, layout: Layout) -> None:
    prior = priors.Omega_u
    if isinstance(prior, Flat) and not layout.level2.latent.any():
        raise PriorError(
            f"The prior of 'Omega_u' must be made by {WRITTEN[LKJ]} or {WRITTEN[InverseWishart]}, not {prior!r}: a flat one is "
            "possible only with a categorical level-2 response, where jomo has it."
        )
    if isinstance(prior, InverseWishart) and layout.dim_u:
        prior.scale_matrix(layout.dim_u)
