"""Fits of an analysis on disk, as JSON: what pooling and its tests need, without the tables that they came from."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.analyze import source_of
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.errors import ExchangeError

FORMAT = 1
ARRAYS = ("values", "covariance", "components_covariance", "parameters")
PLAIN = ("n_rows", "residual_variance", "log_likelihood", "restricted")


def write_analyses(analyses: Analyses, path: Path) -> None:
    """Write fits; draws of an engine that samples are left out.

    Parameters
    ----------
    analyses : Analyses
    path : Path
    """
    about = {"model": analyses.model, "engine": analyses.engine, "family": analyses.family}
    record = {"jmimpute": "analyses", "format": FORMAT, **about, "fits": [_to_record(fit) for fit in analyses.fits]}
    path.write_text(json.dumps(record, allow_nan=False) + "\n", encoding="utf-8")


def read_analyses(path: Path, tables: Iterable[pd.DataFrame], settings: Mapping[str, Any]) -> Analyses:
    """Read what `write_analyses` wrote.

    Parameters
    ----------
    path : Path
    tables : iterable of pandas.DataFrame
        The completed tables, for what needs other fits.
    settings : mapping
        Of the engine.

    Returns
    -------
    Analyses

    Raises
    ------
    ExchangeError
        If the file is missing, not ours or damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["jmimpute"] != "analyses" or record["format"] != FORMAT:
            raise ValueError(f"it holds {record['jmimpute']} of format {record['format']}")
        fits = tuple(map(_from_record, record["fits"]))
        about = record["model"], record["engine"], record["family"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExchangeError(f"{path} cannot be read: {error}. The file is missing, corrupt or not ours.") from error
    source = None if about[1] is None else source_of(tables, about[1], about[2], dict(settings))
    return Analyses(fits, *about, source)


def _to_record(fit: Estimates) -> dict[str, Any]:
    """Numbers and texts of a fit; None stands for what is not known, and for infinite degrees of freedom."""
    effects = fit.random
    return {
        "names": list(fit.names),
        **{name: _numbers(getattr(fit, name)) for name in ARRAYS},
        **{name: getattr(fit, name) for name in PLAIN},
        "df_complete": None if np.isinf(fit.df_complete) else float(fit.df_complete),
        "random": None
        if effects is None
        else {
            "cluster": effects.cluster,
            "names": list(effects.names),
            "covariance": _numbers(effects.covariance),
            "uncorrelated": effects.uncorrelated,
        },
        "problems": list(fit.problems),
        "r_squared": None if fit.r_squared is None else {name: float(share) for name, share in fit.r_squared.items()},
    }


def _numbers(values: np.ndarray | None) -> list | None:
    """Nested lists, None where a number is NaN."""
    if values is None:
        return None
    numbers = np.asarray(values, dtype=float)
    cells = numbers.astype(object)
    cells[np.isnan(numbers)] = None
    return cells.tolist()


def _from_record(record: Mapping[str, Any]) -> Estimates:
    """The fit of a record."""
    arrays = {name: None if record[name] is None else np.array(record[name], dtype=float) for name in ARRAYS}
    effects = record["random"]
    random = None
    if effects is not None:
        covariance = np.array(effects["covariance"], dtype=float)
        random = RandomEffects(effects["cluster"], tuple(effects["names"]), covariance, effects["uncorrelated"])
    return Estimates(
        names=tuple(record["names"]),
        **arrays,
        **{name: record[name] for name in PLAIN},
        df_complete=np.inf if record["df_complete"] is None else record["df_complete"],
        random=random,
        problems=tuple(record["problems"]),
        r_squared=record["r_squared"],
    )
