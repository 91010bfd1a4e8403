"""Separated categories are found whenever, and only if, the likelihood has no maximum; and what flat priors make of them."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import jmimpute as jm
from jmimpute.errors import PriorError
from jmimpute.specification import specify
from jmimpute.specification.families import BINARY, NOMINAL, ORDINAL, Variable
from jmimpute.specification.layout import lay_out
from jmimpute.specification.separation import separations

NAMES = ("Intercept", "x1", "x2")
FLAT = {"beta": jm.priors.flat()}


def find(family, codes, x, free=True, names=NAMES):
    """The separation of one response with an intercept and the covariates x."""
    codes = np.asarray(codes)
    levels = tuple("abcdefgh"[: codes.max() + 1])
    variable = Variable("v", family, 0, levels, -1 if family == ORDINAL else 0)
    design = np.column_stack([np.ones(len(codes)), x])
    names = names[: design.shape[1]]
    layout = lay_out((variable,), {"v": names}, {"v": ()})
    found = separations(layout, codes[:, None], design, free)
    return found[0] if found else None


def by_definition(family, codes, x, free):
    """Whether a direction exists, from one linear programme with every inequality written out."""
    design = np.column_stack([np.ones(len(codes)), x])
    n, q = design.shape
    k = codes.max() + 1
    rows = []
    for i in range(n):
        if family == ORDINAL:
            upper = np.zeros(q + k)  # coefficients, then c_1 ... c_{k-1} and a column that stays 0
            lower = upper.copy()
            upper[:q], lower[:q] = -design[i], design[i]
            if codes[i] < k - 1:
                upper[q + codes[i]] = 1
                rows.append(upper)
            if codes[i] > 0:
                lower[q + codes[i] - 1] = -1
                rows.append(lower)
        else:
            for other in set(range(k)) - {codes[i]}:
                row = np.zeros((k, q))
                row[codes[i]], row[other] = design[i], -design[i]
                rows.append(row.ravel())
    rows = np.array(rows)
    if family == ORDINAL:
        fixed = np.array([*[False] * q, True, *[not free] * (k - 2), True])
    else:
        fixed = np.repeat(np.arange(k) == 0, q)
    bounds = [(0, 0) if stays else (-1, 1) for stays in fixed]
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=bounds, method="highs")
    return (rows @ found.x).max() > 1e-6


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("family", [BINARY, NOMINAL, ORDINAL])
def test_found_if_and_only_if_there_is_a_direction(family, free):
    """Few rows with few distinct covariates: separated in many ways, wholly and in part, about as often as not."""
    rng = np.random.default_rng(7)
    answers = []
    for _ in range(40):
        n, k = int(rng.integers(6, 20)), 2 if family == BINARY else int(rng.integers(3, 5))
        x = np.round(rng.normal(size=(n, 2)), int(rng.integers(0, 3)))
        codes = np.argsort(np.argsort(x @ rng.normal(size=2) + rng.exponential(0.6) * rng.normal(size=n))) * k // n
        answers.append(by_definition(family, codes, x, free))
        assert (find(family, codes, x, free) is not None) == answers[-1]
    share = 0.15 if free or family != ORDINAL else 0.01
    assert share < np.mean(answers) < 0.9


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("family", [BINARY, NOMINAL, ORDINAL])
def test_covariates_that_separate_alone(family, free):
    """With one covariate, only its smallest and largest value in each category matter."""
    rng = np.random.default_rng(8)
    n_named = 0
    for _ in range(40):
        n, k = int(rng.integers(6, 20)), 2 if family == BINARY else 3
        x = np.round(rng.normal(size=(n, 2)), 1)
        noise = rng.choice([0.0, 0.3]) * rng.normal(size=n)
        codes = np.argsort(np.argsort(x[:, int(rng.integers(2))] + noise)) * k // n
        alone = tuple(name for name, column in zip(NAMES[1:], x.T, strict=True) if by_definition(family, codes, column, free))
        found = find(family, codes, x, free)
        assert not alone or (found.covariates, found.combined) == (alone, False)
        assert alone or found is None or found.combined
        n_named += bool(alone)
    assert 2 < n_named < 38 or (family == ORDINAL and not free)


def test_repeated_rows_change_nothing():
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(size=(25, 2)), 1)
    codes = np.argmax(np.column_stack([np.zeros(25), x @ rng.normal(size=(2, 2))]), axis=1)
    again = np.concatenate([np.arange(25), rng.integers(0, 25, 500)])
    assert find(NOMINAL, codes, x) == find(NOMINAL, codes[again], x[again])
    assert find(NOMINAL, codes, x).combined


def test_a_category_that_a_dummy_tells():
    rng = np.random.default_rng(1)
    dummy = np.arange(60) % 3 == 0
    codes = np.where(dummy, 2, rng.integers(0, 2, 60))
    found = find(NOMINAL, codes, np.column_stack([rng.normal(size=60), dummy]))
    assert (found.response, found.covariates, found.combined, found.levels) == ("v", ("x2",), False, ("c",))
    assert str(found) == "x2 separates 'c' from the other categories of 'v' perfectly"


def test_a_cell_that_is_empty():
    """Where the dummy is 1 category a is never seen, which is separation too, though nothing is certain."""
    rng = np.random.default_rng(1)
    dummy = np.arange(60) % 2
    codes = np.where(dummy, rng.integers(1, 3, 60), rng.integers(0, 3, 60))
    found = find(NOMINAL, codes, dummy[:, None])
    assert (found.covariates, found.levels) == (("x1",), ())
    assert str(found) == "x1 separates the categories of 'v' perfectly"


def test_a_combination():
    x = np.random.default_rng(1).normal(size=(300, 2))
    codes = (x.sum(axis=1) > 0).astype(int)
    found = find(BINARY, codes, x)
    assert (found.covariates, found.combined) == (("x1", "x2"), True)
    assert str(found) == "a combination of x1, x2 separates the categories of 'v' perfectly"
    assert find(BINARY, np.where(np.arange(300) == 7, 1 - codes, codes), x) is None, "one row on the other side is enough"


def test_three_sectors():
    """No category can be split off by a line, but latents tell all of them apart."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    codes = np.arange(90) // 30
    assert find(NOMINAL, codes, np.column_stack([np.cos(angle), np.sin(angle)])).levels == ()


