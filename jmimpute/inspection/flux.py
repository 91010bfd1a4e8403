"""Influx and outflux of variables: how well missing cells connect to observed ones."""

import numpy as np
import pandas as pd


def find_flux(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute what `Inspection.flux` documents."""
    observed = frame.notna().to_numpy(dtype=float)
    missing = 1 - observed
    others = frame.shape[1] - 1
    # Entry (j, k) of a product counts the rows where j and k are in these states.
    missing_observed = missing.T @ observed
    observed_missing = missing_observed.T
    incomplete = missing.any(axis=1)
    n_observed, n_missing = observed.sum(axis=0), missing.sum(axis=0)
    return pd.DataFrame(
        {
            "pobs": observed.mean(axis=0),
            "influx": missing_observed.sum(axis=1) / n_observed.sum(),
            "outflux": _share(observed_missing.sum(axis=1), n_missing.sum()),
            "ainb": _share(np.nan_to_num(_share(missing_observed.sum(axis=1), n_missing)), others),
            "aout": _share(np.nan_to_num(_share(observed_missing.sum(axis=1), n_observed)), others),
            "fico": _share(incomplete @ observed, n_observed),
        },
        index=pd.Index(frame.columns, name="variable"),
    )


def _share(part: np.ndarray, whole: np.ndarray | float) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
