"""What goes wrong in practice: every mistake is answered by an error that says what, where, and what to do."""

import json
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jmimpute as jm
from jmimpute.errors import (
    ConvergenceWarning,
    ExchangeError,
    FormulaError,
    ImputationError,
    InterruptedWarning,
    PriorError,
    SamplingError,
    TableError,
)
from jmimpute.sampling import chains

FORMULA = "maths + english ~ age + sex + (1 | school)"


def pupils(**replaced):
    """40 pupils of 8 schools, with columns replaced."""
    rng = np.random.default_rng(1)
    n = 40
    frame = pd.DataFrame(
        {
            "maths": rng.normal(30, 5, n),
            "english": rng.normal(50, 9, n),
            "age": rng.uniform(10, 12, n),
            "sex": np.tile(["boy", "girl"], n // 2),
            "school": np.repeat([f"s{k}" for k in range(8)], 5),
        },
        index=range(100, 100 + n),
    )
    frame.loc[[103, 117], "maths"] = np.nan
    frame.loc[[103, 121], "english"] = np.nan
    return frame.assign(**replaced)


def with_cells(column, rows, value):
    frame = pupils()
    values = frame[column].to_numpy().copy()
    values[rows] = value
    return frame.assign(**{column: values})


def refused(error, frame, *parts, formula=FORMULA, **options):
    """Assert that a model is refused with an error that has all these parts in its message."""
    with pytest.raises(error) as caught:
        jm.JointModel(formula, frame, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_the_table_of_these_tests_is_fine():
    assert jm.JointModel(FORMULA, pupils()).specification.layout.n_effects == 2


# Cells


def test_missing_values_in_a_covariate():
    frame = with_cells("age", [2, 30], np.nan)
    refused(TableError, frame, "'age' is a covariate", "2 row(s), counted from 0: 2, 30.", "Make it a response")


def test_missing_values_in_a_text_covariate_of_polars():
    frame = pl.from_pandas(with_cells("sex", [7], None))
    refused(TableError, frame, "'sex' is a covariate", "1 row(s), counted from 0: 7.", "leave these rows out")


def test_missing_values_in_a_covariate_of_the_random_part():
    formula = "maths ~ sex + (age | school)"
    refused(TableError, with_cells("age", [5], np.nan), "'age' is a covariate", ": 5.", formula=formula)


def test_missing_values_in_the_cluster_column():
    frame = with_cells("school", [0, 39], None)
    refused(TableError, frame, "'school' is the cluster column", ": 0, 39.", "Give every row its cluster")


def test_a_response_without_observed_value():
    frame = pupils(english=np.nan)
    refused(TableError, frame, "'english' has no observed value in any of the 40 rows", "Drop it from the formula")


def test_a_constant_response():
    frame = pupils(maths=pupils()["maths"].where(pupils()["maths"].isna(), 7.5))
    refused(TableError, frame, "'maths' is constant: all 38 observed values are 7.5", "drop it from the formula")


def test_a_response_with_one_observed_value():
    frame = pupils(maths=[3.0, *[np.nan] * 39])
    refused(TableError, frame, "'maths' is constant: all 1 observed values are 3")


@pytest.mark.parametrize("value", ["boy", 3.25])
def test_a_covariate_that_does_not_vary(value):
    refused(TableError, pupils(sex=value), "'sex' does not vary", repr(value), "Drop it from the formula")


def test_collinear_covariates():
    frame = pupils(months=pupils()["age"] * 12)
    formula = "maths ~ age + months + (1 | school)"
    refused(TableError, frame, "'months' is collinear", "Intercept, age", "Drop one of them", formula=formula)


def test_collinear_covariates_in_the_random_part():
    frame = pupils(months=pupils()["age"] * 12)
    formula = "maths ~ age + (age + months | school)"
    refused(TableError, frame, "'months' is collinear", "random part", formula=formula)


def test_more_columns_than_rows():
    frame = pupils(code=[f"c{k}" for k in range(40)])
    refused(TableError, frame, "is collinear with the columns before it", formula="maths ~ age + code")


def test_a_constant_that_is_computed():
    refused(TableError, pupils(), "'I(age / age)' is the same in every row", formula="maths ~ 0 + I(age / age)")


def test_a_transformation_out_of_its_domain():
    frame = with_cells("age", [4], -1.0)
    refused(TableError, frame, "'log(age)'", "not finite", "Check the transformation", formula="maths ~ log(age)")


def test_infinite_values_in_a_response():
    frame = with_cells("maths", [1, 5], [np.inf, -np.inf])
    refused(TableError, frame, "'maths' has infinite values in 2 row(s)", ": 1, 5.", "Replace them")


def test_infinite_values_in_a_covariate():
    frame = with_cells("age", [9], np.inf)
    refused(TableError, frame, "Covariate 'age' has infinite values in 1 row(s)", ": 9.", "leave these rows out")


def test_a_text_column_as_a_response():
    frame = pupils(maths=pupils()["maths"].map("{:.1f}".format))
    refused(TableError, frame, "'maths' is to be modelled as a continuous response", "type str", "pandas.to_numeric")


def test_categories_as_a_response():
    frame = pupils(sex=pd.Categorical(pupils()["sex"]))
    refused(TableError, frame, "'sex'", "categories ('boy', 'girl')", formula="sex ~ age + (1 | school)")


def test_a_text_column_in_a_numeric_transformation():
    refused(FormulaError, pupils(), "1 + log(sex)", "cannot be evaluated", formula="maths ~ log(sex)")


def test_lists_as_a_covariate():
    frame = pupils(sex=[[1, 2]] * 40)
    refused(TableError, frame, "'sex' holds values that are neither numbers nor texts", "[1, 2]", "Convert or drop it")


# Tables and clusters


@pytest.mark.parametrize("frame", [pupils().iloc[:0], pl.from_pandas(pupils()).head(0)])
def test_an_empty_table(frame):
    refused(TableError, frame, "The table is empty: 0 rows, 5 columns")


def test_no_table_at_all():
    refused(TableError, "pupils.csv", "A str is not a table", "Give a pandas or polars DataFrame")


def test_duplicate_column_names():
    frame = pd.concat([pupils(), pupils()["age"]], axis=1)
    refused(TableError, frame, "more than one column named 'age'", "Rename or drop")


def test_one_cluster_only():
    frame = pupils(school="s1")
    refused(TableError, frame, "'school' has one cluster only ('s1')", "leave the grouping term out")


def test_every_cluster_a_singleton():
    frame = pupils(school=range(40))
    refused(TableError, frame, "Every cluster of 'school' has a single row", "leave the grouping term out")


def test_some_singletons_are_legal():
    frame = pupils(school=[*range(20), *[20] * 20])
    assert jm.JointModel(FORMULA, frame).specification.n_clusters == 21


def test_two_cluster_columns():
    formulas = ["maths ~ age + (1 | school)", "english ~ age + (1 | sex)"]
    refused(FormulaError, pupils(), "group by 'school', 'sex'", "the same cluster column", formula=formulas)


def test_two_grouping_terms():
    refused(FormulaError, pupils(), "2 grouping terms", "two levels", formula="maths ~ (1 | school) + (1 | sex)")


def test_a_grouping_term_without_effect():
    refused(FormulaError, pupils(), "no random effect", "(1 | school)", formula="maths ~ age + (0 | school)")


# Roles


@pytest.mark.parametrize("formula", ["maths ~ height + (1 | school)", "maths ~ age + (1 | class)", "maths ~ (height | school)"])
def test_an_unknown_column(formula):
    unknown = "class" if "class" in formula else "height"
    refused(FormulaError, pupils(), repr(unknown), "not a column of the table", "Columns: maths, english, age", formula=formula)


def test_an_unknown_response():
    refused(FormulaError, pupils(), "'science'", "not a column of the table", "english", formula="maths + science ~ age")


def test_a_transformed_response():
    refused(FormulaError, pupils(), "'log(maths)'", "column of its own", formula="log(maths) ~ age")


def test_a_response_that_is_also_a_covariate():
    formulas = ["maths ~ age + (1 | school)", "english ~ maths + (1 | school)"]
    refused(FormulaError, pupils(), "'maths' is a response and also a covariate of english", "drop it", formula=formulas)


def test_a_cluster_that_is_also_a_covariate():
    refused(FormulaError, pupils(), "'school' is the cluster and also", "Drop one", formula="maths ~ school + (1 | school)")


def test_a_response_named_twice():
    refused(FormulaError, pupils(), "'maths' stands left of '~' more than once", formula="maths + maths ~ age")
    refused(FormulaError, pupils(), "'maths'", "one formula", formula=["maths ~ age", "maths ~ sex"])


def test_a_response_without_fixed_effect():
    refused(FormulaError, pupils(), "no fixed effect", "Remove the '0'", formula="maths ~ 0 + (1 | school)")


def test_a_covariate_called_like_the_constant():
    frame = pupils(Intercept=pupils()["age"])
    refused(FormulaError, frame, "called 'Intercept'", "Rename", formula="maths ~ Intercept + sex")


def test_a_column_called_like_a_dummy_variable():
    frame = pupils(**{"sex[girl]": pupils()["age"]})
    refused(FormulaError, frame, "'sex[girl]'", "Rename", formula="maths ~ sex + `sex[girl]`")
    refused(FormulaError, frame, "'sex[girl]'", "Rename", formula=["maths ~ sex", "english ~ `sex[girl]`"])


# Formulas, families, priors


@pytest.mark.parametrize("formula", ["maths ~ age +", "maths = age", "maths ~ (age", "maths", ""])
def test_a_formula_that_does_not_parse(formula):
    refused(FormulaError, pupils(), repr(formula), formula=formula)


def test_no_formula():
    refused(FormulaError, pupils(), "No formula was given", "'y1 + y2 ~ x + (1 | cluster)'", formula=[])


def test_a_wrong_family():
    refused(FormulaError, pupils(), "'maths' is 'poisson'", "available: 'gaussian'", families={"maths": "poisson"})


def test_a_family_of_something_else():
    refused(FormulaError, pupils(), "'age'", "not a response. Responses: maths, english", families={"age": "gaussian"})


def test_an_unknown_prior_name():
    refused(PriorError, pupils(), "no parameter 'sigma'", "'Omega_e'", priors={"sigma": jm.priors.lkj()})


def test_a_prior_of_the_wrong_kind():
    refused(PriorError, pupils(), "'beta'", "jm.priors.normal()", priors={"beta": 3})


def test_impute_in_one_call_refuses_alike():
    with pytest.raises(TableError, match="'age' is a covariate"):
        jm.impute(with_cells("age", [2], np.nan), FORMULA, m=2, progressbar=False)


# Sampling


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws must be a whole number of at least 1, not 0"),
        ({"draws": 10.5}, "draws must be a whole number"),
        ({"tune": -1}, "tune must be a whole number of at least 0"),
        ({"chains": 0}, "chains must be a whole number of at least 1"),
        ({"target_accept": 1.0}, "target_accept must lie between 0 and 1"),
        ({"sampler": "gibbs"}, "no sampler 'gibbs': choose 'auto'"),
    ],
)
def test_settings_that_make_no_run(options, message):
    with pytest.raises(SamplingError, match=message):
        jm.JointModel(FORMULA, pupils()).fit(progressbar=False, **options)


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_an_interrupted_run_keeps_its_draws(monkeypatch):
    """Ctrl-C arrives when both chains should be well beyond their warm-up, and long before the end."""
    draws, tune = 400_000, 200
    real = chains.progress

    class Interrupting:
        def __init__(self, *_):
            self.bar = real("Sampling", 1, False)

        def __enter__(self):
            self.bar.__enter__()
            return self.update

        def __exit__(self, *error):
            return self.bar.__exit__(*error)

        def update(self, done):
            if done > 2 * (tune + 500):
                raise KeyboardInterrupt

    monkeypatch.setattr(chains, "progress", Interrupting)
    with pytest.warns(InterruptedWarning, match="Sampling was interrupted.*Look at fit.diagnostics") as caught:
        fit = jm.JointModel(FORMULA, pupils()).fit(draws, tune, 2, cores=2, random_seed=1)
    sizes = fit.posterior.sizes
    assert 10 <= sizes["draw"] < draws
    interrupted = next(str(warning.message) for warning in caught if warning.category is InterruptedWarning)
    assert f"{sizes['chain']} of 2 chain(s) with {sizes['draw']} of {draws} draws were kept" in interrupted
    assert np.isfinite(fit.posterior["beta"]).all()
    assert (fit.posterior["sd_e"] > 0).all(), "no draw that was never made is among those kept"
    assert len(fit.impute(2, progressbar=False)) == 2


