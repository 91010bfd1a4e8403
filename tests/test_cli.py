"""The command line and model files: the main job from files to files, and what is refused."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute import cli, workflow
from jmimpute.case import read_case
from jmimpute.table.files import read_data

ROOT = Path(__file__).parents[1]
FORMULA = "reading + maths + motivation ~ sex + age + (1 | school)"
SHORT = "[sampling]\ndraws = 1000\ntune = 500\nchains = 4\n"


def case_file(folder, text):
    path = folder / "model.toml"
    path.write_text(text)
    return path


def run(*arguments):
    """Run the command line in this process; return its exit status."""
    try:
        cli.main([*map(str, arguments)])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run from a CSV file with numbers that need all their digits."""
    folder = tmp_path_factory.mktemp("run")
    table = jm.datasets.load("pupils").head(400)
    table["reading"] *= 1 / 3
    table.to_csv(folder / "pupils.csv", index=False)
    model = case_file(
        folder,
        f'title = "Three scores"\n[model]\nformulas = ["{FORMULA}"]\n{SHORT}[imputation]\nm = 50\n'
        '[analysis]\nformula = "reading ~ maths + (1 | school)"\n',
    )
    arguments = ["run", model, "--data", folder / "pupils.csv", "-m", 3, "--seed", 5, "--out", folder / "out", "--no-progress"]
    assert run(*arguments) == 0
    return folder, table


@pytest.mark.sampling
def test_run_leaves_all_results(finished):
    folder, _ = finished
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    for name in manifest["files"]:
        assert (folder / "out" / name).exists(), name
    assert (manifest["m"], manifest["seed"]) == (3, 5)
    assert manifest["settings"]["draws"] == 1000
    assert manifest["case"]["model"]["formulas"] == [FORMULA]
    assert set(manifest["versions"]) >= {"jmimpute", "numpy", "numba"}
    assert manifest["converged"] in (True, False)


@pytest.mark.sampling
def test_observed_cells_are_unchanged_to_the_last_bit_and_none_is_missing(finished):
    folder, table = finished
    long = pd.read_csv(folder / "out" / "imputed.csv")
    assert sorted(long[".imp"].unique()) == [0, 1, 2, 3]
    for k in range(1, 4):
        completed = long[long[".imp"] == k].reset_index(drop=True)
        assert not completed.isna().any(axis=None)
        for column in ("reading", "maths", "motivation"):
            seen = table[column].notna().to_numpy()
            assert np.array_equal(completed[column][seen], table[column][seen])
        assert (completed["school"] == table["school"]).all()


@pytest.mark.sampling
def test_saved_fit_and_imputations_are_those_of_the_run(finished):
    folder, _ = finished
    imputations = jm.load(folder / "out" / "imputations")
    again = jm.load_fit(folder / "out" / "fit").impute(3, progressbar=False)
    for column in imputations.columns:
        assert np.array_equal(imputations.values(column), again.values(column))
    pooled = pd.read_csv(folder / "out" / "pooled.csv")
    direct = imputations.analyze("reading ~ maths + (1 | school)").pool().table
    assert pooled["estimate"].to_numpy() == pytest.approx(direct["estimate"].to_numpy(), rel=1e-12)


@pytest.mark.sampling
def test_parquet_in_parquet_out(tmp_path):
    jm.datasets.load("pupils").head(200).to_parquet(tmp_path / "pupils.parquet")
    text = f'title = "x"\n[model]\nformulas = ["{FORMULA}"]\npriors = "default"\n{SHORT}'
    arguments = ["--data", tmp_path / "pupils.parquet", "-m", 2, "--seed", 1, "--out", tmp_path / "out", "--no-progress"]
    assert run("run", case_file(tmp_path, text), *arguments) == 0
    assert len(pd.read_parquet(tmp_path / "out" / "imputed.parquet")) == 3 * 200


def test_inspect_prints_what_is_missing(tmp_path, capsys):
    jm.datasets.load("pupils").to_csv(tmp_path / "pupils.csv", index=False)
    assert run("inspect", tmp_path / "pupils.csv", "--cluster", "school") == 0
    printed = capsys.readouterr().out
    assert "motivation" in printed
    assert "systematic" in printed


