"""What is legal in a model but worth knowing."""

import numpy as np

from jmimpute.errors import some
from jmimpute.specification.covariances import CLUSTER_SPECIFIC, RANDOM
from jmimpute.specification.families import NOMINAL, Variable
from jmimpute.specification.propriety import informative_rows, unidentified
from jmimpute.specification.specify import Specification
from jmimpute.specification.variables import MANY, shown
from jmimpute.table.missing import Missing

# A category seen in fewer rows gets a note, and so do random effects with fewer clusters for each, and matrices of clusters
# with fewer rows for each coordinate.
FEW = 5


def notes(specification: Specification, missing: Missing) -> list[str]:
    """What is legal but worth knowing.

    Parameters
    ----------
    specification : Specification
    missing : Missing
        Of the response columns.
    """
    found = []
    layout, level2 = specification.layout, specification.layout.level2
    patterns = specification.patterns
    empty = int(patterns.counts[~patterns.observed.any(axis=1)].sum())
    if empty:
        found.append(f"{empty} row(s) have no observed response; they are imputed and do not inform the parameters.")
    if not missing.cells.any() and not np.isnan(specification.w).any() and not specification.carried:
        found.append("No response has a missing cell: there is nothing to impute.")
    found += _notes_on_responses(layout.variables, specification.categories, specification.y, "row(s)")
    found += _notes_on_responses(level2.variables, specification.categories2, specification.w, "cluster(s)")
    found += [f"{problem}. The result rests on the prior of beta." for problem in unidentified(specification)]
    support = "the prior of beta" if specification.latent_bounds is None else "latent_bounds"
    found += [f"{separation}. The result rests on {support}." for separation in specification.separations]
    return found + _notes_on_matrices_of_clusters(specification) + _notes_on_level_2(specification)


def _notes_on_responses(variables: tuple[Variable, ...], categories: np.ndarray, y: np.ndarray, units: str) -> list[str]:
    found = []
    for variable, codes in zip(variables, categories.T, strict=True):
        if variable.is_latent:
            found += _notes_on_categories(variable, np.bincount(codes + 1, minlength=len(variable.levels) + 1)[1:], units)
        else:
            found += _notes_on_numbers(variable, y[:, variable.first])
    return found


def _notes_on_categories(variable: Variable, counts: np.ndarray, units: str) -> list[str]:
    found = []
    if variable.unused:
        unused = some(map(shown, variable.unused), 20)
        found.append(f"{variable.name}: {unused} never observed, hence not modelled and never imputed.")
    for level, count in zip(variable.levels, counts, strict=True):
        if count < FEW:
            found.append(
                f"{variable.name}: {shown(level)} is observed in {count} {units} only, so that results depend on the priors. "
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


def _notes_on_matrices_of_clusters(specification: Specification) -> list[str]:
    if specification.covariance == RANDOM and specification.n_clusters < 2 * FEW:
        return [
            f"{specification.n_clusters} clusters say little about how much their covariance matrices differ: results depend "
            "on the prior of Omega_e. A comparison with covariance='common' would help."
        ]
    if specification.covariance != CLUSTER_SPECIFIC:
        return []
    rows, p = informative_rows(specification), len(specification.layout.responses)
    short = np.flatnonzero(rows < FEW * p)
    if not short.size:
        return []
    listed = some(f"{specification.clusters.labels[j]} ({rows[j]})" for j in short)
    return [
        f"{len(short)} cluster(s) have fewer than {FEW * p} rows with an observed response, which say little about their "
        f"{p} x {p} matrices: {listed}. What is said of these rests on the prior of Omega_e; covariance='random' lets clusters "
        "borrow from each other."
    ]


def _notes_on_level_2(specification: Specification) -> list[str]:
    n_clusters, layout = specification.n_clusters, specification.layout
    d, p2 = layout.dim_u, len(layout.level2.responses)
    if not d or n_clusters >= FEW * d:
        return []
    whose = f"{layout.n_effects} random effects" + (f", {p2} level-2 response(s)" if p2 else "")
    return [
        f"{n_clusters} clusters say little about {whose} and their correlations: results depend on the prior of Omega_u. Fewer "
        "random slopes, or a comparison of priors, would help."
    ]
