"""A model in words: equations by level, priors, missing cells by kind, and what the analyst should know."""

import numpy as np

from jmimpute.errors import some
from jmimpute.names import HYPER_DF, HYPER_SCALE, INTERCEPT, LOG_SD_MEAN, LOG_SD_SPREAD
from jmimpute.specification import prior_arguments
from jmimpute.specification.cluster_priors import HierarchicalInverseWishart, LogSd
from jmimpute.specification.covariances import COMMON
from jmimpute.specification.families import BINARY, ORDINAL, Variable
from jmimpute.specification.layout import Layout
from jmimpute.specification.notes import notes
from jmimpute.specification.priors import Flat
from jmimpute.specification.specify import Specification
from jmimpute.specification.variables import shown
from jmimpute.table.missing import Missing, classify


def describe(specification: Specification) -> str:
    """Write what ``print(model)`` shows.

    Parameters
    ----------
    specification : Specification
    """
    layout = specification.layout
    columns = [variable.first for variable in specification.outcomes]
    missing = classify(specification.y[:, columns], specification.clusters.codes, specification.n_clusters)
    n_level2 = len(layout.level2.variables)
    who = f"{len(specification.outcomes)} response(s)" + (f" at level 1 and {n_level2} at level 2" if n_level2 else "")
    size = f"{len(specification.y)} rows"
    if layout.n_effects:
        size += f" in {specification.n_clusters} clusters ({specification.clusters.name})"
    blocks = [
        f"Joint model of {who}, {size}",
        _block("Level 1", _level_1(specification)),
        _block("Categories", _categories(specification)),
        _block("Level 2", _level_2(specification)),
        _block("Missing not at random", _selections(specification)),
        _block("Priors", _priors(specification)),
        _block("Missing cells", [*_missing(specification, missing), *_missing_clusters(specification)]),
        _block("Carried values", _carried(specification)),
        _block("Note", notes(specification, missing)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _level_1(specification: Specification) -> list[str]:
    layout = specification.layout
    lines = []
    for variable in layout.variables:
        a = variable.first
        random = [layout.random[c] for b, c in zip(layout.effect_response, layout.effect_column, strict=True) if a == b]
        line = _fixed(variable, layout.covariates, layout.beta_mask)
        lines.append(line + "".join(f" + u[{name}]" if name == INTERCEPT else f" + u {name}" for name in random) + " + e")
    return [*lines, _residuals(specification) + _known(layout.variables)]


def _fixed(variable: Variable, covariates: tuple[str, ...], mask: np.ndarray) -> str:
    """The fixed part of the equation of a response."""
    terms = [name for name, used in zip(covariates, mask[:, variable.first], strict=True) if used]
    return f"{_left(variable)} = " + " + ".join(f"b[{name}]" if name == INTERCEPT else f"b {name}" for name in terms)


def _left(variable: Variable) -> str:
    """Left-hand side of the equations of a response: its latents have the same terms, each with values of its own."""
    labels = variable.coordinates
    return ", ".join(labels) if len(labels) < 4 else f"{labels[0]} to {labels[-1]}"


def _residuals(specification: Specification) -> str:
    """The distribution of the residuals, and whose matrix it has."""
    p, prior = len(specification.layout.responses), specification.priors.Omega_e
    own = f"[{specification.clusters.name}]"
    if specification.covariance == COMMON:
        return f"e ~ Normal(0, Omega_e), {p} x {p}" + (", common to all clusters" if specification.n_clusters else "")
    line = f"e ~ Normal(0, Omega_e{own}), {p} x {p}, one matrix a cluster"
    if isinstance(prior, HierarchicalInverseWishart):
        return f"{line}: Omega_e{own} ~ inverse-Wishart({HYPER_DF}, {HYPER_SCALE})"
    if isinstance(prior, LogSd):
        return f"{line}, correlations in common: log sd{own} ~ Normal({LOG_SD_MEAN}, {LOG_SD_SPREAD}^2)"
    return f"{line}, independent of each other"


def _level_2(specification: Specification) -> list[str]:
    layout, own = specification.layout, f"[{specification.clusters.name}]"
    if not layout.dim_u:
        return []
    level2 = layout.level2
    lines = [_fixed(variable, level2.covariates, level2.beta_mask) + " + v" for variable in level2.variables]
    who = f"(u{own}, v{own})" if level2.variables else f"u{own}"
    size = f"{layout.dim_u} x {layout.dim_u}"
    lines.append(f"{who} ~ Normal(0, Omega_u), {size}: {some(layout.labels_u, 20)}{_known(level2.variables)}")
    return lines + _blocks(layout)


def _blocks(layout: Layout) -> list[str]:
    """Which coordinates of Omega_u may be correlated."""
    if not layout.blocks.any():
        return []
    labels = np.array(layout.labels_u, dtype=object)
    parts = [some(labels[layout.blocks == k], 20) for k in range(layout.blocks.max() + 1)]
    return [f"correlations within blocks only: {'; '.join(parts)}"]


def _selections(specification: Specification) -> list[str]:
    """What is said of variables that are missing not at random."""
    lines = []
    for selected in specification.selections:
        clause, name, own = selected.clause, selected.variable.name, selected.indicator.name
        lines.append(f"{own} is positive where {name} is observed; its e has the correlation rho with that of {name}")
        lines += [f"{own} also has u[{crossed.column}] ~ Normal(0, sd^2)" for crossed in selected.crossed]
        lines.append(f"rho: {'held at ' if isinstance(clause.rho, float) else ''}{clause.rho}")
        lines.append(
            f"excluded from {name}: {some(clause.exclude)} ({clause.rationale})" if clause.exclude else "nothing excluded"
        )
    return lines


def _known(variables: tuple[Variable, ...]) -> str:
    """The elements of a covariance matrix that fix the scale of latents."""
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


def _categories(specification: Specification) -> list[str]:
    """How categories come from latents, and the restriction of these that jomo has."""
    layout = specification.layout
    latent = [variable for variable in (*layout.variables, *layout.level2.variables) if variable.is_latent]
    lines = [f"{variable.name} ({variable.family}): {_rule(variable)}" for variable in latent]
    if specification.latent_bounds is not None:
        low, high = specification.latent_bounds
        lines.append(
            f"latents of observed categories are kept between {low:g} and {high:g}, which biases results (latent_bounds)"
        )
    return lines


def _priors(specification: Specification) -> list[str]:
    priors, layout = specification.priors, specification.layout
    variables = (*layout.variables, *layout.level2.variables)
    lines = [f"beta: {priors.beta}", *_prior_of_residuals(specification)]
    if layout.dim_u:
        blocks = ", within blocks" if layout.blocks.any() else ""
        lines.append(f"Omega_u: {priors.Omega_u}{blocks}" + (", given what is known" if layout.latent_u.any() else ""))
    if any(variable.n_cutpoints for variable in variables):
        flat = isinstance(priors.cutpoints, Flat)
        lines.append(f"cut points: {priors.cutpoints if flat else f'half-normal({priors.cutpoints.sd:g}) distances'}")
    return lines


def _prior_of_residuals(specification: Specification) -> list[str]:
    """The prior of Omega_e and, for matrices drawn from a distribution, those of its parameters."""
    prior, p = specification.priors.Omega_e, len(specification.layout.responses)
    given = ", given what is known" if specification.layout.has_latents else ""
    name = "Omega_e" if specification.covariance == COMMON else f"Omega_e[{specification.clusters.name}]"
    if not isinstance(prior, HierarchicalInverseWishart):
        return [f"{name}: {prior}{given}"]
    df, scale = prior.df_for(p), prior_arguments.shown(prior.scale)
    free = ", but for the scale of latents" if specification.layout.has_latents else ""
    wishart = f"Wishart(df {df:g}, scale {f'{HYPER_DF} / {df:g} x ' if prior.relative else ''}{scale})"
    return [
        f"{name}: inverse-Wishart({HYPER_DF}, {HYPER_SCALE}){free}",
        f"{HYPER_DF}: chi-square({prior.eta_for(p):g}), at least {p}",
        f"{HYPER_SCALE}: {wishart} on the {'standardised' if prior.relative else 'original'} scale",
    ]


def _missing(specification: Specification, missing: Missing) -> list[str]:
    lines = []
    for a, variable in enumerate(specification.outcomes):
        cells, sporadic = int(missing.cells[a]), int(missing.sporadic[a])
        line = f"{variable.name}: {cells} of {len(specification.y)} ({cells / len(specification.y):.0%})"
        if cells > sporadic:
            absent = [specification.clusters.labels[j] for j in np.flatnonzero(missing.systematic[:, a])]
            line += f", {sporadic} sporadic and {cells - sporadic} systematic in {len(absent)} cluster(s): {some(absent)}"
        lines.append(line)
    return lines


def _missing_clusters(specification: Specification) -> list[str]:
    """Level-2 responses without a value, which is one cell for each cluster."""
    lines = []
    n_clusters = specification.n_clusters
    for variable in specification.layout.level2.variables:
        absent = np.flatnonzero(np.isnan(specification.w[:, variable.first]))
        line = f"{variable.name}: {len(absent)} of {n_clusters} clusters ({len(absent) / n_clusters:.0%})"
        lines.append(line + (f": {some(specification.clusters.labels[j] for j in absent)}" if absent.size else ""))
    return lines


def _carried(specification: Specification) -> list[str]:
    """Values of level 2 that were given in some rows of a cluster only."""
    codes = np.empty_like(specification.clusters.codes)
    codes[specification.order] = specification.clusters.codes
    lines = []
    for name, rows in (specification.carried | specification.carried_covariates).items():
        clusters = [specification.clusters.labels[j] for j in np.unique(codes[rows])]
        lines.append(
            f"{name}: {len(rows)} row(s) take the value of another row of their cluster, in {len(clusters)} cluster(s): "
            f"{some(clusters)}"
        )
    return lines


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)]) if lines else ""
