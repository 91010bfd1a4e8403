"""The reference sampler against posteriors known by formula, by quadrature and by importance sampling, and against its prior.

Every comparison of means is by z-scores, whose Monte Carlo errors allow for autocorrelation; `limit` makes a false alarm happen
in one of 10 000 runs of each test.
"""

from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr
from scipy.stats import invgamma, kstest, multivariate_t, norm, t

import jmimpute as jm
from jmimpute.sampling import gibbs
from jmimpute.sampling.gibbs_covariances import draw_constrained
from tests.problems import model

pytestmark = [pytest.mark.sampling, pytest.mark.slow]  # a sampler for comparison only, that takes long to compile


def limit(n):
    return norm.isf(0.5e-4 / n)


def z_scores(chains, mean, sd):
    """Of means and standard deviations of columns, shape (chains, draws, columns), against known ones."""
    columns = np.moveaxis(chains, -1, 0)
    means = [(x.mean() - m) / az.mcse(x, method="mean") for x, m in zip(columns, mean, strict=True)]
    sds = [(x.std() - s) / az.mcse(x, method="sd") for x, s in zip(columns, sd, strict=True)]
    return np.array([means, sds])


def specification(formulas, frame, families=None, **priors):
    return jm.JointModel(formulas, frame, families=families, priors=priors or None).specification


def draw(spec, draws, tune=500, seed=1, chains=2, **options):
    """Chains on the original scale: beta, omega_e, omega_u, cut points."""
    drawn = [gibbs.draw(spec, draws, tune, np.random.default_rng([seed, k]), **options) for k in range(chains)]
    beta, omega_e, omega_u, cuts = (np.stack(arrays) for arrays in list(zip(*drawn, strict=True))[:4])
    return spec.scaling.beta(beta), spec.scaling.omega_e(omega_e), spec.scaling.omega_u(omega_u), cuts


def test_complete_continuous_data_have_the_known_posterior():
    rng = np.random.default_rng(1)
    x = rng.normal(3.0, 2.0, 40)
    y = np.column_stack([x, -x]) + rng.normal(size=(40, 2)) @ np.array([[5.0, 1.0], [0.0, 2.0]])
    frame = pd.DataFrame({"x": x, "a": y[:, 0], "b": y[:, 1]})
    spec = specification("a + b ~ x", frame, beta=jm.priors.flat(), Omega_e=jm.priors.inverse_wishart(5.0, [[9, 1], [1, 2]]))
    beta, omega_e, _, _ = draw(spec, 8000, thin=3, chains=1)  # thinned, draws are all but independent
    design = np.column_stack([np.ones(40), x])
    estimate, spread = np.linalg.solve(design.T @ design, design.T @ y), np.linalg.inv(design.T @ design)
    scale = np.array([[9, 1], [1, 2]]) + (y - design @ estimate).T @ (y - design @ estimate)
    df = 5.0 + 40 - 2 - 1  # inverse-Wishart with one more; its elements have this
    p_values = [kstest(omega_e[0, :, a, a], invgamma(df / 2, scale=scale[a, a] / 2).cdf).pvalue for a in range(2)]
    for a in range(2):
        for k in range(2):
            marginal = t(df, estimate[k, a], np.sqrt(spread[k, k] * scale[a, a] / df))
            p_values.append(kstest(beta[0, :, k, a], marginal.cdf).pvalue)
    assert min(p_values) > 1e-4 / len(p_values)
    z = z_scores(omega_e[:, :, 0, 1, None], [scale[0, 1] / (df - 2)], [omega_e[..., 0, 1].std()])
    assert abs(z[0, 0]) < limit(1)


def test_incomplete_two_level_data_have_the_posterior_of_the_collapsed_sampler():
    """Another sampler with random effects and missing cells integrated out; each response has covariates of its own."""
    priors = {
        "beta": jm.priors.normal(2.0),
        "Omega_e": jm.priors.inverse_wishart(8.0, 3.0),
        "Omega_u": jm.priors.inverse_wishart(9.0, 2.0),
    }
    joint = model("own", 5, priors, n_rows=60)
    posterior = joint.fit(2000, 500, 2, random_seed=1, progressbar=False).posterior
    beta, omega_e, omega_u, _ = draw(joint.specification, 15_000)
    mask, e, u = joint.specification.layout.beta_mask, np.tril_indices(3), np.tril_indices(3)

    def columns(beta, omega_e, omega_u):
        roots = [np.linalg.cholesky(omega)[..., *lower] for omega, lower in ((omega_e, e), (omega_u, u))]
        return np.concatenate([beta[..., mask], *roots], axis=-1)

    theirs = columns(posterior.beta.to_numpy().swapaxes(-1, -2), posterior.Omega_e.to_numpy(), posterior.Omega_u.to_numpy())
    ours = columns(beta, omega_e, omega_u)
    summaries = [[(x.mean(), az.mcse(x, method="mean"), x.std(), az.mcse(x, method="sd")) for x in np.moveaxis(c, -1, 0)]
                 for c in (ours, theirs)]  # fmt: skip
    a, b = np.array(summaries)
    z = (a[:, ::2] - b[:, ::2]) / np.hypot(a[:, 1::2], b[:, 1::2])
    assert np.abs(z).max() < limit(z.size)


