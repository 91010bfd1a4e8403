"""What pages and notebooks show runs, page by page, without a warning; commands have the options that are given."""

import ast
import io
import re
import shlex
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from jmimpute.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Decisions quote code of their time; the gallery is run by docs/make_images.py.
ELSEWHERE = {"_build", "api", "decisions", "gallery.md"}
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if ELSEWHERE.isdisjoint(path.parts))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
#: A Python block or cell, with the reason for which it is not run, if one stands directly above.
BLOCK = re.compile(
    r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(?:python|\{code-cell\} python)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE
)
SHELL = re.compile(r"^```(?:console|bash|sh|shell)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
#: A command in a shell block, or in an indented line; a backslash at the end joins the next line.
COMMAND = re.compile(r"^(?:\$ )?(jmimpute [a-z](?:[^\n\\]|\\\n)*)", flags=re.MULTILINE)
INDENTED = re.compile(r"^ {4}(jmimpute [a-z].*)", flags=re.MULTILINE)


def blocks(text):
    """Python of a page, but for what says why it is not run."""
    return [code for reason, code in BLOCK.findall(text) if not reason]


def cells(path):
    """Python of a page or notebook, piece by piece."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return blocks(text)
    return [cell.source for cell in jupytext.reads(text, fmt="py:percent").cells if cell.cell_type == "code"]


def show(value):
    """Make what a notebook would show of the value of a cell."""
    if isinstance(value, Figure):
        value.savefig(io.BytesIO())
    elif value is not None:
        getattr(value, "_repr_html_", value.__repr__)()


def run(code, name, namespace):
    """Run a cell as notebooks do, with the value of a last expression shown."""
    tree = ast.parse(code, name)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if last is not None:
        show(eval(compile(last, name, "eval"), namespace))


def commands(text):
    """What a page tells to type after `jmimpute`, as lists of words; the rest of a line from a `#` on is a comment."""
    lines = [line for block in SHELL.findall(text) for line in COMMAND.findall(block)] + INDENTED.findall(text)
    return [shlex.split(line.replace("\\\n", " "), comments=True)[1:] for line in lines]


def options(command):
    """Names of the options of a command."""
    return {name for argument in app[command].assemble_argument_collection() for name in argument.names}


WITH_PYTHON = [path for path in [*PAGES, *NOTEBOOKS] if cells(path)]


@pytest.mark.sampling
@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JMIMPUTE_SHORT", "1")
    plt.switch_backend("Agg")
    namespace = {"__name__": "page"}
    for k, code in enumerate(cells(path), start=1):
        run(code, f"{path.name}, piece {k}", namespace)
    plt.close("all")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_their_options_exist(path):
    for command, *words in commands(path.read_text(encoding="utf-8")):
        assert command in app.resolved_commands(), command
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= options(command), command


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for path in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        assert set(re.findall(r"`make ([a-z-]+)`", path.read_text(encoding="utf-8"))) <= targets, path.name


def test_blocks_are_found():
    assert blocks("# A\n```python\nx = 1\n```\n```bash\nls\n```\n```python\nx += 1\n```\n") == ["x = 1\n", "x += 1\n"]
    assert blocks("<!-- not run: it is yours -->\n```python\nx = mine\n```\n\n```python\ny = 1\n```\n") == ["y = 1\n"]
    assert blocks("<!-- not run: too far above -->\n\n```python\nx = 1\n```\n") == ["x = 1\n"]
    assert blocks("```{code-cell} python\nx = 1\n```\n") == ["x = 1\n"]
    assert blocks("```console\nls\n```\n") == []


def test_commands_are_found():
    indented = "Type\n\n    jmimpute run model.toml -m 20  # twenty\n"
    fenced = "```console\n$ jmimpute compare a/ \\\n  --analysis 'y ~ x'\n```\n"
    prose = "jmimpute is not a command here\n"
    compared, run = ["compare", "a/", "--analysis", "y ~ x"], ["run", "model.toml", "-m", "20"]
    assert commands(indented + fenced + prose) == [compared, run]
    assert {"-m", "--imputations", "--seed"} <= options("run")
