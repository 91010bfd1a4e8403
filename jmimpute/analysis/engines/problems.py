"""What may be the matter with a fit, in words that are the same for every table."""

DIVERGED = "did not converge"
SINGULAR = "singular: a random effect has variance zero, or two are perfectly correlated"
SEPARATED = "covariates separate the response perfectly: estimates run off to infinity"


def listed(found: dict[str, bool]) -> tuple[str, ...]:
    """Problems that were found.

    Parameters
    ----------
    found : dict of str to bool
        Whether each problem is there.
    """
    return tuple(problem for problem, there in found.items() if there)
