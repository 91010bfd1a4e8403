"""Run notebooks/*.py in full and keep them with their outputs: `.venv/bin/python scripts/run_notebooks.py OUT [NAME ...]`."""

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]


def run(path: Path, out: Path) -> bool:
    """Run a notebook in a folder of its own, into which it writes; whether it came to its end."""
    notebook = jupytext.read(path, fmt="py:percent")
    folder = out / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    try:
        client.execute()
        said = ""
    except CellExecutionError as error:
        said = f"\n{error}"
    nbformat.write(notebook, out / f"{path.stem}.ipynb")
    print(f"{path.stem}: {time.perf_counter() - start:.0f} s{said}", flush=True)
    return not said


def main(out: str, *names: str) -> None:
    """Run all notebooks, or those named; exit with 1 if one failed."""
    # Kernels run from other folders, where the package need not be installed.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    paths = [path for path in sorted((ROOT / "notebooks").glob("*.py")) if not names or path.stem in names]
    done = [run(path, Path(out).resolve()) for path in paths]
    sys.exit(not all(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
