"""A report as one HTML page: style and pictures are inside it, and it needs no script."""

from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jmimpute import __version__
from jmimpute.report.blocks import Picture, Table
from jmimpute.report.numbers import is_number, rows, titles

if TYPE_CHECKING:
    from jmimpute.report.report import Report

TEMPLATE, STYLE = "report.html.j2", "report.css"


def render(report: "Report") -> str:
    """Write the page.

    Parameters
    ----------
    report : Report
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    # Numbers stay with their per cent signs.
    together = {"finalize": lambda value: value.replace(" %", "\u00a0%") if isinstance(value, str) else value}
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, **together)
    template = environment.from_string(_shipped(TEMPLATE))
    # The style is ours; everything else may come from a table and is escaped.
    how = {"numbers": _numbers(report), "id": id, "laid_out": laid_out, "encoded": encoded}
    return template.render(report=report, style=Markup(_shipped(STYLE)), version=__version__, **how)


def framed(report: "Report") -> str:
    """Write the page into a frame of a notebook, whose style it leaves alone.

    Parameters
    ----------
    report : Report
    """
    return (
        f'<iframe title="{escape(report.title)}" srcdoc="{escape(render(report))}" '
        'style="width: 100%; height: 40rem; border: 1px solid #ccc"></iframe>'
    )


def laid_out(table: Table) -> dict[str, Any]:
    """Titles and cells of a table, and which columns hold numbers.

    Parameters
    ----------
    table : Table
    """
    numeric = [is_number(table.frame[name]) for name in table.frame.columns]
    return {"titles": titles(table), "numeric": numeric, "rows": rows(table)}


def encoded(picture: Picture) -> str:
    """A picture as part of the page.

    Parameters
    ----------
    picture : Picture
    """
    return b64encode(picture.png).decode("ascii")


def _numbers(report: "Report") -> dict[int, int]:
    """Numbers of tables, and of pictures, in the order of the page, by identity."""
    found: dict[int, int] = {}
    for kind in (Table, Picture):
        blocks = [block for section in report.sections for block in section.blocks if isinstance(block, kind)]
        found |= {id(block): k for k, block in enumerate(blocks, start=1)}
    return found


def _shipped(name: str) -> str:
    return files("jmimpute.report").joinpath("templates", name).read_text(encoding="utf-8")
