"""Data and unknowns in turn for the structured sampler; see `tests.sampling.joint`.

A round simulates responses of rows, and then those of clusters, given parameters and random effects, and iterates the sampler
twice: the second time from what the first one left, so that an array that it forgot to bring up to date is noticed. Draws of
the prior that results are compared with are made directly: they share no code with the sampler. At most one response of each
level is ordinal.
"""

from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
from scipy.stats import norm

import jmimpute as jm
from jmimpute.graph.constrained_draws import draw_inverse_wishart, draw_lkj
from jmimpute.sampling.structured.arrays import build
from jmimpute.sampling.structured.chains import Cells, Chain
from jmimpute.sampling.structured.start import refresh
from jmimpute.sampling.threads import Settings
from jmimpute.specification.specify import COMMON
from tests import problems

N_PRIOR = 40_000
FALSE_ALARM = 1e-4  # for a model
LEVELS = {"binary": 2, "nominal": 3, "ordinal": 4}
#: Families of responses, of which those of clusters are in capitals; the others are continuous.
FAMILIES = {"b": "binary", "n": "nominal", "o": "ordinal"}
SETTINGS = Settings(draws=1, tune=1500, chains=1, cores=1, thin=2, progressbar=False)
MOVING = ("omega", "beta2", "cutpoints2", "a", "scale", "unscaling", "log_sd")
MOVING_ROWS = ("beta", "omega_u", "u", "cutpoints")


def unscaled(spec):
    """As `tests.problems.unscaled`, with level-2 responses."""
    scaling, level2 = spec.scaling, spec.layout.level2
    p2, q2 = len(level2.responses), len(level2.covariates)
    plain = problems.unscaled(spec)
    identity = replace(
        plain.scaling,
        u_transform=np.eye(spec.layout.dim_u),
        center2=np.zeros(p2),
        scale2=np.ones(p2),
        x2_transform=np.eye(q2),
        intercept2=scaling.intercept2,
    )
    return replace(
        plain,
        scaling=identity,
        w=spec.w * scaling.scale2 + scaling.center2,
        x2=spec.x2 @ np.linalg.inv(scaling.x2_transform) if q2 else spec.x2,
    )


def specification(formula, level2, covariance, prior_e, prior_u, n_rows, n_clusters, absent_first=""):
    """Everything but the values of responses, with priors that are proper and not flat where the data are weak."""
    rng = np.random.default_rng(1)
    rows, clusters = np.arange(n_rows), np.arange(n_clusters)
    code = rows % n_clusters
    names, names2 = _responses([formula]), _responses(level2)
    frame = pd.DataFrame({name: _column(name, rows, rng) for name in names}, dtype=float)
    absent = rng.random(frame.shape) < 0.2
    absent[5] = True
    absent |= np.array([name in absent_first for name in names]) & (code == 0)[:, None]
    frame = frame.mask(absent).assign(x=rng.normal(size=n_rows), g=code, X=rng.normal(size=n_clusters)[code])
    for place, name in enumerate(names2):
        values = _column(name, clusters, rng)
        values[[place, -1]] = np.nan
        frame[name] = values[code]
    kinds = {name: FAMILIES[name.lower()] for name in [*names, *names2] if name.lower() in FAMILIES}
    families = {name: jm.families.Family(kind, tuple(map(float, range(LEVELS[kind])))) for name, kind in kinds.items()}
    priors = {"beta": jm.priors.normal(0.8), "cutpoints": jm.priors.normal(0.7), "Omega_e": prior_e, "Omega_u": prior_u}
    model = jm.JointModel(formula, frame, families=families, level2=level2, covariance=covariance, priors=priors)
    return unscaled(model.specification)


def _responses(formulas):
    return [name for formula in formulas for name in formula.split(" ~ ")[0].split(" + ")]


def _column(name, index, rng):
    family = FAMILIES.get(name.lower())
    return (index % LEVELS[family]).astype(float) if family else rng.normal(size=len(index))


