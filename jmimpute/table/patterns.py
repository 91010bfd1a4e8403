"""Missing-data patterns: which responses a row has."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Patterns:
    """Distinct patterns of observed responses.

    Attributes
    ----------
    observed : ndarray of bool, shape (G, p)
        Rows sorted, the complete pattern last where it occurs.
    codes : ndarray of int, shape (n_rows,)
        Pattern of each row.
    """

    observed: np.ndarray
    codes: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Rows of each pattern, shape (G,)."""
        return np.bincount(self.codes, minlength=len(self.observed))


def find(y: np.ndarray) -> Patterns:
    """Find the patterns of an array with NaN for missing cells.

    Parameters
    ----------
    y : ndarray, shape (n_rows, p)

    Returns
    -------
    Patterns
    """
    present = ~np.isnan(y)
    # Bytes of packed bits identify a pattern; unique over a single void column is much faster than over rows.
    packed = np.ascontiguousarray(np.packbits(present, axis=1))
    keys = packed.view(f"V{packed.shape[1]}").ravel() if packed.shape[1] > 1 else packed.ravel()
    _, first, codes = np.unique(keys, return_index=True, return_inverse=True)
    return Patterns(present[first], codes.ravel().astype(np.int64))
