"""Which variable informs which in a joint model, and how."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.names import INTERCEPT
from jmimpute.specification.families import Variable

FIXED, RANDOM, BOTH = "fixed", "random", "fixed + random"
JOINT, JOINT_LEVEL2 = "joint", "joint at level 2"


@dataclass(frozen=True)
class Response:
    """An incomplete variable and the terms that inform it.

    Attributes
    ----------
    name : str
    level : int
    missing : float
        Share of its rows, or clusters, without a value.
    fixed, random : tuple of str
        Terms, the intercept among them.
    blocks : frozenset of int
        Blocks of Omega_u that its random effects, or it itself at level 2, belong to.
    """

    name: str
    level: int
    missing: float
    fixed: tuple[str, ...]
    random: tuple[str, ...]
    blocks: frozenset[int]

    def is_joint_at_level_2(self, other: "Response") -> bool:
        """Tell whether something of one is correlated with something of the other at level 2.

        Parameters
        ----------
        other : Response
        """
        return not self.blocks.isdisjoint(other.blocks)


def responses_of(model: Any) -> list[Response]:
    """List the responses of a model, indicators of selection submodels among them, those of level 2 last.

    Parameters
    ----------
    model : JointModel
    """
    specification = model.specification
    layout, level2 = specification.layout, specification.layout.level2
    columns = model.table.frame.isna().mean()
    found = [
        Response(
            variable.name,
            1,
            # The indicator of a selection submodel is no column of the table.
            float(columns.get(variable.name, np.mean(specification.categories[:, v] < 0))),
            _terms(layout.covariates, layout.beta_mask, variable),
            _terms(layout.random, layout.random_mask, variable),
            frozenset(layout.blocks[: layout.n_effects][layout.effect_response == variable.first].tolist()),
        )
        for v, variable in enumerate(layout.variables)
    ]
    return found + [
        Response(
            variable.name,
            2,
            float(np.isnan(specification.w[:, variable.first]).mean()),
            _terms(level2.covariates, level2.beta_mask, variable),
            (),
            frozenset(layout.blocks[[layout.n_effects + variable.first]].tolist()),
        )
        for variable in level2.variables
    ]


def levels_of_terms(model: Any) -> dict[str, int]:
    """Tell at which level each term without the intercept varies, in order of appearance.

    Parameters
    ----------
    model : JointModel
    """
    specification = model.specification
    layout, codes = specification.layout, specification.clusters.codes
    levels: dict[str, int] = {}
    for design, names in ((specification.x, layout.covariates), (specification.z, layout.random)):
        for name, column in zip(names, design.T, strict=True):
            constant = specification.n_clusters > 0 and _is_constant(column, codes)
            term = term_of(name)
            levels[term] = min(levels.get(term, 2), 2 if constant else 1)
    levels |= {term_of(name): 2 for name in layout.level2.covariates}
    levels.pop(INTERCEPT, None)
    return levels


def term_of(column: str) -> str:
    """Name the term that a column of a design matrix belongs to: ``sex`` for ``sex[girl]``.

    Parameters
    ----------
    column : str
    """
    return re.sub(r"\[[^\]]*\]", "", column)


def roles(model: Any) -> pd.DataFrame:
    """Tell how each variable informs each response; see `jmimpute.plots.predictors_table`.

    Parameters
    ----------
    model : JointModel
    """
    responses = responses_of(model)
    names = [response.name for response in responses]
    table = pd.DataFrame("", index=pd.Index(names, name="response"), columns=[*levels_of_terms(model), *names])
    for response in responses:
        for term in dict.fromkeys([*response.fixed, *response.random]):
            if term != INTERCEPT:
                fixed, random = term in response.fixed, term in response.random
                table.loc[response.name, term] = BOTH if fixed and random else FIXED if fixed else RANDOM
        for other in responses:
            if other is not response:
                table.loc[response.name, other.name] = _joint(response, other)
    return table


def _joint(one: Response, other: Response) -> str:
    """How two responses are correlated: by residuals, or only by what belongs to clusters."""
    if one.level == other.level == 1:
        return JOINT
    return JOINT_LEVEL2 if one.is_joint_at_level_2(other) else ""


def _terms(columns: tuple[str, ...], mask: np.ndarray, variable: Variable) -> tuple[str, ...]:
    """Terms of a response; all its coordinates have the same."""
    used = [term_of(name) for name, has in zip(columns, mask[:, variable.first], strict=True) if has]
    return tuple(dict.fromkeys(used))


def _is_constant(column: np.ndarray, codes: np.ndarray) -> bool:
    ends = pd.Series(column).groupby(codes).agg(["min", "max"])
    return bool((ends["min"] == ends["max"]).all())