def replace_data(spec, model, state, rng):
    """All responses anew, given parameters and random effects."""
    _replace_rows(spec, model, state, rng)
    if spec.layout.level2.variables:
        _replace_clusters(spec, model, state, rng)
    refresh(model, state)


def _replace_rows(spec, model, state, rng):
    layout, rows = spec.layout, model.problem.rows
    u, code = state.rows.u, spec.clusters.codes
    roots = np.linalg.cholesky(state.omega)[code if len(state.omega) > 1 else np.zeros_like(code)]
    y = spec.x @ state.rows.beta + (roots @ rng.standard_normal((*spec.y.shape, 1)))[..., 0]
    for e in range(layout.n_effects):
        y[:, layout.effect_response[e]] += spec.z[:, layout.effect_column[e]] * u[e, code]
    slots = _slots(layout.variables, y, spec.categories, state.rows.cutpoints)
    rows.slot[:] = slots[:, rows.position]
    state.rows.y[:] = np.where(np.isnan(spec.y), 0.0, y)[rows.position].T


def _replace_clusters(spec, model, state, rng):
    n, omega = spec.layout.n_effects, state.rows.omega_u
    slopes = np.linalg.solve(omega[:n, :n], omega[:n, n:])
    root = np.linalg.cholesky(omega[n:, n:] - omega[n:, :n] @ slopes)
    v = state.rows.u[:n].T @ slopes + rng.standard_normal(state.w.shape) @ root.T
    state.w[:] = spec.x2 @ state.beta2 + v
    model.level2.slot[:] = _slots(spec.layout.level2.variables, state.w, spec.categories2, state.cutpoints2)


def _slots(variables, values, categories, cutpoints):
    """Slots of categorical responses, -1 where missing; shape (V, n)."""
    slots, first = [], 0
    for v, variable in enumerate(variables):
        if variable.is_latent:
            own = values[:, variable.first : variable.first + variable.width]
            cuts = cutpoints[first : first + variable.n_cutpoints]
            first += variable.n_cutpoints
            slots.append(np.where(categories[:, v] < 0, -1, variable.slots[variable.categories(own, cuts)]))
    return np.array(slots, dtype=np.int64).reshape(-1, len(values))


def take_turns(spec, n_rounds, rng):
    """Parameters and random effects after each round, by name."""
    model = build(spec)
    chain = Chain(model, spec, SETTINGS, rng)
    none = np.zeros(0, dtype=np.int64)
    chain.allocate(Cells(none, none, none, none), [], warm=True)
    progress, stop = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
    chain(progress, stop)
    state = chain.state
    chain.tuning.latents.n_adapted[:] = 0
    where = {name: getattr(state, name) for name in MOVING} | {name: getattr(state.rows, name) for name in MOVING_ROWS}
    kept = {name: np.empty((n_rounds, *array.shape)) for name, array in where.items()}
    for i in range(-3000, n_rounds):
        replace_data(spec, model, state, rng)
        chain.iterate(1, i < 0, False, progress, stop)
        if i >= 0:
            for name, array in where.items():
                kept[name][i] = array
    return kept


def wishart(df, scale, rng):
    """Draw Wishart matrices, one for each df and scale of shapes (n,) and (n, p, p)."""
    n, p = scale.shape[:2]
    root = np.tril(rng.standard_normal((n, p, p)), -1)
    root[:, range(p), range(p)] = np.sqrt(rng.chisquare(np.broadcast_to(df, n)[:, None] - np.arange(p)))
    root = np.linalg.cholesky(scale) @ root
    return root @ np.swapaxes(root, 1, 2)


