"""Pictures of PyMC models as graphs of their variables."""

from typing import Any
from unittest.mock import patch

import pymc as pm
from pytensor import function
from pytensor.compile.mode import Mode

# Shapes follow from other shapes once graphs are rewritten. Linear algebra needs no BLAS for that.
SHAPES_ONLY = Mode(linker="py", optimizer="fast_compile").excluding("BlasOpt")


def picture(model: pm.Model) -> Any:
    """Draw a model.

    Parameters
    ----------
    model : pymc.Model

    Returns
    -------
    graphviz.Digraph
    """
    # PyMC finds the shape of a variable by drawing it, which a flat prior does not allow.
    with patch("pymc.model_graph.fast_eval", _without_draws):
        return pm.model_to_graphviz(model)


def _without_draws(shape: Any) -> Any:
    return function([], shape, mode=SHAPES_ONLY)()
