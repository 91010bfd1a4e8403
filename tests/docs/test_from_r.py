"""The pages for users of R: every name they give exists, every argument has its row, every number its origin."""

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.analysis.engines import ENGINES, settings_of
from jmimpute.analysis.tests import PooledTest
from jmimpute.chained.traces import ChainedTraces
from jmimpute.imputation.monitor import ImputedDiagnostics
from jmimpute.imputation.overimpute import Overimputation
from jmimpute.inspection import Inspection
from jmimpute.sampling.diagnostics import Diagnostics
from jmimpute.specification.advice.suggestion import Suggestion

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "from-r").glob("*.md"))}
REFERENCE = ROOT / "tests" / "reference"
BENCHMARKS = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")

#: What the names of objects on the pages stand for.
OBJECTS = {
    "jm": jm,
    "model": jm.JointModel,
    "fit": jm.Fit,
    "imputations": jm.Imputations,
    "fcs": jm.Imputations,
    "analyses": jm.Analyses,
    "pooled": jm.Pooled,
    "inspection": Inspection,
}
CLASSES = {
    *(*OBJECTS.values(), PooledTest, ChainedTraces, ImputedDiagnostics, Overimputation, Diagnostics, Suggestion, pd.DataFrame)
} - {jm}
BY_NAME = {kind.__name__: kind for kind in CLASSES}
CODE = re.compile(r"`([^`]+)`")


# What the pages say


def outside_fences(page):
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


