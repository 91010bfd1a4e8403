"""Reference-based imputation: each row by the textbook formula, and what the strategies are known to do."""

import warnings

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning, ImputationError

pytestmark = pytest.mark.sampling

M = 4
VISITS = ["y1", "y2", "y3"]


def trial(n=120):
    """Three visits; some drop out after the first or second, some miss one before, one row has none."""
    rng = np.random.default_rng(3)
    arm, base, site = rng.choice(["drug", "placebo"], n), rng.normal(size=n), np.arange(n) % 6
    effect = np.where(arm == "drug", 1.0, 0.0)[:, None] * [1, 2, 3]
    y = 5 + effect + base[:, None] + rng.normal(size=(n, 1)) + rng.normal(size=(n, 3)) + rng.normal(size=6)[site][:, None]
    last = rng.choice([1, 2, 3], n, p=[0.2, 0.2, 0.6])
    y[np.arange(3) >= last[:, None]] = np.nan
    y[::10, 1] = np.nan
    y[np.flatnonzero(~np.isnan(y[:, 1]))[:8], 0] = np.nan
    y[7] = np.nan
    table = pd.DataFrame({"site": site, "arm": arm, "base": base, **dict(zip(VISITS, y.T, strict=True))})
    table.loc[7, "arm"] = "drug"
    return table


def imputed(formula, data=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = jm.JointModel(formula, trial() if data is None else data, **options)
        return model.fit(100, 200, 2, random_seed=1, progressbar=False).impute(M, progressbar=False)


KINDS = {
    "sites": ("y1 + y2 + y3 ~ arm * base + (1 | site)", {}),
    "own": (["y1 ~ arm + (1 | site)", "y2 + y3 ~ base + arm + (1 | site)"], {}),
    "covariances": ("y1 + y2 + y3 ~ arm + base + (1 | site)", {"covariance": "cluster-specific"}),
}


@pytest.fixture(scope="module", params=KINDS)
def before(request):
    formula, options = KINDS[request.param]
    return imputed(formula, **options)


def expected_moves(imputations, strategy):
    """Row by row from the coefficients: which arm's means before and after the last observed visit, and the regression."""
    fit, frame = imputations._fit, imputations.original
    moves = np.zeros((M, len(frame), 3))
    for k, (chain, draw) in enumerate(fit._plan(M)[0]):
        beta = fit.posterior["beta"].isel(chain=chain, draw=draw)
        omega = fit.posterior["Omega_e"].isel(chain=chain, draw=draw).to_numpy().reshape(-1, 3, 3)

        def mean(row, arm, visit, beta=beta):
            known = {"Intercept": 1, "arm[placebo]": arm == "placebo", "base": row["base"]}
            known["arm[placebo]:base"] = known["arm[placebo]"] * row["base"]
            b = beta.sel(response=VISITS[visit])
            return sum(float(b.sel(covariate=name)) * known[name] for name in b["covariate"].values)

        for i, row in frame.iterrows():
            o = row[VISITS].notna().to_numpy(dtype=bool)
            last = np.flatnonzero(o).max(initial=-1)
            if row["arm"] == "placebo" or last == 2:
                continue
            own, ref = (np.array([mean(row, arm, v) for v in range(3)]) for arm in ("drug", "placebo"))
            taken = own.copy()
            for v in range(3):
                if strategy == "CR" or (v > last and strategy == "J2R"):
                    taken[v] = ref[v]
                elif v > last and strategy == "CIR":
                    taken[v] = ref[v] + (own[last] - ref[last] if last >= 0 else 0)
                elif v > last:
                    taken[v] = own[last]
            covariance = omega[row["site"] if len(omega) > 1 else 0]
            gain = covariance[np.ix_(~o, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
            step = taken - own
            moves[k, i, ~o] = step[~o] - gain @ step[o]
    return moves


@pytest.mark.parametrize("strategy", ["J2R", "CR", "CIR"])
def test_rows_move_as_the_textbook_says(before, strategy):
    after = jm.reference_based(before, strategy, visits=VISITS, arm="arm", reference="placebo")
    moves = expected_moves(before, strategy)
    assert np.abs(moves).max() > 0.5
    for v, name in enumerate(VISITS):
        np.testing.assert_allclose(after.values(name) - before.values(name), moves[:, before.rows(name), v], atol=1e-8)


def test_the_last_mean_is_carried_forward():
    data = trial().dropna(subset=VISITS, how="all").reset_index(drop=True)
    before = imputed("y1 + y2 + y3 ~ arm + base + (1 | site)", data)
    after = jm.reference_based(before, "LMCF", visits=VISITS, arm="arm", reference="placebo")
    moves = expected_moves(before, "LMCF")
    for v, name in enumerate(VISITS):
        np.testing.assert_allclose(after.values(name) - before.values(name), moves[:, before.rows(name), v], atol=1e-8)


def test_the_reference_arm_and_rows_that_came_back_stay_missing_at_random(before):
    frame = before.original
    for strategy in ("J2R", "CR", "CIR"):
        after = jm.reference_based(before, strategy, visits=VISITS, arm="arm", reference="placebo")
        for name in VISITS:
            rows = before.rows(name)
            stays = ((frame["arm"] == "placebo") | frame["y3"].notna()).to_numpy()[rows]
            assert stays.any() and np.array_equal(after.values(name)[:, stays], before.values(name)[:, stays])
            assert (after.values(name)[:, ~stays] != before.values(name)[:, ~stays]).any()


def test_jumping_to_reference_loses_the_effect_of_the_drug(before):
    """Strategies in the order in which they are known to favour the drug: J2R least, then CR and CIR, then MAR."""
    effects = {"MAR": before}
    for strategy in ("J2R", "CR", "CIR"):
        effects[strategy] = jm.reference_based(before, strategy, visits=VISITS, arm="arm", reference="placebo")
    effect = {name: -own.analyze("y3 ~ arm + base").pool().table["estimate"][1] for name, own in effects.items()}
    assert effect["J2R"] < effect["CR"] < effect["MAR"] and effect["J2R"] < effect["CIR"] < effect["MAR"]
    assert "reference_based" in effects["J2R"].provenance["changes"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "JR"}, "strategy must be 'J2R'"),
        ({"strategy": "LMCF"}, r"1 row\(s\) have none, counted from 0: 7"),
        ({"visits": ["y1"]}, "two or more continuous responses"),
        ({"visits": ["y1", "y1"]}, "each once"),
        ({"visits": ["y1", "base"]}, "two or more continuous responses"),
        ({"arm": "treatment"}, "'treatment' must be a complete column"),
        ({"arm": "site", "reference": 0}, "is no covariate of 'y1'"),
        ({"reference": "other"}, "reference arm 'other'"),
    ],
)
def test_what_is_no_trial_is_refused(before, change, message):
    arguments = {"strategy": "J2R", "visits": VISITS, "arm": "arm", "reference": "placebo"} | change
    with pytest.raises(ImputationError, match=message):
        jm.reference_based(before, **arguments)


def test_the_fit_must_be_at_hand_and_arms_have_no_random_effects(tmp_path):
    before = imputed("y1 + y2 + y3 ~ arm + base + (1 + arm | site)")
    with pytest.raises(ImputationError, match="'arm' has random effects"):
        jm.reference_based(before, "J2R", visits=VISITS, arm="arm", reference="placebo")
    before.save(tmp_path / "saved")
    with pytest.raises(ImputationError, match="needs the fit"):
        jm.reference_based(jm.load(tmp_path / "saved"), "J2R", visits=VISITS, arm="arm", reference="placebo")
