"""The gallery shows every plot, and its code makes its pictures."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import jmimpute as jm

DOCS = Path(__file__).parents[2] / "docs"
GALLERY = (DOCS / "gallery.md").read_text(encoding="utf-8")
IMAGES = re.findall(r"\]\(images/([^)]+)\)", GALLERY)
PLOTS = [name for name in jm.plots.__all__ if not name.endswith("_table")]


@pytest.fixture(scope="module")
def maker():
    """The script that makes the pictures."""
    spec = importlib.util.spec_from_file_location("make_images", DOCS / "make_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_has_a_section_with_its_call_and_a_picture(name):
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", GALLERY, flags=re.DOTALL | re.MULTILINE)
    assert section, f"docs/gallery.md has no section ### {name}"
    assert f"jm.plots.{name}(" in section[1] and re.search(r"^!\[.+\]\(images/.+\.png\)$", section[1], flags=re.MULTILINE)


def test_there_are_no_other_sections():
    assert sorted(re.findall(r"^### (.+)$", GALLERY, flags=re.MULTILINE)) == sorted(PLOTS)


def test_every_picture_is_there_and_small():
    assert len(IMAGES) == len(set(IMAGES))
    assert {path.name for path in (DOCS / "images").glob("*.png")} == set(IMAGES)
    sizes = {name: (DOCS / "images" / name).stat().st_size for name in IMAGES}
    assert {name: size for name, size in sizes.items() if size > 80_000} == {}


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_has_a_table_with_the_same_data(name):
    """The data of a plot can be had without drawing, by the same arguments or those of one variable."""
    table = getattr(jm.plots, f"{name}_table")
    arguments = [list(inspect.signature(function).parameters) for function in (getattr(jm.plots, name), table)]
    assert arguments[0][0] == arguments[1][0]


def test_blocks_give_the_figures_that_they_end_in(maker):
    text = "```python\nx = 2\n```\n\n```python\ny = x + 1\ny * 10\n```\n\n![A number](images/a.png)\n"
    assert list(maker.pictures(text)) == [("a.png", 30)]


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.JMImputeWarning")
def test_the_code_of_the_gallery_makes_its_pictures(maker, tmp_path):
    maker.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(IMAGES)
