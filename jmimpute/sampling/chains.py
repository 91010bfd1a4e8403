"""Chains of the collapsed model: start, warm-up and draws by the compiled No-U-Turn sampler."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jmimpute.errors import SamplingError
from jmimpute.sampling import nuts
from jmimpute.sampling.laplace import Whitening
from jmimpute.sampling.target import Target, log_density
from jmimpute.sampling.threads import Settings, run_chains

# Shares of the warm-up in which a covariance is learned where the Laplace approximation failed; the rest tunes the step.
LEARNING_WINDOWS = (0.15, 0.25, 0.4)


def draw(target: Target, whitening: Whitening, settings: Settings, seeds: Sequence[Any]) -> list[tuple[nuts.Chain, float]]:
    """Draw all chains.

    Parameters
    ----------
    target : Target
    whitening : Whitening
    settings : Settings
    seeds : sequence of numpy.random.SeedSequence
        One a chain.

    Returns
    -------
    list of (Chain, step size)
        Chains of equal length; fewer or shorter ones, with an `InterruptedWarning`, after a KeyboardInterrupt.

    Raises
    ------
    SamplingError
        If no chain finds a point to start from, or an interrupted run holds too few draws to keep.
    """
    chains = [_Chain(target, whitening, settings, np.random.default_rng(seed)) for seed in seeds]
    kept, n_draws = run_chains(chains, settings)
    return [(nuts.Chain(*(array[:n_draws] for array in chains[k].record)), chains[k].step_size) for k in kept]


class _Chain:
    """One chain: warm-up, then draws."""

    def __init__(self, target: Target, whitening: Whitening, settings: Settings, rng: np.random.Generator) -> None:
        self.target, self.whitening, self.settings, self.rng = target, whitening, settings, rng
        self.record = nuts.allocate(settings.draws, len(whitening.center))
        self.step_size = np.nan

    def __call__(self, progress: np.ndarray, stop: np.ndarray) -> int:
        """Run; returns the number of draws."""
        target, settings, rng = self.target, self.settings, self.rng
        center, matrix = self.whitening.center, self.whitening.matrix
        xi = _start(target, self.whitening, rng)
        step = nuts.reasonable_step(target, center, matrix, xi, rng)
        remaining = settings.tune
        for share in () if self.whitening.reliable else LEARNING_WINDOWS:
            window = nuts.allocate(int(share * settings.tune), len(xi))
            remaining -= len(window.draws)
            n_drawn, step = nuts.run(
                target, center, matrix, xi, step, True, settings.target_accept, rng, window, progress, stop
            )
            if n_drawn > 2 * len(xi):
                position = matrix @ xi
                matrix = _learned(window.draws[:n_drawn])
                xi = np.linalg.solve(matrix, position)
        window = nuts.allocate(remaining, len(xi))
        _, step = nuts.run(target, center, matrix, xi, step, True, settings.target_accept, rng, window, progress, stop)
        n_drawn, self.step_size = nuts.run(
            target, center, matrix, xi, step, False, settings.target_accept, rng, self.record, progress, stop
        )
        return n_drawn


def _start(target: Target, whitening: Whitening, rng: np.random.Generator) -> np.ndarray:
    """A point twice as dispersed as the posterior should be, nearer to the mode if the density cannot be evaluated there."""
    n = len(whitening.center)
    gradient = np.empty(n)
    for attempt in range(50):
        xi = 2.0 * 0.8**attempt * rng.standard_normal(n)
        if np.isfinite(log_density(whitening.center + whitening.matrix @ xi, target, gradient)):
            return xi
    raise SamplingError(
        "No point was found where the posterior density can be evaluated. Check responses and covariates for extreme values, "
        "and the priors for scales that do not fit the data."
    )


def _learned(draws: np.ndarray) -> np.ndarray:
    """Cholesky factor of the covariance of draws, shrunk a little towards its diagonal."""
    n = len(draws)
    covariance = np.cov(draws, rowvar=False)
    shrunk = n / (n + 5.0) * covariance + 5.0 / (n + 5.0) * np.diag(np.diagonal(covariance))
    return np.ascontiguousarray(np.linalg.cholesky(shrunk))
