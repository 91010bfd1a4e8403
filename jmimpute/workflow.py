"""The main job from files to files: model, fit, judge, impute, analyse, and leave everything in one folder."""

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.case import Case
from jmimpute.errors import ExchangeError, TableError, options, some
from jmimpute.specification.families import GAUSSIAN, ORDINAL, Family
from jmimpute.table.reading import replaced

if TYPE_CHECKING:
    from jmimpute.fit import Fit
    from jmimpute.imputations import Imputations
    from jmimpute.report.report import Report

#: Fits of the analysis in the folder of a run, and what tells of it.
ANALYSES, MANIFEST = "analyses.json", "manifest.json"
#: What may be made of a finished run later on.
REPORTS = ("report.html", "report.json")


def data_of(case: Case) -> pd.DataFrame:
    """Get the data set that a case names: one shipped with the package, or a public one.

    Parameters
    ----------
    case : Case

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ExchangeError
        If the case names none, its name is unknown, or a public one is neither on this machine nor to be downloaded.
    """
    from jmimpute import datasets

    if case.data is None:
        raise ExchangeError("The model file names no data set: give a table with --data.")
    public = datasets.available().index
    if case.data in public:
        return datasets.fetch(case.data)
    try:
        return datasets.load(case.data)
    except TableError as error:
        raise ExchangeError(f"{error} Public ones: {options(list(public))}. For a table of yours give --data.") from error


def categorised(data: pd.DataFrame, families: Mapping[str, Family]) -> pd.DataFrame:
    """Make categoricals of the columns that a case calls categorical: CSV has no types, and formulas take numbers as such.

    Parameters
    ----------
    data : pandas.DataFrame
    families : mapping of str to Family

    Returns
    -------
    pandas.DataFrame
        Categories are the levels said, or else those found; whole numbers are integers even if cells are missing.
        Columns that are categoricals already stay as they are, except that ordinal ones become ordered.

    Raises
    ------
    FormulaError, TableError
        If a column does not fit its family.
    """
    from jmimpute.specification.variables import resolve

    columns = {}
    for name, family in families.items():
        if family.kind == GAUSSIAN or name not in data or _is_settled(data[name].dtype, family):
            continue  # a name that is no column is refused when the model is made
        column = _whole(data[name])
        (variable,) = resolve(column.to_frame(), [name], {name: family})
        levels = variable.levels if family.levels is None else family.levels
        if pd.api.types.is_integer_dtype(column.dtype):
            levels = map(int, levels)
        dtype = pd.CategoricalDtype(list(levels), ordered=family.kind == ORDINAL)
        columns[name] = pd.Series(column.array.astype(object), data.index).astype(dtype)
    return replaced(data, columns)


def _is_settled(dtype: Any, family: Family) -> bool:
    """Whether a column has its categories, and their order where that counts."""
    return isinstance(dtype, pd.CategoricalDtype) and (dtype.ordered or family.kind != ORDINAL)


def _whole(column: pd.Series) -> pd.Series:
    """Whole numbers that were read as decimals because cells are missing, as integers."""
    present = column.dropna()
    if pd.api.types.is_float_dtype(column.dtype) and (present.mod(1).eq(0) & present.abs().lt(2**53)).all():
        return column.astype("Int64")
    return column


