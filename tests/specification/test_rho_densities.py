"""Priors of rho: densities integrate to 1, and standard deviations are those of the densities."""

import numpy as np
import pytest
from scipy.integrate import quad

import jmimpute as jm
from jmimpute.specification.rho_densities import ends, log_density, standard_deviation, suggested_values

PRIORS = {
    "uniform": jm.priors.uniform(),
    "one-sided": jm.priors.uniform(-1, 0),
    "normal": jm.priors.truncated_normal(-0.4, 0.2),
    "cut": jm.priors.truncated_normal(0.9, 0.5, -0.5, 1),
    "fisher": jm.priors.fisher_z(0.7),
}


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_density_and_standard_deviation(prior):
    def moment(power):
        return quad(lambda rho: rho**power * np.exp(log_density(prior, np.array(rho))), *ends(prior), limit=200)[0]

    assert moment(0) == pytest.approx(1, abs=1e-6)
    assert standard_deviation(prior) == pytest.approx(np.sqrt(moment(2) - moment(1) ** 2), abs=1e-4)


def test_outside_its_ends_a_prior_is_zero():
    assert (log_density(jm.priors.uniform(-1, 0), np.array([-0.5, 0.5])) == [0, -np.inf]).all()
    assert log_density(jm.priors.truncated_normal(0, 1, 0, 1), np.array([-0.1])) == -np.inf


def test_suggested_values_are_where_the_prior_is_and_hold_zero():
    assert suggested_values(jm.priors.uniform()) == [-0.6, -0.3, 0.0, 0.3, 0.6]
    assert suggested_values(jm.priors.uniform(-1, 0)) == [-0.8, -0.65, -0.5, -0.35, -0.2, 0.0]
    assert suggested_values(jm.priors.fisher_z()) == suggested_values(0.3) == [-0.6, -0.3, 0.0, 0.3, 0.6]