@pytest.mark.sampling
def test_a_run_interrupted_too_early_is_an_error(monkeypatch):
    def interrupted(futures, timeout=None):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(chains, "wait", interrupted)
    message = "interrupted after 0 of 50 draws a chain.*fewer than 10 are not kept. Run it again"
    with pytest.raises(SamplingError, match=message):
        jm.JointModel(FORMULA, pupils()).fit(50, 200_000, 2, progressbar=False)


# Imputations and files


@pytest.fixture(scope="module")
def fit():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return jm.JointModel(FORMULA, pupils()).fit(30, 100, 2, random_seed=1, progressbar=False)


@pytest.mark.sampling
@pytest.mark.parametrize("m", [0, -1, True, 2.5, "5", None])
def test_a_number_of_imputations_that_is_none(fit, m):
    with pytest.raises(ImputationError, match="whole number of at least 1") as caught:
        fit.impute(m, progressbar=False)
    assert repr(m) in str(caught.value)


@pytest.mark.sampling
def test_too_few_draws(fit):
    message = r"61 imputations need 61 posterior draws; the fit has 2 chain\(s\) of 30. Fit with more draws"
    with pytest.raises(ImputationError, match=message):
        fit.impute(61, progressbar=False)
    assert len(fit.impute(60, progressbar=False)) == 60


