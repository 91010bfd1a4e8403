"""Findings: where an imputation model and an analysis do not fit, and texts that fit on a screen."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

ERROR, WARNING, NOTE = "error", "warning", "note"
#: Severities, worst first.
SEVERITIES = (ERROR, WARNING, NOTE)

WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """Something about an imputation model that the analysis makes matter.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        An error biases the analysis and can be mended within the model. A warning is an approximation, or needs another remedy.
    rule : str
        Which rule found it, in a word or two.
    term : str
        The variable or term that it is about.
    what : str
        What is wrong.
    advice : str
        What to do.
    """

    severity: str
    rule: str
    term: str
    what: str
    advice: str

    def __str__(self) -> str:
        """Say what is wrong with what, and what to do."""
        return f"{self.term}: {self.what} {self.advice}"


def block(title: str, lines: Iterable[str]) -> str:
    """Write a titled list, lines wrapped and indented; nothing without lines.

    Parameters
    ----------
    title : str
    lines : iterable of str
    """
    wrapped = [textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ", **_WHOLE) for line in lines]
    return "\n".join([title, *wrapped]) if wrapped else ""


def as_html(text: str) -> str:
    """Lay a text out for a notebook.

    Parameters
    ----------
    text : str
    """
    return f"<pre>{escape(text)}</pre>"


_WHOLE = {"break_long_words": False, "break_on_hyphens": False}