def prior_draws(spec, rng, n=N_PRIOR):
    """Draws from the prior, by name as in `take_turns`."""
    layout, priors = spec.layout, spec.priors
    sd, d = priors.beta.sd, layout.dim_u
    found = {"beta": sd * rng.standard_normal((n, *layout.beta_mask.shape)) * layout.beta_mask}
    for name, level in {"cutpoints": layout, "cutpoints2": layout.level2}.items():
        steps = rng.standard_normal((n, sum(variable.n_cutpoints for variable in level.variables)))
        found[name] = np.cumsum(priors.cutpoints.sd * np.abs(steps), axis=1)
    mask = layout.level2.beta_mask
    found["beta2"] = sd * rng.standard_normal((n, *mask.shape)) * mask
    found["omega_u"] = np.zeros((n, d, d))
    for block in np.unique(layout.blocks):
        own = np.flatnonzero(layout.blocks == block)
        widths = [v.width for v in layout.level2.variables if v.is_latent and layout.n_effects + v.first in own]
        found["omega_u"][:, own[:, None], own] = _covariances(priors.Omega_u, layout.latent_u[own], widths, own, rng, n)
    psi = np.linalg.cholesky(found["omega_u"]) @ rng.standard_normal((n, d, spec.n_clusters))
    return found | {"u": psi} | _level_1_draws(spec, rng, n)


def _covariances(prior, latent, widths, own, rng, n):
    """Covariance matrices with known blocks of latents of some widths, one after the other; coordinates `own` of the prior."""
    order = np.concatenate([np.flatnonzero(latent), np.flatnonzero(~latent)])
    back = np.ix_(np.argsort(order), np.argsort(order))
    blocks = [0.5 * (np.eye(width) + 1.0) for width in widths]
    if isinstance(prior, jm.priors.LKJ):
        return np.array([draw_lkj(prior.eta, prior.sd, len(order), blocks, rng)[back] for _ in range(n)])
    whole = prior.scale_matrix(int(own.max()) + 1 if np.isscalar(prior.scale) else len(prior.scale))
    scale = whole[np.ix_(own[order], own[order])]
    known = blocks[0] if blocks else np.empty((0, 0))
    return np.array([draw_inverse_wishart(prior.degrees(len(order)), scale, known, rng)[back] for _ in range(n)])


def _level_1_draws(spec, rng, n):
    """Omega_e, and what its prior has of its own."""
    layout, prior = spec.layout, spec.priors.Omega_e
    p, latent = len(layout.responses), layout.latent
    widths = [variable.width for variable in layout.variables if variable.is_latent]
    if isinstance(prior, jm.priors.HierarchicalInverseWishart):
        return _hierarchy(layout, prior, p, spec.n_clusters, rng, n)
    if isinstance(prior, jm.priors.LogSd):
        return _log_sds(prior, latent, widths, spec.n_clusters, rng, n)
    n_omega = 1 if spec.covariance == COMMON else spec.n_clusters
    drawn = _covariances(prior, latent, widths, np.arange(p), rng, n * n_omega)
    return {"omega": drawn.reshape(n, n_omega, p, p)}


def _hierarchy(layout, prior, p, n_clusters, rng, n):
    """a, A, T_j and Omega_e,j = M_j^-1 T_j M_j^-T with M_j the product of Cholesky factors of its blocks of latents."""
    many = rng.chisquare(prior.eta_for(p), 20 * n)
    a = many[many >= p][:n]
    assert len(a) == n
    df = prior.df_for(p)
    scale = np.tile(prior.scale_matrix(p), (n, 1, 1)) * ((a / df)[:, None, None] if prior.relative else 1.0)
    whole = wishart(df, scale, rng)
    unscaling, omega = np.tile(np.eye(p), (2, n, n_clusters, 1, 1))
    for j in range(n_clusters):
        t = np.linalg.inv(wishart(a, np.linalg.inv(whole), rng))
        for variable in layout.variables:
            if variable.is_latent:
                own = slice(variable.first, variable.first + variable.width)
                known = np.linalg.cholesky(0.5 * (np.eye(variable.width) + 1.0))
                unscaling[:, j, own, own] = known @ np.linalg.inv(np.linalg.cholesky(t[:, own, own]))
        omega[:, j] = unscaling[:, j] @ t @ np.swapaxes(unscaling[:, j], 1, 2)
    return {"omega": omega, "a": a[:, None], "scale": whole, "unscaling": unscaling}