def run(
    case: Case,
    data: pd.DataFrame,
    out: str | Path,
    *,
    suffix: str = ".csv",
    m: int | None = None,
    seed: int | None = None,
    progressbar: bool = True,
    say: Callable[[str], None] = print,
) -> "Imputations":
    """Do the whole job and write the results.

    Parameters
    ----------
    case : Case
    data : pandas.DataFrame
    out : str or Path
        Folder, made if it is not there. Results of a former run in it are replaced, all of them.
    suffix : {".csv", ".parquet"}
        Format of the imputed table.
    m : int, optional
        Number of imputations, instead of the one in the case.
    seed : int, optional
    progressbar : bool
    say : callable
        Told what an analyst wants to read on the way.

    Returns
    -------
    Imputations
    """
    from jmimpute.analysis.storage import write_analyses
    from jmimpute.imputation.schedule import schedule
    from jmimpute.model import JointModel

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    former = _former(out)
    families = case.families()
    model = JointModel(
        case.model.formulas,
        categorised(data, families),
        families=families,
        level2=case.model.level2,
        covariance=case.model.covariance,
        priors=case.priors(),
        missing=case.missing(),
    )
    say(f"{case.title}\n\n{model}\n")
    sampling = case.sampling
    m = case.imputation.m if m is None else m
    schedule(m, sampling.chains, sampling.draws)  # an impossible m should not cost a fit
    fit = model.fit(
        sampling.draws,
        sampling.tune,
        sampling.chains,
        target_accept=sampling.target_accept,
        random_seed=seed,
        keep_latents=m,
        progressbar=progressbar,
    )
    say(f"{fit.diagnostics()}\n")
    if former:
        say(f"Results of a former run in {out}/ are replaced: {some([path.name for path in former], 20)}\n")
        _remove(former)
    fit.save(out / "fit")
    fit.summary().to_csv(out / "posterior_summary.csv")
    imputations = fit.impute(m, progressbar=progressbar)
    _write_imputations(imputations, out, suffix)
    written = ["fit/", "posterior_summary.csv", "imputations/", f"imputed{suffix}", "imputed.png"]
    written += ["imputed_by_cluster.png"] if imputations.cluster is not None and imputations.columns else []
    if case.analysis is not None:
        analyses = imputations.analyze(**case.analysis.arguments())
        pooled = analyses.pool()
        say(f"{case.analysis.formula}\n{pooled}\n")
        pooled.table.to_csv(out / "pooled.csv", index=False)
        pooled.random_effects.to_csv(out / "pooled_random_effects.csv", index=False)
        write_analyses(analyses, out / ANALYSES)
        written += ["pooled.csv", "pooled_random_effects.csv", ANALYSES]
    _write_manifest(case, fit, imputations, out, written)
    say(f"Written to {out}/: {', '.join([*written, MANIFEST])}")
    return imputations


def _former(out: Path) -> list[Path]:
    """What a former run left in a folder: of no result should anyone think that it is of another model."""
    if not (out / MANIFEST).exists():
        return []
    _, files = _read_manifest(out)
    paths = [out / name for name in (MANIFEST, *files, *REPORTS)]
    return [path for path in paths if path.exists() and path.resolve().parent == out.resolve()]


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_imputations(imputations: "Imputations", out: Path, suffix: str) -> None:
    from jmimpute.plots import clusters, density

    imputations.save(out / "imputations")
    long = imputations.long(original=True)
    if suffix == ".csv":
        long.to_csv(out / "imputed.csv", index=False)
    else:
        long.to_parquet(out / "imputed.parquet", index=False)
    if imputations.columns:
        density(imputations).savefig(out / "imputed.png", dpi=150)
        if imputations.cluster is not None:
            clusters(imputations).savefig(out / "imputed_by_cluster.png", dpi=150)


def _write_manifest(case: Case, fit: "Fit", imputations: "Imputations", out: Path, written: list[str]) -> None:
    """Record what was done, with what, and where it is."""
    import msgspec

    diagnostics = fit.diagnostics()
    content: dict[str, Any] = {
        "title": case.title,
        "case": msgspec.to_builtins(case),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **imputations.provenance,
        "m": imputations.m,
        "converged": diagnostics.ok,
        "diagnostics": list(diagnostics.messages),
        "missing_cells": {name: len(imputations.rows(name)) for name in imputations.columns},
        "files": written,
    }
    (out / MANIFEST).write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def report_on(folder: str | Path) -> "Report":
    """Report a run from the folder that `run` left; no model is fitted to the table again, but for complete cases.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Report

    Raises
    ------
    ExchangeError
        If the folder is not that of a run, or is damaged.
    """
    from jmimpute.analysis.storage import read_analyses
    from jmimpute.fit import load_fit
    from jmimpute.readers import load
    from jmimpute.report.report import report

    folder = Path(folder)
    case, files = _read_manifest(folder)
    imputations = load(folder / "imputations")
    analyses = None
    if case.analysis is not None and ANALYSES in files:
        settings = case.analysis.arguments()
        for said_by_the_file in ("model", "engine", "family"):
            del settings[said_by_the_file]
        analyses = read_analyses(folder / ANALYSES, imputations, settings)
    return report(imputations, analyses, fit=load_fit(folder / "fit"), title=case.title, description=case.description)


def _read_manifest(folder: Path) -> tuple[Case, list[str]]:
    """The case of a run, and the files that it left."""
    import msgspec

    path = folder / MANIFEST
    remedy = "Give the folder of a finished `jmimpute run`."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(content["case"], Case), list(content["files"])
    except (KeyError, TypeError) as error:
        raise ExchangeError(f"{path} is not that of a run, but perhaps of imputations that were saved. {remedy}") from error
    except (OSError, ValueError) as error:
        raise ExchangeError(f"{path} cannot be read: {error}. {remedy}") from error
