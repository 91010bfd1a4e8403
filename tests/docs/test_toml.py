"""The page about model files names every table and key, with its type and default, and its examples can be read."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import msgspec.structs
import pytest

import jmimpute as jm
from jmimpute import case
from jmimpute.specification import priors, rho_priors

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "toml.md").read_text(encoding="utf-8")
#: How the page writes the types of keys; a value that need not be given has no type of its own.
TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "truth value",
    list[str]: "list of texts",
    str | list[str]: "text or list of texts",
    list[str | bool | int | float]: "list of texts, truth values or numbers",
    str | bool | int | float: "text, truth value or number",
    float | dict[str, Any]: "number or table",
    dict[str, Any]: "table",
    dict[str, str | case.Response]: "table of texts or tables",
    str | dict[str, dict[str, Any]]: "text or table of tables",
    dict[str, case.Missing]: "table of tables",
    **dict.fromkeys([case.Model, case.Sampling, case.Imputation, case.Analysis], "table"),
}
SECTIONS = {"Top of the file": case.Case, **{f"`[{name}]`": section for name, section in case._SECTIONS.items()}}


def rows(heading):
    """Rows of the first table below a heading: their cells, without the last."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4]] for line in found]


def written(section):
    """What the table of a section should say."""
    types = get_type_hints(section)
    for field in msgspec.structs.fields(section):
        yield [f"`{field.name}`", TYPES[without_none(types[field.name])], default(field)]


def without_none(hint):
    return {kind | None: kind for kind in TYPES}.get(hint, hint)


def default(field):
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None:
        return "none"
    if isinstance(value, msgspec.Struct):
        return ""
    return "`" + msgspec.json.encode(value).decode() + "`"


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_there(heading):
    assert rows(heading) == list(written(SECTIONS[heading]))


def test_every_table_is_known():
    assert set(re.findall(r"^## (`.+`)$", PAGE, flags=re.MULTILINE)) == set(SECTIONS) - {"Top of the file"}


@pytest.mark.parametrize("text", re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE))
def test_examples_make_a_model(text, tmp_path):
    (tmp_path / "model.toml").write_text(text)
    read = case.read_case(tmp_path / "model.toml")
    data = jm.datasets.load("pupils" if "reading" in text else "survey")
    model = jm.JointModel(read.model.formulas, data, families=read.families(), priors=read.priors(), missing=read.missing())
    assert model.specification.outcomes


def test_priors_are_those_that_a_file_can_name():
    made = dict(re.findall(r'^\| `"(\w+)"` \| `jm\.priors\.(\w+)`', PAGE, flags=re.MULTILINE))
    allowed = dict(re.findall(r'^\| `"(\w+)"` \| `jm\.priors\.\w+` \| (.+) \|$', PAGE, flags=re.MULTILINE))
    of_rho = {"Uniform", "TruncatedNormal", "FisherZ", "ByCluster"}
    assert {kind.__name__ for kind in priors.CONSTRUCTORS} | of_rho == set(made)
    for kind, said in priors.WRITTEN.items():
        assert said.startswith(f"jm.priors.{made[kind.__name__]}(")
        assert set(re.findall(r"`(\w+)`", allowed[kind.__name__])) == {
            n for n, kinds in priors.ALLOWED.items() if kind in kinds
        }
    for name in of_rho:
        record = {"Uniform": {"lower": -1, "upper": 0}, "TruncatedNormal": {"mean": 0.1, "sd": 1}}.get(name, {})
        assert rho_priors.from_record({"prior": name, **record}) == getattr(jm.priors, made[name])(**record)
