"""Simulation-based calibration of the structured sampler: hierarchical covariances, level-2 responses, imputation.

As in `test_sbc_categories`. Parameters are drawn from their prior by `tests.sampling.structured.turns`, which shares no code
with the sampler.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute import names
from jmimpute.imputation.impute import impute, missing_rows
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.schedule import schedule
from jmimpute.sampling.elements import elements
from jmimpute.sampling.sample import COMPILED, LATENTS, POSTERIOR, sample
from jmimpute.sampling.threads import Settings
from jmimpute.specification.covariances import COMMON, RANDOM
from tests.calibration.ranks import N_RANKED, assert_uniform
from tests.problems import statistics
from tests.sampling.structured.turns import prior_draws, unscaled

N_SETS = 200
CLUSTERS, ROWS = 10, 50
SETTINGS = Settings(draws=33, tune=250, chains=3, cores=1, thin=24, progressbar=False)
PRIORS = {
    "beta": jm.priors.normal(0.7),
    "cutpoints": jm.priors.normal(1.0),
    "Omega_u": jm.priors.inverse_wishart(9.0, 4.0),
}
HIERARCHY = PRIORS | {"Omega_e": jm.priors.hierarchical(14.0, 7.0)}
# Formulas of rows and of clusters, columns of each, covariance, priors.
MODELS = {
    "random, nominal": ("n3 + y1 ~ 1 + (1 | g)", None, RANDOM, HIERARCHY),
    "random, continuous": ("y1 + y2 ~ x + (1 | g)", None, RANDOM, HIERARCHY),
    "level 2": ("y1 ~ x + (1 | g)", "w1 + v2 ~ 1", COMMON, PRIORS | {"Omega_e": jm.priors.lkj(2.0, 1.0)}),
}
KINDS = {"n3": "nominal", "v2": "binary"}
SHOWN = (0, 2, 9)  # clusters whose Omega_e is looked at; the last response of cluster 2 is missing everywhere


def columns_of(formula):
    """Responses of a formula."""
    return [] if formula is None else formula.split(" ~ ")[0].split(" + ")


def make_model(formula, level2, covariance, priors, table):
    """A model of a table."""
    families = {name: KINDS[name] for name in [*columns_of(formula), *columns_of(level2)] if name in KINDS}
    return jm.JointModel(formula, table, families=families, level2=level2, covariance=covariance, priors=priors)


def simulate(formula, level2, covariance, priors, rng):
    """A table with missing cells, its complete responses, and the parameters that made it."""
    g = np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS)
    table = pd.DataFrame({"g": g, "x": rng.normal(size=ROWS)})
    for name in columns_of(formula):
        table[name] = np.arange(ROWS, dtype=float) % 3 if name in KINDS else rng.normal(size=ROWS)
    for name in columns_of(level2):
        table[name] = (np.arange(CLUSTERS, dtype=float) % 2 if name in KINDS else rng.normal(size=CLUSTERS))[g]
    spec = unscaled(make_model(formula, level2, covariance, priors, table).specification)
    layout, n = spec.layout, spec.layout.n_effects
    drawn = {name: values[0] for name, values in prior_draws(spec, rng, 1).items()}
    roots = np.linalg.cholesky(drawn["omega"])[g if covariance == RANDOM else np.zeros_like(g)]
    design = np.column_stack([np.ones(ROWS), table["x"]])[:, : len(drawn["beta"])]
    y = design @ drawn["beta"] + (roots @ rng.standard_normal((ROWS, len(layout.responses), 1)))[..., 0]
    for e in range(n):
        y[:, layout.effect_response[e]] += design[:, layout.effect_column[e]] * drawn["u"][e, g]
    w = (drawn["u"][n:].T + drawn["beta2"].sum(axis=0))[g]
    cells = {}
    for variables, values in ((layout.variables, y), (layout.level2.variables, w)):
        for variable in variables:
            own = values[:, variable.first : variable.first + variable.width]
            cells[variable.name] = variable.categories(own, np.empty(0)) if variable.is_latent else own[:, 0]
    fixed = np.random.default_rng(0)
    for name in columns_of(formula):
        absent = fixed.random(ROWS) < 0.2
        absent[5] = True
        absent |= (g == 2) & (name == columns_of(formula)[-1])  # systematically missing
        table[name] = np.where(absent, np.nan, cells[name])
    for name in columns_of(level2):
        table[name] = np.where(np.isin(g, (2, 7) if name in KINDS else (3, 7)), np.nan, cells[name])
    return SimpleNamespace(table=table, cells=cells, truth=named(drawn, covariance))


def named(drawn, covariance):
    """Parameters by their names in a posterior."""
    truth = {names.BETA: drawn["beta"].T, names.OMEGA_U: drawn["omega_u"]}
    truth[names.OMEGA_E] = drawn["omega"] if covariance == RANDOM else drawn["omega"][0]
    if drawn["beta2"].size:
        truth[names.BETA_LEVEL2] = drawn["beta2"].T
    if "a" in drawn:
        truth |= {names.HYPER_DF: drawn["a"][0], names.HYPER_SCALE: drawn["scale"]}
    return truth


def observed(model, rng):
    """Simulated data in which every category is observed; other data are refused on account of what is observed."""
    while True:
        data = simulate(*model, rng)
        if all(data.table[name].nunique() == int(name[1]) for name in KINDS if name in data.table):
            return data


def rank(draws, value, rng):
    """Rank of a value among draws; evenly among those equal to it."""
    return int(np.sum(draws < value)) + int(rng.integers(0, np.sum(draws == value) + 1))


def ranks(model, rng):
    """Rank of every parameter, and of some missing cells and functions of them, among their draws."""
    data = observed(model, rng)
    specification = unscaled(make_model(*model, data.table).specification)
    stats = statistics(specification)
    pairs = schedule(N_RANKED, SETTINGS.chains, SETTINGS.draws)
    seed = int(rng.integers(2**32))
    keep = pairs if specification.has_latents else []
    groups = sample(specification, stats, SETTINGS, COMPILED, seed, keep)
    posterior = groups[POSTERIOR]
    if names.CLUSTER in posterior.dims:
        shown, truth_e = posterior.sel({names.CLUSTER: list(SHOWN)}), data.truth[names.OMEGA_E][list(SHOWN)]
    else:
        shown, truth_e = posterior, data.truth[names.OMEGA_E]
    truth = shown.isel(chain=[0], draw=[0]).copy(deep=True)
    for name, value in data.truth.items():
        truth[name].values[:] = truth_e if name == names.OMEGA_E else value
    known = dict(elements(truth, tuple(data.truth)))
    found = {label: rank(draws.ravel(), known[label].item(), rng) for label, draws in elements(shown, tuple(data.truth))}
    latents = KeptLatents.of(groups[LATENTS]) if LATENTS in groups else None
    seeds = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(N_RANKED)
    cells = impute(posterior, specification, stats, latents.first(N_RANKED) if latents else pairs, seeds, latents)
    for name, rows in missing_rows(specification).items():
        actual = data.cells[name][rows]
        for pick in (0, len(rows) // 2, -1):
            found[f"{name} {pick}"] = rank(cells[name][:, pick], actual[pick], rng)
        found[f"{name} mean"] = rank(cells[name].mean(axis=1), actual.mean(), rng)
        found[f"{name} lowest"] = rank(np.mean(cells[name] <= 0, axis=1), np.mean(actual <= 0), rng)
        own = data.table["g"].to_numpy()[rows] == 2
        if own.any():
            found[f"{name} cluster"] = rank(cells[name][:, own].mean(axis=1), actual[own].mean(), rng)
            found[f"{name} cluster spread"] = rank(cells[name][:, own].std(axis=1), actual[own].std(), rng)
    return found


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.parametrize("name", list(MODELS))
def test_ranks_are_uniform(name):
    rng = np.random.default_rng(31)
    assert_uniform(pd.DataFrame([ranks(MODELS[name], rng) for _ in range(N_SETS)]))
