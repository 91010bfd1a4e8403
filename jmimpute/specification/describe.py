"""A model in words: equations by level, priors, missing cells by kind, and what the analyst should know."""

import numpy as np

from jmimpute.errors import some
from jmimpute.specification.families import BINARY, NOMINAL, ORDINAL, Variable
from jmimpute.specification.priors import Flat
from jmimpute.specification.propriety import unidentified
from jmimpute.specification.specify import Specification
from jmimpute.specification.variables import MANY, shown
from jmimpute.table.missing import Missing, classify

# A category seen in fewer rows gets a note, and so do random effects with fewer clusters for each.
FEW = 5


def describe(specification: Specification) -> str:
    """Write what ``print(model)`` shows.

    Parameters
    ----------
    specification : Specification
    """
    layout = specification.layout
    columns = [variable.first for variable in layout.variables]
    missing = classify(specification.y[:, columns], specification.clusters.codes, specification.n_clusters)
    size = f"{len(specification.y)} rows"
    if layout.n_effects:
        size += f" in {specification.n_clusters} clusters ({specification.clusters.name})"
    blocks = [
        f"Joint model of {len(layout.variables)} response(s), {size}",
        _block("Level 1", _level_1(specification)),
        _block("Categories", [*(f"{v.name} ({v.family}): {_rule(v)}" for v in layout.variables if v.is_latent),
                              *_box(specification)]),
        _block("Level 2", [f"u[{specification.clusters.name}] ~ Normal(0, Omega_u), {layout.n_effects} x {layout.n_effects}: "
                           + some(layout.effects, 20)]) if layout.n_effects else "",
        _block("Priors", _priors(specification)),
        _block("Missing cells", _missing(specification, missing)),
        _block("Note", notes(specification, missing)),
    ]  # fmt: skip
    return "\n\n".join(block for block in blocks if block)


def notes(specification: Specification, missing: Missing) -> list[str]:
    """What is legal but worth knowing.

    Parameters
    ----------
    specification : Specification
    missing : Missing
        Of the response columns.
    """
    found = []
    patterns = specification.patterns
    empty = int(patterns.counts[~patterns.observed.any(axis=1)].sum())
    if empty:
        found.append(f"{empty} row(s) have no observed response; they are imputed and do not inform the parameters.")
    if not missing.cells.any():
        found.append("No response has a missing cell: there is nothing to impute.")
    for variable, codes in zip(specification.layout.variables, specification.categories.T, strict=True):
        if variable.is_latent:
            found += _notes_on_categories(variable, np.bincount(codes + 1, minlength=len(variable.levels) + 1)[1:])
        else:
            found += _notes_on_numbers(variable, specification.y[:, variable.first])
    found += [f"{problem}. The result rests on the prior of beta." for problem in unidentified(specification)]
    support = "the prior of beta" if specification.latent_bounds is None else "latent_bounds"
    found += [f"{separation}. The result rests on {support}." for separation in specification.separations]
    n_clusters, d = specification.n_clusters, specification.layout.n_effects
    if d and n_clusters < FEW * d:
        found.append(
            f"{n_clusters} clusters say little about {d} random effects and their correlations: results depend on the prior of "
            "Omega_u. Fewer random slopes, or a comparison of priors, would help."
        )
    return found


def _notes_on_categories(variable: Variable, counts: np.ndarray) -> list[str]:
    found = []
    if variable.unused:
        unused = some(map(shown, variable.unused), 20)
        found.append(f"{variable.name}: {unused} never observed, hence not modelled and never imputed.")
    for level, count in zip(variable.levels, counts, strict=True):
        if count < FEW:
            found.append(
                f"{variable.name}: {shown(level)} is observed in {count} row(s) only, so that results depend on the priors. "
                "Merging it with another category would help."
            )
    if variable.family == NOMINAL and len(variable.levels) >= MANY:
        found.append(
            f"{variable.name}: {len(variable.levels)} categories need {variable.width} latent normals, each with its own "
            "coefficients, random effects and covariances. Sampling takes long; merging rare categories would help."
        )
    return found