def probit_log_density(parameters, y, positive):
    """Single-level binary and continuous response, flat priors on the original scale; NaN where missing."""
    b_y, b_z, log_s, angle = parameters.T[..., None]
    s, rho = np.exp(log_s), np.tanh(angle)
    index = b_z + np.where(np.isnan(y), 0.0, rho * (y - b_y) / s)
    index = index / np.where(np.isnan(y), 1.0, np.sqrt(1 - rho**2))
    value = np.where(np.isnan(y), 0.0, norm.logpdf(y, b_y, s)) + np.where(
        np.isnan(positive), 0.0, log_ndtr(np.where(positive > 0, index, -index))
    )
    # Omega_yy = s^2 and Omega_yz = rho s: d(Omega_yy, Omega_yz) / d(log s, angle) = 2 s^3 (1 - rho^2)
    return value.sum(axis=-1) + (3 * log_s + np.log1p(-(rho**2)))[..., 0]


def test_probit_with_missing_cells_has_the_posterior_of_importance_sampling():
    rng = np.random.default_rng(3)
    latent = rng.normal(size=90)
    y, positive = 20 + 4 * (0.7 * latent + rng.normal(size=90)), (latent + 0.6 > 0).astype(float)
    y[:25], positive[20:45] = np.nan, np.nan
    frame = pd.DataFrame({"b": positive, "y": y})
    flat = jm.priors.flat()
    spec = specification("b + y ~ 1", frame, {"b": "binary"}, beta=flat, Omega_e=flat)
    beta, omega_e, _, _ = draw(spec, 25_000)
    ours = np.stack([beta[:, :, 0, 1], beta[:, :, 0, 0], omega_e[:, :, 1, 1], omega_e[:, :, 0, 1]], axis=-1)

    start = np.array([20.0, 0.6, 1.5, 0.6])
    mode = minimize(lambda v: -probit_log_density(v, y, positive), start)
    proposal = multivariate_t(mode.x, 1.3 * mode.hess_inv, df=6, seed=4)
    points = proposal.rvs(20_000)
    log_weight = probit_log_density(points, y, positive) - proposal.logpdf(points)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    values = np.column_stack(
        [points[:, 0], points[:, 1], np.exp(2 * points[:, 2]), np.exp(points[:, 2]) * np.tanh(points[:, 3])]
    )
    assert 1 / np.sum(weight**2) > 10_000
    for chains, known in ((ours, values), (ours**2, values**2)):
        mean = weight @ known
        error = np.sqrt(weight**2 @ (known - mean) ** 2)
        mcse = [az.mcse(x, method="mean") for x in np.moveaxis(chains, -1, 0)]
        assert np.abs((chains.mean((0, 1)) - mean) / np.hypot(error, mcse)).max() < limit(8)


# The few rows of the second case let the prior matter.
@pytest.mark.parametrize(("counts", "prior"), [((12, 25, 8, 15), None), ((2, 3, 1, 2), 0.6)])
def test_ordinal_has_the_posterior_of_quadrature(counts, prior):
    frame = pd.DataFrame({"o": np.repeat([1, 2, 3, 4], counts)})
    given = jm.priors.flat() if prior is None else jm.priors.normal(prior)
    spec = specification("o ~ 1", frame, {"o": "ordinal"}, beta=given, Omega_e=jm.priors.flat(), cutpoints=given)
    beta, omega_e, _, cuts = draw(spec, 60_000)
    assert (omega_e == 1).all()
    ours = np.concatenate([beta[..., 0], cuts], axis=-1)

    b, first, second = np.meshgrid(np.linspace(-2.0, 2.5, 140), *[np.linspace(0.01, 2.99, 150)] * 2, indexing="ij")
    edges = np.stack([ndtr(-b), ndtr(first - b), ndtr(first + second - b)])
    log_density = np.tensordot(counts, np.log(np.diff(edges, axis=0, prepend=0.0, append=1.0)), 1)
    if prior:
        log_density -= (b**2 + first**2 + second**2) / (2 * prior**2)
    density = np.exp(log_density - log_density.max())
    points = np.stack([b, first, first + second])
    mean = (density * points).sum((1, 2, 3)) / density.sum()
    sd = np.sqrt((density * points**2).sum((1, 2, 3)) / density.sum() - mean**2)
    z = z_scores(ours, mean, sd)
    assert np.abs(z).max() < limit(z.size)


