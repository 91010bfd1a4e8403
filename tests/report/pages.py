"""A page read as a browser and a screen reader do, and imputations that need no fit, for tests of reports."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

import jmimpute as jm

VOID = {"meta", "link", "img", "br", "hr", "input"}
ANALYSIS = "y ~ x + z + (1 | g)"


class Page(HTMLParser):
    """Elements of a page with their attributes, rows of its tables, and its text; tags must be closed in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text, self.tables = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("th", "td"):
            self.tables[-1]["rows"][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text.append(data)
        if "caption" in self.open:
            self.tables[-1]["caption"] += data
        elif self.open and self.open[-1] in ("th", "td"):
            self.tables[-1]["rows"][-1][-1] += data

    def named(self, *tags):
        """Attributes of all elements with these tags, in order."""
        return [attributes for tag, attributes in self.elements if tag in tags]

    def table(self, beginning):
        """Rows below the head of the first table whose caption begins so, behind its number."""
        found = next(one for one in self.tables if one["caption"].partition(". ")[2].startswith(beginning))
        return found["rows"][1:]


def table(names=("g", "x", "z", "y", "k")):
    """60 rows in 6 clusters, with other names on request; y, z and k are missing here and there, y altogether in a cluster."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(6), 10)
    x, z = rng.normal(size=(2, 60))
    y = 2 + x + 0.5 * z + 0.5 * rng.normal(size=6)[g] + rng.normal(size=60)
    k = pd.Series(pd.Categorical(np.where(rng.random(60) < 0.5, "a<b", "b&c"), ["a<b", "b&c"]))
    y[(np.arange(60) % 5 == 0) | (g == 5)], z[3:60:9], k[4:60:7] = np.nan, np.nan, None
    columns = {"g": g, "x": x, "z": z, "y": y, "k": k}
    return pd.DataFrame(columns).rename(columns=dict(zip(columns, names, strict=True)))


def imputations(m=6, **options):
    """Completed at random, as if they were read from elsewhere."""
    original, rng = table(**options), np.random.default_rng(8)
    cluster, _, z, y, k = original.columns
    completed = []
    for _ in range(m):
        own = original.copy()
        for name in (z, y):
            absent = own[name].isna()
            own.loc[absent, name] = own[name].mean() + own[name].std() * rng.normal(size=absent.sum())
        own[k] = own[k].fillna("b&c")
        completed.append(own)
    return jm.from_tables(original, completed, cluster=cluster)


def content(report, section):
    """Blocks of a section as JSON has them."""
    return next(one["content"] for one in report.to_dict()["sections"] if one["name"] == section)


def rows(report, section, name, of=None):
    """A table of a section as a frame."""
    tables = [block for block in content(report, section) if block.get("table") == name and of in (None, block.get("of"))]
    return pd.DataFrame(tables[0]["rows"], columns=tables[0]["columns"])


def not_done(report, section):
    """What a section says was not done."""
    return [block["not_done"] for block in content(report, section) if "not_done" in block]