BAD = {
    "unknown key": ('title = "x"\n[model]\nformulas = ["a ~ b"]\ndraws = 3\n', "unknown field `draws`"),
    "unknown table": ('title = "x"\n[model]\nformulas = ["a ~ b"]\n[sampler]\ndraws = 3\n', "unknown field `sampler`"),
    "no formula": ('title = "x"\n', "missing required field `model`"),
    "wrong type": ('title = "x"\n[model]\nformulas = ["a ~ b"]\n[imputation]\nm = "many"\n', "Expected `int`"),
    "not TOML": ("title = \n", "not valid TOML"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_model_files_are_refused_with_the_place(kind, tmp_path):
    text, message = BAD[kind]
    with pytest.raises(jm.errors.ExchangeError, match=message) as caught:
        read_case(case_file(tmp_path, text))
    assert "model.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ('"bayesian"', "'default' or 'jomo'"),
        ('{ Omega_x = { prior = "LKJ", eta = 1.0, sd = 1.0 } }', "Omega_x"),
        ('{ Omega_u = { prior = "Normal", sd = 1.0 } }', "Omega_u"),
    ],
)
def test_unknown_priors_are_refused(priors, message, tmp_path):
    case = read_case(case_file(tmp_path, f'title = "x"\n[model]\nformulas = ["a ~ b"]\npriors = {priors}\n'))
    with pytest.raises(jm.errors.JMImputeError, match=message):
        case.priors()


def test_priors_of_cut_points_and_flat_ones_are_read(tmp_path):
    priors = '{ cutpoints = { prior = "Normal", sd = 2.0 }, Omega_e = { prior = "Flat" } }'
    found = read_case(case_file(tmp_path, f'title = "x"\n[model]\nformulas = ["a ~ b"]\npriors = {priors}\n')).priors()
    assert (found.cutpoints, found.Omega_e) == (jm.priors.normal(2.0), jm.priors.flat())
    assert found.beta == jm.priors.default().beta


# Families


def with_families(folder, families):
    return read_case(case_file(folder, f'title = "x"\n[model]\nformulas = ["k ~ x"]\nfamilies = {families}\n'))


def test_families_are_read(tmp_path):
    case = with_families(tmp_path, '{ k = "nominal", g = { kind = "ordinal", levels = [1, 2, 3] }, y = "gaussian" }')
    assert case.families() == {"k": jm.families.nominal(), "g": jm.families.ordinal([1, 2, 3]), "y": jm.families.gaussian()}
    case = with_families(tmp_path, '{ k = { kind = "binary", levels = [false, true], reference = true } }')
    assert case.families() == {"k": jm.families.binary([False, True], True)}
    assert read_case(case_file(tmp_path, 'title = "x"\n[model]\nformulas = ["k ~ x"]\n')).families() == {}


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ('{ k = { kind = "ordinal", order = [1, 2] } }', "unknown field `order`.*kind levels reference"),
        ("{ k = { levels = [1, 2] } }", "missing required field `kind`"),
        ('{ k = { kind = "ordinal", levels = "abc" } }', "Expected `array"),
        ('{ k = { kind = "ordinal", levels = [[1]] } }', "Expected"),
        ("{ k = 3 }", "Expected `str | object`"),
        ('["k"]', "Expected `object`"),
    ],
)
def test_bad_families_are_refused(families, message, tmp_path):
    with pytest.raises(jm.errors.ExchangeError, match=message):
        with_families(tmp_path, families)


CSV = """\
number,text,truth,whole,decimal,x,y
1,b,True,0,1.5,1,4
,,,1,,2,2
3,a,False,2,2.5,3,8
2,c,True,1,1.5,5,1
"""


def csv(folder):
    (folder / "table.csv").write_text(CSV)
    return read_data(folder / "table.csv")


