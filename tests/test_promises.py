"""What the package promises of itself: layers, a light import, documentation, and small files."""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType

import pytest
from numpydoc.validate import validate

import jmimpute as jm

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jmimpute"

# Layers


STAGES = ("table", "specification", "graph", "sampling", "imputation", "analysis", "plots", "report", "cli")
FOUNDATIONS = {"errors", "names", "progress", "stopwatch", "compilation"}
OBJECTS = {"model", "fit", "checks", "imputations", "exports"}
#: Modules beside the stages, and what they may import apart from foundations.
BESIDE = {
    "inspection": {"table"},
    "mnar": {"table", "specification", "imputation", "analysis"},
    "amputation": {"table"},
    "datasets": {"table"},
    "case": {"specification", "table"},
    "readers": {"table", "imputation", "imputations"},
    "chained": {*STAGES[:6], "imputations"},
    "study": set(),
    "workflow": {*STAGES[:-1], *OBJECTS, "case", "inspection", "datasets", "readers"},
}
#: What a stage may import of the modules beside the stages.
ALSO = {"plots": {"inspection", "mnar", "study"}, "report": {"inspection", "mnar", "__init__"}}
#: Data and the scripts that made them; `__init__` hands names on late and has a test of its own.
EXEMPT = {"data", "__init__"}


