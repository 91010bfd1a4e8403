"""Sections on convergence, and on imputed values beside observed ones."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from jmimpute.errors import some
from jmimpute.mnar.delta import implied_means
from jmimpute.names import DRAW
from jmimpute.report.blocks import Block, Heading, NotDone, Section, Table, Text, Verdict, listed, picture
from jmimpute.report.materials import Materials
from jmimpute.sampling.diagnostics import ESS_PER_CHAIN

WORST, DRAWN = 8, 4
COLUMNS = ("mean", "sd", "ess_bulk", "ess_tail", "r_hat")
CONTINUOUS_IN_A_PICTURE = 6


def convergence(materials: Materials) -> Section:
    """Verdicts on the chains, with the quantities that are worst.

    Parameters
    ----------
    materials : Materials
    """
    made = materials.imputations.provenance
    if materials.fit is not None:
        blocks = [*_of_parameters(materials.fit), *_of_imputed(materials.imputed_diagnostics), *_of_rho(materials.fit)]
    elif "chained" in made:
        blocks = [*_of_streams(materials.imputations.traces)]
    else:
        blocks = [NotDone("Convergence was not judged here: the fit that these imputations come from is not at hand.")]
    return Section("convergence", "Convergence", tuple(blocks))


def _of_parameters(fit: Any) -> Iterator[Block]:
    from jmimpute.plots.trace import trace

    found = fit.diagnostics()
    yield Heading("Parameters")
    yield Verdict(found.ok, found.messages)
    yield _worst("parameters", "parameters", found.table)
    worst = [str(name) for name in found.table.index[:DRAWN]]
    yield picture(
        "trace",
        trace(fit, worst),
        f"Chains of the {len(worst)} parameters with the highest R-hat: densities on the left, draws on the right.",
        f"Trace plots of {listed(worst)}. Highest R-hat {found.table['r_hat'].max():.3f}.",
    )


def _of_imputed(found: Any) -> Iterator[Block]:
    from jmimpute.plots.imputed_trace import imputed_trace

    yield Heading("Imputed quantities")
    if found is None:
        yield NotDone("Not judged: too few draws that can be imputed from, or nothing is missing.")
        return
    if found.draws.sizes[DRAW] < ESS_PER_CHAIN:
        yield NotDone(" ".join(found.messages))
        return
    yield Verdict(found.ok, found.messages)
    yield _worst("imputed_quantities", "summaries of completed data", found.table)
    worst = [str(name) for name in found.table.index[:DRAWN]]
    yield picture(
        "imputed_trace",
        imputed_trace(found, worst),
        f"The {len(worst)} summaries of completed data with the highest R-hat: ranks on the left, values on the right.",
        f"Rank and trace plots of {listed(worst)}. Highest R-hat {found.table['r_hat'].max():.3f}.",
    )


def _of_rho(fit: Any) -> Iterator[Block]:
    """Whether data told rho of selection submodels."""
    from jmimpute.plots.rho import rho
    from jmimpute.plots.select import select

    specification = fit.model.specification
    if not specification.selections:
        return
    found = fit.identification()
    yield Heading("Identification of rho")
    yield Verdict(found.ok, found.messages)
    columns = ["prior", "mean", "sd", "low", "high", "prior_sd", "contraction", "ess", "r_hat"]
    caption = "Posterior of rho beside its prior (95 % interval); contraction: share of the prior variance that is gone."
    yield Table("rho", caption, found.table[columns].reset_index())
    if any(not isinstance(prior, float) for prior in found.priors.values()):
        means = [f"{name} {row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})" for name, row in found.table.iterrows()]
        yield picture(
            "rho", rho(fit), "Posterior and prior of rho.", f"Densities of rho; posterior mean and interval: {listed(means)}."
        )
    for selected in specification.selections:
        if selected.clause.exclude:
            name = selected.variable.name
            yield picture(
                f"selection_{name}",
                select(fit.model, name),
                f"How often {name} is observed, by what is excluded from its equation.",
                f"Shares of rows in which {name} is observed, over {listed(selected.clause.exclude)}.",
            )


def _of_streams(found: Any) -> Iterator[Block]:
    """Of chained equations."""
    from jmimpute.plots.imputed_trace import imputed_trace

    yield Verdict(found.ok, found.messages)
    if found.table.empty:
        return
    yield _worst("streams", "means and standard deviations of imputed cells", found.table)
    worst = [str(name) for name in found.table.index[:DRAWN]]
    yield picture(
        "streams",
        imputed_trace(found, worst),
        f"The {len(worst)} means and standard deviations of imputed cells with the highest R-hat, over sweeps, by stream.",
        f"Rank and trace plots of {listed(worst)}. Highest R-hat {found.table['r_hat'].max():.2f}.",
    )


def _worst(name: str, what: str, table: pd.DataFrame) -> Table:
    columns = [column for column in COLUMNS if column in table]
    shown = table[columns].head(WORST).astype(float).rename_axis("quantity").reset_index()
    return Table(name, f"Highest R-hat, {len(shown)} of {len(table)} {what}.", shown)


def imputed_values(materials: Materials) -> Section:
    """Imputed values beside observed ones: means, densities, clusters.

    Parameters
    ----------
    materials : Materials
    """
    imputations = materials.imputations
    if not imputations.columns:
        return Section("imputed_values", "Imputed and observed values", (NotDone("Nothing was imputed."),))
    parts = [implied_means(imputations, name).assign(variable=name) for name in imputations.columns]
    means = pd.concat(parts, ignore_index=True)
    means.insert(0, "variable", means.pop("variable"))
    several = [name for name in imputations.columns if imputations.levels(name)]
    coded = (
        f" Of {some(several)}: the share of the second of two categories, the mean number, from 1, of more." if several else ""
    )
    blocks: list[Block] = [
        Text(
            "Imputed values need not be distributed as observed ones: what is missing at random may be missing more often "
            "where values are high or low. A difference asks for a reason."
        ),
        Table("means", f"Means of observed and of imputed values, over imputations.{coded}", means),
        *_pictures(imputations),
    ]
    left = [
        str(name)
        for name in imputations.original.columns
        if imputations.original[name].isna().any() and name not in imputations.columns
    ]
    if left:
        blocks.append(NotDone(f"Incomplete and not imputed: {listed(left)}."))
    return Section("imputed_values", "Imputed and observed values", tuple(blocks))


def _pictures(imputations: Any) -> Iterator[Block]:
    from jmimpute.plots.bars import bars
    from jmimpute.plots.clusters import clusters
    from jmimpute.plots.density import density

    graded = [name for name in imputations.columns if imputations.levels(name)]
    continuous = [name for name in imputations.columns if name not in graded]
    for start in range(0, len(continuous), CONTINUOUS_IN_A_PICTURE):
        names = continuous[start : start + CONTINUOUS_IN_A_PICTURE]
        caption = "Densities of observed values and of imputed ones, a line an imputation."
        yield picture(
            f"density_{start}",
            density(imputations, names),
            caption,
            f"Densities of {listed(names)}: {_means(imputations, names)}.",
        )
    if graded:
        caption = "Shares of categories among observed and imputed cells; lines hold 90 % of the imputations."
        yield picture(
            "bars",
            bars(imputations, graded),
            caption,
            f"Bars of the categories of {listed(graded)}: {_means(imputations, graded)}.",
        )
    for name in imputations.columns if imputations.cluster is not None else ():
        caption = f"{name} by cluster: observed and imputed values; clusters without an observed one are shaded."
        yield picture(
            f"clusters_{name}", clusters(imputations, name), caption, f"Observed and imputed values of {name} in each cluster."
        )


def _means(imputations: Any, names: list[str]) -> str:
    """Means in words, for who cannot see a picture."""
    rows = {name: implied_means(imputations, name).iloc[0] for name in names}
    return "; ".join(
        f"{name} has mean {row['mean_observed']:.4g} observed and {row['mean_missing']:.4g} imputed"
        for name, row in rows.items()
    )
