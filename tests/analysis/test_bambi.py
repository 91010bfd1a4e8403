"""The Bayesian engine: data exchanged in one graph, posteriors against likelihood and bambi itself, diagnostics and errors."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.engines import bambi, bayesian, fit_statsmodels, reuse
from jmimpute.errors import AnalysisError, SamplingError
from jmimpute.sampling.diagnostics import of_draws

pytestmark = pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning")

TERMS = ("Intercept", "x", "kind[b]")


def make_tables(m=2, n_clusters=30, size=8):
    """Tables that differ far more than imputations do: what is left of the first one in the second would be seen."""
    rng = np.random.default_rng(1)
    school, tables = np.repeat(np.arange(n_clusters), size), []
    for k in range(m):
        x, kind = rng.normal(30 * k, 1 + k, len(school)), rng.choice(["a", "b"], len(school))
        eta = 0.7 * (x - 30 * k) + (kind == "b") + rng.normal(size=n_clusters)[school]
        latent = eta + rng.logistic(size=len(school))
        tables.append(
            pd.DataFrame(
                {
                    "x": x,
                    "kind": kind,
                    "y": 5 - 10 * k + eta + rng.normal(0, 1 + k, len(school)),
                    "passed": (latent > 0).astype(int),
                    "count": rng.poisson(np.exp(eta / 2)),
                    "grade": pd.cut(latent, [-np.inf, -1, 1, np.inf], labels=["low", "medium", "high"]),
                    "the school": school,
                }
            )
        )
    return tables


def built(formula, table, family="gaussian"):
    """bambi's PyMC model of a table."""
    bambi_engine = bambi(formula, family)
    return bambi_engine._build(bayesian.arrays_of(formula, table, family, allow_uncorrelated=True), table).backend.model


@pytest.mark.sampling
@pytest.mark.parametrize("family", ["gaussian", "ordinal"])
def test_exchanged_data_give_the_density_of_the_other_model(family):
    """All parts of the data: response, covariates and their means, clusters, and columns of random effects."""
    from pytensor.compile.mode import Mode

    response = {"gaussian": "y", "ordinal": "grade"}[family]
    formula = f"{response} ~ x + kind + (1 + x || `the school`)"
    first, second = make_tables()
    second["the school"] = np.random.default_rng(2).permutation(second["the school"])
    engine = bambi(formula, family)
    models = [
        engine._build(bayesian.arrays_of(formula, table, family, allow_uncorrelated=True), table).backend.model
        for table in (first, second)
    ]
    mode = Mode(linker="py", optimizer=None)
    shared = reuse.exchangeable(models[0], len(first))
    density, other = shared.compile_logp(mode=mode), models[1].compile_logp(mode=mode)
    rng = np.random.default_rng(3)
    point = {name: value + 0.1 * np.abs(rng.normal(size=value.shape)) for name, value in shared.initial_point().items()}
    np.testing.assert_allclose(density(point), models[0].compile_logp(mode=mode)(point), rtol=1e-12)
    variables = reuse._variables(models[1])
    places = {variable.name: variable for variable in density.f.get_shared() if variable.name.startswith("data_")}
    assert len(places) >= 4
    for name, variable in places.items():
        variable.set_value(variables[int(name.removeprefix("data_"))].data)
    np.testing.assert_allclose(density(point), other(point), rtol=1e-12)


@pytest.mark.sampling
def test_models_that_differ_in_more_than_data_are_told_apart():
    table = make_tables(1)[0]
    formula = "y ~ x + (1 | `the school`)"
    graph = reuse._variables(built(formula, table))
    places = reuse._data_places(graph, len(table))

    def same(formula, table):
        return reuse._same_but_for(places, graph, reuse._variables(built(formula, table)))

    assert same(formula, table)
    shuffled = table.assign(y=table["y"].to_numpy()[::-1])
    assert same(formula, shuffled)
    assert not same(formula, table.iloc[:-1]), "fewer rows"
    assert not same(formula, table.assign(**{"the school": table["the school"].clip(upper=20)})), "fewer clusters"
    assert not same("y ~ x", table), "other parameters"
    assert not same(formula, table.assign(x=2 * table["x"])), "priors on another scale"


@pytest.mark.sampling
def test_posteriors_of_both_tables_are_near_least_squares():
    """With little prior information; one graph for both. Each z below is 5 Monte Carlo errors: false alarms below 1e-4."""
    tables = make_tables()
    analyses = analyze(tables, "y ~ x + kind", engine="bambi", draws=1000, tune=500, chains=2, random_seed=1)
    for fit, table in zip(analyses, tables, strict=True):
        theirs = fit_statsmodels("y ~ x + kind", table)
        error = of_draws(fit.draws)["mcse_mean"].to_numpy()[:3]
        # Priors move estimates by at most 5 % of a standard error: (posterior sd / prior sd)^2.
        np.testing.assert_array_less(np.abs(fit.values - theirs.values), 5 * error + 0.05 * theirs.std_errors)
        np.testing.assert_allclose(fit.std_errors, theirs.std_errors, rtol=0.15)
        np.testing.assert_allclose(fit.residual_variance, theirs.residual_variance, rtol=0.05)
    assert analyses.fits[0].names == TERMS
    assert analyses.fits[0].problems == ()
    assert list(analyses.posterior) == [*TERMS, "sd(residual)"]
    np.testing.assert_array_equal(analyses.posterior["x"].sel(imputation=2), analyses.fits[1].draws["x"])
    pooled = analyses.pool().table
    np.testing.assert_allclose(analyses.summary()["mean"].to_numpy()[:3], pooled["estimate"], rtol=1e-10)
    assert np.isinf(analyses.pool().df_complete)


