"""What a report is made of: sections of texts, tables, pictures and verdicts, which HTML and JSON both show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI, COLOURS = 160, 256
#: Pixels of a browser in an inch.
SCREEN = 96
#: Rows that a table shows on a screen before it scrolls.
ROWS_SHOWN = 24


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = field(default="text", init=False)

    def record(self) -> dict[str, Any]:
        """The paragraph for JSON."""
        return {"text": self.text}


@dataclass(frozen=True)
class NotDone:
    """What was not done, or is not known; said plainly, so that a reader does not look for it."""

    text: str
    kind: str = field(default="not_done", init=False)

    def record(self) -> dict[str, Any]:
        """The sentence for JSON."""
        return {"not_done": self.text}


@dataclass(frozen=True)
class Heading:
    """Title of a part of a section."""

    text: str
    kind: str = field(default="heading", init=False)

    def record(self) -> dict[str, Any]:
        """The title for JSON."""
        return {"heading": self.text}


@dataclass(frozen=True)
class Items:
    """A list; `code` for lines of formulas."""

    items: tuple[str, ...]
    code: bool = False
    kind: str = field(default="items", init=False)

    def record(self) -> dict[str, Any]:
        """The list for JSON."""
        return {"items": list(self.items)}


@dataclass(frozen=True)
class Verdict:
    """A judgement: whether all is well, and what was found."""

    ok: bool
    messages: tuple[str, ...]
    kind: str = field(default="verdict", init=False)

    def record(self) -> dict[str, Any]:
        """The judgement for JSON."""
        return {"ok": self.ok, "messages": list(self.messages)}


@dataclass(frozen=True)
class Table:
    """Numbers with a caption; the first column names the rows.

    Attributes
    ----------
    name : str
        Short, for JSON: ``pooled``.
    caption : str
    frame : pandas.DataFrame
        Unrounded.
    titles : mapping of str to str
        Of columns, where they differ from `jmimpute.report.numbers.TITLES`.
    of : str
        What it is about where there are several of its name, such as the analysis.
    amounts : tuple of str
        Columns of numbers that were chosen, which are written as short as they are.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    titles: Mapping[str, str] = field(default_factory=dict)
    of: str = ""
    amounts: tuple[str, ...] = ()
    kind: str = field(default="table", init=False)

    @property
    def is_long(self) -> bool:
        """Whether it scrolls on a screen."""
        return len(self.frame) > ROWS_SHOWN

    def record(self) -> dict[str, Any]:
        """The table for JSON: a record a row, with unrounded numbers."""
        columns = [str(name) for name in self.frame.columns]
        rows = [dict(zip(columns, map(plain, row), strict=True)) for row in self.frame.itertuples(index=False, name=None)]
        about = {"of": self.of} if self.of else {}
        return {"table": self.name, **about, "caption": self.caption, "columns": columns, "rows": rows}


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, with a caption, and in words for who cannot see it."""

    name: str
    caption: str
    alternative: str
    png: bytes = field(repr=False)
    width: int
    height: int
    kind: str = field(default="picture", init=False)

    def record(self) -> dict[str, Any]:
        """What the picture shows, for JSON; its numbers are in tables, or had from `jmimpute.plots`."""
        return {"picture": self.name, "caption": self.caption, "alternative": self.alternative}


Block = Text | NotDone | Heading | Items | Verdict | Table | Picture


@dataclass(frozen=True)
class Section:
    """A numbered part of a report."""

    name: str
    title: str
    blocks: tuple[Block, ...]

    def record(self) -> dict[str, Any]:
        """The section for JSON."""
        return {"name": self.name, "title": self.title, "content": [block.record() for block in self.blocks]}


def picture(name: str, figure: "Figure", caption: str, alternative: str) -> Picture:
    """Take a picture of a figure, in a palette that makes it small.

    Parameters
    ----------
    name, caption, alternative : str
    figure : matplotlib.figure.Figure
    """
    from PIL import Image

    raw, small = BytesIO(), BytesIO()
    figure.savefig(raw, format="png", dpi=DPI)
    image = Image.open(raw).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    width, height = (round(pixels * SCREEN / DPI) for pixels in image.size)
    return Picture(name, caption, alternative, small.getvalue(), width, height)


def listed(items: Sequence[Any]) -> str:
    """Write all items of a list in a sentence: ``a, b and c``.

    Parameters
    ----------
    items : sequence
    """
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def plain(value: Any) -> Any:
    """Turn a cell into what JSON has: what is not known becomes null, and infinity a text.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value) if np.isfinite(value) else str(float(value))
    return str(value)