def test_two_binary_responses_have_the_posterior_of_quadrature():
    counts = np.array([[22, 11], [13, 24]])  # rows: first response
    a, b = np.repeat(np.indices((2, 2)).reshape(2, -1), counts.ravel(), axis=1).astype(bool)
    flat = jm.priors.flat()
    spec = specification("a + b ~ 1", pd.DataFrame({"a": a, "b": b}), beta=flat, Omega_e=flat)
    beta, omega_e, _, _ = draw(spec, 40_000)
    assert (omega_e[..., [0, 1], [0, 1]] == 1).all()
    ours = np.concatenate([beta[:, :, 0], omega_e[..., [0], [1]]], axis=-1)

    grid = np.linspace(-0.75, 0.85, 70)
    h, k, rho = np.meshgrid(grid, grid, np.linspace(-0.5, 0.995, 90), indexing="ij")
    both, angle = ndtr(h) * ndtr(k), np.arcsin(rho)  # Plackett: d P(both positive) / d rho is the bivariate density
    for node, weight in zip(*np.polynomial.legendre.leggauss(24), strict=True):
        half = angle * (node + 1) / 2
        exponent = (h**2 - 2 * np.sin(half) * h * k + k**2) / (2 * np.cos(half) ** 2)
        both += weight / 2 * angle * np.exp(-exponent) / (2 * np.pi)
    cells = np.stack([1 - ndtr(h) - ndtr(k) + both, ndtr(k) - both, ndtr(h) - both, both])
    log_density = np.tensordot(counts.ravel(), np.log(np.maximum(cells, 1e-100)), 1)
    density = np.exp(log_density - log_density.max())
    points = np.stack([h, k, rho])
    mean = (density * points).sum((1, 2, 3)) / density.sum()
    sd = np.sqrt((density * points**2).sum((1, 2, 3)) / density.sum() - mean**2)
    z = z_scores(ours, mean, sd)
    assert np.abs(z).max() < limit(z.size)


def test_covariance_step_without_rows_draws_from_the_conditioned_inverse_wishart():
    """Two binary latents (coordinates 0 and 2) and a continuous response, against importance sampling of the density itself."""
    scale, df, n = np.array([[3.0, 0.5, 1.0], [0.5, 2.0, -0.5], [1.0, -0.5, 2.5]]), 7.0, 200_000
    rng = np.random.default_rng(5)
    omega, log_step = np.eye(3), np.zeros(1)
    coordinates = np.array([1]), np.array([0, 2]), np.array([[1, 0]])
    draws = np.empty((30_000, 3, 3))
    for i in range(-2000, len(draws)):
        gain = 0.0 if i >= 0 else (i + 2001.0) ** -0.6
        draw_constrained(omega, scale, df + 4, *coordinates, log_step, gain, rng)
        draws[i] = omega
    assert (draws[:, [0, 2], [0, 2]] == 1).all()

    variance = invgamma(2.5, scale=1.0).rvs(n, random_state=rng)
    r, a, b = rng.uniform(-1, 1, (3, n))
    points = np.ones((n, 3, 3))
    points[:, 1, 1] = variance
    points[:, 0, 2] = points[:, 2, 0] = r
    points[:, 0, 1] = points[:, 1, 0] = a * np.sqrt(variance)
    points[:, 2, 1] = points[:, 1, 2] = b * np.sqrt(variance)
    inside = np.linalg.eigvalsh(points)[:, 0] > 1e-9
    points, variance = points[inside], variance[inside]
    log_weight = -(df + 4) / 2 * np.linalg.slogdet(points)[1] - 0.5 * np.einsum("nij,ij->n", np.linalg.inv(points), scale)
    log_weight -= invgamma(2.5, scale=1.0).logpdf(variance) - np.log(variance)  # and two covariances, uniform on +-sqrt
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    assert 1 / np.sum(weight**2) > 5000

    def columns(omega):
        free = np.stack([np.log(omega[:, 1, 1]), omega[:, 0, 1], omega[:, 0, 2], omega[:, 1, 2]], axis=-1)
        return np.concatenate([free, free**2], axis=-1)

    mean = weight @ columns(points)
    error = np.sqrt(weight**2 @ (columns(points) - mean) ** 2)
    mcse = [az.mcse(x[None], method="mean") for x in columns(draws).T]
    assert np.abs((columns(draws).mean(0) - mean) / np.hypot(error, mcse)).max() < limit(8)