def test_categories_of_csv_are_those_of_the_file(tmp_path):
    families = {
        "number": jm.families.nominal(),
        "text": jm.families.ordinal(["c", "unused", "b", "a"]),
        "truth": jm.families.binary(),
        "whole": jm.families.ordinal([3.0, 2.0, 1.0, 0.0]),
        "decimal": jm.families.binary(),
        "x": jm.families.gaussian(),
    }
    found = workflow.categorised(csv(tmp_path), families)
    expected = {
        "number": ([1, 2, 3], False),
        "text": (["c", "unused", "b", "a"], True),
        "truth": ([False, True], False),
        "whole": ([3, 2, 1, 0], True),
        "decimal": ([1.5, 2.5], False),
    }
    for name, (categories, ordered) in expected.items():
        assert found[name].cat.categories.tolist() == categories
        assert list(map(type, found[name].cat.categories.tolist())) == list(map(type, categories))
        assert found[name].cat.ordered == ordered
    assert found["number"].tolist()[0] == 1 and found["number"].isna().tolist() == [False, True, False, False]
    assert [found[name].dtype for name in ("x", "y")] == [int, int]
    assert found.to_csv(index=False) == CSV, "labels are written as they were read"


def test_categoricals_of_parquet_stay_as_they_are():
    data = pd.DataFrame({"k": pd.Categorical(["b", None, "a"], ["b", "a", "unused"])})
    same = workflow.categorised(data, {"k": jm.families.nominal(["a", "b"])})
    pd.testing.assert_frame_equal(same, data)


def test_categoricals_become_ordered_where_the_model_file_says_the_order():
    data = pd.DataFrame({"k": pd.Categorical(["b", None, "a"], ["a", "b", "c"])})
    ordered = workflow.categorised(data, {"k": jm.families.ordinal(["c", "b", "a"])})
    assert ordered["k"].dtype == pd.CategoricalDtype(["c", "b", "a"], ordered=True)
    assert ordered["k"].astype(object).equals(data["k"].astype(object))
    pd.testing.assert_frame_equal(workflow.categorised(ordered, {"k": jm.families.ordinal()}), ordered)


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("number", jm.families.nominal([1, 2]), r"'number' holds 3 in 1 row\(s\), counted from 0: 2; its levels are 1, 2"),
        ("number", jm.families.nominal(["1", "2", "3"]), "holds 1, 3, 2 in 3 row"),
        ("number", jm.families.binary(), "binary but has 3 categories: 1, 2, 3"),
        ("text", jm.families.ordinal(), "order of its categories 'a', 'b', 'c' is not known"),
        ("text", jm.families.Family("poisson"), "'poisson'; available"),
    ],
)
def test_columns_that_do_not_fit_their_family(name, family, message, tmp_path):
    with pytest.raises(jm.errors.JMImputeError, match=message):
        workflow.categorised(csv(tmp_path), {name: family})


def test_a_family_of_no_column_is_refused_by_the_model(tmp_path, capsys):
    (tmp_path / "table.csv").write_text(CSV)
    text = 'title = "x"\n[model]\nformulas = ["y ~ x"]\nfamilies = { kind = "nominal" }\n'
    assert run("run", case_file(tmp_path, text), "--data", tmp_path / "table.csv", "--out", tmp_path / "out") == 1
    assert "A family is given for 'kind', which is not a response" in capsys.readouterr().err


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_a_former_run_leaves_nothing(tmp_path, capsys):
    text = f'title = "x"\ndata = "pupils"\n[model]\nformulas = ["{FORMULA}"]\n'
    analysed = '[analysis]\nformula = "reading ~ maths + (1 | school)"\n'
    out, settings = tmp_path / "out", ["--no-progress", "-m", 2, "--draws", 20, "--tune", 100, "--chains", 2]
    for name in ("first", "second"):
        assert run("run", case_file(tmp_path, text + analysed), "--out", out, *settings) == 0, name
    (out / "report.html").write_text("of the first")
    (out / "notes.txt").write_text("my own")
    capsys.readouterr()
    assert run("run", case_file(tmp_path, text), "--out", out, *settings) == 0
    said = capsys.readouterr().out
    assert "Results of a former run" in said and "pooled.csv" in said and "report.html" in said
    left = json.loads((out / "manifest.json").read_text())["files"]
    assert {path.name for path in out.iterdir()} == {Path(name).name for name in left} | {"manifest.json", "notes.txt"}


def test_warnings_are_told_without_the_line_that_gave_them(capsys, monkeypatch):
    before = warnings.formatwarning
    monkeypatch.setattr(cli, "app", lambda _: print(warnings.formatwarning("beware", UserWarning, "fit.py", 3), end=""))
    assert run() == 0 and capsys.readouterr().out == "UserWarning: beware\n"
    assert warnings.formatwarning is before


