"""Imputed cells, all that is stored of completed tables."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Imputed cells as `Imputations` holds them.

    Attributes
    ----------
    rows : dict of str to ndarray of int, shape (n_missing,)
    values : dict of str to ndarray, shape (m, n_missing)
        Numbers, or positions in the levels.
    levels : dict of str to tuple
        Categories of the columns that have such.
    """

    rows: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    levels: dict[str, tuple]
