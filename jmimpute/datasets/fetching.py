"""Public data sets, looked for in a folder of yours and in a cache, and downloaded where that is possible."""

import os
import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd

from jmimpute.datasets.public import PUBLIC, PublicTable
from jmimpute.errors import ExchangeError, TableError, options

FOLDER = "JMIMPUTE_DATA"
"""The environment variable that names your folder of data."""


def fetch(name: str) -> pd.DataFrame:
    """Get a public data set.

    Its CSV file is looked for in the folder that the environment variable ``JMIMPUTE_DATA`` names, then in the user's cache.
    Where it lies on the web as a table, it is downloaded into the cache. The others belong to R packages: the error says which
    line of R writes the file, and where it is looked for. A file is read only if its SHA256 checksum is right.

    Parameters
    ----------
    name : str
        ``"jsp"``, ``"exam_scores"``, ``"popmis"``, ``"popularity_mar"``, ``"popularity_complete"``, ``"hiv"``, ``"impact"`` or
        ``"impact_incomplete"``; `available` says more of each.

    Returns
    -------
    DataFrame
        A new table at every call, one row a unit. Factors with a fixed order of levels are categorical in that order.

    Raises
    ------
    TableError
        If there is no data set of this name.
    ExchangeError
        If the file is found nowhere, its checksum is wrong, or ``JMIMPUTE_DATA`` names no folder.

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.fetch("jsp")  # doctest: +SKIP
    """
    if name not in PUBLIC:
        raise TableError(f"No public data set is called {name!r}. Choose {options(list(PUBLIC))}.")
    table = PUBLIC[name]
    for folder in _folders():
        if (folder / table.file).is_file():
            return _read(_checked(table, folder / table.file), table)
    if table.url is None:
        raise ExchangeError(f"The file of {name!r} was not found. {_advice(table)}")
    return _read(_downloaded(name, table), table)


def available() -> pd.DataFrame:
    """List the public data sets that `fetch` knows.

    Returns
    -------
    DataFrame
        A row a data set, by name: ``title``; ``rows``; ``cluster``, the column that names clusters; ``source``; ``licence``, of
        the data where they are from; ``download``, whether `fetch` can download it or R makes the file; ``file``, its name.
    """
    columns = ("title", "rows", "cluster", "source", "licence")
    listed = {
        name: {column: getattr(table, column) for column in columns} | {"download": table.url is not None, "file": table.file}
        for name, table in PUBLIC.items()
    }
    return pd.DataFrame.from_dict(listed, orient="index").rename_axis("name")


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("jmimpute"))


def _folders() -> list[Path]:
    """Where files are looked for, in order."""
    own = os.environ.get(FOLDER)
    if own and not Path(own).is_dir():
        raise ExchangeError(f"{FOLDER} is {own!r}, which is no folder. Set it to the folder with the CSV files, or unset it.")
    return [*([Path(own)] if own else []), _cache()]


def _checked(table: PublicTable, path: Path) -> bytes:
    """What a file holds, if it is the right one."""
    content = path.read_bytes()
    found = sha256(content).hexdigest()
    if found != table.sha256:
        raise ExchangeError(
            f"{path} is not {table.source}: its SHA256 checksum is {found} and should be {table.sha256}. "
            f"Delete or rename it and make it anew. {_advice(table)}"
        )
    return content


def _read(content: bytes, table: PublicTable) -> pd.DataFrame:
    """Read a CSV file in which only empty fields are missing: None is a state of pupils."""
    text = dict.fromkeys(table.levels, "str")
    frame = pd.read_csv(BytesIO(content), keep_default_na=False, na_values=[""], dtype=text)
    return frame.astype({column: pd.CategoricalDtype(levels) for column, levels in table.levels.items()})


def _downloaded(name: str, table: PublicTable) -> bytes:
    """Download a table as R wrote it, and keep it in the cache in the form whose checksum is known."""
    import pooch
    from requests import RequestException

    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=cache, delete_on_close=False) as temporary:
        temporary.close()
        try:
            pooch.HTTPDownloader(timeout=30)(table.url, temporary.name, None)
        except (RequestException, OSError, ValueError) as error:
            raise ExchangeError(f"{name!r} could not be downloaded from {table.url}: {error}. {_advice(table)}") from error
        path = Path(temporary.name)
        path.write_bytes(_without_row_names(path.read_bytes()))
        if sha256(path.read_bytes()).hexdigest() != table.sha256:
            raise ExchangeError(
                f"What was downloaded from {table.url} is not the table it was: its checksum is wrong. {_advice(table)}"
            )
        os.replace(path, cache / table.file)
    return (cache / table.file).read_bytes()


def _without_row_names(content: bytes) -> bytes:
    """Turn what R's `write.csv(table)` writes into what `write.csv(table, row.names = FALSE, na = "")` would."""
    content = re.sub(rb'^"\d*",', b"", content.replace(b"\r\n", b"\n"), flags=re.MULTILINE)
    return re.sub(rb"(?<=,)NA(?=,|$)", b"", content, flags=re.MULTILINE)


def _advice(table: PublicTable) -> str:
    """How to come by a file, and where to put it."""
    return (
        f"In R, {table.recipe} writes {table.file} ({table.source}, {table.licence}). Put it into a folder and set the "
        f"environment variable {FOLDER} to that, or into {_cache()}."
    )
