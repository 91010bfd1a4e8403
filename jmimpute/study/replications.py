"""Replications of a simulation study: each is kept on disk as soon as it is finished, so that a killed study goes on."""

import json
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, StudyWarning, some
from jmimpute.progress import progress

REPLICATE = "replicate"
ABOUT = "study.json"

Run = Callable[[np.random.SeedSequence], pd.DataFrame]


@dataclass(frozen=True, repr=False)
class Replications:
    """What the replications of a study gave.

    Attributes
    ----------
    results : pandas.DataFrame
        The rows of all replications that succeeded, in order; ``replicate`` is their number, from 1.
    failures : pandas.DataFrame
        A row a replication that failed: ``replicate``, ``error`` (its class), ``message`` and ``traceback``.
    n : int
        Replications that were asked for.
    folder : pathlib.Path
        Where they are kept.
    """

    results: pd.DataFrame
    failures: pd.DataFrame
    n: int
    folder: Path

    def __repr__(self) -> str:
        """Count successes and failures."""
        rows = f"{len(self.results)} rows of results in {self.folder}"
        return f"{self.n} replications, of which {len(self.failures)} failed; {rows}"


def replicate(
    run: Run,
    n: int,
    seed: int,
    folder: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> Replications:
    """Repeat a simulation, keeping the result of each replication on disk.

    Parameters
    ----------
    run : callable
        One replication: takes a ``numpy.random.SeedSequence``, from which all that is random must come, and returns a DataFrame
        of results, for `performance` a row a method and term.
    n : int
        Number of replications. A study that is there already can be continued with a larger number.
    seed : int
        Of the study. Replication k has the k-th child of it, whatever `n` and the number of cores.
    folder : str or path
        Made if it is not there. Holds a file a replication, written when it has finished: if the study is stopped at any
        moment, the same call does the others and gives the same results as a study that was never stopped.
    settings : mapping, optional
        What `run` was made with, as JSON can hold it. It is kept in the folder; a study with other settings is refused there.
    cores : int, optional
        Replications at a time, -1 for all cores; in processes, or wherever ``joblib.parallel_config`` says, such as dask
        or ray. That of ``joblib.parallel_config``, or one, if not given.
    progressbar : bool, optional

    Returns
    -------
    Replications
        Of numbers 1 to `n`.

    Raises
    ------
    StudyError
        If the folder holds another study, an argument is out of range, or `run` does not return a DataFrame with rows.

    Warns
    -----
    StudyWarning
        If replications failed, naming them and the commonest message. Each is kept with its message and traceback; it is not
        tried again unless its file is deleted.
    """
    folder = Path(folder)
    _check(n, seed)
    _open(folder, seed, settings)
    waiting = [number for number in range(1, n + 1) if not _is_done(folder, number)]
    _work(run, waiting, n, seed, folder, cores, progressbar)
    collected = _collect(folder, n)
    _tell(collected)
    return collected


def _check(n: int, seed: int) -> None:
    if n < 1:
        raise StudyError(f"n is {n}. A study has at least one replication.")
    if seed < 0:
        raise StudyError(f"The seed is {seed}. It must not be negative.")


def _open(folder: Path, seed: int, settings: Mapping[str, Any] | None) -> None:
    """Start a study in a folder, or make sure that the one there is the same."""
    try:
        about = json.loads(json.dumps({"seed": seed, "settings": dict(settings or {})}))
    except TypeError as error:
        raise StudyError(f"The settings cannot be kept as JSON: {error}. Give numbers, texts and lists of them.") from error
    path = folder / ABOUT
    if not path.exists():
        if any(folder.glob("*")):
            raise StudyError(f"The folder {folder} is not empty and holds no study. Choose another one.")
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(about, indent=1))
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    old, new = ({"seed": each["seed"], **each["settings"]} for each in (before, about))
    other = [name for name in {**old, **new} if (name in old, old.get(name)) != (name in new, new.get(name))]
    if other:
        texts = (f"{name} {old.get(name)!r}, now {new.get(name)!r}" for name in other)
        raise StudyError(f"The folder {folder} holds another study: {some(texts)}. Choose another folder, or delete that one.")


def _work(run: Run, waiting: list[int], n: int, seed: int, folder: Path, cores: int | None, progressbar: bool) -> None:
    from joblib import Parallel, delayed

    with progress("replications", n, progressbar) as report:
        done = n - len(waiting)
        report(done)
        tasks = (delayed(_replicate)(run, number, seed, folder) for number in waiting)
        for _ in Parallel(n_jobs=cores, return_as="generator_unordered")(tasks):  # type: ignore[union-attr]
            done += 1
            report(done)


def _replicate(run: Run, number: int, seed: int, folder: Path) -> None:
    """Run one replication and keep what came of it; in a process of its own."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number - 1,))
    try:
        rows = run(sequence)
    except Exception as error:
        said = {"error": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        _write(_failure(folder, number), json.dumps(said, indent=1))
        return
    if not isinstance(rows, pd.DataFrame) or rows.empty or REPLICATE in rows:
        raise StudyError(
            f"The function of a study returned {_described(rows)}. It must return a DataFrame with rows, and without a column "
            f"{REPLICATE!r}, which is added."
        )
    path = _result(folder, number)
    rows.to_parquet(_unfinished(path), index=False)
    _unfinished(path).replace(path)


def _described(rows: Any) -> str:
    return type(rows).__name__ if not isinstance(rows, pd.DataFrame) else f"{len(rows)} rows with the columns {some(rows, 10)}"


def _collect(folder: Path, n: int) -> Replications:
    tables, failures = [], []
    for number in range(1, n + 1):
        if _result(folder, number).exists():
            table = pd.read_parquet(_result(folder, number))
            table.insert(0, REPLICATE, number)
            tables.append(table)
        else:
            failures.append({REPLICATE: number, **json.loads(_failure(folder, number).read_text(encoding="utf-8"))})
    results = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({REPLICATE: pd.Series(dtype=int)})
    columns = [REPLICATE, "error", "message", "traceback"]
    return Replications(results, pd.DataFrame(failures, columns=columns), n, folder)


def _tell(collected: Replications) -> None:
    failures = collected.failures
    if failures.empty:
        return
    messages = (failures["error"] + ": " + failures["message"]).value_counts()
    warnings.warn(
        f"{len(failures)} of {collected.n} replications failed and are not among the results: {some(failures[REPLICATE], 20)}. "
        f"{messages.iloc[0]} times: {messages.index[0]} A method that fails on hard tables looks better than it is: see "
        "`failures`.",
        StudyWarning,
        stacklevel=3,
    )


def _is_done(folder: Path, number: int) -> bool:
    return _result(folder, number).exists() or _failure(folder, number).exists()


def _result(folder: Path, number: int) -> Path:
    return folder / f"replicate-{number:06d}.parquet"


def _failure(folder: Path, number: int) -> Path:
    return folder / f"failed-{number:06d}.json"


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _write(path: Path, text: str) -> None:
    """Write a file at once or not at all."""
    _unfinished(path).write_text(text, encoding="utf-8")
    _unfinished(path).replace(path)
