"""Settings of the site: `make docs` builds it into docs/_build/html."""

import os
import re
import shutil
import sys
from hashlib import sha256
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "_extensions")]

import jmimpute  # noqa: E402
from jmimpute.datasets import fetching  # noqa: E402
from jmimpute.datasets.public import PUBLIC  # noqa: E402

# autodoc looks a name up in the module that it seems to be in: `jm.priors.lkj` in jmimpute.priors.
sys.modules |= {f"jmimpute.{name}": getattr(jmimpute, name) for name in jmimpute._MODULES}

project = "jmimpute"
author = "The jmimpute developers"
copyright = "the jmimpute developers, Apache-2.0"
version = release = jmimpute.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_copybutton",
    "cyclopts.ext.sphinx",
    "mathml",
]
exclude_patterns = ["_build", "_extensions", "conf.py", "make_*.py", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]

# Tutorials are the notebooks/*.py: they are copied to where they stand on the site.

TUTORIALS = DOCS / "tutorials"


def copy_notebooks() -> None:
    """Make docs/tutorials/*.py those of notebooks/, leaving what has not changed."""
    sources = {path.name: path for path in (ROOT / "notebooks").glob("*.py")}
    for path in TUTORIALS.glob("*.py"):
        if path.name not in sources:
            path.unlink()
    for name, path in sources.items():
        copy = TUTORIALS / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)


def without_data() -> list[str]:
    """Patterns of the notebooks that need a public data set which is not on this machine; they are shown without outputs."""
    files = {name: table.file for name, table in PUBLIC.items()}
    here = {name for name, file in files.items() if any((folder / file).is_file() for folder in fetching._folders())}
    texts = {path.name: path.read_text(encoding="utf-8") for path in TUTORIALS.glob("*.py")}
    return [f"tutorials/{name}" for name, text in texts.items() if not set(re.findall(r"fetch\(\"(\w+)\"", text)) <= here]


copy_notebooks()
nb_execution_excludepatterns = without_data()

# Pages with code are run once for each state of the package: a cached output is never older than the code that made it.


def executed_folder() -> Path:
    """Folder of the outputs that this state of the package made, in short or full mode; those of other states are removed."""
    digest = sha256()
    for path in sorted((ROOT / "jmimpute").rglob("*")):
        if path.suffix in {".py", ".csv", ".toml"}:
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    mode = DOCS / "_build" / "executed" / ("short" if os.environ.get("JMIMPUTE_SHORT") == "1" else "full")
    folder = mode / digest.hexdigest()[:16]
    for other in mode.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


nb_custom_formats = {".py": "percent.reads"}
nb_execution_mode = "cache"
nb_execution_cache_path = str(executed_folder())
nb_execution_in_temp = True
nb_execution_timeout = 600 if os.environ.get("JMIMPUTE_SHORT") == "1" else 7200
nb_execution_show_tb = True  # a failure is a warning, and so an error of the build, after all other pages have been tried
nb_output_stderr = "error"  # so is a warning that a page shows without meaning to
nb_merge_streams = True
nb_ipywidgets_js = {}

# Kernels run from other folders, where the package need not be installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
# Concerns the C linker of PyTensor only; graphs are compiled with numba.
os.environ.setdefault("PYTHONWARNINGS", "ignore:PyTensor could not link to a BLAS installation:UserWarning")

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say the types in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
default_role = "py:obj"
smartquotes = False

# Nothing is fetched from elsewhere when a page is read: formulas are MathML, and scripts and fonts come with the theme.

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "jmimpute"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
}
html_sidebars = {"index": [], "start": [], "gallery": [], "references": []}
