"""The site: it is built without a warning, its links lead somewhere, nothing is fetched from elsewhere, every name is there."""

import inspect
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import jmimpute as jm

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.sampling  # takes half a minute

#: Attributes by which an element makes a browser fetch something.
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
#: Public objects of modules that serve other parts of the package; analysts meet them under other names, if at all.
NOT_LISTED = {
    "errors": {"meant", "options", "some"},
    "families": {"Variable", "from_record", "to_record"},
    "priors": {
        *("DefaultLevel1", "Flat", "HierarchicalInverseWishart", "InverseWishart", "JomoLevel1", "JomoLevel2", "LKJ"),
        *("LogSd", "Normal", "from_record", "resolve", "to_record"),
    },
}


class Page(HTMLParser):
    """Anchors, links and fetched files of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.fetched = {""}, set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if given.get(FETCHED.get(tag, "")) and given.get("rel") not in {"canonical", "prev", "next", "index", "search"}:
            self.fetched.add(given[FETCHED[tag]])


@cache
def page(path):
    return Page(path.read_text(encoding="utf-8"))


def is_outside(address):
    return bool(urlsplit(address).netloc)


def leads_nowhere(address, path):
    """Whether a link of the page at a path to within the site has no target."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return False
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return True
    return target.suffix == ".html" and unquote(parts.fragment) not in page(target).anchors


#: A site without the outputs of cells, which are run one by one with the code blocks of pages, or the whole one of `make docs`.
UNEXECUTED = ["-D", "nb_execution_mode=off", "-D", "suppress_warnings=myst-nb.lexer"]
SITES = [pytest.param(UNEXECUTED, id="unexecuted"), pytest.param([], id="executed", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=SITES)
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "JMIMPUTE_SHORT": "1"}
    environment.pop("MPLBACKEND", None)  # that of notebooks shows pictures
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", *request.param, DOCS, folder / "html"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    # Kernels warn of their connections, which are to this machine.
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if "IPKernelApp" not in line)
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def test_all_pages_are_there(site):
    written = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    tutorials = [Path("tutorials", path.name) for path in (ROOT / "notebooks").glob("*.py")]
    assert [path for path in [*written, *tutorials] if not (site / path.with_suffix(".html")).exists()] == []


def test_links_lead_somewhere(pages):
    broken = {f"{path.name}: {link}" for path in pages for link in page(path).links if leads_nowhere(link, path)}
    assert broken == set()


def test_nothing_is_fetched_from_elsewhere(pages, site):
    assert {address for path in pages for address in page(path).fetched if is_outside(address)} == set()
    assert {address for path in pages for address in page(path).fetched if leads_nowhere(address, path)} == set()
    for path in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")) == [], path


def test_formulas_are_not_left_to_a_script(site):
    text = (site / "reference" / "formulas.html").read_text(encoding="utf-8")
    assert "<math" in text
    assert "mathjax" not in {Path(address).name.lower() for address in page(site / "reference" / "formulas.html").fetched}


def public():
    """Public functions and classes, as they are written after `jm.`."""
    for name in jm.__all__:
        value = getattr(jm, name)
        if not inspect.ismodule(value):
            yield name
            continue
        members = getattr(value, "__all__", None) or [member for member in dir(value) if not member.startswith("_")]
        for member in set(members) - NOT_LISTED.get(name, set()):
            found = getattr(value, member)
            home = str(getattr(found, "__module__", ""))
            own = home.startswith("jmimpute.") and (home == "jmimpute.errors") == (name == "errors")
            if own and (inspect.isfunction(found) or inspect.isclass(found)):
                yield f"{name}.{member}"


def test_reference_has_every_public_name(site):
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", "".join)
    kinds = ("py:function", "py:class", "py:exception")
    listed = {name.removeprefix("jmimpute.") for kind in kinds for name in inventory[kind]}
    assert set(public()) - listed == set()


@pytest.mark.parametrize(
    ("address", "nowhere"),
    [
        ("b.html", False),
        ("b.html#here", False),
        ("b.html#there", True),
        ("#own", False),
        ("#other", True),
        ("c.html", True),
        ("https://example.org/x", False),
        ("picture.png", False),
    ],
)
def test_links_that_lead_nowhere_are_seen(address, nowhere, tmp_path):
    (tmp_path / "a.html").write_text(f'<p id="own"><a href="{address}"></a><script src="https://example.org/x.js"></script>')
    (tmp_path / "b.html").write_text('<p id="here">')
    (tmp_path / "picture.png").write_bytes(b"")
    read = Page((tmp_path / "a.html").read_text())
    assert [leads_nowhere(link, tmp_path / "a.html") for link in read.links] == [nowhere]
    assert [is_outside(link) for link in read.fetched] == [True]