def part_of(name):
    """The stage, object or foundation that `jmimpute.a.b` belongs to; `__init__` for the package itself."""
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def imports(path):
    """Parts of the package that a module imports, at its top or within functions, except for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked_only = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    found = {}
    for node in ast.walk(tree):
        if node in checked_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import in line {node.lineno}"
            # `from jmimpute import __version__` is of the package itself, `from jmimpute import fit` of a part of it.
            names = [node.module if alias.name.startswith("__") else f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "jmimpute":
                found.setdefault(part_of(name), node.lineno)
    return found


def allowed(part):
    if part in FOUNDATIONS:
        return FOUNDATIONS
    if part == "cli":
        return {*STAGES, *FOUNDATIONS, *OBJECTS, *BESIDE, "__init__"}
    if part in OBJECTS:
        return {*STAGES[:-1], *FOUNDATIONS, *OBJECTS, "inspection", "mnar", "chained"}
    if part in BESIDE:
        return {part, *BESIDE[part], *FOUNDATIONS}
    return {*STAGES[: STAGES.index(part) + 1], *FOUNDATIONS, *ALSO.get(part, ())}


MODULES = sorted(PACKAGE.rglob("*.py"))


def violations(path, package=PACKAGE):
    """Imports that point the wrong way, as texts."""
    part = path.relative_to(package).parts[0].removesuffix(".py")
    if part in EXEMPT:
        return []
    return [f"line {line}: {part} imports {other}" for other, line in imports(path).items() if other not in allowed(part)]


def test_every_part_has_its_place():
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert parts - EXEMPT <= {*STAGES, *FOUNDATIONS, *OBJECTS, *BESIDE}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_upstream(path):
    assert violations(path) == []


@pytest.mark.parametrize(
    ("file", "text", "count"),
    [
        ("table/a.py", "from jmimpute.errors import TableError\nfrom jmimpute.table import b", 0),
        ("table/a.py", "from jmimpute.specification.priors import lkj", 1),
        ("table/a.py", "def f():\n    from jmimpute import specification", 1),
        ("table/a.py", "import jmimpute.graph.likelihood as l", 1),
        ("table/a.py", "import jmimpute", 1),
        ("sampling/a.py", "from jmimpute.fit import Fit", 1),
        ("sampling/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jmimpute.fit import Fit", 0),
        ("plots/a.py", "from jmimpute.table.reading import read\nfrom jmimpute.cli import main", 1),
        ("errors.py", "from jmimpute.table.reading import read", 1),
        ("inspection.py", "from jmimpute.table.reading import read\nfrom jmimpute.specification import priors", 1),
        ("fit.py", "from jmimpute.model import JointModel\nfrom jmimpute.plots import trace", 0),
        ("fit.py", "from jmimpute.workflow import run\nfrom jmimpute.cli import main", 2),
        ("cli.py", "import jmimpute as jm\nfrom jmimpute.fit import Fit\nfrom jmimpute import __version__", 0),
    ],
)
def test_imports_that_point_the_wrong_way_are_seen(tmp_path, file, text, count):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert len(violations(path, tmp_path)) == count


# Importing


HEAVY = {
    *("numpy", "pandas", "scipy", "pymc", "pytensor", "numba", "nutpie", "arviz", "arviz_stats", "xarray", "matplotlib"),
    *("statsmodels", "formulae", "narwhals", "polars", "pyarrow", "rich", "cyclopts", "h5netcdf"),
}


def run(code):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def test_importing_loads_nothing_heavy():
    loaded = run("import jmimpute, sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))")
    assert "jmimpute" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_a_model_needs_neither_pymc_nor_plots():
    """Until a graph is asked for, the slow libraries stay out."""
    loaded = run("import jmimpute, sys, json; jmimpute.JointModel, jmimpute.Fit; print(json.dumps(sorted(sys.modules)))")
    assert {"pymc", "pytensor", "matplotlib", "statsmodels", "nutpie", "arviz", "rich"}.isdisjoint(loaded)


def test_importing_takes_no_time():
    timed = (
        "import time, numpy, pandas; start = time.perf_counter(); import jmimpute; jmimpute.errors; "
        "print(time.perf_counter() - start)"
    )
    assert min(run(timed) for _ in range(3)) < 0.5


# Names and documentation


def test_dir_lists_the_public_names():
    assert set(jm.__all__) <= set(dir(jm))
    assert jm.__all__ == sorted(jm.__all__, key=str)
    assert len(set(jm.__all__)) == len(jm.__all__)
    with pytest.raises(AttributeError, match="'jmimpute' has no attribute 'nothing'"):
        jm.nothing  # noqa: B018


@pytest.mark.parametrize("name", jm.__all__)
def test_public_names_resolve_and_are_documented(name):
    value = getattr(jm, name)
    assert (inspect.getdoc(value) or "").strip()
    assert name in vars(jm), "a name is looked up once"


def test_every_public_name_has_a_home_in_the_index():
    from jmimpute import _HOMES, _MODULES

    assert sorted([*_HOMES, *_MODULES]) == sorted(jm.__all__)


def documented():
    """Qualified names of all public functions, classes, methods and properties that an analyst meets."""
    from jmimpute.amputation import Amputation
    from jmimpute.chained.traces import ChainedTraces
    from jmimpute.checks import Checks
    from jmimpute.exports import Exports
    from jmimpute.imputation.check import PredictiveCheck
    from jmimpute.imputation.monitor import ImputedDiagnostics
    from jmimpute.imputation.overimpute import Overimputation
    from jmimpute.inspection import Dependence, Inspection
    from jmimpute.mnar.adjustments import Adjustment
    from jmimpute.sampling.diagnostics import Diagnostics
    from jmimpute.sampling.identification import Identification
    from jmimpute.sampling.reweighting import Reweighted
    from jmimpute.specification import families, priors
    from jmimpute.specification.advice.check import Check
    from jmimpute.specification.advice.identifiability import Identifiability
    from jmimpute.specification.advice.suggestion import Suggestion

    values = [getattr(jm, name) for name in jm.__all__]
    for module in (jm.datasets, jm.holes, jm.methods, jm.plots, jm.study, families, priors):
        home = module.__name__
        names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
        values += [getattr(module, name) for name in names]
        values = [value for value in values if getattr(value, "__module__", home).startswith("jmimpute")]
    values += [ChainedTraces, Checks, ImputedDiagnostics, Overimputation, PredictiveCheck]
    values += [Adjustment, Amputation, Check, Dependence, Exports, Inspection, Diagnostics, Suggestion]
    values += [Identifiability, Identification, Reweighted]
    values = [value for value in values if inspect.isfunction(value) or inspect.isclass(value)]
    found = {}
    for value in values:
        if value.__module__ in {"jmimpute.errors", "jmimpute.names"}:
            continue
        place = f"{value.__module__}.{value.__qualname__}"
        found[place] = value
        for name, member in vars(value).items() if inspect.isclass(value) else ():
            if not name.startswith("_") and isinstance(member, FunctionType | property | cached_property):
                found[f"{place}.{name}"] = member
    return dict(sorted(found.items()))


#: No docstring or summary; parameters that are undocumented, unknown, out of order or written in another way.
CODES = {"GL08", "SS01", "PR01", "PR02", "PR03", "PR05", "PR10"}


@pytest.mark.parametrize("name", documented())
def test_documentation_fits_the_signature(name):
    # Records that the package makes for the analyst document their attributes, not the arguments of a constructor.
    exempt = {"PR01"} if is_dataclass(documented()[name]) else set()
    assert [error for error in validate(name)["errors"] if error[0] in CODES - exempt] == []


def test_documentation_covers_the_objects():
    names = documented()
    for name in ("model.JointModel.fit", "model.JointModel.pymc", "fit.Fit.posterior", "imputations.Imputations.complete"):
        assert f"jmimpute.{name}" in names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text and len(text.split()) >= 3


def test_every_error_is_caught_by_the_base():
    for name, value in vars(jm.errors).items():
        if inspect.isclass(value) and value.__module__ == "jmimpute.errors":
            base = jm.errors.JMImputeWarning if name.endswith("Warning") else jm.errors.JMImputeError
            assert issubclass(value, base), name


# Files


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


UNSAFE = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
#: What does not read files: processes are given their work by it.
HARMLESS = {"joblib": {"Parallel", "delayed"}}
UNSAFE_NAMES = {"to_pickle", "read_pickle", "allow_pickle", "eval", "exec", "__import__"}


def unsafe(path):
    """Imports and calls that could run code from a file, as texts."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE:
            found += [node.module] if {alias.name for alias in node.names} - HARMLESS.get(node.module or "", set()) else []
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            found += [called] if called in UNSAFE_NAMES else []
            found += [word.arg for word in node.keywords if word.arg in UNSAFE_NAMES]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_pickled_or_evaluated(path):
    assert unsafe(path) == []


def test_pickles_are_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        "def f():\n    from pickle import load\n    import dill as d\n    x.to_pickle('a')\n    np.load(a, allow_pickle=True)\n"
        "    from joblib import Parallel, delayed\n    from joblib import Parallel, load"
    )
    assert sorted(unsafe(path)) == ["allow_pickle", "dill", "joblib", "pickle", "to_pickle"]


def test_modules_are_importable():
    for path in MODULES:
        if "data" not in path.relative_to(PACKAGE).parts:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            importlib.import_module(name)