@pytest.mark.slow
@pytest.mark.sampling
def test_equals_bambi_itself():
    """Both tables against fresh fits; 2 x 5 means within 4.5 Monte Carlo errors: false-alarm rate 1e-4."""
    import bambi as theirs

    formula = "y ~ x + kind + (1 | `the school`)"
    tables = make_tables()
    analyses = analyze(tables, formula, engine="bambi", draws=1500, tune=1000, chains=4, random_seed=2)
    priors = {}
    for fit, table in zip(analyses, tables, strict=True):
        model = theirs.Model(formula, table, priors=priors, auto_scale=not priors)
        model.build()
        parts = [*model.parameters["mu"].terms.values(), *model.marginal_parameters.values()]
        priors = {part.name: part.prior for part in parts}
        fresh = model.fit(1500, 1000, chains=4, random_seed=3, inference_method="nutpie", progressbar=False)["posterior"]
        names = {"Intercept": "Intercept", "x": "x", "kind[b]": "kind", "sd(residual)": "sigma"}
        names["sd(Intercept|the school)"] = next(str(name) for name in fresh if str(name).endswith("_sigma"))
        other = {name: fresh[found].to_numpy().reshape(4, 1500) for name, found in names.items()}
        ours, others = of_draws(fit.draws), of_draws(other)
        z = (ours["mean"] - others["mean"]) / np.hypot(ours["mcse_mean"], others["mcse_mean"])
        assert z.abs().max() < 4.5
        np.testing.assert_allclose(ours["sd"], others.loc[ours.index, "sd"], rtol=0.12)


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.parametrize(
    ("family", "formula"),
    [
        ("gaussian", "y ~ x + kind + (1 | `the school`)"),
        ("binomial", "passed ~ x + kind + (1 | `the school`)"),
        ("poisson", "count ~ x + kind + (1 | `the school`)"),
        ("ordinal", "grade ~ x + kind"),
        ("ordinal-probit", "grade ~ x + kind"),
    ],
)
def test_families_are_near_maximum_likelihood(family, formula):
    """Posterior means lie within 0.6 standard errors of the maximum; a wrong link or sign would be many away."""
    tables = make_tables()
    ours = analyze(tables, formula, engine="bambi", family=family, draws=500, tune=500, chains=2, random_seed=1)
    theirs = analyze(tables, formula, family=family)
    for fit, other in zip(ours, theirs, strict=True):
        assert fit.names == other.names
        np.testing.assert_array_less(np.abs(fit.values - other.values), 0.6 * other.std_errors)
        np.testing.assert_allclose(fit.std_errors, other.std_errors, rtol=0.3)
    if other.random is not None:
        assert fit.random.names == other.random.names
        np.testing.assert_allclose(np.sqrt(fit.random.covariance[0, 0]), np.sqrt(other.random.covariance[0, 0]), rtol=0.5)


@pytest.mark.slow
@pytest.mark.sampling
def test_a_seed_gives_the_same_draws_on_any_number_of_cores():
    import bambi as theirs

    table, priors = make_tables(1)[0], {"x": theirs.Prior("Normal", mu=50, sigma=1e-3)}
    options = {"draws": 200, "tune": 200, "chains": 2}
    first, again = bambi("y ~ x", random_seed=1, cores=1, **options), bambi("y ~ x", random_seed=1, cores=2, **options)
    drawn = [[engine(table).draws["x"] for _ in range(2)] for engine in (first, again)]
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
    assert not np.allclose(drawn[0][0], drawn[0][1]), "each table has numbers of its own"
    informed = bambi("y ~ x", priors=priors, random_seed=1, **options)(table)
    np.testing.assert_allclose(informed.values[1], 50, atol=0.01)


def test_problems_are_those_of_one_table():
    rng = np.random.default_rng(1)
    good = rng.normal(size=(4, 500))
    assert bayesian._problems({"x": good}, 0) == ()
    assert bayesian._problems({"x": good}, 3) == (bayesian.DIVERGENT,)
    assert bayesian.DISAGREEING in bayesian._problems({"x": good, "y": good + np.arange(4)[:, None]}, 0)
    assert bayesian._problems({"x": good[:, :50]}, 0) == (bayesian.SCARCE,)
    assert bayesian._problems({"x": good[:1]}, 0) == (bayesian.ONE_CHAIN,)


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("formula", "arguments", "message"),
    [
        ("y ~ x + (1 + x | `the school`)", {}, r"no correlations .* Write \(1 \+ x \|\| the school\)"),
        ("y ~ response_", {}, "a column 'response_', a name that"),
        ("y ~ x", {"priors": {"z": 1}}, "priors for 'z', but the model has 'Intercept', 'x' or 'sigma'"),
        ("grade ~ 0 + x", {"family": "ordinal"}, "has no intercept. .* cut points stand in its place"),
        ("kind ~ x", {"family": "ordinal"}, "'kind' is str, which has no order"),
    ],
)
def test_models_that_cannot_be_sampled(formula, arguments, message):
    tables = [table.assign(response_=1.0 * table["x"]) if "response_" in formula else table for table in make_tables(1)]
    with pytest.raises(AnalysisError, match=f"Imputation 1: .*{message}"):
        analyze(tables, formula, engine="bambi", **arguments)


def test_settings_that_are_wrong(monkeypatch):
    with pytest.raises(AnalysisError, match="'bambi' has no family 'nominal'. Choose 'gaussian', 'binomial'"):
        bambi("kind ~ x", "nominal")
    with pytest.raises(SamplingError, match="draws must be a whole number of at least 1, not 0"):
        bambi("y ~ x", draws=0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AnalysisError, match=r'pip install "jmimpute\[bambi\]"'):
        bambi("y ~ x")
