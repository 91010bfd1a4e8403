"""Small problems with categorical responses, and states to start from, that the tests of the latent sampler share."""

import numpy as np
import pandas as pd

import jmimpute as jm
from jmimpute.sampling.latents.rows import refresh_statistics
from jmimpute.sampling.latents.start import first_guess
from jmimpute.sampling.latents.state import build_problem, new_state, settle
from tests.problems import statistics, unscaled

FORMULAS = {
    "binary": "y1 + b ~ x + (1 | g)",
    "nominal": "y1 + n ~ x + (1 | g)",
    "ordinal": "o + y1 ~ x + (1 | g)",
    "two variables, slopes": "y1 + b + y2 + n ~ x + (1 + x | g)",
    "own designs": ["y1 ~ x + (1 + x | g)", "n ~ 1 + (1 | g)", "o ~ 0 + x + (0 + x | g)", "b ~ x"],
    "single level": "n + y1 + o ~ x",
    "latents only": "b + o ~ x + (1 | g)",
}
#: Models with selection submodels, and the priors of their rho; None for one that is held.
SELECTED = {
    "selection": ("y1 ~ x + (1 | g)", {"y1": jm.priors.uniform(-1.0, 0.9)}),
    "selection beside others": (
        ["y1 + n ~ x + (1 + x | g)", "y2 ~ 1 + (1 | g)"],
        {"y1": jm.priors.fisher_z(0.7), "y2": jm.priors.truncated_normal(-0.2, 0.4, -0.95, 1.0)},
    ),
    "selection of categories, one held": ("b + o + y2 ~ x + (1 | g)", {"b": jm.priors.uniform(), "y2": -0.4}),
}
PRIORS = {
    "default": None,
    "jomo": jm.priors.jomo(),
    "inverse-Wishart": {
        "beta": jm.priors.normal(1.5),
        "Omega_e": jm.priors.inverse_wishart(11.0, 2.0),
        "Omega_u": jm.priors.inverse_wishart(12.0, 1.5),
        "cutpoints": jm.priors.normal(0.8),
    },
}
FAMILIES = {"n": "nominal", "o": "ordinal", "b": "binary"}


def table(rng, n_rows=60, n_clusters=5, missing=0.2):
    """Two continuous, a binary, a nominal (4) and an ordinal (4) response; every category occurs."""
    g = np.sort(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_rows - n_clusters)]))
    frame = pd.DataFrame({"g": g, "x": rng.normal(1.0, 2.0, n_rows)})
    common = rng.normal(size=n_rows) + rng.normal(size=n_clusters)[g] + 0.3 * frame["x"]
    frame["y1"] = 3 + common + rng.normal(size=n_rows)
    frame["y2"] = -common + rng.normal(size=n_rows)
    frame["b"] = (common + rng.normal(size=n_rows) > 0.5).astype(float)
    frame["n"] = rng.integers(0, 4, n_rows).astype(float)
    frame["o"] = np.digitize(common + rng.normal(size=n_rows), [-1.0, 0.3, 1.5]).astype(float)
    responses = ["y1", "y2", "b", "n", "o"]
    frame[responses] = frame[responses].mask(rng.random((n_rows, 5)) < missing)
    frame.loc[n_rows // 2, responses] = np.nan
    frame.loc[frame["g"] == 1, "b"] = np.nan
    return frame.assign(z=rng.normal(size=n_rows))


def specification(kind, priors="default", seed=0, scaled=True, **options):
    """Specification of one of `FORMULAS` or `SELECTED` on a random table."""
    formula, rhos = SELECTED[kind] if kind in SELECTED else (FORMULAS[kind], {})
    text = " ".join([formula] if isinstance(formula, str) else formula)
    families = {name: family for name, family in FAMILIES.items() if f"{name} " in text}
    missing = {name: jm.selection("~ x + z + (1 | g)", "z", "made up so", rho) for name, rho in rhos.items()}
    frame = table(np.random.default_rng(seed), **options)
    model = jm.JointModel(formula, frame, families=families, priors=PRIORS[priors], missing=missing or None)
    return model.specification if scaled else unscaled(model.specification)


def random_state(spec, seed=1):
    """A problem and a state away from symmetric values: everything differs from everything."""
    rng = np.random.default_rng(seed)
    problem = build_problem(spec, statistics(spec))
    state = new_state(problem, spec.n_clusters)
    first_guess(spec, problem, state)
    factors = rng.uniform(0.6, 1.4, state.y.shape[1])
    latent = spec.layout.latent
    state.y[latent] *= factors  # stays inside half-lines; intervals of ordinal responses are checked by the tests
    state.beta[:] = np.where(spec.layout.beta_mask, 0.4 * rng.normal(size=state.beta.shape), 0.0)
    held = [s.clause.rho if isinstance(s.clause.rho, float) else rng.uniform(-0.8, 0.8) for s in spec.selections]
    state.omega_e[:] = with_indicators(random_omega_e(spec.layout_of_outcomes, rng), spec, held)
    d = len(state.omega_u)
    half = rng.normal(size=(d, d))
    state.omega_u[:] = 0.3 * half @ half.T + 0.3 * np.eye(d)
    state.u[:] = 0.5 * rng.normal(size=state.u.shape)
    refresh_statistics(problem.latents, problem.rows, state.y, problem.target.stats)
    settle(problem, state)
    return problem, state


def with_indicators(sigma, spec, rhos):
    """Omega_e from the covariance matrix of the responses, with the rows of indicators by the definition of the model."""
    p, n = len(sigma), len(spec.selections)
    t, own = np.eye(p + n, p), np.zeros((p + n, p + n))
    for k, (selected, rho) in enumerate(zip(spec.selections, rhos, strict=True)):
        t[p + k, selected.variable.first] = rho / np.sqrt(sigma[selected.variable.first, selected.variable.first])
        own[p + k, p + k] = 1 - rho**2
    return t @ sigma @ t.T + own


def random_omega_e(layout, rng):
    """A covariance matrix whose known elements are as they must be."""
    p = len(layout.responses)
    fixed = np.zeros((p, p), dtype=bool)
    for v in layout.variables:
        if v.is_latent:
            fixed[v.first : v.first + v.width, v.first : v.first + v.width] = True
    while True:
        half = rng.normal(size=(p, p))
        omega = 0.3 * (half @ half.T) / p + np.eye(p)
        omega = np.where(fixed, np.where(np.eye(p, dtype=bool), 1.0, 0.5), omega)
        if np.linalg.eigvalsh(omega).min() > 0.1:
            return omega
