"""Imputations written for other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jmimpute.table.reading import read


class Exports:
    """Methods of `Imputations` that write files."""

    # Those of `Imputations`.
    columns: Any
    long: Callable[..., Any]

    def to_long(self, path: str | Path) -> None:
        """Write a long stack with the original table as imputation 0, as `jmimpute.read_long` reads it.

        Parameters
        ----------
        path : str or Path
            Ends with ``.csv`` or ``.parquet``.
        """
        from jmimpute.table.files import write_data

        write_data(self.long(original=True), path)

    def to_mice(self, path: str | Path, rename: Mapping[str, str] | None = None) -> None:
        """Write a folder of which R makes a mids object: ``source("FOLDER/read.R", chdir = TRUE)`` gives `imputations`.

        Parameters
        ----------
        path : str or Path
        rename : mapping of str to str, optional
            Names for columns whose own mice does not take.
        """
        from jmimpute.imputation.exchange.mice import write_mice

        write_mice(self._stack(), path, rename)

    def to_mitml(self, path: str | Path) -> None:
        """Write a folder of which R makes a mitml.list: ``source("FOLDER/read.R", chdir = TRUE)`` gives `imputations`.

        Parameters
        ----------
        path : str or Path
        """
        from jmimpute.imputation.exchange.mitml import write_mitml

        write_mitml(self._stack(), path)

    def to_stata(self, path: str | Path, rename: Mapping[str, str] | None = None) -> None:
        """Write a ``.dta`` file and, beside it, the ``.do`` file that makes mi data (flong) of it.

        Parameters
        ----------
        path : str or Path
        rename : mapping of str to str, optional
            Names for columns whose own Stata does not take.
        """
        from jmimpute.imputation.exchange.stata import write_stata

        write_stata(self._stack(), self.columns, path, rename)

    def to_spss(self, path: str | Path, rename: Mapping[str, str] | None = None) -> None:
        """Write a ``.sav`` file with the variable ``Imputation_`` and, beside it, the ``.sps`` file that splits it.

        Parameters
        ----------
        path : str or Path
        rename : mapping of str to str, optional
            Names for columns whose own SPSS does not take.
        """
        from jmimpute.imputation.exchange.spss import write_spss

        write_spss(self._stack(), path, rename)

    def _stack(self) -> pd.DataFrame:
        """The long form with the original table, as pandas."""
        return read(self.long(original=True)).frame
