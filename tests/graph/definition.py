"""The joint model written out with NumPy and SciPy, to hold graphs and samplers against; all on the standardised scale."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytensor
from scipy.stats import chi2, invwishart, multivariate_normal, norm, wishart

import jmimpute as jm
from jmimpute.specification.priors import Flat, HierarchicalInverseWishart, InverseWishart, LogSd, Normal

INTERPRETED = "FAST_COMPILE"


def covariance(dim, rng):
    """A covariance matrix."""
    half = rng.normal(size=(dim, 2 * dim))
    return half @ half.T / (2 * dim)


def rescaled(omega, variables, first=0):
    """Take the scale of latents out of a covariance matrix, the variables of which begin at a row: M^-1 omega M^-T."""
    factor = np.eye(len(omega))
    for v in variables:
        if v.is_latent:
            own = slice(first + v.first, first + v.first + v.width)
            known = 0.5 * (np.eye(v.width) + 1)
            factor[own, own] = np.linalg.cholesky(omega[own, own]) @ np.linalg.inv(np.linalg.cholesky(known))
    inverse = np.linalg.inv(factor)
    return inverse @ omega @ inverse.T


def draw_table(values, categories, variables, increments, rng):
    """A complete table with the observed cells, and latents that agree with the observed categories."""
    table = np.where(np.isnan(values), rng.normal(size=values.shape), values)
    for v, codes in zip(variables, categories.T, strict=True):
        if v.is_latent:
            own = slice(v.first, v.first + v.width)
            for i in range(len(table)):
                table[i, own] = 1.5 * rng.normal(size=v.width)
                while not agrees(v, codes[i : i + 1], table[i : i + 1, own], increments)[0]:
                    table[i, own] = 1.5 * rng.normal(size=v.width)
    return table


def agrees(variable, codes, latents, increments):
    """Whether latents stand for the categories that were observed, or these are missing."""
    drawn = variable.categories(latents, np.cumsum(increments.get(variable.name, [])))
    return (codes < 0) | (drawn == codes)


def random_values(specification, rng):
    """Parameters, random effects and complete tables with the observed cells and categories."""
    layout, level2 = specification.layout, specification.layout.level2
    variables = (*layout.variables, *level2.variables)
    increments = {v.name: 0.3 + rng.random(v.n_cutpoints) for v in variables if v.n_cutpoints}
    omega_u = rescaled(covariance(layout.dim_u, rng), level2.variables, layout.n_effects)
    return SimpleNamespace(
        beta=np.where(layout.beta_mask, 0.5 * rng.normal(size=layout.beta_mask.shape), 0.0),
        beta_level2=np.where(level2.beta_mask, 0.5 * rng.normal(size=level2.beta_mask.shape), 0.0),
        omega_u=np.where(np.equal.outer(layout.blocks, layout.blocks), omega_u, 0.0),
        u=0.5 * rng.normal(size=(specification.n_clusters, layout.n_effects)),
        y=draw_table(specification.y, specification.categories, layout.variables, increments, rng),
        w=draw_table(specification.w, specification.categories2, level2.variables, increments, rng),
        increments=increments,
        **level_1(specification, rng),
    )


def level_1(specification, rng):
    """Omega_e, of each cluster unless it is common, and what it is made of."""
    layout, prior, n_clusters = specification.layout, specification.priors.Omega_e, specification.n_clusters
    p, variables = len(layout.responses), layout.variables
    if isinstance(prior, HierarchicalInverseWishart):
        unscaled = np.array([covariance(p, rng) for _ in range(n_clusters)])
        omega_e = np.array([rescaled(matrix, variables) for matrix in unscaled])
        return {"a": p + 4 * rng.random(), "scale": p * covariance(p, rng), "unscaled": unscaled, "omega_e": omega_e}
    if isinstance(prior, LogSd):
        log_sd = 0.3 * rng.normal(size=(n_clusters, int(np.sum(~layout.latent))))
        mean, spread = rng.normal(size=log_sd.shape[1]), rng.random(log_sd.shape[1])
        matrix = rescaled(covariance(p, rng), variables)
        sd = np.where(layout.latent, 1.0, np.sqrt(np.diag(matrix)))
        correlation = matrix / np.outer(sd, sd)
        found = {"log_sd_mean": mean, "log_sd_spread": spread, "log_sd": log_sd, "correlation": correlation}
        return found | {"omega_e": scaled(log_sd, correlation, layout.latent)}
    if specification.covariance == "common":
        return {"omega_e": rescaled(covariance(p, rng), variables)}
    return {"omega_e": np.array([rescaled(covariance(p, rng), variables) for _ in range(n_clusters)])}


def scaled(log_sd, correlation, latent):
    """Matrices of clusters from standard deviations of their own and common correlations."""
    sd = np.ones((len(log_sd), len(latent)))
    sd[:, ~latent] = np.exp(log_sd)
    return correlation * sd[:, :, None] * sd[:, None, :]


def blocks_of(layout):
    """Rows of each block of Omega_u."""
    return [np.flatnonzero(layout.blocks == block) for block in range(layout.blocks.max(initial=-1) + 1)]


# Points of a graph


def unobserved(values, latent, table):
    """Cells of a table that are parameters: missing ones and all latent ones."""
    return table[np.isnan(np.where(latent, np.nan, values))]


def natural(specification, values):
    """The variables of the generative graph by name, for the parameters of `random_values` or of a sampler."""
    layout = specification.layout
    found = {
        "beta_standardised": values.beta[np.nonzero(layout.beta_mask)],
        "Omega_e_standardised": values.omega_e,
        "u_standardised": values.u,
        "y_unobserved": unobserved(specification.y, layout.latent, values.y),
        **{f"increments_{name}": increments for name, increments in values.increments.items()},
    }
    if layout.level2.variables:
        found["beta_level2_standardised"] = values.beta_level2[np.nonzero(layout.level2.beta_mask)]
        found["w_unobserved"] = unobserved(specification.w, layout.level2.latent, values.w)
    blocks = blocks_of(layout)
    for k, members in enumerate(blocks):
        number = f"_{k + 1}" if len(blocks) > 1 else ""
        omega = values.omega_u[np.ix_(members, members)]
        found[f"Omega_u{number}_standardised"] = omega
        found[f"chol_u{number}"] = np.linalg.cholesky(omega)[np.tril_indices(len(omega))]
    if values.omega_e.ndim == 2:
        found["chol_e"] = np.linalg.cholesky(values.omega_e)[np.tril_indices(len(values.omega_e))]
    if isinstance(specification.priors.Omega_e, HierarchicalInverseWishart):
        found |= {"a": values.a, "A_standardised": values.scale, "Omega_e_unscaled_standardised": values.unscaled}
    if isinstance(specification.priors.Omega_e, LogSd):
        found |= {"log_sd_mean_standardised": values.log_sd_mean, "log_sd_spread": values.log_sd_spread}
        found |= {"log_sd_standardised": values.log_sd, "corr_e_common": values.correlation}
    return found


@cache
def forward_maps(graph):
    """From each variable of a graph to its value variable: name of that, shape, and a function."""
    found = {}
    for variable in graph.free_RVs:
        transform, value = graph.rvs_to_transforms[variable], graph.rvs_to_values[variable]
        given = variable.type()
        function = None
        if transform is not None:
            # Some transforms have constants of the distribution as inputs, none has another variable.
            mapped = transform.forward(given, *variable.owner.inputs)
            function = pytensor.function([given], mapped, mode=INTERPRETED)
        found[variable.name] = value.name, variable.type.shape, function
    return found


def point(graph, specification, values):
    """Value variables of the generative graph at natural parameters, for `graph.compile_logp()` and the like.

    `values` has the attributes of what `random_values` returns.
    """
    known, found = natural(specification, values), {}
    for name, (value_name, shape, function) in forward_maps(graph).items():
        value = np.asarray(known[name], dtype=float)
        if None not in shape:
            value = value.reshape(shape)
        found[value_name] = value if function is None else function(value)
    return found


# Densities


def log_density(specification, values):
    """The model as in its definition, up to a number that depends on no parameter."""
    layout, level2, priors = specification.layout, specification.layout.level2, specification.priors
    total = log_prior_e(specification, values)
    if isinstance(priors.beta, Normal):
        total += norm(scale=priors.beta.sd).logpdf(values.beta[layout.beta_mask]).sum()
        total += norm(scale=priors.beta.sd).logpdf(values.beta_level2[level2.beta_mask]).sum()
    if isinstance(priors.cutpoints, Normal):
        total += sum(norm(scale=priors.cutpoints.sd).logpdf(steps).sum() for steps in values.increments.values())
    mean = specification.x @ values.beta
    if layout.dim_u:
        total += log_prior_u(specification, values.omega_u)
        psi = values.u if not level2.variables else np.hstack([values.u, values.w - specification.x2 @ values.beta_level2])
        total += multivariate_normal(cov=values.omega_u).logpdf(psi).sum()
        for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            mean[:, a] += specification.z[:, c] * values.u[specification.clusters.codes, e]
    for i, residual in enumerate(values.y - mean):
        omega = values.omega_e if values.omega_e.ndim == 2 else values.omega_e[specification.clusters.codes[i]]
        total += multivariate_normal(cov=omega).logpdf(residual)
    tables = [(layout.variables, specification.categories, values.y), (level2.variables, specification.categories2, values.w)]
    for variables, categories, table in tables:
        for v, codes in zip(variables, categories.T, strict=True):
            if v.is_latent and not agrees(v, codes, table[:, v.first : v.first + v.width], values.increments).all():
                return -np.inf
    return total


def log_prior_e(specification, values):
    """Density of Omega_e: with respect to its free elements, or to the variables that it is made of."""
    layout, prior, scaling = specification.layout, specification.priors.Omega_e, specification.scaling
    p = len(layout.responses)
    if isinstance(prior, HierarchicalInverseWishart):
        df, scale = prior.df_for(p), prior.scale_matrix(p)
        scale = values.a / df * scale if prior.relative else scale / np.outer(scaling.scale, scaling.scale)
        total = chi2(prior.eta_for(p)).logpdf(values.a) + wishart(df, scale).logpdf(values.scale)
        return total + sum(invwishart(values.a, values.scale).logpdf(matrix) for matrix in values.unscaled)
    if isinstance(prior, LogSd):
        total = norm.logpdf(values.log_sd_mean).sum() + norm(scale=prior.spread).logpdf(values.log_sd_spread).sum()
        total += norm(values.log_sd_mean, values.log_sd_spread).logpdf(values.log_sd).sum()
        return total + (prior.eta - 1) * np.linalg.slogdet(values.correlation)[1]
    if values.omega_e.ndim == 2 and not layout.has_latents and isinstance(prior, jm.priors.LKJ):
        return log_lkj_of_factor(prior, values.omega_e)
    scale = prior.standard_scale(np.diag(scaling.scale)) if isinstance(prior, InverseWishart) else None
    matrices = values.omega_e.reshape(-1, p, p)
    return sum(log_prior_of_elements(prior, omega, scale, layout.latent) for omega in matrices)


def log_prior_u(specification, omega_u):
    """Density of Omega_u: with respect to the variable of the graph for each block."""
    layout, prior = specification.layout, specification.priors.Omega_u
    total, scale = 0.0, None
    if isinstance(prior, InverseWishart):
        inverse = np.linalg.inv(specification.scaling.u_transform)
        scale = inverse @ prior.scale_matrix(layout.dim_u) @ inverse.T
    for members in blocks_of(layout):
        own, latent = np.ix_(members, members), layout.latent_u[members]
        if isinstance(prior, jm.priors.LKJ) and not latent.any():
            total += log_lkj_of_factor(prior, omega_u[own])
        else:
            total += log_prior_of_elements(prior, omega_u[own], None if scale is None else scale[own], latent)
    return total


def log_prior_of_elements(prior, omega, scale, latent):
    """Density of a covariance matrix with respect to its free elements."""
    if isinstance(prior, Flat):
        return 0.0
    if isinstance(prior, InverseWishart):
        power = prior.degrees(len(omega)) + len(omega) + 1
        return -0.5 * power * np.linalg.slogdet(omega)[1] - 0.5 * np.trace(scale @ np.linalg.inv(omega))
    sd = np.sqrt(np.diag(omega))
    log_det_correlation = np.linalg.slogdet(omega / np.outer(sd, sd))[1]
    density = (prior.eta - 1) * log_det_correlation + norm(scale=prior.sd).logpdf(sd[~latent]).sum()
    return density - len(omega) * np.log(sd[~latent]).sum()


def log_lkj_of_factor(prior, omega):
    """Density of the Cholesky factor of a covariance matrix without known elements under an LKJ prior."""
    chol = np.linalg.cholesky(omega)
    sd = np.linalg.norm(chol, axis=1)
    i = np.arange(len(omega))
    if len(omega) == 1:
        return norm(scale=prior.sd).logpdf(sd).sum()
    # Row i in polar coordinates, sd_i^i d(sd_i) d(direction); the LKJ density is a power of the direction's last element.
    row = norm(scale=prior.sd).logpdf(sd) - i * np.log(sd)
    power = np.where(i > 0, len(omega) - i + 2 * (prior.eta - 1), 0)
    return np.sum(row + power * np.log(np.diag(chol) / sd))
