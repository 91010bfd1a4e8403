"""One compiled graph for many tables: what differs between two PyMC models of the same structure becomes data."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pymc as pm


class Compiled:
    """A PyMC model, compiled once by nutpie, whose arrays of rows can be exchanged.

    bambi writes data into its graphs as constants. All constants that have one entry a row become shared variables here; any
    other model is taken for the same one with other data if its graph has the same operations in the same places and the same
    remaining constants.

    Parameters
    ----------
    model : pymc.Model
    n_rows : int
        Rows of the table: constants with an axis of this length are data.
    keep : list of str
        Variables that are recorded.
    """

    def __init__(self, model: "pm.Model", n_rows: int, keep: list[str]):
        import nutpie

        self._graph = _variables(model)
        self._data = _data_places(self._graph, n_rows)
        self._compiled: Any = nutpie.compile_pymc_model(exchangeable(model, n_rows), var_names=keep)

    def with_data_of(self, model: "pm.Model") -> Any | None:
        """Put the data of another model in.

        Parameters
        ----------
        model : pymc.Model

        Returns
        -------
        nutpie.CompiledModel or None
            None if the model differs in more than data.
        """
        other = _variables(model)
        if not _same_but_for(self._data, self._graph, other):
            return None
        return self._compiled.with_data(**{_name(k): other[k].data for k in self._data})


def exchangeable(model: "pm.Model", n_rows: int) -> "pm.Model":
    """Copy a model with shared variables in place of its data.

    Parameters
    ----------
    model : pymc.Model
    n_rows : int

    Returns
    -------
    pymc.Model
        The shared variables are called ``data_`` and their place in the graph.
    """
    from pymc.model.fgraph import fgraph_from_model, model_from_fgraph
    from pytensor.compile.sharedvalue import shared as as_shared

    variables = _variables(model)
    graph, clones = fgraph_from_model(model)
    for place in _data_places(variables, n_rows):
        constant = variables[place]
        shared = as_shared(constant.data, name=_name(place), shape=constant.data.shape)
        graph.replace(clones[constant], shared, import_missing=True)
    return model_from_fgraph(graph, mutate_fgraph=True)


def _data_places(variables: list[Any], n_rows: int) -> list[int]:
    from pytensor.graph.basic import Constant

    return [k for k, variable in enumerate(variables) if isinstance(variable, Constant) and n_rows in np.shape(variable.data)]


def _name(place: int) -> str:
    return f"data_{place}"


def _variables(model: "pm.Model") -> list[Any]:
    """All variables of the log density, in an order that only the structure of the graph determines."""
    seen: dict[Any, None] = {}
    stack = [*model.basic_RVs, *(model.rvs_to_values[rv] for rv in model.observed_RVs), *model.potentials]
    while stack:
        variable = stack.pop()
        if variable not in seen:
            seen[variable] = None
            stack.extend(variable.owner.inputs if variable.owner is not None else ())
    return list(seen)


def _same_but_for(places: list[int], one: list[Any], other: list[Any]) -> bool:
    """Whether two graphs differ only in the constants at some places."""
    if len(one) != len(other) or not all(map(_alike, one, other)):
        return False
    rest = set(range(len(one))) - set(places)
    return all(np.array_equal(_value(one[k]), _value(other[k])) for k in rest)


def _alike(one: Any, other: Any) -> bool:
    """Whether two variables have the same type and come from the same operation on as many inputs."""
    if type(one) is not type(other) or one.type != other.type or (one.owner is None) != (other.owner is None):
        return False
    return one.owner is None or (one.owner.op == other.owner.op and len(one.owner.inputs) == len(other.owner.inputs))


def _value(variable: Any) -> Any:
    """What a constant holds, and a shared variable, such as the number of clusters; None for what has no fixed value."""
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.basic import Constant
    from pytensor.tensor.random.type import RandomType

    if isinstance(variable, Constant):
        return variable.data
    if isinstance(variable, SharedVariable) and not isinstance(variable.type, RandomType):
        return variable.get_value(borrow=True)
    return None
