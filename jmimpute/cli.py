"""`jmimpute demo | inspect | run | compare | report`: the main job from a terminal."""

import sys
import warnings
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
    data: Path | None = None,
    imputations: Annotated[int | None, Parameter(name=["--imputations", "-m"])] = None,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
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
        A .csv or .parquet file, instead of the data set that the model file names.
    imputations : int
        Number of imputations, instead of the one in the model file.
    draws : int
        Draws a chain, instead of those in the model file: a few hundred for a first look.
    tune : int
        Tuning steps a chain, instead of those in the model file.
    chains : int
        Number of chains, instead of the one in the model file.
    seed : int
        Seed of the random numbers; drawn, and written to the manifest, if not given.
    out : Path
        Folder for the results.
    progress : bool
        Show progress bars.
    """
    from jmimpute.case import read_case
    from jmimpute.table.files import read_data
    from jmimpute.workflow import data_of
    from jmimpute.workflow import run as do

    case = read_case(model).with_sampling(draws, tune, chains)
    table = data_of(case) if data is None else read_data(data)
    suffix = ".parquet" if data is not None and data.suffix == ".parquet" else ".csv"
    do(case, table, out, suffix=suffix, m=imputations, seed=seed, progressbar=progress)


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


@app.command
def report(folder: Path, *, out: Path | None = None) -> None:
    """Report a finished run: missing values, assumptions, model, convergence, results. No chain is run again.

    Parameters
    ----------
    folder : Path
        That `jmimpute run` or `jmimpute demo` left.
    out : Path
        A .html or .json file; report.html and report.json in this folder if not given.
    """
    from jmimpute.report.report import checked_path
    from jmimpute.workflow import REPORTS, report_on

    paths = [folder / name for name in REPORTS] if out is None else [checked_path(out)]
    made = report_on(folder)
    for path in paths:
        made.save(path)
    print(f"Written: {', '.join(map(str, paths))}")


def _imputations(sources: Sequence[Path]) -> "list[Imputations]":
    """Imputations of each folder; those of mice with columns as the first of ours has them."""
    from jmimpute.readers import load, read_mice

    inner = [source / "imputations" if (source / "imputations").is_dir() else source for source in sources]
    ours = {source: load(source) for source in inner if (source / "manifest.json").exists()}
    original = next((imputations.original for imputations in ours.values()), None)
    return [ours[source] if source in ours else read_mice(source, original=original) for source in inner]


def _as_line(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """A warning without the line of the source that gave it."""
    return f"{category.__name__}: {message}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what went wrong is told in one message, without a traceback.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if not given.
    """
    former, warnings.formatwarning = warnings.formatwarning, _as_line
    try:
        app(arguments)
    except JMImputeError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        warnings.formatwarning = former
