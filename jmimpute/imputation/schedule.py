"""Which posterior draw each imputation uses: fixed in advance, so that more imputations continue a shorter run."""

import numpy as np

from jmimpute.errors import ImputationError


def schedule(m: int, n_chains: int, *runs: int) -> list[tuple[int, int]]:
    """Choose a posterior draw for each of m imputations.

    Chains take turns, and within a chain draws are far apart: their order is that of bit-reversed (van der Corput) numbers,
    so that any first few are spread evenly over the chain. Draws by which chains were extended come after all others.

    Parameters
    ----------
    m : int
        Number of imputations.
    n_chains : int
    *runs : int
        Draws of each chain, run by run.

    Returns
    -------
    list of (chain, draw)
        The first entries do not depend on m.

    Raises
    ------
    ImputationError
        If m is less than 1, or more than there are draws.
    """
    if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 1:
        raise ImputationError(f"m, the number of imputations, must be a whole number of at least 1, not {m!r}.")
    if m > n_chains * sum(runs):
        raise ImputationError(
            f"{m} imputations need {m} posterior draws; the fit has {n_chains} chain(s) of {sum(runs)}. Fit with more draws."
        )
    order, first = [], 0
    for n_draws in runs:
        bits = max(1, int(n_draws - 1).bit_length())
        reversed_order = (int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits))
        order += [first + draw for draw in reversed_order if draw < n_draws]
        first += n_draws
    return [(k % n_chains, order[k // n_chains]) for k in range(m)]
