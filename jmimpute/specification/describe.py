"""A model in words: equations by level, priors, missing cells by kind, and what the analyst should know."""

import numpy as np

from jmimpute.errors import some
from jmimpute.specification.specify import Specification
from jmimpute.table.missing import Missing, classify


def describe(specification: Specification) -> str:
    """Write what ``print(model)`` shows.

    Parameters
    ----------
    specification : Specification
    """
    layout = specification.layout
    missing = classify(specification.y, specification.clusters.codes, specification.n_clusters)
    size = f"{len(specification.y)} rows"
    if layout.n_effects:
        size += f" in {specification.n_clusters} clusters ({specification.clusters.name})"
    blocks = [
        f"Joint model of {len(layout.responses)} response(s), {size}",
        _block("Level 1", _level_1(specification)),
        _block("Level 2", [f"u[{specification.clusters.name}] ~ Normal(0, Omega_u), {layout.n_effects} x {layout.n_effects}: "
                           + ", ".join(layout.effects)]) if layout.n_effects else "",
        _block("Priors", _priors(specification)),
        _block("Missing cells", _missing(specification, missing)),
        _block("Note", notes(specification, missing)),
    ]  # fmt: skip
    return "\n\n".join(block for block in blocks if block)


def notes(specification: Specification, missing: Missing) -> list[str]:
    """What is legal but worth knowing."""
    found = []
    patterns = specification.patterns
    empty = int(patterns.counts[~patterns.observed.any(axis=1)].sum())
    if empty:
        found.append(f"{empty} row(s) have no observed response; they are imputed and do not inform the parameters.")
    if not missing.cells.any():
        found.append("No response has a missing cell: there is nothing to impute.")
    n_clusters, d = specification.n_clusters, specification.layout.n_effects
    if d and n_clusters < 5 * d:
        found.append(
            f"{n_clusters} clusters say little about {d} random effects and their correlations: results depend on the prior of "
            "Omega_u. Fewer random slopes, or a comparison of priors, would help."
        )
    return found


def _level_1(specification: Specification) -> list[str]:
    layout = specification.layout
    lines = []
    for a, response in enumerate(layout.responses):
        terms = [name for name, used in zip(layout.covariates, layout.beta_mask[:, a], strict=True) if used]
        random = [layout.random[c] for b, c in zip(layout.effect_response, layout.effect_column, strict=True) if a == b]
        line = f"{response} = " + " + ".join(f"b[{name}]" if name == "Intercept" else f"b {name}" for name in terms)
        if random:
            line += "".join(f" + u[{name}]" if name == "Intercept" else f" + u {name}" for name in random)
        lines.append(line + " + e")
    p = len(layout.responses)
    return [*lines, f"e ~ Normal(0, Omega_e), {p} x {p}, common to all clusters" if layout.n_effects else
            f"e ~ Normal(0, Omega_e), {p} x {p}"]  # fmt: skip


def _priors(specification: Specification) -> list[str]:
    priors = specification.priors
    lines = [f"beta: {priors.beta}", f"Omega_e: {priors.Omega_e}"]
    return [*lines, f"Omega_u: {priors.Omega_u}"] if specification.layout.n_effects else lines


def _missing(specification: Specification, missing: Missing) -> list[str]:
    lines = []
    for a, response in enumerate(specification.layout.responses):
        cells, sporadic = int(missing.cells[a]), int(missing.sporadic[a])
        line = f"{response}: {cells} of {len(specification.y)} ({cells / len(specification.y):.0%})"
        if cells > sporadic:
            absent = [specification.clusters.labels[j] for j in np.flatnonzero(missing.systematic[:, a])]
            line += f", {sporadic} sporadic and {cells - sporadic} systematic in {len(absent)} cluster(s): {some(absent)}"
        lines.append(line)
    return lines


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)]) if lines else ""