def _log_sds(prior, latent, widths, n_clusters, rng, n):
    """Log standard deviations of continuous responses around means of their own, and correlations in common."""
    p = len(latent)
    correlation = _covariances(jm.priors.lkj(prior.eta, 1.0), latent, widths, np.arange(p), rng, n)
    size = np.sqrt(np.diagonal(correlation, axis1=1, axis2=2))
    correlation /= size[:, :, None] * size[:, None, :]
    mean, spread = rng.standard_normal((n, p)), prior.spread * np.abs(rng.standard_normal((n, p)))
    sds = np.exp(mean[:, None] + spread[:, None] * rng.standard_normal((n, n_clusters, p)))
    sds[..., latent] = 1.0
    log_sd = np.stack([mean, spread], axis=1)
    log_sd[..., latent] = 1.0  # unused
    return {"omega": correlation[:, None] * sds[..., None] * sds[..., None, :], "log_sd": log_sd}


def quantities(spec, values):
    """Parameters and random effects on a scale on which their prior has light tails, and their squares, by label."""
    layout, found = spec.layout, {}
    _add(found, "beta", values["beta"][:, layout.beta_mask])
    _add(found, "beta2", values["beta2"][:, layout.level2.beta_mask])
    for name in ("cutpoints", "cutpoints2"):
        _add(found, name, np.log(np.diff(values[name], axis=1, prepend=0.0)))
    _add(found, "psi", np.log(np.mean(values["u"] ** 2, axis=2)))
    _add(found, "Omega_u", _sds_correlations(values["omega_u"]))
    by_cluster = _sds_correlations(values["omega"])
    _add(found, "Omega_e", by_cluster.mean(axis=1))
    if by_cluster.shape[1] > 1:
        _add(found, "Omega_e first", by_cluster[:, 0])
        _add(found, "Omega_e spread", by_cluster.std(axis=1))
    if "a" in values:
        _add(found, "a", np.log(values["a"]))
        _add(found, "A", _sds_correlations(values["scale"]))
        latent = np.diagonal(values["unscaling"], axis1=2, axis2=3)[..., layout.latent]
        _add(found, "unscaling", np.log(latent).mean(axis=1))
        a, b = np.tril_indices(len(layout.responses), -1)
        _add(found, "unscaling below", values["unscaling"][:, :, a, b].mean(axis=1))
    if "log_sd" in values:
        continuous = ~layout.latent
        _add(found, "log_sd", values["log_sd"][:, 0, continuous])
        _add(found, "log_sd spread", np.log(values["log_sd"][:, 1, continuous]))
    return pd.DataFrame(found)


def _add(found, label, columns):
    """Columns that vary, and their squares."""
    for k, column in enumerate(columns.T):
        if column.std() > 1e-8:
            found[f"{label} {k}"], found[f"{label} {k} squared"] = column, column**2


def _sds_correlations(omega):
    sd = np.sqrt(np.diagonal(omega, axis1=-2, axis2=-1))
    a, b = np.tril_indices(omega.shape[-1], -1)
    return np.concatenate([np.log(sd), omega[..., a, b] / (sd[..., a] * sd[..., b])], axis=-1)


def assert_same(found, known):
    """Means of the quantities of both, with one row a draw, agree within their Monte Carlo errors."""
    assert list(found) == list(known)
    errors = [[az.mcse(frame[label].to_numpy().reshape(4, -1), method="mean") for label in frame] for frame in (found, known)]
    z = (found.mean() - known.mean()) / np.hypot(*errors)
    table = pd.DataFrame({"z": z, "found": found.mean(), "known": known.mean(), "error": errors[0]})
    print(len(z), table.sort_values("z", key=np.abs, ascending=False).head(12).round(4).to_string())
    assert np.abs(z).max() < norm.isf(0.5 * FALSE_ALARM / len(z))
