"""The page about formulas: what it says is accepted or refused is, and its equations are those that a model prints."""

import re
from pathlib import Path

import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, TableError
from jmimpute.specification.formula import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formulas.md").read_text(encoding="utf-8")
ACCEPTED, REFUSED = PAGE.split("## What is refused")
FENCE = re.compile(r"^```(python|text)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)


def cells(text):
    """Cells of the rows of the tables of a text; a bar within one is written with a backslash."""
    for line in text.splitlines():
        if line.startswith("| ") and "---" not in line:
            yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def formulas(cell):
    """What is quoted in a cell and has a tilde."""
    return [quoted for quoted in re.findall(r"`([^`]+)`", cell) if "~" in quoted]


def blocks():
    """Each Python block, with the text that follows it, if any."""
    found = FENCE.findall(PAGE)
    for number, (language, text) in enumerate(found):
        if language == "python":
            after = found[number + 1] if number + 1 < len(found) else ("", "")
            yield text, after[1] if after[0] == "text" else ""


ACCEPTED_FORMULAS = [formula for row in cells(ACCEPTED) for cell in row for formula in formulas(cell)]
REFUSED_FORMULAS = [formula for row in cells(REFUSED) for formula in formulas(row[0])]
TRANSLATED = [(formulas(row[1])[0], row[2]) for row in cells(ACCEPTED) if len(row) == 3 and formulas(row[1])]
INSTEAD = [formula for row in cells(REFUSED) for formula in formulas(row[2])]


@pytest.fixture(scope="module")
def namespace():
    names = {}
    for code, printed in blocks():
        exec(code, names)
        if printed:
            lines = {line.strip() for line in str(names["model"]).splitlines()}
            names.setdefault("absent", []).extend(line for line in printed.splitlines() if line not in lines)
    return names


def test_formulas_are_found():
    assert (len(ACCEPTED_FORMULAS), len(TRANSLATED), len(REFUSED_FORMULAS), len(INSTEAD)) == (19, 8, 16, 10)


def test_equations_are_those_that_a_model_prints(namespace):
    assert namespace["absent"] == []


@pytest.mark.parametrize("formula", [*ACCEPTED_FORMULAS, *INSTEAD])
def test_accepted(formula, namespace):
    assert jm.JointModel(formula, namespace["pupils"]).specification.formulas[0].text == formula


@pytest.mark.parametrize(("formula", "equations"), TRANSLATED)
def test_equations_have_the_coefficients_and_random_effects_of_the_model(formula, equations, namespace):
    layout = jm.JointModel(formula, namespace["pupils"]).specification.layout
    assert len(set(re.findall(r"\\beta_\d", equations))) == len(layout.covariates)
    assert len(set(re.findall(r"u_\{\dj\}", equations))) == layout.n_effects
    assert ("uncorrelated" in equations) == bool(layout.blocks.any())


@pytest.mark.parametrize("formula", REFUSED_FORMULAS)
def test_refused(formula, namespace):
    with pytest.raises((FormulaError, TableError)):
        jm.JointModel(formula, namespace["pupils"])


def test_every_function_is_named():
    for name in FUNCTIONS:
        assert re.search(rf"\b{name}\b", ACCEPTED), name
