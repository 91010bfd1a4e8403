"""Simulation-based calibration with categorical responses: parameters, cut points, latents and missing cells.

As in `test_sbc`. A data set in which a category is never observed is drawn again: it is refused on account of what is observed,
given which the posterior is what it was. Ranks of categories, which repeat, are drawn evenly among those that are equal.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute import names
from jmimpute.graph.constrained import rows_of
from jmimpute.graph.constrained_draws import draw_inverse_wishart, draw_lkj
from jmimpute.imputation.impute import impute, missing_rows
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.schedule import schedule
from jmimpute.sampling.elements import elements
from jmimpute.sampling.sample import COMPILED, LATENTS, POSTERIOR, sample
from jmimpute.sampling.threads import Settings
from tests.calibration.ranks import N_RANKED, assert_uniform
from tests.problems import statistics, unscaled

N_SETS = 220
CLUSTERS, ROWS = 8, 56
SETTINGS = Settings(draws=33, tune=200, chains=3, cores=1, thin=16, progressbar=False, target_accept=0.9)
LKJ = {"Omega_e": jm.priors.lkj(2.0, 1.0), "Omega_u": jm.priors.lkj(2.0, 0.7)}
WISHART = {"Omega_e": jm.priors.inverse_wishart(9.0, 5.0), "Omega_u": jm.priors.inverse_wishart(12.0, 4.0)}
SCALES = {"beta": jm.priors.normal(0.7), "cutpoints": jm.priors.normal(1.0)}
MODELS = {
    "binary": ("b2 + y1 ~ x + (1 | g)", LKJ),
    "nominal with 3 categories": ("n3 + y1 ~ x + (1 | g)", LKJ),
    "nominal with 4 categories, inverse-Wishart": ("y1 + n4 ~ 1 + (1 | g)", WISHART),
    "ordinal, slopes and own covariates": (["y1 ~ x + (1 | g)", "o4 ~ x + (1 + x | g)"], WISHART),
    "two categorical, two continuous": ("y1 + n3 + o4 + y2 ~ x + (1 | g)", LKJ),
    "single level": ("b2 + o4 + y1 ~ x", LKJ),
}
KINDS = {"b": "binary", "n": "nominal", "o": "ordinal"}


def draw_covariance(prior, layout, rng):
    """Omega_e given its known elements, in the order of the layout."""
    rows, p = rows_of(layout), len(layout.responses)
    blocks = [0.5 * (np.eye(width) + 1) for _, width in rows.blocks]
    if isinstance(prior, jm.priors.InverseWishart):
        return draw_inverse_wishart(prior.degrees(p), prior.scale_matrix(p), blocks[0], rng)[rows.place]
    return draw_lkj(prior.eta, prior.sd, p, blocks, rng)[rows.place]


def draw_effects_covariance(prior, d, rng):
    """Omega_u, of which nothing is known."""
    if isinstance(prior, jm.priors.InverseWishart):
        return draw_inverse_wishart(prior.degrees(d), prior.scale_matrix(d), np.empty((0, 0)), rng)
    return draw_lkj(prior.eta, prior.sd, d, [], rng)


def empty_model(formulas, priors, rng):
    """A model on a table of the right columns, and the table: it is filled later."""
    text = " ".join([formulas] if isinstance(formulas, str) else formulas)
    columns = [name for name in ("y1", "y2", "b2", "n3", "n4", "o4") if name in text]
    g = np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS)
    table = pd.DataFrame({"g": g, "x": rng.normal(size=ROWS)})
    for name in columns:
        table[name] = rng.normal(size=ROWS) if name[0] == "y" else np.arange(ROWS, dtype=float) % int(name[1])
    families = {name: KINDS[name[0]] for name in columns if name[0] in KINDS}
    return jm.JointModel(formulas, table, families=families, priors={**SCALES, **priors}), table, families


def simulate(formulas, priors, rng):
    """A table with missing cells, its complete responses and latents, and the parameters that made it."""
    model, table, families = empty_model(formulas, priors, rng)
    layout, known = model.specification.layout, model.specification.priors
    d = layout.n_effects
    beta = np.where(layout.beta_mask, known.beta.sd * rng.standard_normal(layout.beta_mask.shape), 0.0)
    omega_e, omega_u = draw_covariance(known.Omega_e, layout, rng), draw_effects_covariance(known.Omega_u, d, rng)
    design = np.column_stack([np.ones(ROWS), table["x"]])[:, : len(beta)]
    y = design @ beta + rng.multivariate_normal(np.zeros(len(omega_e)), omega_e, size=ROWS)
    u = rng.standard_normal((CLUSTERS, d)) @ np.linalg.cholesky(omega_u).T
    for e in range(d):
        y[:, layout.effect_response[e]] += design[:, layout.effect_column[e]] * u[table["g"], e]
    truth = {names.BETA: beta.T, names.OMEGA_E: omega_e, names.OMEGA_U: omega_u}
    cells = {}
    for variable in layout.variables:
        own = y[:, variable.first : variable.first + variable.width]
        cuts = np.cumsum(known.cutpoints.sd * np.abs(rng.standard_normal(variable.n_cutpoints)))
        if variable.n_cutpoints:
            truth[names.cutpoints_label(variable.name)] = cuts
        cells[variable.name] = variable.categories(own, cuts) if variable.is_latent else own[:, 0]
    absent = np.random.default_rng(0).random((ROWS, len(cells))) < 0.2
    absent[table["g"] == 2, -1] = True  # systematically missing
    absent[5] = True
    for k, (name, values) in enumerate(cells.items()):
        table[name] = np.where(absent[:, k], np.nan, values)
    return SimpleNamespace(table=table, families=families, y=y, cells=cells, truth=truth)


def observed(formulas, priors, rng):
    """Simulated data in which every category is observed."""
    while True:
        data = simulate(formulas, priors, rng)
        if all(data.table[name].nunique() == int(name[1]) for name in data.families):
            return data


def rank(draws, value, rng):
    """Rank of a value among draws; evenly among those equal to it."""
    return int(np.sum(draws < value)) + int(rng.integers(0, np.sum(draws == value) + 1))


def ranks(formulas, priors, rng):
    """Rank of every parameter, of some latents and of some missing cells (and their means) among their draws."""
    data = observed(formulas, priors, rng)
    model = jm.JointModel(formulas, data.table, families=data.families, priors={**SCALES, **priors})
    specification = unscaled(model.specification)
    stats = statistics(specification)
    pairs = schedule(N_RANKED, SETTINGS.chains, SETTINGS.draws)
    seed = int(rng.integers(2**32))
    groups = sample(specification, stats, SETTINGS, COMPILED, seed, pairs)
    posterior, latents = groups[POSTERIOR], KeptLatents.of(groups[LATENTS])
    used = tuple(name for name in data.truth if name in posterior)
    truth = posterior.isel(chain=[0], draw=[0]).copy(deep=True)
    for name in used:
        truth[name].values[:] = data.truth[name]
    known = dict(elements(truth, used))
    found = {label: rank(draws.ravel(), known[label].item(), rng) for label, draws in elements(posterior, used)}
    for k in np.linspace(0, len(latents.row) - 1, 4).astype(int):
        value = data.y[latents.row[k], latents.response[k]]
        found[f"latent {k}"] = rank(latents.values[:, k], value, rng)
    seeds = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(N_RANKED)
    cells = impute(posterior, specification, stats, latents.first(N_RANKED), seeds, latents)
    for name, rows in missing_rows(specification).items():
        actual = data.cells[name][rows]
        for pick, k in {"first": 0, "last": len(rows) - 1, "no response": int(np.flatnonzero(rows == 5)[0])}.items():
            found[f"{name} {pick}"] = rank(cells[name][:, k], actual[k], rng)
        found[f"{name} mean"] = rank(cells[name].mean(axis=1), actual.mean(), rng)
        found[f"{name} lowest"] = rank(np.mean(cells[name] <= 0, axis=1), np.mean(actual <= 0), rng)
        found[f"{name} spread"] = rank(cells[name].std(axis=1), actual.std(), rng)
    return found


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.parametrize("name", list(MODELS))
def test_ranks_are_uniform(name):
    rng = np.random.default_rng(21)
    assert_uniform(pd.DataFrame([ranks(*MODELS[name], rng) for _ in range(N_SETS)]))
