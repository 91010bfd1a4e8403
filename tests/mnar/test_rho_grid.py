"""Grids over rho: each point is the fit that one would make by hand, and what lies between follows the fits."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.stats import t

import jmimpute as jm
from jmimpute.errors import (
    AnalysisError,
    ConvergenceWarning,
    FormulaError,
    ImputationError,
    InterruptedWarning,
    SamplingError,
)
from jmimpute.mnar.evaluating import Fits
from jmimpute.mnar.sensitivity import Sensitivity
from tests.mnar import problems
from tests.mnar.selected import model, quickly, table

FORMULA = "y ~ x"
RHOS = [-0.8, -0.4, 0.0, 0.4, 0.8]


def grid(rho=RHOS, analysis=FORMULA, source=None, **options):
    options = {"m": 10, "random_seed": 3, "progressbar": False, **options}
    return jm.sensitivity(source or model(), "y", rho=rho, analysis=analysis, **options)


@pytest.fixture(scope="module")
def done():
    with pytest.MonkeyPatch.context() as patch:
        quickly(patch)
        yield grid()


# The fits


def test_every_point_is_fitted_with_rho_held_and_the_same_seed(monkeypatch):
    asked = quickly(monkeypatch)
    found = grid([0.5, -0.5], draws=300, target_accept=0.9, m=5)
    expected = {"draws": 300, "target_accept": 0.9, "random_seed": 3, "cores": None, "keep_latents": 5, "progressbar": False}
    assert asked == [expected, expected]
    assert found.points["rho"].tolist() == [0.5, -0.5] and found.parameters == ("rho",) and found.neutral == 0
    assert [one.m for one in found.imputations] == [5, 5]


def test_an_unseeded_grid_has_one_seed(monkeypatch):
    asked = quickly(monkeypatch)
    for _ in range(2):
        grid([-0.5, 0.5], random_seed=None)
    seeds = [arguments["random_seed"] for arguments in asked]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]


def test_everything_else_stays_as_the_model_says(monkeypatch):
    made = []
    monkeypatch.setattr(jm.JointModel, "fit", lambda self, **arguments: made.append(self) or 1 / 0)
    other = jm.selection("~ x + w", "w", "made so", jm.priors.uniform(-1, 0))
    source = model(formulas=["y ~ x + (1 | cluster)", "k ~ x + (1 | cluster)"], k=other)
    with pytest.raises(ZeroDivisionError):
        grid([-0.7], source=source)
    (own,) = made
    assert own.specification.clauses["y"].rho == -0.7 and own.specification.clauses["k"] == other
    assert own.specification.clauses["y"].exclude == source.specification.clauses["y"].exclude
    assert own.specification.formulas == source.specification.formulas
    assert own.specification.priors == source.specification.priors
    assert own.table.frame.equals(source.table.frame)


def test_results_are_those_of_the_imputations(done):
    for value, one in zip(RHOS, done.imputations, strict=True):
        expected = one.analyze(FORMULA).pool().table
        own = done.table[done.table["rho"] == value].reset_index(drop=True)
        np.testing.assert_array_equal(own[expected.columns[1:]].to_numpy(), expected.iloc[:, 1:].to_numpy())
        assert own["term"].tolist() == expected["term"].tolist()


def test_the_implied_mean_is_of_what_is_selected(done):
    frame, one = table(), done.imputations[1]
    selected = (frame["cluster"] < 7).to_numpy()[one.rows("y")]
    assert 0 < np.sum(~selected) < len(selected)
    assert done.points["implied_mean"][1] == pytest.approx(one.values("y")[:, selected].mean())
    assert done.table.loc[done.table["rho"] == -0.4, "implied_mean"].tolist() == [done.points["implied_mean"][1]] * 2


def test_fits_are_judged_in_the_table(done):
    assert done.points["r_hat"].tolist() == pytest.approx([1 + abs(value) for value in RHOS])
    assert done.points["ess"].tolist() == [300.0] * 5
    assert len(done.diagnostics) == 5 and "r_hat" in repr(done) and "rho of 0: missing at random" in repr(done)


def test_fits_that_did_not_converge_are_named_once(monkeypatch):
    quickly(monkeypatch, ok=lambda rho: rho > -0.5)
    with pytest.warns(
        ConvergenceWarning, match=r"1 of 5 fits have not converged: rho -0.8 \(R-hat 1.800, .* size 300\)"
    ) as told:
        found = grid()
    assert len(told) == 1 and any("not converged" in note for note in found.notes)


@pytest.mark.parametrize("error", [KeyboardInterrupt, InterruptedWarning, SamplingError("no start")])
def test_what_was_done_is_kept(monkeypatch, error):
    def stop(done):
        if done == 2:
            raise error

    quickly(monkeypatch, stop)
    with pytest.warns(InterruptedWarning, match=r"Stopped at rho 0.* 2 of 5 fits") as told:
        found = grid()
    assert found.points["rho"].tolist() == RHOS[:2] and len(found) == 2 and len(found.imputations) == 2
    assert "stopped after 2 of 5 fits" in found.notes
    assert ("no start" in str(told[0].message)) == isinstance(error, SamplingError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SamplingError("no start")])
def test_nothing_done_is_no_result(monkeypatch, error):
    def stop(done):
        raise error

    quickly(monkeypatch, stop)
    with pytest.raises(error if isinstance(error, type) else SamplingError):
        grid()


def test_another_analysis_takes_no_fits(done, monkeypatch):
    monkeypatch.setattr(jm.JointModel, "fit", None)
    found = done.analyze("k ~ y")
    assert found.analysis == "k ~ y" and found.terms == ("Intercept", "y")
    expected = done.imputations[3].analyze("k ~ y").pool().table
    assert found.table.query("rho == 0.4")["estimate"].tolist() == expected["estimate"].tolist()
    assert found.points is done.points


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (model, {"rho": [0.0, 1.0]}, ImputationError, r"between -1 and 1, such as \[.*, not \[0.0, 1.0\]"),
        (model, {"rho": [0.1, 0.1]}, ImputationError, "different numbers"),
        (model, {"rho": []}, ImputationError, "different numbers"),
        (model, {"rho": 0.3}, ImputationError, "must be a list"),
        (model, {"rho": [True]}, ImputationError, "different numbers"),
        (model, {"rho": [0.3], "variable": "k"}, ImputationError, "no selection submodel of 'k'.* one of 'y'"),
        (lambda: jm.JointModel("y ~ x", table()), {"rho": [0.3]}, ImputationError, "It has none: say missing="),
        (problems.imputations, {"rho": [0.3]}, ImputationError, "give the JointModel that is to be fitted, not Imputations"),
        (model, {}, ImputationError, "none is given"),
        (model, {"rho": [0.3], "adjustment": jm.shift([0, 1])}, ImputationError, "both is given"),
        (model, {"adjustment": jm.shift([0, 1])}, ImputationError, "A model has no imputed values to adjust"),
        (problems.imputations, {"adjustment": jm.shift([0, 1]), "draws": 9}, ImputationError, "draws belongs to fits"),
        (problems.imputations, {"adjustment": jm.shift([0, 1]), "m": 9}, ImputationError, "m belongs to fits"),
        (model, {"rho": [0.3], "scope": "marginal"}, ImputationError, "scope belongs to an adjustment"),
        (model, {"rho": [0.3], "m": 1}, AnalysisError, "at least two"),
        (model, {"rho": [0.3], "analysis": None}, AnalysisError, "a formula or a function, not NoneType"),
        (model, {"rho": [0.3], "analysis": "y ~ nothing"}, FormulaError, "nothing"),
    ],
)
def test_what_is_no_grid_is_refused_before_a_fit(monkeypatch, source, options, error, message):
    monkeypatch.setattr(jm.JointModel, "fit", None)
    given = {"analysis": FORMULA, "progressbar": False, **options}
    variable = given.pop("variable", "y")
    with pytest.raises(error, match=message):
        jm.sensitivity(source(), variable, **given)


def test_a_grid_over_a_delta_keeps_no_imputations():
    adjusted = jm.sensitivity(problems.imputations(), "y", jm.shift([0, 1]), "y ~ z", scope="marginal", progressbar=False)
    with pytest.raises(ImputationError, match="keeps no imputations"):
        adjusted.analyze("y ~ z")


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_points_are_the_fits_that_one_would_make_by_hand():
    """To the last bit, estimates and their variances, of processes too."""
    settings = {"draws": 60, "tune": 60, "chains": 2}
    found = grid([-0.5, 0.5], m=4, **settings)
    for value, fits in zip([-0.5, 0.5], found.fits, strict=True):
        fit = model(rho=value).fit(random_seed=3, progressbar=False, **settings)
        expected = fit.impute(4, progressbar=False).analyze(FORMULA)
        np.testing.assert_array_equal(fits.estimates, [one.values for one in expected.fits])
        np.testing.assert_array_equal(fits.variances, [np.diag(one.covariance) for one in expected.fits])
    assert not np.array_equal(found.fits[0].estimates, found.fits[1].estimates)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_processes_give_the_same():
    settings = {"draws": 60, "tune": 60, "chains": 2, "m": 4}
    one, two = (grid([-0.5, 0.5], cores=cores, **settings) for cores in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_larger_rho_imputes_smaller_values():
    """Two hundred rows, of which half are missing: from rho -0.8 to 0.8 their mean falls by more than a residual sd."""
    found = grid([-0.8, 0.0, 0.8], m=20, draws=300, tune=300, chains=2)
    assert np.all(np.diff(found.points["implied_mean"]) < -0.5)


# Between the fits


def test_the_tipping_point_is_where_interpolated_results_change(done):
    found = done.tipping_point("Intercept")
    own = done.table[done.table["term"] == "Intercept"]
    curves = {name: PchipInterpolator(RHOS, own[name]) for name in ("estimate", "std_error")}
    df = 1 / PchipInterpolator(RHOS, 1 / own["df"])(found.value)
    estimate, error = (float(curves[name](found.value)) for name in curves)
    assert min(abs(estimate - t.ppf(0.975, df) * error), abs(estimate + t.ppf(0.975, df) * error)) < 1e-8
    assert found.value in (found.below, found.above) and found.parameter == "rho" and found.limits == (-0.8, 0.8)
    assert found.value == min((found.below, found.above), key=abs)
    row = found.table.set_index("rho").loc[found.value]
    assert row["estimate"] == pytest.approx(estimate) and row["term"] == "Intercept"


def test_the_curve_goes_through_the_fits(done):
    curve = done.tipping_point("x").table.set_index("rho").loc[RHOS]
    own = done.table[done.table["term"] == "x"].set_index("rho")
    for name in ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high", "riv", "lambda", "fmi"):
        np.testing.assert_allclose(curve[name], own[name], rtol=1e-10, err_msg=name)
    np.testing.assert_allclose(curve["implied_mean"], own["implied_mean"])


def test_the_order_of_the_grid_does_not_matter(monkeypatch, done):
    quickly(monkeypatch)
    other = grid([0.4, -0.8, 0.0, 0.8, -0.4])
    first, second = (each.tipping_point("Intercept") for each in (done, other))
    assert first.value == second.value and first.mc_error == second.mc_error
    pd.testing.assert_frame_equal(first.table, second.table)


def test_criteria_are_those_of_other_tipping_points(done):
    level = float(np.mean(done.table.query("term == 'Intercept' and rho in (0.0, 0.4)")["estimate"]))
    found = done.tipping_point("Intercept", lambda row: row.estimate > level)
    assert 0 < found.above < 0.4 and found.below is None and found.holds
    assert found.table.set_index("rho").loc[found.above, "estimate"] == pytest.approx(level, abs=1e-6)
    assert done.tipping_point("Intercept", "p<0.05").value == pytest.approx(done.tipping_point("Intercept").value, abs=1e-6)


def made_up(seed, m=12):
    """A grid of three points, whose estimates fall by 1 from each to the next and have a variance of 0.04."""
    rng = np.random.default_rng(seed)
    points = pd.DataFrame({"rho": [-0.8, 0.0, 0.8], "implied_mean": [1.0, 0.0, -1.0]})
    drawn = np.array([1.3, 0.3, -0.7])[:, None] + 0.2 * rng.normal(size=(3, m))
    fits = tuple(Fits(("mean",), one[:, None], np.full((m, 1), 0.01), np.inf) for one in drawn)
    return Sensitivity("y", ("rho",), 0.0, points, fits, "made up", 0.95)


def test_the_monte_carlo_error_is_that_of_repeated_imputations():
    """30 made-up grids: the mean error is within 55 % of the spread, whose own error is 13 % (four of these: 1 in 10000)."""
    found = [made_up(seed).tipping_point(criterion=lambda row: row.estimate) for seed in range(30)]
    spread = np.std([one.value for one in found])
    assert abs(np.mean([one.mc_error for one in found]) / spread - 1) < 0.55


def test_no_tipping_point_is_told_with_both_ends(done):
    found = done.tipping_point("x", lambda row: row.estimate > -5)
    assert not found.found and found.mc_error is None
    assert "This does not change for rho from -0.8 (estimate" in str(found)


def test_the_text_names_rho_and_what_it_means(done):
    found = done.tipping_point("Intercept")
    means = found.table.set_index("rho")["implied_mean"]
    text = str(found)
    assert f"changes if rho of the missing values of 'y' is {found.value:.3g} or less" in text
    assert f"Monte Carlo error {found.mc_error:.2g}: their mean is then {means[found.value]:.4g}, not {means[0.0]:.4g})" in text


def test_averages_over_a_prior_are_those_of_draws_from_it(done):
    """The mixture by simulation: 400000 draws of rho and then of t, quantiles within 5 of their errors (1 in 100000)."""
    prior = jm.priors.uniform(-0.8, 0.2)
    found = done.weighted(prior)
    rng = np.random.default_rng(1)
    rho = rng.uniform(-0.8, 0.2, 400_000)
    curve = PchipInterpolator(RHOS, done.table.query("term == 'Intercept'")[["estimate", "std_error"]])(rho)
    df = 1 / PchipInterpolator(RHOS, 1 / done.table.query("term == 'Intercept'")["df"])(rho)
    drawn = curve[:, 0] + curve[:, 1] * rng.standard_t(df)
    row = found.table.set_index("term").loc["Intercept"]
    spread = drawn.std()
    assert row["estimate"] == pytest.approx(curve[:, 0].mean(), abs=5 * curve[:, 0].std() / 630)
    assert row["std_error"] == pytest.approx(np.hypot(curve[:, 0].std(), np.sqrt(np.mean(curve[:, 1] ** 2))), rel=0.01)
    for tail, name in ((0.025, "conf_low"), (0.975, "conf_high")):
        assert row[name] == pytest.approx(np.quantile(drawn, tail), abs=5 * 2.7 * spread / 630)
    assert row["p_positive"] == pytest.approx(np.mean(drawn > 0), abs=5 * 0.5 / 630)
    means = PchipInterpolator(RHOS, done.points["implied_mean"])(rho)
    assert found.implied_mean == pytest.approx(means.mean(), abs=5 * means.std() / 630)
    assert "~ uniform(-0.8, 0.2), which the data do not change" in repr(found)


@pytest.mark.parametrize(("prior", "center"), [(jm.priors.truncated_normal(-0.3, 0.01), -0.3), (jm.priors.fisher_z(0.02), 0.0)])
def test_a_narrow_prior_gives_the_result_at_its_center(done, prior, center):
    own = done.tipping_point("Intercept").table
    expected = np.interp(center, own["rho"], own["estimate"])
    assert done.weighted(prior).table["estimate"][0] == pytest.approx(expected, abs=2e-3)


def test_what_is_no_curve_is_refused(done, monkeypatch):
    with pytest.raises(ImputationError, match="10 % of the prior uniform.* beyond the grid, which goes from -0.8 to 0.8"):
        done.weighted(jm.priors.uniform(-0.8, 0.98))
    with pytest.raises(ImputationError, match="must be jm.priors.uniform"):
        done.weighted(0.3)
    with pytest.raises(AnalysisError, match="no term None. Choose 'Intercept' or 'x'"):
        done.tipping_point()
    with pytest.raises(AnalysisError, match="'significant' is not known"):
        done.tipping_point("x", "significant")
    quickly(monkeypatch)
    with pytest.raises(ImputationError, match=r"2 value\(s\) of rho"):
        grid([-0.5, 0.5]).tipping_point("x")
    with pytest.raises(ImputationError, match="from 0.2 to 0.6 does not contain rho = 0"):
        grid([0.2, 0.4, 0.6]).tipping_point("x")
    adjusted = jm.sensitivity(problems.imputations(), "y", jm.shift([0, 1, 2]), "y ~ z", scope="marginal", progressbar=False)
    for asked in (lambda: adjusted.tipping_point("z"), lambda: adjusted.weighted(jm.priors.uniform(-0.5, 0.5))):
        with pytest.raises(ImputationError, match="grid over 'delta', not one over rho"):
            asked()