def test_a_folder_of_something_else_is_not_written_to(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text('{"m": 2}')
    model = case_file(tmp_path, f'title = "x"\ndata = "pupils"\n[model]\nformulas = ["{FORMULA}"]\n')
    assert run("run", model, "--out", tmp_path, "--no-progress") == 1
    assert "is not that of a run, but perhaps of imputations" in capsys.readouterr().err
    assert (tmp_path / "manifest.json").read_text() == '{"m": 2}'


@pytest.mark.parametrize("call", ["os.system('touch ran')", "__import__('os')", "open('ran', 'w')", "{open('ran', 'w')}"])
def test_a_model_file_cannot_run_code(call, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jm.datasets.load("pupils").to_csv(tmp_path / "pupils.csv", index=False)
    text = f'title = "x"\n[model]\nformulas = ["reading ~ {call} + (1 | school)"]\n'
    assert run("run", case_file(tmp_path, text), "--data", tmp_path / "pupils.csv") == 1
    assert "Error: The formula" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["missing.csv", "table.xlsx"])
def test_data_files_that_cannot_be_read_are_told(name, tmp_path, capsys):
    model = case_file(tmp_path, 'title = "x"\n[model]\nformulas = ["a ~ b"]\n')
    assert run("run", model, "--data", tmp_path / name) == 1
    assert name in capsys.readouterr().err


def test_damaged_parquet_is_told(tmp_path):
    (tmp_path / "table.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(jm.errors.ExchangeError, match="cannot be read"):
        read_data(tmp_path / "table.parquet")


def test_a_model_file_without_a_known_data_set(tmp_path, capsys):
    text = 'title = "x"\n{}\n[model]\nformulas = ["a ~ b"]\n'
    assert run("run", case_file(tmp_path, text.format(""))) == 1
    assert "names no data set: give a table with --data" in capsys.readouterr().err
    assert run("run", case_file(tmp_path, text.format('data = "schools"'))) == 1
    told = capsys.readouterr().err
    assert "'schools'" in told and "'pupils' or 'survey'" in told and "'jsp'" in told


@pytest.mark.parametrize(
    ("option", "number", "message"),
    [("--draws", 3, "4 chain(s) of 3"), ("--chains", 0, "0 chain(s)"), ("--tune", -1, "tune must be")],
)
def test_numbers_given_beside_the_model_file_count(option, number, message, tmp_path, capsys):
    model = case_file(tmp_path, f'title = "x"\ndata = "pupils"\n[model]\nformulas = ["{FORMULA}"]\n')
    assert run("run", model, option, number, "--out", tmp_path / "out", "--no-progress") == 1
    assert message in capsys.readouterr().err


@pytest.mark.sampling
def test_demo_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from jmimpute.cli import main; main()", "demo", "--out", str(tmp_path / "demo")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "chains have converged" in done.stdout
    assert (tmp_path / "demo" / "imputed.png").stat().st_size > 10_000


def test_help_needs_none_of_the_heavy_libraries():
    code = (
        "import sys; sys.argv = ['jmimpute', '--help']\n"
        "from jmimpute.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pandas', 'numba', 'pymc', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "inspect" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_a_case_says_what_is_missing_not_at_random(tmp_path):
    path = tmp_path / "case.toml"
    text = 'title = "t"\n[model]\nformulas = ["y ~ x"]\n[model.missing.y]\n'
    text += 'formula = "~ x + z"\nexclude = ["z"]\nrationale = "so"\n'
    path.write_text(text)
    assert read_case(path).missing() == {"y": jm.selection("~ x + z", "z", "so")}
    for line, rho in (("rho = 0.0", 0.0), ('rho = { prior = "FisherZ", sd = 0.5 }', jm.priors.fisher_z(0.5))):
        path.write_text(text + line)
        assert read_case(path).missing()["y"].rho == rho
    path.write_text(text + 'rho = { prior = "Nothing" }')
    with pytest.raises(jm.errors.ExchangeError, match="Selection models cannot be read"):
        read_case(path).missing()
