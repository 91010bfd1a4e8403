"""Parameters of a posterior by their labels."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jmimpute.errors import TableError, options
from jmimpute.names import (
    BETA,
    BETA_LEVEL2,
    CHAIN,
    CLUSTER,
    CORR_E,
    CORR_U,
    CUTPOINTS,
    DRAW,
    HYPER_DF,
    HYPER_SCALE,
    LOG_SD_MEAN,
    LOG_SD_SPREAD,
    OMEGA_E,
    OMEGA_U,
)

#: Parameters that a figure has room for.
PARAMETERS_SHOWN = 30


def chosen(posterior: Any, var_names: str | Sequence[str] | None) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Find the parameters asked for.

    Parameters
    ----------
    posterior : xarray.Dataset
    var_names : str, sequence of str, or None
        Variables (``"Omega_e"``) or single parameters (``"Omega_e[ravens, english]"``). None takes ``beta``, ``Omega_e``,
        ``Omega_u`` and cut points, without elements that are known.

    Returns
    -------
    dict of str to (str, tuple of int)
        For the label of each parameter the variable, and the index behind chain and draw.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter.
    """
    variables = {str(name): dict(_elements(posterior[name])) for name in posterior.data_vars}
    if var_names is None:
        var_names = _default(posterior, variables) or list(variables)
    chosen: dict[str, tuple[str, tuple[int, ...]]] = {}
    for wanted in [var_names] if isinstance(var_names, str) else var_names:
        found = _matching(variables, wanted)
        if not found:
            example = next(label for labels in variables.values() for label in labels)
            raise TableError(
                f"The posterior has no variable or parameter {wanted!r}. "
                f"Choose among {options(list(variables))}, or a single parameter such as {example!r}."
            )
        chosen |= found
    if not chosen:
        raise TableError(f"There is no parameter to draw. Choose among {options(list(variables))}.")
    return chosen


def _default(posterior: Any, variables: Mapping[str, Mapping[str, tuple[int, ...]]]) -> list[str]:
    """Parameters that are drawn when none are asked for; what is known is the same in every draw."""
    cutpoints = [name for name in variables if name.startswith(f"{CUTPOINTS}_")]
    wanted = (BETA, BETA_LEVEL2, HYPER_DF, HYPER_SCALE, LOG_SD_MEAN, LOG_SD_SPREAD, OMEGA_E, OMEGA_U, *cutpoints)
    names = [name for name in wanted if name in variables and CLUSTER not in posterior[name].dims]
    return [label for name in names for label, index in variables[name].items() if np.ptp(draws_of(posterior, name, index)) > 0]


def draws_of(posterior: Any, name: str, index: tuple[int, ...]) -> np.ndarray:
    """Return the draws of one parameter, shape (chains, draws).

    Parameters
    ----------
    posterior : xarray.Dataset
    name : str
    index : tuple of int
        Behind chain and draw.
    """
    return posterior[name].transpose(CHAIN, DRAW, ...).values[(slice(None), slice(None), *index)]


def _matching(variables: Mapping[str, Mapping[str, tuple[int, ...]]], wanted: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        label: (name, index) for name, labels in variables.items() for label, index in labels.items() if wanted in (name, label)
    }


def _elements(variable: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the label and index of each free element of a posterior variable."""
    dims = [dim for dim in variable.dims if dim not in (CHAIN, DRAW)]
    symmetric = len(dims) > 1 and dims[-1] == f"{dims[-2]}_"
    correlation = variable.name in (CORR_E, CORR_U)
    labels = [variable[dim].values for dim in dims]
    for index in np.ndindex(*(len(names) for names in labels)):
        if symmetric and (index[-1] > index[-2] or (correlation and index[-1] == index[-2])):
            continue
        where = ", ".join(str(names[i]) for names, i in zip(labels, index, strict=True))
        yield (f"{variable.name}[{where}]" if where else str(variable.name)), index
