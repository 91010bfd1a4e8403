"""Joint-distribution test of the structured sampler; see `tests.sampling.structured.turns`."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.specification.covariances import CLUSTER_SPECIFIC, COMMON, RANDOM
from tests.sampling.structured.turns import assert_same, prior_draws, quantities, specification, take_turns

N_ROUNDS = 40_000
RELATIVE, ABSOLUTE = jm.priors.hierarchical(14.0, 7.0), jm.priors.hierarchical(12.0, 9.0, 0.6, relative=False)
LOG_SD, LKJ = jm.priors.heterogeneous("log-sd", 0.6, 2.0), jm.priors.lkj(2.0, 1.0)
WISHART, NARROW = jm.priors.inverse_wishart(9.0, 4.0), jm.priors.inverse_wishart(12.0, 5.0)
# Formulas of rows and of clusters, covariance, priors of Omega_e and Omega_u, rows and clusters, absent from the first cluster.
MODELS = {
    "random, continuous": ("y + t ~ x + (1 | g)", [], RANDOM, RELATIVE, WISHART, 12, 4),
    "random, nominal": ("n + y ~ 1 + (1 | g)", [], RANDOM, RELATIVE, WISHART, 12, 4),
    "random as in jomo, binary and ordinal": ("b + o + y ~ 1 + (1 | g)", [], RANDOM, ABSOLUTE, WISHART, 12, 4),
    "random, binary, with level 2": ("b + y ~ x + (1 + x | g)", ["B ~ 1"], RANDOM, RELATIVE, NARROW, 15, 5),
    "log sds, binary": ("b + y + t ~ 1 + (1 | g)", [], RANDOM, LOG_SD, WISHART, 12, 4),
    "cluster-specific, nominal": ("n + y ~ 1 + (1 | g)", [], CLUSTER_SPECIFIC, WISHART, WISHART, 12, 4),
    "cluster-specific, binary": ("b + y + t ~ 1 + (1 | g)", [], CLUSTER_SPECIFIC, LKJ, WISHART, 12, 4),
    "cluster-specific, continuous": ("y + t ~ 1 + (1 | g)", [], CLUSTER_SPECIFIC, LKJ, WISHART, 16, 4),
    "level 2, continuous and binary": ("y ~ x + (1 + x | g)", ["Y + B ~ 1"], COMMON, WISHART, WISHART, 18, 6),
    "level 2, nominal and ordinal": ("y ~ 1 + (1 | g)", ["N ~ 1", "O ~ X"], COMMON, WISHART, LKJ, 16, 8),
    "random, two absent": ("s + y + t ~ 1 + (1 | g)", [], RANDOM, RELATIVE, WISHART, 16, 4, "st"),
    "random as in jomo, binary, absent": ("b + y + t ~ 1 + (1 | g)", [], RANDOM, ABSOLUTE, WISHART, 12, 4, "t"),
    "random, binary and nominal absent": ("b + n + y ~ 1 + (1 | g)", [], RANDOM, RELATIVE, WISHART, 16, 4, "bn"),
    "random as in jomo, ordinal and continuous absent": ("b + o + y ~ 1 + (1 | g)", [], RANDOM, ABSOLUTE, WISHART, 12, 4, "oy"),
    "log sds, absent": ("y + t ~ 1 + (1 | g)", [], RANDOM, LOG_SD, WISHART, 12, 4, "t"),
    "cluster-specific, absent": ("y + t ~ 1 + (1 | g)", [], CLUSTER_SPECIFIC, WISHART, WISHART, 12, 4, "t"),
    "cluster-specific, binary, absent": ("b + y + t ~ 1 + (1 | g)", [], CLUSTER_SPECIFIC, LKJ, WISHART, 12, 4, "y"),
    "uncorrelated effects": ("y + t ~ x + (1 + x || g)", [], COMMON, WISHART, WISHART, 18, 6),
}


@pytest.mark.sampling
@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_data_and_unknowns_in_turn_have_the_prior(name):
    spec, rng = specification(*MODELS[name]), np.random.default_rng(3)
    found = quantities(spec, take_turns(spec, N_ROUNDS, rng))
    assert_same(found, quantities(spec, prior_draws(spec, rng))[list(found)])
