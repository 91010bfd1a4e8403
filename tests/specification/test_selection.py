"""Selection submodels: where they stand in the layout, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError, FormulaError, PriorError, TableError
from jmimpute.specification import selection as clauses
from jmimpute.specification.specify import specify


def table(n=120):
    rng = np.random.default_rng(0)
    site = np.repeat(np.arange(6), n // 6)
    frame = pd.DataFrame({"site": site, "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["staff"] = np.tile(list("abcd"), n // 4)
    frame["y"] = 1.0 + frame["x"] + rng.normal(size=n)
    frame["w"] = frame["y"] + rng.normal(size=n)
    frame.loc[(frame["z"] < -0.3) | (site == 5), "y"] = np.nan
    frame.loc[::7, "w"] = np.nan
    frame["seen"] = frame["y"].notna().astype(int)
    return frame


def clause(formula="~ x + z + (1 | site)", exclude=("z",), rationale="made up", **arguments):
    return jm.selection(formula, exclude, rationale, **arguments)


def specified(frame=None, formula="y + w ~ x + (1 | site)", said=None, **arguments):
    return specify(formula, table() if frame is None else frame, missing={"y": clause() if said is None else said}, **arguments)


def test_the_indicator_is_a_binary_response_with_covariates_of_its_own():
    specification = specified()
    layout = specification.layout
    assert layout.responses == ("y", "w", "y.selection")
    own = layout.beta_mask[:, 2]
    assert [name for name, used in zip(layout.covariates, own, strict=True) if used] == ["Intercept", "x", "z"]
    assert not layout.beta_mask[layout.covariates.index("z"), :2].any()
    assert layout.labels_u == ("y|Intercept", "w|Intercept", "y.selection|Intercept")
    assert [variable.name for variable in specification.outcomes] == ["y", "w"]
    (selected,) = specification.selections
    assert selected.excluded == ("z",) and selected.variable.first == 0 and selected.indicator.first == 2


def test_the_indicator_says_what_is_observed_but_where_a_cluster_lacks_all():
    frame = table()
    specification = specified(frame)
    frame = frame.iloc[specification.order]
    codes = specification.categories[:, 2]
    absent = (frame["site"] == 5).to_numpy()
    assert (codes[absent] == -1).all() and np.isnan(specification.y[absent, 2]).all()
    assert (codes[~absent] == frame["y"].notna().to_numpy()[~absent]).all()


def test_crossed_factors_are_set_apart():
    said = clause("~ x + z + (1 | site) + (1 | staff)", ["z", "(1 | staff)"])
    specification = specified(said=said)
    ((crossed,),) = [selected.crossed for selected in specification.selections]
    assert (crossed.column, crossed.labels) == ("staff", list("abcd"))
    assert (np.array(crossed.labels)[crossed.codes] == table()["staff"].to_numpy()[specification.order]).all()
    assert specification.layout.labels_u[-1] == "y.selection|Intercept"


def test_the_clause_survives_a_record():
    for rho in (None, 0.4, jm.priors.truncated_normal(-0.4, 0.2, -1, 0.5), jm.priors.fisher_z(0.5)):
        said = {"y": clause(rho=rho)}
        assert clauses.from_record(clauses.to_record(said)) == said
    with pytest.raises(ExchangeError, match="corrupt"):
        clauses.from_record({"y": {"formula": "~ x"}})


@pytest.mark.parametrize("rho", [1, -1.0, 1.5, True, "free", np.nan])
def test_impossible_correlations(rho):
    with pytest.raises(PriorError, match="rho must be a number between -1 and 1"):
        clause(rho=rho)


@pytest.mark.parametrize("ends", [(0.5, 0.5), (-2, 1), (0.2, -0.2), ("a", 1)])
def test_impossible_ends(ends):
    with pytest.raises(PriorError, match="ends of a prior of rho"):
        jm.priors.uniform(*ends)


def test_an_exclusion_needs_a_rationale():
    with pytest.raises(FormulaError, match="no rationale"):
        jm.selection("~ x + z", "z")


def test_a_variable_without_holes_has_nothing_to_select():
    frame = table()
    frame["y"] = frame["y"].fillna(0.0)
    with pytest.raises(TableError, match="'y' has no missing value"):
        specified(frame)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (clause("~ x + (1 | site)"), "'z' is not part of the selection formula"),
        (clause("~ x + z + (1 | site)", ["x"]), "'x' is also a covariate of 'y'"),
        (clause("~ x + z + (1 | site)", ["(1 | staff)"]), r"'\(1 \| staff\)' is not part"),
        (clause("x + z", ["z"]), "starts with '~'"),
        (clause("~ x + z + (1 + x | staff)", ["z"]), "intercepts only"),
        ("~ x", "must be made by jm.selection"),
    ],
)
def test_formulas_that_exclude_nothing(said, message):
    with pytest.raises(FormulaError, match=message):
        specified(said=said)


def test_an_incomplete_exclusion():
    frame = table()
    frame.loc[[3, 8], "z"] = np.nan
    with pytest.raises(TableError, match=r"'z' is missing in 2 row\(s\), counted from 0: 3, 8"):
        specified(frame)


def test_an_indicator_that_contradicts_the_cells():
    frame = table()
    assert specified(frame, said=clause(indicator="seen")).selections
    frame.loc[4, "seen"] = 1 - frame.loc[4, "seen"]
    with pytest.raises(TableError, match=r"contradicts the cells of 'y' in 1 row\(s\), counted from 0: 4"):
        specified(frame, said=clause(indicator="seen"))
    frame["seen"] = 2
    with pytest.raises(TableError, match="neither 0 nor 1"):
        specified(frame, said=clause(indicator="seen"))
    with pytest.raises(TableError, match="no column 'told'"):
        specified(frame, said=clause(indicator="told"))


@pytest.mark.parametrize("arguments", [{"covariance": "random"}, {"level2": "size ~ 1"}])
def test_structures_that_selection_does_not_have(arguments):
    frame = table()
    frame["size"] = frame["site"] * 1.5
    with pytest.raises(FormulaError, match="needs covariance='common'"):
        specified(frame, **arguments)


def test_a_selection_of_no_response():
    with pytest.raises(FormulaError, match="'z', which is not a response"):
        specify("y ~ x + (1 | site)", table(), missing={"z": clause()})


def test_nominal_variables_have_no_selection():
    frame = table()
    frame["kind"] = pd.Categorical(np.where(frame["y"].isna(), None, np.tile(list("abc"), 40)))
    with pytest.raises(FormulaError, match="'kind' is nominal"):
        specify("kind ~ x + (1 | site)", frame, missing={"kind": clause()})


def crossed(frame):
    """The same with an interviewer, whose intercept is crossed with the sites."""
    return frame.assign(who=np.arange(len(frame)) % 7), jm.selection("~ x + (1 | site) + (1 | who)", "(1 | who)", "assigned")


def test_crossed_factors_beside_nominal_variables():
    frame, said = crossed(table())
    frame["kind"] = pd.Categorical(np.tile(list("abc"), 40))
    with pytest.raises(FormulaError, match="nominal responses, as 'kind' is"):
        specify("y + kind ~ x + (1 | site)", frame, missing={"y": said})


def test_a_rho_of_each_cluster_needs_clusters_and_few_latents():
    frame = table()
    said = clause("~ x + z", rho=jm.priors.by_cluster())
    with pytest.raises(FormulaError, match="the model has none"):
        specify("y ~ x", frame, missing={"y": said})
    frame["kind"] = pd.Categorical(np.tile(list("abc"), 40))
    with pytest.raises(FormulaError, match="a rho that differs between clusters cannot be sampled here"):
        specify("y + kind ~ x + (1 | site)", frame, missing={"y": clause(rho=jm.priors.by_cluster())})


def test_too_many_latents_of_one_row():
    frame = table()
    for name in ("p", "q"):
        frame[name] = frame["w"] > frame["w"].median()
        frame[name] = frame[name].astype("boolean").mask(frame["w"].isna())
    frame["q"] = ~frame["q"]
    assert specify("y + p + q ~ x + (1 | site)", frame, missing={"y": clause()}).selections
    frame, said = crossed(frame)
    with pytest.raises(FormulaError, match="at most 2 latent normals"):
        specify("y + p + q ~ x + (1 | site)", frame, missing={"y": said})
