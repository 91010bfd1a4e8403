"""A report in a browser: it loads without errors, asks for nothing from elsewhere, and shows something, also on paper."""

import re

import numpy as np
import pytest

import jmimpute as jm
from tests.report.browser import BROWSER, browse, loaded
from tests.report.pages import ANALYSIS, imputations

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs chromium in PATH"),
    pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning"),
    pytest.mark.sampling,  # takes seconds
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    given = imputations()
    jm.report(given, given.analyze(ANALYSIS)).save(path)
    return path


def test_it_loads_without_errors_and_requests(path):
    dom, console, initiators = loaded(path)
    assert dom.count("<section") == 10 and dom.rstrip().endswith("</html>")
    assert (console, initiators) == ([], set())


def test_errors_and_requests_would_be_seen(tmp_path):
    page = tmp_path / "other.html"
    page.write_text('<html><body><img src="http://example.com/a.png"><script>console.error("no")</script></body></html>')
    _, console, initiators = loaded(page)
    assert console and initiators


@pytest.mark.parametrize("width", [1280, 500])
def test_it_shows_something_on_screens_and_nothing_is_wider(path, width):
    from PIL import Image

    shot = path.parent / f"{width}.png"
    browse(path, f"--window-size={width},1600", f"--screenshot={shot}")
    pixels = np.asarray(Image.open(shot).convert("L"))
    assert pixels.shape == (1600, width)
    dark = pixels < 120
    assert 0.005 < dark.mean() < 0.3, "texts are there, and paper between them"
    assert dark[:200].any() and dark[800:].any()


def test_it_is_printed(path):
    paper = path.parent / "report.pdf"
    browse(path, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    found = paper.read_bytes()
    assert found.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", found)) >= 5
