"""Which posterior draw an imputation uses."""

import itertools

import pytest

from jmimpute.errors import ImputationError
from jmimpute.imputation.schedule import schedule


@pytest.mark.parametrize(("n_chains", "n_draws"), [(4, 1000), (1, 1), (3, 7), (2, 64)])
def test_every_draw_is_used_once_and_a_shorter_schedule_starts_a_longer_one(n_chains, n_draws):
    full = schedule(n_chains * n_draws, n_chains, n_draws)
    assert len(set(full)) == n_chains * n_draws
    assert {chain for chain, _ in full} == set(range(n_chains))
    assert {draw for _, draw in full} == set(range(n_draws))
    assert schedule(min(5, len(full)), n_chains, n_draws) == full[:5]


def test_first_draws_are_spread_over_chains_and_far_apart():
    pairs = schedule(20, 4, 1000)
    assert [chain for chain, _ in pairs] == [0, 1, 2, 3] * 5
    draws = sorted({draw for _, draw in pairs})
    assert min(b - a for a, b in itertools.pairwise(draws)) >= 125


@pytest.mark.parametrize("m", [0, -1, True, 2.0, "5", 21])
def test_impossible_numbers_are_refused(m):
    with pytest.raises(ImputationError, match=r"2 chain\(s\) of 10|whole number"):
        schedule(m, 2, 10)