@pytest.mark.sampling
def test_all_missing_rows_are_legal(fit):
    """Row 3 lacks both responses: it is imputed, and adding such rows changes no statistic."""
    completed = fit.impute(2, progressbar=False).complete(2)
    assert not completed.isna().any(axis=None)
    assert len(completed) == 40
    without = jm.JointModel(FORMULA, pupils().drop(index=103))
    assert fit.model.statistics.n.sum() == 39 == without.statistics.n.sum()
    assert "1 row(s) have no observed response" in str(fit.model)


@pytest.fixture(scope="module")
def saved(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    fit.impute(3, progressbar=False).save(folder / "imputations")
    fit.save(folder / "fit")
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A folder with `imputations` and `fit` that a test may damage."""
    return shutil.copytree(saved, tmp_path / "copy")


def edit(folder, **changed):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.update(changed)
    (folder / "manifest.json").write_text(json.dumps({key: value for key, value in manifest.items() if value != "drop"}))


def load_refused(load, folder, *parts):
    with pytest.raises(ExchangeError) as caught:
        load(folder)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


BOTH = pytest.mark.parametrize(("load", "name"), [(jm.load, "imputations"), (jm.load_fit, "fit")])


@pytest.mark.sampling
@BOTH
def test_undamaged_files_load(copy, load, name):
    load(copy / name)


@pytest.mark.parametrize("load", [jm.load, jm.load_fit])
def test_folders_that_are_not_ours(load, tmp_path):
    load_refused(load, tmp_path / "nowhere", "nowhere", "manifest.json", "not a folder that jmimpute saved")
    load_refused(load, tmp_path, "manifest.json", "not a folder that jmimpute saved")
    (tmp_path / "file").write_text("text")
    load_refused(load, tmp_path / "file", "file")


@pytest.mark.sampling
@BOTH
@pytest.mark.parametrize("content", [b"garbage {", b"", b"\xff\xfe\x00", b'{"jmimpute": "fit"'])
def test_a_garbage_manifest(copy, load, name, content):
    (copy / name / "manifest.json").write_bytes(content)
    load_refused(load, copy / name, "manifest.json", "corrupt or not ours")


@BOTH
@pytest.mark.parametrize("content", ["[]", "3", "null", "{}", '{"jmimpute": "report", "format": 1}'])
def test_a_foreign_manifest(tmp_path, load, name, content):
    (tmp_path / "manifest.json").write_text(content)
    load_refused(load, tmp_path, "report" if "report" in content else "something else", f"not '{name}'")


@pytest.mark.sampling
def test_the_wrong_kind(copy):
    load_refused(jm.load, copy / "fit", "holds 'fit', not 'imputations'")
    load_refused(jm.load_fit, copy / "imputations", "holds 'imputations', not 'fit'")


@pytest.mark.sampling
@BOTH
def test_a_newer_format(copy, load, name):
    edit(copy / name, format=2)
    load_refused(load, copy / name, "format 2; this version reads 1", "Update jmimpute")


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("load", "name", "key"),
    [
        *((jm.load, "imputations", key) for key in ("m", "columns", "cluster", "table", "provenance")),
        *((jm.load_fit, "fit", key) for key in ("table", "formulas", "priors", "seed", "settings")),
    ],
)
def test_a_manifest_that_lacks_a_key(copy, load, name, key):
    edit(copy / name, **{key: "drop"})
    load_refused(load, copy / name, f"lacks '{key}'", "corrupt")


@pytest.mark.sampling
@BOTH
def test_an_unknown_kind_of_table(copy, load, name):
    edit(copy / name, table="pickle")
    load_refused(load, copy / name, "table.parquet", "kind 'pickle'")


@pytest.mark.sampling
@pytest.mark.parametrize("damage", ["truncated", "missing", "foreign"])
@pytest.mark.parametrize(
    ("load", "name", "file"),
    [
        (jm.load, "imputations", "table.parquet"),
        (jm.load, "imputations", "cells.parquet"),
        (jm.load_fit, "fit", "table.parquet"),
        (jm.load_fit, "fit", "posterior.nc"),
    ],
)
def test_a_damaged_file(copy, load, name, file, damage):
    path = copy / name / file
    content = path.read_bytes()
    path.write_bytes(b"a,b\n1,2\n" if damage == "foreign" else content[: len(content) // 2])
    if damage == "missing":
        path.unlink()
    load_refused(load, copy / name, file, "cannot be read")


@pytest.mark.sampling
@pytest.mark.parametrize("m", [4, 2, 0, -1, True, "3", None, 2.5])
def test_a_wrong_number_of_imputations(copy, m):
    edit(copy / "imputations", m=m)
    load_refused(jm.load, copy / "imputations", "cells.parquet cannot be read")


def change_cells(folder, change):
    path = folder / "cells.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda cells: cells.assign(row=cells["row"] + 1), "'maths' do not fit the missing cells of the table"),
        (lambda cells: cells.iloc[1:], "'maths' do not fit the missing cells of the table"),
        (lambda cells: cells[cells["column"] == "maths"], "english"),
        (lambda cells: cells.assign(column=cells["column"].replace("english", "science")), "science"),
        (lambda cells: cells.rename(columns={"2": "two"}), "cells.parquet cannot be read"),
        (lambda cells: cells.assign(**{"2": np.nan}), "missing or infinite"),
        (lambda cells: cells.assign(**{"2": "text"}), "cells.parquet cannot be read"),
    ],
)
def test_cells_that_do_not_fit_the_table(copy, change, part):
    change_cells(copy / "imputations", change)
    load_refused(jm.load, copy / "imputations", part)


@pytest.mark.sampling
def test_a_table_that_does_not_fit_the_cells(copy):
    path = copy / "imputations" / "table.parquet"
    pd.read_parquet(path).fillna({"maths": 1.0}).to_parquet(path)
    load_refused(jm.load, copy / "imputations", "'maths' do not fit the missing cells of the table")


def test_a_column_that_parquet_cannot_hold(tmp_path):
    from jmimpute.table.reading import read
    from jmimpute.table.storage import write_table

    with pytest.raises(ExchangeError, match="cannot be written.*mix types.*convert them to text or drop them"):
        write_table(read(pupils(sex=[1, "a"] * 20)), tmp_path / "table.parquet")


def test_an_impossible_m_is_refused_before_anything_is_sampled(monkeypatch):
    monkeypatch.setattr(jm.JointModel, "fit", lambda *_, **__: pytest.fail("sampled"))
    for m in (0, 4001):
        with pytest.raises(ImputationError):
            jm.impute(good(), FORMULA, m=m)


def test_prior_scale_of_another_dimension_is_refused_when_the_model_is_made():
    with pytest.raises(PriorError, match=r"shape \(3, 3\).*\(2, 2\)"):
        jm.JointModel(FORMULA, good(), priors={"Omega_e": jm.priors.inverse_wishart(scale=np.eye(3))})
