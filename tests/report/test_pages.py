"""Pages stand alone, can be read by those who do not see them, and show names of columns as they are."""

import re
from itertools import pairwise

import pytest

import jmimpute as jm
from tests.report.pages import ANALYSIS, Page, imputations

pytestmark = pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning")
NASTY = ("g", "x", "<script>alert(1)</script>", 'a & "b"', "{{ 7 * 7 }}")


REASON = "</section><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def nasty():
    """A page about columns whose names, levels, reasons and titles look like markup."""
    given = imputations(names=NASTY)
    analyses = {"<b>bold</b>": given.analyze('`a & "b"` ~ x')}
    return jm.report(given, analyses, title="A & <i>B</i>", reasons={NASTY[2]: REASON}).to_html()


@pytest.fixture(scope="module")
def plain():
    given = imputations()
    grid = jm.sensitivity(given, "y", jm.shift([-1, 0, 1]), "y ~ x", scope="marginal", progressbar=False)
    return jm.report(given, given.analyze(ANALYSIS), sensitivity=grid).to_html()


@pytest.fixture(scope="module", params=["plain", "nasty"])
def html(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_nothing_is_asked_for_from_elsewhere(html, page):
    for attributes in page.named("img", "link", "script", "iframe", "source", "a"):
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
    assert not page.named("script")
    style = re.search(r"<style>(.*?)</style>", html, flags=re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style


def test_headings_are_nested(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_what_is_seen_is_also_said(page):
    assert page.named("html")[0]["lang"] == "en"
    pictures = page.named("img")
    assert pictures and all(len(picture["alt"]) > 20 and picture["width"] and picture["height"] for picture in pictures)
    assert len(pictures) == len(page.named("figcaption"))
    assert all(cell["scope"] in ("row", "col") for cell in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table")) > 3
    for one in page.tables:
        assert one["caption"].strip() and len({len(row) for row in one["rows"]}) == 1


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"].removeprefix("#") for attributes in page.named("a")]
    assert len(links) == 11 and set(links) <= set(ids)
    assert {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes} <= set(ids)


def test_names_are_shown_and_not_run(nasty):
    page = Page(nasty)
    text = "".join(page.text)
    for name in (*NASTY[2:], REASON, "<b>bold</b>", "A & <i>B</i>"):
        assert name in text, name
    assert [row[0] for row in page.table("Missing values by variable")] == list(NASTY[2:])
    assert not page.named("script", "i") and all("onerror" not in picture for picture in page.named("img"))


def luminance(colour):
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_stand_out_from_what_is_behind_them(html):
    """Contrast of at least 4.5 (WCAG 2.2, 1.4.3), of all colours of texts on all backgrounds."""
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", html))
    behind = [colours["paper"], colours["shade"], *re.findall(r"background: (#[0-9a-f]{6})", html)]
    assert len(behind) == 4
    for text in (colours["ink"], colours["soft"], colours["accent"]):
        for back in behind:
            light, dark = sorted([luminance(text), luminance(back)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def test_tables_are_printed_whole(html):
    style = html[html.index("@media print") :]
    assert "overflow: visible" in style and "max-height: none" in style
