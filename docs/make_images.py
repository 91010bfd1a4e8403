"""Make the pictures of the README and the gallery by running the gallery's code: `.venv/bin/python docs/make_images.py`."""

import ast
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
DPI = 80
COLOURS = 256
#: A Python block and, where it ends in a plot, the picture below it.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n!\[[^\]]*\]\(images/([^)]+)\))?", flags=re.DOTALL | re.MULTILINE)


def pictures(text: str) -> Iterator[tuple[str, Any]]:
    """Run the Python blocks of a page one after the other, and give the figures that they end in, by file name."""
    names: dict[str, Any] = {}
    for number, (code, file) in enumerate(BLOCK.findall(text), start=1):
        tree = ast.parse(code)
        last = ast.Expression(tree.body.pop().value) if file else None
        where = f"gallery.md, Python block {number}"
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            yield file, eval(compile(last, where, "eval"), names)


def save(figure: Any, path: Path) -> None:
    """Write a small PNG: a palette makes it less than half its size."""
    from PIL import Image

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    Image.open(buffer).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def main(folder: Path = DOCS / "images") -> None:
    """Write every picture of the gallery to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, figure in pictures((DOCS / "gallery.md").read_text(encoding="utf-8")):
        save(figure, folder / file)
        print(f"{file}: {(folder / file).stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
