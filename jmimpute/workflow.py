"""The main job from files to files: model, fit, judge, impute, analyse, and leave everything in one folder."""

import json
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.case import Case
from jmimpute.specification.families import GAUSSIAN, ORDINAL, Family
from jmimpute.table.reading import replaced

if TYPE_CHECKING:
    from jmimpute.fit import Fit
    from jmimpute.imputations import Imputations


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
        Columns that are categoricals already stay as they are.

    Raises
    ------
    FormulaError, TableError
        If a column does not fit its family.
    """
    from jmimpute.specification.variables import resolve

    columns = {}
    for name, family in families.items():
        if family.kind == GAUSSIAN or name not in data or isinstance(data[name].dtype, pd.CategoricalDtype):
            continue  # a name that is no column is refused when the model is made
        column = _whole(data[name])
        (variable,) = resolve(column.to_frame(), [name], {name: family})
        levels = variable.levels if family.levels is None else family.levels
        if pd.api.types.is_integer_dtype(column.dtype):
            levels = map(int, levels)
        dtype = pd.CategoricalDtype(list(levels), ordered=family.kind == ORDINAL)
        columns[name] = pd.Series(column.array.astype(object), data.index).astype(dtype)
    return replaced(data, columns)


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
        Folder, made if it is not there.
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
    from jmimpute.imputation.schedule import schedule
    from jmimpute.model import JointModel

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
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
    fit.save(out / "fit")
    fit.summary().to_csv(out / "posterior_summary.csv")
    imputations = fit.impute(m, progressbar=progressbar)
    _write_imputations(imputations, out, suffix)
    written = ["fit/", "posterior_summary.csv", "imputations/", f"imputed{suffix}", "imputed.png"]
    written += ["imputed_by_cluster.png"] if imputations.cluster is not None and imputations.columns else []
    if case.analysis is not None:
        pooled = imputations.analyze(**case.analysis.arguments()).pool()
        say(f"{case.analysis.formula}\n{pooled}\n")
        pooled.table.to_csv(out / "pooled.csv", index=False)
        pooled.random_effects.to_csv(out / "pooled_random_effects.csv", index=False)
        written += ["pooled.csv", "pooled_random_effects.csv"]
    _write_manifest(case, fit, imputations, out, written)
    say(f"Written to {out}/: {', '.join([*written, 'manifest.json'])}")
    return imputations


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
    (out / "manifest.json").write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