def tables(page):
    """Rows of every table: lists of cells, the heading first."""
    for block in re.findall(r"(?:^\|.*\n)+", outside_fences(page), flags=re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        yield [[cell.strip().replace(r"\|", "|") for cell in row] for row in rows if set("".join(row)) - set(" -")]


def spans(text):
    """What stands in backquotes."""
    return CODE.findall(text.replace(r"\|", "|"))


def is_ours(code):
    """Whether it is about an object of ours, rather than something of R or a name alone."""
    return code.split(".")[0] in OBJECTS and "." in code


def ours():
    """Each piece of code that has to exist here, with its page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, page in [*PAGES.items(), ("README", readme)]:
        found = [span for span in spans(outside_fences(page)) if is_ours(span)]
        yield from ((name, code) for code in dict.fromkeys(found))


def last_cells():
    for name, page in PAGES.items():
        for heading, *rows in tables(page):
            if heading[-1] == "here":
                yield from ((name, row[-1]) for row in rows)


# What exists


def resolve(node):
    """The object that an expression stands for, or the class of its value; None where that is of no class of ours."""
    if isinstance(node, ast.Name):
        return OBJECTS[node.id]
    if isinstance(node, ast.Subscript):
        resolve(node.value)
        return None
    if isinstance(node, ast.Attribute):
        return attribute(resolve(node.value), node.attr)
    assert isinstance(node, ast.Call), ast.dump(node)
    function = resolve(node.func)
    check_arguments(function, node)
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        check_inside(argument)
    return function if inspect.isclass(function) else kind_of(inspect.signature(function).return_annotation)


def attribute(owner, name):
    """A member of a module or class; for properties and fields the class of their value."""
    assert owner is not None, f"nothing is known of what .{name} is asked of"
    if name in getattr(owner, "__dataclass_fields__", {}):
        return kind_of(owner.__dataclass_fields__[name].type)
    value = inspect.getattr_static(owner, name) if inspect.isclass(owner) else getattr(owner, name)
    getter = getattr(value, "fget", None) or getattr(value, "func", None)
    return kind_of(inspect.signature(getter).return_annotation) if getter else value


def kind_of(annotation):
    """A class of ours that is named in an annotation."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return BY_NAME.get(text.strip("'\"").split(".")[-1])


def check_arguments(function, call):
    """Keywords and the number of arguments fit the signature; settings of an engine are settings of one."""
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    known = {parameter.name for parameter in parameters}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known |= {setting for engine in ENGINES for setting in settings_of(engine)}
        known |= {keyword.arg for keyword in call.keywords} if function is jm.Imputations.assign else set()
    assert {keyword.arg for keyword in call.keywords} <= known, ast.unparse(call)
    is_method = inspect.isfunction(function) and "." in function.__qualname__
    rest = any(isinstance(argument, ast.Constant) and argument.value is ... for argument in call.args)
    if not rest:
        given = [None] * (len(call.args) + is_method)
        named = {keyword.arg: None for keyword in call.keywords if keyword.arg in signature.parameters}
        signature.bind(*given, **named)


def check_inside(node):
    """Calls within an argument exist too."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and ast.unparse(inner).split(".")[0] in OBJECTS:
            resolve(inner)


@pytest.mark.parametrize(("page", "code"), ours())
def test_what_the_pages_name_exists(page, code):
    resolve(ast.parse(code, mode="eval").body)


def test_most_cells_name_something():
    """The check above sees what the tables say: few cells are words only, and no code of ours escapes it by its form."""
    cells = list(last_cells())
    assert len(cells) > 150
    assert sum(any(map(is_ours, spans(cell))) for _, cell in cells) > 0.6 * len(cells)
    for page, cell in cells:
        for code in spans(cell):
            assert "jm" not in code.split(".")[0] or code.startswith("jm."), (page, code)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("jm.JointModel(..., level3='w ~ 1')", AssertionError),
        ("jm.priors.wishart()", AttributeError),
        ("fit.posterior_draws", AttributeError),
        ("analyses.test(smaller, method='D1', rule='x')", AssertionError),
        ("imputations.analyze('y ~ x', restricted=True)", AssertionError),
        ("fit.impute(20, 3)", TypeError),
        ("jm.impute(table)", TypeError),
        ("jm.JointModel(..., priors={'Omega_e': jm.priors.lkj(df=2)})", AssertionError),
    ],
)
def test_what_does_not_exist_is_seen(code, error):
    with pytest.raises(error):
        resolve(ast.parse(code, mode="eval").body)


# Arguments


def in_first_cells(page):
    return {code for table in tables(PAGES[page]) for row in table for code in spans(row[0])}


R_ARGUMENTS = json.loads((REFERENCE / "r_arguments.json").read_text(encoding="utf-8"))["arguments"]


@pytest.mark.parametrize(("page", "function"), [(page, name) for page, functions in R_ARGUMENTS.items() for name in functions])
def test_every_argument_has_a_row(page, function):
    arguments = R_ARGUMENTS[page][function]
    arguments = {arguments} if isinstance(arguments, str) else set(arguments)
    assert arguments
    assert arguments <= in_first_cells(page)


def test_every_method_of_micemd_has_a_row():
    """Its exports, by the NAMESPACE of 1.10.1."""
    of_stages = [f"mice.impute.2l.2stage.{kind}" for kind in ("norm", "pmm", "bin", "pois", "heckman")]
    of_models = [f"mice.impute.2l.{kind}" for kind in ("glm.norm", "glm.bin", "glm.pois", "jomo")]
    others = ["find.defaultMethod", "mice.par", "overimpute", "plot"]
    assert {*of_stages, *of_models, *others} <= in_first_cells("micemd")


def test_every_two_level_method_of_mice_has_a_row():
    assert {"2l.lmer", "2l.bin", "2l.norm", "2l.pan", "panImpute", "jomoImpute"} <= in_first_cells("mice")
    assert {"2lonly.norm", "2lonly.pmm", "2lonly.mean"} <= in_first_cells("mice")


def test_every_method_of_ours_has_a_counterpart():
    said = PAGES["mice"] + PAGES["micemd"]
    assert [name for name in jm.methods.__all__ if f"jm.methods.{name}(" not in said and name != "Heckman"] == []


# Numbers


def table_below(page, heading):
    """Rows of the first table below a heading, by their first cell."""
    return {row[0]: row[1:] for row in next(tables(PAGES[page].split(heading)[1]))}


@pytest.fixture(scope="module")
def defects():
    return json.loads((REFERENCE / "jomo_defects.json").read_text(encoding="utf-8"))


def test_spread_by_cluster(defects):
    rows = table_below("jomo", "### Covariances of clusters")
    assert rows["truth"] == [f"{defects['true_sd'][which]:g}" for which in ("first", "others")]
    ways = {'`meth = "fixed"`': "fixed", '`meth = "random"`': "random", '`random.L1 = "full"`': "mitml_full"}
    for text, key in ways.items():
        (cells,) = [cells for name, cells in rows.items() if text in name]
        assert cells == [f"{defects['imputed_sd'][key][which]:.1f}" for which in ("first", "others")]
        assert defects["imputed_sd"][key]["others"] > 9, "the first cluster's spread, ten times that of the others"


def test_rows_that_are_not_sorted(defects):
    assert f"was {defects['rows']['sorted']:.1f} with sorted rows and {defects['rows']['shuffled']:.1f}" in PAGES["jomo"]


def test_latent_normals_that_are_cut_off():
    reference = json.loads((REFERENCE / "latent_truncation.json").read_text(encoding="utf-8"))
    rows = table_below("jomo", "### Categories")
    builds = ("as_shipped", "corrected")
    variance = [reference["variance_of_y"], *(reference[build]["Omega_e[y, y]"]["mean"] for build in builds)]
    assert rows["variance of `y`"] == [f"{value:.1f}" for value in variance]
    shares = [reference["shares"][which] for which in ("observed", *builds)]
    for k, name in enumerate(("share of the first category", "share of the second", "share of the third")):
        assert rows[name] == [f"{values[k]:.3f}" for values in shares]


def measured(case):
    """Rounds of a case of the benchmark: its default runs, as numbers after the name of the run."""
    block = BENCHMARKS.split(f"\n{case}", 1)[1].split("\n\n")[0]
    return {cells[0]: cells[2:] for cells in map(str.split, block.splitlines()) if "default" in cells}


def test_effective_draws():
    rows = table_below("jomo", "### One chain")
    cases = {"JSPmiss, two": "JSPmiss: ", "the same": "JSPmiss with fluent: ", "5000 rows": "5 000 rows"}
    for start, case in cases.items():
        (cells,) = [cells for name, cells in rows.items() if name.startswith(start)]
        ours_min, ours_median, _, jomo_min, jomo_median = measured(case)["median"][2:7]
        assert cells == [jomo_min, jomo_median, ours_min, ours_median]


def test_a_whole_run_of_jomo_is_worth_few_draws():
    """CPU seconds times effective draws a second of the slowest element, in each round."""
    rounds = [cells for name, cells in measured("5 000 rows").items() if name != "median"]
    assert len(rounds) == 3
    assert all(float(cells[4]) * float(cells[5]) < 3 for cells in rounds)
    assert all(60 < float(cells[4]) < 150 for cells in rounds), "two minutes"


def test_priors_that_are_ignored(defects):
    rows = table_below("jomo", "### Priors")
    for name, key in {"`y`": "without_factor", "`y` and a factor": "with_factor"}.items():
        assert rows[name] == [f"{defects['posterior_variance'][key][scale]:.1f}" for scale in ("small", "large")]


def test_input_that_is_lost(defects):
    said = PAGES["jomo"].split("### Input")[1]
    assert defects["columns"] == {"given": ["y", "text", "flag"], "returned": "y"}
    assert f"the 5 is overwritten: {defects['level2']['returned']:.2f} in" in said
    labelled = defects["effect_sd"]["labelled"]
    assert f"`y1*x` {labelled['y1*x']:.1f}, `y2*cons` {labelled['y2*cons']:.1f}" in said
    assert defects["effect_sd"]["true"]["y1*x"] == 5


# Code


def blocks(page, language="python"):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [name for name in PAGES if name != "index"])
def test_every_page_has_the_same_in_both_languages(page):
    assert blocks(page, "r")
    assert blocks(page)


@pytest.mark.sampling
@pytest.mark.slow
def test_each_cluster_is_imputed_with_its_own_covariance():
    """By the code of the page; with 30 cells a school an sd of 1 leaves 0.6 to 1.5 less than once in 10,000 schools."""
    namespace: dict[str, Any] = {"jm": jm}
    exec(blocks("jomo")[-1], namespace)
    spread = namespace["imputed_sd"]
    assert len(spread) == 20
    assert 6 < spread.iloc[0] < 15
    assert spread.iloc[1:].between(0.6, 1.5).all()