FAMILIES = {
    "f": jm.families.nominal(["p", "q", "r"], reference="q"),
    "o": jm.families.ordinal(["lo", "mid", "hi", "top"]),
    "b": "binary",
}


def mixed_table(n_rows=60):
    """All families, latents between continuous responses; missing cells and a row without any response."""
    rng = np.random.default_rng(6)
    columns = {
        "y1": rng.normal(5.0, 3.0, n_rows),
        "f": rng.choice(["p", "q", "r"], n_rows, p=[0.3, 0.2, 0.5]),
        "o": rng.choice(["lo", "mid", "hi", "top"], n_rows),
        "y2": rng.normal(size=n_rows),
        "b": rng.choice([0.0, 1.0], n_rows),
    }
    frame = pd.DataFrame(columns).astype({"f": object, "o": object})
    absent = rng.random(frame.shape) < 0.2
    absent[3] = True
    return frame.mask(absent).assign(x=rng.normal(size=n_rows), g=np.arange(n_rows) % 6)


@pytest.fixture(scope="module")
def mixed():
    priors = {"Omega_e": jm.priors.inverse_wishart(9.0), "Omega_u": jm.priors.inverse_wishart(9.0)}
    return specification("y1 + f + o + y2 + b ~ x + (1 | g)", mixed_table(), FAMILIES, **priors)


def latents_by_cell(spec, latents):
    """Kept latents as responses, shape (n_kept, n_rows, p), NaN elsewhere: in the order that is promised."""
    out = np.full((len(latents), *spec.y.shape), np.nan)
    position = 0
    for k in np.flatnonzero(spec.layout.latent):
        for i in np.flatnonzero(~np.isnan(spec.y[:, k])):
            out[:, i, k] = latents[:, position]
            position += 1
    assert position == latents.shape[1]
    return out


@pytest.mark.parametrize("bounds", [None, (-1.0, 1.5)])
def test_latents_and_covariances_keep_their_constraints(mixed, bounds):
    chain = gibbs.draw(mixed, 60, 10, np.random.default_rng(1), bounds=bounds, keep=[0, 7, 59])
    assert chain.latents.dtype == np.float32 and len(chain.latents) == 3
    low, high = bounds or (-np.inf, np.inf)
    assert (chain.latents >= low).all() and (chain.latents <= high).all()
    latents = latents_by_cell(mixed, chain.latents)
    for v, variable in enumerate(mixed.layout.variables):
        if variable.is_latent:
            seen = mixed.categories[:, v] >= 0
            own = latents[:, seen, variable.first : variable.first + variable.width]
            cuts = chain.cutpoints if variable.n_cutpoints else np.empty((60, 0))
            for draw, values in zip([0, 7, 59], own, strict=True):
                found = variable.categories(values.astype(float), cuts[draw].astype(np.float32))
                np.testing.assert_array_equal(found, mixed.categories[seen, v])
    assert (chain.omega_e[:, [1, 2, 3, 5], [1, 2, 3, 5]] == 1).all() and (chain.omega_e[:, 1, 2] == 0.5).all()
    np.testing.assert_array_equal(chain.omega_e, chain.omega_e.swapaxes(1, 2))
    assert (np.linalg.eigvalsh(chain.omega_e) > 0).all() and (np.diff(chain.cutpoints, prepend=0.0) > 0).all()


def test_thinning_stopping_and_counting(mixed):
    progress, stop = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
    every = gibbs.draw(mixed, 60, 30, np.random.default_rng(2), progress=progress, stop=stop)
    assert progress[0] == 90
    third = gibbs.draw(mixed, 20, 30, np.random.default_rng(2), thin=3)
    for a, b in zip(every[:4], third[:4], strict=True):
        np.testing.assert_array_equal(a[2::3], b)
    stop[0] = True
    none = gibbs.draw(mixed, 60, 30, np.random.default_rng(2), stop=stop, keep=[3])
    assert [len(array) for array in none] == [0] * 5


@pytest.mark.parametrize(
    ("priors", "match"),
    [
        ({"Omega_e": jm.priors.lkj()}, "Omega_e, not LKJ"),
        ({"Omega_u": jm.priors.lkj()}, "Omega_u, not LKJ"),
    ],
)
def test_priors_that_it_does_not_have_are_refused(mixed, priors, match):
    with pytest.raises(jm.errors.SamplingError, match=match):
        gibbs.draw(replace(mixed, priors=replace(mixed.priors, **priors)), 1, 0, np.random.default_rng(1))


def test_bounds_on_one_side_of_zero_are_refused(mixed):
    with pytest.raises(jm.errors.SamplingError, match="both sides of 0"):
        gibbs.draw(mixed, 1, 0, np.random.default_rng(1), bounds=(0.5, 4.0))