def _notes_on_numbers(variable: Variable, values: np.ndarray) -> list[str]:
    if len(np.unique(values[~np.isnan(values)])) > 2:
        return []
    return [
        f"{variable.name} has two distinct values and is modelled as continuous. If they are categories, say "
        f"families={{{variable.name!r}: 'binary'}}."
    ]


def _level_1(specification: Specification) -> list[str]:
    layout = specification.layout
    lines = []
    for variable in layout.variables:
        a = variable.first
        terms = [name for name, used in zip(layout.covariates, layout.beta_mask[:, a], strict=True) if used]
        random = [layout.random[c] for b, c in zip(layout.effect_response, layout.effect_column, strict=True) if a == b]
        line = f"{_left(variable)} = " + " + ".join(f"b[{name}]" if name == "Intercept" else f"b {name}" for name in terms)
        if random:
            line += "".join(f" + u[{name}]" if name == "Intercept" else f" + u {name}" for name in random)
        lines.append(line + " + e")
    p = len(layout.responses)
    common = ", common to all clusters" if layout.n_effects else ""
    return [*lines, f"e ~ Normal(0, Omega_e), {p} x {p}{common}{_known(layout.variables)}"]


def _left(variable: Variable) -> str:
    """Left-hand side of the equations of a response: its latents have the same terms, each with values of its own."""
    labels = variable.coordinates
    return ", ".join(labels) if len(labels) < 4 else f"{labels[0]} to {labels[-1]}"


def _known(variables: tuple[Variable, ...]) -> str:
    """The elements of Omega_e that fix the scale of latents."""
    latent = [_left(variable) for variable in variables if variable.is_latent]
    several = [_left(variable) for variable in variables if variable.width > 1]
    text = f"; known: variance 1 of {', '.join(latent)}" if latent else ""
    return text + "".join(f"; covariance 0.5 between {labels}" for labels in several)


def _rule(variable: Variable) -> str:
    """How latents give the category."""
    levels = list(map(shown, variable.levels))
    if variable.family == ORDINAL:
        last = len(levels) - 1
        between = "".join(f"{levels[k]} from c{k} to c{k + 1}, " for k in range(1, last))
        return f"{levels[0]} where the latent is below c1 = 0, {between}{levels[last]} above c{last}"
    reference = f"{levels[variable.reference]} (reference)"
    if variable.family == BINARY:
        return f"{levels[1 - variable.reference]} where the latent is positive, else {reference}"
    own = [level for k, level in enumerate(levels) if k != variable.reference]
    largest = ", ".join(f"{level} by {label}" for level, label in zip(own, variable.coordinates, strict=True))
    return f"that of the largest latent, {largest}, or {reference} where none is positive"


def _box(specification: Specification) -> list[str]:
    """The restriction of latents that jomo has."""
    if specification.latent_bounds is None:
        return []
    low, high = specification.latent_bounds
    return [f"latents of observed categories are kept between {low:g} and {high:g}, which biases results (latent_bounds)"]


def _priors(specification: Specification) -> list[str]:
    priors, layout = specification.priors, specification.layout
    lines = [f"beta: {priors.beta}", f"Omega_e: {priors.Omega_e}" + (", given what is known" if layout.has_latents else "")]
    if layout.n_effects:
        lines.append(f"Omega_u: {priors.Omega_u}")
    if any(variable.n_cutpoints for variable in layout.variables):
        flat = isinstance(priors.cutpoints, Flat)
        lines.append(f"cut points: {priors.cutpoints if flat else f'half-normal({priors.cutpoints.sd:g}) distances'}")
    return lines


def _missing(specification: Specification, missing: Missing) -> list[str]:
    lines = []
    for a, variable in enumerate(specification.layout.variables):
        cells, sporadic = int(missing.cells[a]), int(missing.sporadic[a])
        line = f"{variable.name}: {cells} of {len(specification.y)} ({cells / len(specification.y):.0%})"
        if cells > sporadic:
            absent = [specification.clusters.labels[j] for j in np.flatnonzero(missing.systematic[:, a])]
            line += f", {sporadic} sporadic and {cells - sporadic} systematic in {len(absent)} cluster(s): {some(absent)}"
        lines.append(line)
    return lines


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)]) if lines else ""
