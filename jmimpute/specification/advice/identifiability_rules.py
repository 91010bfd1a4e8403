"""Rules about selection submodels: what keeps data from telling rho, each with what to do."""

from collections.abc import Iterator

import numpy as np

from jmimpute.errors import some
from jmimpute.specification.advice.findings import ERROR, NOTE, WARNING, Finding
from jmimpute.specification.advice.relevance import Relevance, rows_of
from jmimpute.specification.selected import Crossed, Selected, is_about
from jmimpute.specification.selection_checks import crossed_column
from jmimpute.specification.specify import Specification

#: From where on data say something of rho: the standard deviation that exclusion terms add to the probit of being observed and
#: its p value, R^2 of the inverse Mills ratio on covariates, and groups that a term distinguishes.
LEAST_SD, MOST_P, MOST_R2, FEWEST_GROUPS = 0.2, 0.05, 0.95, 20
#: Share of the labels of a crossed factor that occur in one cluster only, from which it is all but nested in clusters.
NESTED = 0.5


def nothing_excluded(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """There is an exclusion restriction."""
    name = selected.variable.name
    if not selected.clause.exclude:
        yield Finding(
            *(WARNING, "exclusion", name),
            "nothing is excluded from its equation, so that rho is identified by the normal distribution alone.",
            f"Name a variable that acts on whether {name} is observed and not on its value.",
        )


def irrelevant(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """The exclusion restriction moves being observed, whatever its p value: that grows with the number of rows."""
    name, terms = selected.variable.name, some(selected.clause.exclude)
    if not selected.clause.exclude:
        return
    if found.sd < LEAST_SD:
        yield Finding(
            *(WARNING, "relevance", terms),
            f"it moves whether {name} is observed by a standard deviation of {found.sd:.2g} on the probit scale, less than "
            f"{LEAST_SD:g}, however small its p value: the posterior of rho will mostly repeat its prior.",
            "Look for what acts more on whether it is observed.",
        )
    elif found.terms["p_value"].min() > MOST_P:
        yield Finding(
            *(WARNING, "relevance", terms),
            f"these data do not show that it acts on whether {name} is observed (p {found.terms['p_value'].min():.2g}).",
            "Look for what acts more on whether it is observed, or for more rows.",
        )


def collinear(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """The inverse Mills ratio is no linear combination of the covariates of the variable."""
    if selected.clause.exclude and found.mills_r2 > MOST_R2:
        yield Finding(
            *(WARNING, "collinear", selected.variable.name),
            f"its covariates explain {100 * found.mills_r2:.1f} % of the variance of the inverse Mills ratio among observed "
            "rows, so that a change of rho looks like one of coefficients.",
            "Look for an exclusion restriction that is less related to these covariates.",
        )


def leaks(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """What is excluded reaches the variable by no other response."""
    name = selected.variable.name
    for term in selected.clause.exclude:
        column = crossed_column(term) or term
        others = [f for f in specification.formulas_of_outcomes if name not in f.responses]
        responses = [response for formula in others for response in formula.responses if column in formula.columns]
        if responses:
            yield Finding(
                *(WARNING, "leak", term),
                f"it is a covariate of {some(responses)}, and so informs {name} by way of the covariance of the two: what "
                "predicts being observed and not the value makes the bias larger, not smaller.",
                "Take it out there too, unless the analysis is about it.",
            )
        if column in [variable.name for variable in specification.outcomes]:
            yield Finding(
                *(ERROR, "leak", term),
                f"it is a response too, whose covariance with {name} undoes the exclusion.",
                "Take it out of the responses.",
            )


def between_groups(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """What is excluded distinguishes more than a few groups of rows."""
    excluded = [crossed_column(term) for term in selected.clause.exclude]
    for crossed in selected.crossed:
        if crossed.column in excluded and len(crossed.labels) < FEWEST_GROUPS:
            yield Finding(
                *(WARNING, "groups", crossed.column),
                f"it has {len(crossed.labels)} labels only: rho is learnt from as many numbers.",
                f"Have at least {FEWEST_GROUPS}.",
            )
    if not specification.n_clusters:
        return
    for term in selected.clause.exclude:
        names = enumerate(specification.layout.covariates)
        columns = [k for k, name in names if name in selected.excluded and is_about(name, term)]
        if columns and _is_constant(specification, selected, columns):
            few = specification.n_clusters < FEWEST_GROUPS
            yield Finding(
                *(WARNING if few else NOTE, "groups", term),
                f"it is the same in all rows of a cluster, so that rho is learnt from {specification.n_clusters} clusters, "
                "between which random effects differ as well.",
                "Look for what varies within clusters." if few else "What varies within clusters would tell more.",
            )


def nested(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """Crossed factors are not nested in clusters, or else clusters have random effects of their own."""
    if not specification.n_clusters:
        return
    layout = specification.layout
    has_clusters = (layout.effect_response == selected.indicator.first).any()
    for crossed in selected.crossed:
        alone = _labels_of_one_cluster(specification, selected, crossed)
        if alone > NESTED * len(crossed.labels):
            cluster = specification.clusters.name
            yield Finding(
                *(NOTE if has_clusters else WARNING, "nested", crossed.column),
                f"{alone} of its {len(crossed.labels)} labels occur in one {cluster} only.",
                f"Keep (1 | {cluster}) in both formulas, so that differences between clusters are not taken for its own."
                if has_clusters
                else f"Add (1 | {cluster}) to the selection formula: differences between clusters are taken for its own.",
            )


def absent(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """Clusters that lack the variable say nothing of its selection."""
    if not specification.n_clusters:
        return
    rows, _ = rows_of(specification, selected)
    missing = np.setdiff1d(np.arange(specification.n_clusters), specification.clusters.codes[rows])
    if missing.size:
        labels = [specification.clusters.labels[k] for k in missing]
        yield Finding(
            *(NOTE, "clusters", selected.variable.name),
            f"{len(labels)} cluster(s) lack it altogether: {some(labels, 20)}. They are taken to be missing by design and say "
            "nothing of its selection.",
            "Adjust their imputed values by jm.shift(..., where='systematic') if it was not by design.",
        )


def untestable(specification: Specification, selected: Selected, found: Relevance) -> Iterator[Finding]:
    """The exclusion itself is an assumption."""
    name, terms = selected.variable.name, selected.clause.exclude
    if terms:
        yield Finding(
            *(NOTE, "assumption", some(terms)),
            f"that it does not act on the value of {name} cannot be tested: a regression of {name} on it among observed rows "
            "is itself subject to the selection, and right only if rho is 0.",
            f'jm.assumptions(model, "{name}", ...) gives up each in turn: compare rho.'
            if len(terms) > 1
            else "It rests on the rationale: show a grid of fixed rho beside the results.",
        )


def _is_constant(specification: Specification, selected: Selected, columns: list[int]) -> bool:
    """Whether columns of X are the same in all rows of a cluster."""
    rows, _ = rows_of(specification, selected)
    codes, x = specification.clusters.codes[rows], specification.x[np.ix_(rows, columns)]
    first = np.zeros((specification.n_clusters, len(columns)))
    first[codes[::-1]] = x[::-1]
    return bool(np.allclose(x, first[codes], rtol=0, atol=1e-9))


def _labels_of_one_cluster(specification: Specification, selected: Selected, crossed: Crossed) -> int:
    rows, _ = rows_of(specification, selected)
    pairs = np.unique(np.column_stack([crossed.codes[rows], specification.clusters.codes[rows]]), axis=0)
    return int((np.bincount(pairs[:, 0]) == 1).sum())
