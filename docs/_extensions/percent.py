"""Reader of notebooks that are Python scripts with `# %%` cells."""

from typing import Any

import jupytext
from nbformat import NotebookNode


def reads(text: str, **_: Any) -> NotebookNode:
    """Read a script as a notebook of Python, which it also is where it is not run."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    notebook.metadata.setdefault("language_info", {"name": "python", "pygments_lexer": "ipython3"})
    return notebook