def test_ordinal_cut_points_may_have_to_move():
    x = np.arange(9.0)[:, None] - 4
    codes = np.repeat([0, 1, 2], 3)
    assert find(ORDINAL, codes, x) is not None
    assert find(ORDINAL, codes, x, free=False) is None, "a coefficient alone cannot go on: the middle category would be lost"


def test_without_covariates_nothing_is_separated():
    for family in (BINARY, NOMINAL, ORDINAL):
        codes = np.arange(30) % (2 if family == BINARY else 5)
        assert find(family, codes, np.empty((30, 0))) is None


def test_missing_cells_do_not_count():
    x = np.arange(8.0)[:, None] - 3.5
    codes = np.array([0, 0, 1, 0, 1, 1, 1, 1])
    assert find(BINARY, codes, x) is None
    codes[2] = -1
    assert find(BINARY, codes, x).covariates == ("x1",)


@pytest.mark.parametrize("family", [BINARY, NOMINAL, ORDINAL])
def test_many_rows(family):
    """Rows enter the linear programme as they are needed: one of 30 000 decides."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30_000, 2))
    score = x @ [1.0, 0.5]
    codes = np.searchsorted([0.0] if family == BINARY else [-1.0, 0.5], score)
    assert find(family, codes, x).combined
    codes[np.argmax(score)] = 0
    assert find(family, codes, x) is None


# Models


def table():
    rng = np.random.default_rng(3)
    n = 80
    arm = np.repeat(["old", "new"], n // 2)
    kind = np.where(arm == "new", "u", rng.choice(["u", "v", "w"], n))
    frame = pd.DataFrame({"y": rng.normal(size=n), "kind": kind, "arm": arm, "x": rng.normal(size=n)})
    frame.loc[::7, "kind"] = np.nan
    frame.loc[::9, "y"] = np.nan
    return frame


def model(formula="y + kind ~ arm + x", priors=None, frame=None, **options):
    return jm.JointModel(formula, table() if frame is None else frame, families={"kind": "nominal"}, priors=priors, **options)


def test_a_flat_prior_of_coefficients_is_refused():
    for priors in (FLAT, jm.priors.jomo()):
        with pytest.raises(PriorError) as caught:
            model(priors=priors)
        message = str(caught.value)
        for part in ("arm[old] separates 'u' from", "'kind'", "flat prior of beta", "improper", "jm.priors.normal(5.0)"):
            assert part in message, message


def test_a_normal_prior_is_worth_a_note():
    assert "arm[old] separates 'u' from the other categories of 'kind' perfectly. The result rests on the prior" in str(model())


def test_bounded_latents_make_the_posterior_proper():
    """Coefficients cannot go on where latents cannot; they can where nothing depends on them."""
    for priors in (FLAT, jm.priors.jomo()):
        bounded = model(priors=priors, latent_bounds=(-3, 4))
        assert "separates 'u' from the other categories of 'kind' perfectly. The result rests on latent_bounds." in str(bounded)
    frame = table()
    frame["arm"] = frame["arm"].where(frame["kind"].isna(), "new")
    with pytest.raises(PriorError, match=r"arm\[old\] is constant or collinear.*'kind'.*improper"):
        model("kind ~ arm + x", FLAT, frame, latent_bounds=(-3, 4))


def test_separation_is_looked_for_once(monkeypatch):
    """It takes long with many rows, and a model may be printed often."""
    calls = []
    monkeypatch.setattr(specify, "separations", lambda *given, **options: calls.append(1) or separations(*given, **options))
    overlapping = model("y + kind ~ x", jm.priors.jomo())
    assert str(overlapping) == str(overlapping)
    assert len(calls) == 1


def test_overlapping_categories_are_neither():
    model("y + kind ~ x", FLAT)
    assert "separates" not in str(model("y + kind ~ x"))
    model(["y ~ arm", "kind ~ x"], FLAT)


def test_a_covariate_that_does_not_vary_where_the_response_is_seen():
    frame = table()
    frame.loc[frame["arm"] == "new", "y"] = np.nan
    rows = int(frame["y"].notna().sum())
    text = f"arm[old] is constant or collinear in the {rows} rows where 'y' is observed"
    assert text in str(jm.JointModel("y ~ arm + x", frame))
    with pytest.raises(PriorError) as caught:
        jm.JointModel("y ~ arm + x", frame, priors=FLAT)
    assert text in str(caught.value)


def test_a_flat_covariance_needs_rows():
    """Two latents and one continuous response need more than 2 + 2 rows with an observed response."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0, np.nan, np.nan], "kind": ["u", "v", "w", "u", None]})
    flat = {"Omega_e": jm.priors.flat()}
    with pytest.raises(PriorError, match=r"more than 4 rows.*2 latent normals.*1 continuous.*there are 4\. .*lkj\(\)"):
        model("y + kind ~ 1", flat, frame)
    model("y + kind ~ 1", flat, frame.fillna({"kind": "u"}))
