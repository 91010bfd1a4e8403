"""`jmimpute demo | inspect | run | compare`: the main job from a terminal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from jmimpute import __version__
from jmimpute.errors import ExchangeError, JMImputeError

if TYPE_CHECKING:
    from jmimpute.imputations import Imputations

app = App(
    name="jmimpute",
    help="Multiple imputation of incomplete multilevel data with a joint model.",
    version=__version__,
)


@app.command
def demo(*, out: Path = Path("demo"), seed: int = 1) -> None:
    """Impute the data shipped with the package, analyse, pool, and draw a picture.

    Parameters
    ----------
    out : Path
        Folder for the results.
    seed : int
        Seed of the random numbers.
    """
    from jmimpute import datasets
    from jmimpute.case import read_case
    from jmimpute.workflow import run as do

    case = read_case(Path(__file__).parent / "data" / "pupils.toml")
    do(case, datasets.load("pupils"), out, seed=seed)


@app.command
def inspect(data: Path, *, cluster: str | None = None) -> None:
    """Show what is missing where: by variable, pattern and cluster.

    Parameters
    ----------
    data : Path
        A .csv or .parquet file.
    cluster : str
        Column of the clusters.
    """
    from jmimpute.inspection import inspect as look
    from jmimpute.table.files import read_data

    print(look(read_data(data), cluster))


@app.command
def run(
    model: Path,
    *,
    data: Path,
    imputations: Annotated[int | None, Parameter(name=["--imputations", "-m"])] = None,
    seed: int | None = None,
    out: Path = Path("out"),
    progress: bool = True,
) -> None:
    """Impute, analyse and pool as a model file says.

    Parameters
    ----------
    model : Path
        A .toml file; models/ has examples.
    data : Path
        A .csv or .parquet file.
    imputations : int
        Number of imputations, instead of the one in the model file.
    seed : int
        Seed of the random numbers; drawn, and written to the manifest, if not given.
    out : Path
        Folder for the results.
    progress : bool
        Show progress bars.
    """
    from jmimpute.case import read_case
    from jmimpute.table.files import read_data
    from jmimpute.workflow import run as do

    suffix = ".parquet" if data.suffix == ".parquet" else ".csv"
    do(read_case(model), read_data(data), out, suffix=suffix, m=imputations, seed=seed, progressbar=progress)


@app.command
def compare(*sources: Path, analysis: str, family: str = "gaussian", level: float = 0.95) -> None:
    """Put the results of one analysis by several methods side by side, complete cases among them.

    Parameters
    ----------
    sources : Path
        Folders of saved imputations, of a finished run, or of mice (also a .csv file of its long stack), of one table.
    analysis : str
        Formula, such as "reading ~ maths + (1 | school)".
    family : str
        Of its response.
    level : float
        Of the confidence intervals.
    """
    from jmimpute.analysis.compare import compare as beside

    names = [source.resolve().name for source in sources]
    named = names if len(set(names)) == len(names) else [str(source) for source in sources]
    twice = {name for name in named if named.count(name) > 1}
    if twice:
        raise ExchangeError(f"{twice.pop()} is given twice.")
    print(beside(dict(zip(named, _imputations(sources), strict=True)), analysis, family=family, level=level))


def _imputations(sources: Sequence[Path]) -> "list[Imputations]":
    """Imputations of each folder; those of mice with columns as the first of ours has them."""
    from jmimpute.readers import load, read_mice

    inner = [source / "imputations" if (source / "imputations").is_dir() else source for source in sources]
    ours = {source: load(source) for source in inner if (source / "manifest.json").exists()}
    original = next((imputations.original for imputations in ours.values()), None)
    return [ours[source] if source in ours else read_mice(source, original=original) for source in inner]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what went wrong is told in one message, without a traceback.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if not given.
    """
    try:
        app(arguments)
    except JMImputeError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
