"""Public data sets that `fetch` knows: where each is from, how its CSV file is made, and the checksum of that file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_WRITE = 'write.csv({table}, "{file}", row.names = FALSE, na = "")'
_HIV = "https://raw.githubusercontent.com/cran/GJRM/4cd94ec8def984647a29db9563c3527e461045f0/data/hiv.RData"
_IMPACT = "https://raw.githubusercontent.com/hanneoberman/multilevelmice/bb53bfd10b5b6af9f5a093f3b769e4cfa13f774a/impact_incomplete.csv"
_TUTORIAL = "https://github.com/hanneoberman/multilevel/raw/8d4c906/data/"


@dataclass(frozen=True)
class PublicTable:
    """A public data set as a CSV file with empty fields for missing values."""

    file: str
    sha256: str
    title: str
    rows: int
    cluster: str
    source: str
    licence: str
    recipe: str
    """R code that writes the file into the current directory."""
    url: str | None = None
    """Where R's `write.csv` of the same table lies, with row names and NA."""
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Categories in the order of R's factor."""


def _write(table: str, file: str) -> str:
    return _WRITE.format(table=table, file=file)


def _downloaded(url: str, table: str, file: str) -> str:
    """R code for a table in a file of R data at an address."""
    return f'download.file("{url}", f <- tempfile(), mode = "wb"); load(f); {_write(table, file)}'


_STATES = {"motor_score": ("1/2", "3", "4", "5/6"), "pupil": ("Both", "One", "None"), "ct": ("I/II", "III", "IV/V")}

PUBLIC: Mapping[str, PublicTable] = {
    "jsp": PublicTable(
        file="JSPmiss.csv",
        sha256="21572a4776c46f78db249bdaa8f87511fb71eae9d0cf52ddc7481edfffddd919",
        title="Junior School Project: test scores and fluency in English, with values made missing",
        rows=1119,
        cluster="school",
        source="JSPmiss of the R package jomo (Mortimore et al. 1988)",
        licence="GPL-2",
        recipe=_write("jomo::JSPmiss", "JSPmiss.csv"),
        levels={"fluent": ("0", "1", "2"), "behaviour": ("lowerquarter", "upper")},
    ),
    "exam_scores": PublicTable(
        file="ExamScores.csv",
        sha256="7e6ccbde9a009558528fb24dc1f1a79d63147f523ea199d50f181a6d597a7e3c",
        title="Examinations in Inner London, with values of pupils and of schools made missing",
        rows=4059,
        cluster="school",
        source="ExamScores of the R package jomo (Goldstein et al. 1993)",
        licence="GPL-2",
        recipe=_write("jomo::ExamScores", "ExamScores.csv"),
        levels={
            "sex": ("boy", "girl"),
            "schgend": ("mixedsch", "boysch", "girlsch"),
            "schav": ("low", "mid", "high"),
            "vrband": ("vb1", "vb2", "vb3"),
        },
    ),
    "popmis": PublicTable(
        file="popmis.csv",
        sha256="d6c8c9a3036b64551e7e9bd6de864654401b58948efd6f38b98dfe6c5040c221",
        title="Popularity of pupils, incomplete",
        rows=2000,
        cluster="school",
        source="popmis of the R package mice (Hox 2002)",
        licence="GPL-2 or later",
        recipe=_write("mice::popmis", "popmis.csv"),
    ),
    "popularity_mar": PublicTable(
        file="popularity_MAR.csv",
        sha256="d33578c5ca0e2ad3de53540ced1297d340dff8ed532234b55263a0a9633f083b",
        title="Popularity of pupils: a cross-level interaction, with values made missing at random",
        rows=2000,
        cluster="cluster_id",
        source="popular_MAR of the tutorial hanneoberman/multilevel (Hox, Moerbeek and van de Schoot 2017)",
        licence="GPL-3",
        recipe=_downloaded(
            _TUTORIAL + "popular_MAR.RData",
            'transform(popular_MAR, gender_ij = factor(as.integer(gender_ij), 1:2, c("boy", "girl")))',
            "popularity_MAR.csv",
        ),
        levels={"gender_ij": ("boy", "girl")},
    ),
    "popularity_complete": PublicTable(
        file="popularity_complete.csv",
        sha256="5bc4f424d4675c8dd47bac285542ff7cba860167c8fd5e55f822976cb954daab",
        title="Popularity of pupils: a cross-level interaction, complete",
        rows=2000,
        cluster="cluster_id",
        source="popular of the tutorial hanneoberman/multilevel (Hox, Moerbeek and van de Schoot 2017)",
        licence="GPL-3",
        recipe=_downloaded(_TUTORIAL + "popular.RData", "popular", "popularity_complete.csv"),
        levels={"gender_ij": ("boy", "girl")},
    ),
    "hiv": PublicTable(
        file="hiv.csv",
        sha256="6e7de81c92bb8275bf4aadac8e0e7a5040ccaa3e3cb56d31487719450c9ecc88",
        title="Men in Zambia, Demographic and Health Survey of 2007: HIV, missing where the test was refused",
        rows=6416,
        cluster="region",
        source="hiv of the R package GJRM up to 0.2-6.6 (McGovern et al. 2015)",
        licence="GPL-2 or later",
        recipe=_downloaded(_HIV, "hiv", "hiv.csv"),
    ),
    "impact": PublicTable(
        file="impact.csv",
        sha256="03df9576f458941fda3acce7d9b1a006481a9c176ba7519bc8fdfc8d44836262",
        title="IMPACT: mortality after traumatic brain injury in 15 studies, completed by the providers",
        rows=11022,
        cluster="name",
        source="impact of the R package metamisc (Steyerberg et al. 2008, 2019)",
        licence="GPL-3",
        recipe=_write("metamisc::impact", "impact.csv"),
        levels=_STATES,
    ),
    "impact_incomplete": PublicTable(
        file="impact_incomplete.csv",
        sha256="8cd988da6424651395789d9c5961785cfb2edc06a3b68d1ca20a5a34a7fb7fea",
        title="IMPACT with values made missing by models of what the studies had missing",
        rows=11022,
        cluster="name",
        source="impact_incomplete of hanneoberman/multilevelmice, after impact (Steyerberg et al. 2008, 2019)",
        licence="GPL-3",
        url=_IMPACT,
        recipe=_write(f'read.csv("{_IMPACT}", row.names = 1)', "impact_incomplete.csv"),
        levels=_STATES,
    ),
}
