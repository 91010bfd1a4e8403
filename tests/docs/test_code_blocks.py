"""What pages show runs: Python blocks, page by page, and commands, which have the options that are given."""

import re
import shlex
from pathlib import Path

import pytest

from jmimpute.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Decisions quote code of their time; the gallery is run by docs/make_images.py.
ELSEWHERE = {"_build", "api", "decisions", "gallery.md"}
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if ELSEWHERE.isdisjoint(path.parts))]
#: A Python block, with the reason for which it is not run, if one stands directly above.
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```(?:console|bash|sh|shell)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
#: A command in a shell block, or in an indented line; a backslash at the end joins the next line.
COMMAND = re.compile(r"^(?:\$ )?(jmimpute [a-z](?:[^\n\\]|\\\n)*)", flags=re.MULTILINE)
INDENTED = re.compile(r"^ {4}(jmimpute [a-z].*)", flags=re.MULTILINE)


def blocks(text):
    """Python blocks of a page, but for those that say why they are not run."""
    return [code for reason, code in BLOCK.findall(text) if not reason]


def commands(text):
    """What a page tells to type after `jmimpute`, as lists of words; the rest of a line from a `#` on is a comment."""
    lines = [line for block in SHELL.findall(text) for line in COMMAND.findall(block)] + INDENTED.findall(text)
    return [shlex.split(line.replace("\\\n", " "), comments=True)[1:] for line in lines]


def options(command):
    """Names of the options of a command."""
    return {name for argument in app[command].assemble_argument_collection() for name in argument.names}


def marked(path):
    """A page as a parameter; pages in folders fit many models."""
    return pytest.param(path, id=str(path.relative_to(ROOT)), marks=[] if path.parent in (ROOT, DOCS) else [pytest.mark.slow])


WITH_BLOCKS = [marked(path) for path in PAGES if blocks(path.read_text(encoding="utf-8"))]


@pytest.mark.sampling
@pytest.mark.parametrize("path", WITH_BLOCKS)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    namespace = {"__name__": "page"}
    for k, block in enumerate(blocks(path.read_text(encoding="utf-8")), start=1):
        exec(compile(block, f"{path.name}, Python block {k}", "exec"), namespace)


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
    assert blocks("```{code-cell} python\nx = 1\n```\n") == []


def test_commands_are_found():
    indented = "Type\n\n    jmimpute run model.toml -m 20  # twenty\n"
    fenced = "```console\n$ jmimpute compare a/ \\\n  --analysis 'y ~ x'\n```\n"
    prose = "jmimpute is not a command here\n"
    compared, run = ["compare", "a/", "--analysis", "y ~ x"], ["run", "model.toml", "-m", "20"]
    assert commands(indented + fenced + prose) == [compared, run]
    assert {"-m", "--imputations", "--seed"} <= options("run")
