"""Missing-data patterns of rows, and how each variable is missing in each cluster."""

import numpy as np
import pandas as pd

from jmimpute.table.clusters import Clusters

COMPLETE, SPORADIC, SYSTEMATIC = "complete", "sporadic", "systematic"


def find_patterns(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of each missing-data pattern, commonest first; True where observed."""
    missing = frame.isna().sum()
    incomplete = missing[missing > 0].sort_values(kind="stable").index
    observed = frame[incomplete].notna()
    if observed.empty:
        return pd.DataFrame(index=pd.Index([len(frame)], name="n_rows"))
    found, counts = np.unique(observed.to_numpy(), axis=0, return_counts=True)
    # Commonest first; of equally common ones the more complete, then the one whose rarer holes are observed.
    order = sorted(range(len(counts)), key=lambda i: (-counts[i], -found[i].sum(), tuple(~found[i])))
    return pd.DataFrame(found[order], columns=incomplete, index=pd.Index(counts[order], name="n_rows"))


def find_kinds(frame: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    """Name how each variable is missing in each cluster."""
    others = frame.columns.drop(clusters.name)
    share = frame[others].isna().groupby(clusters.codes).mean()
    kinds = np.select([share == 0, share == 1], [COMPLETE, SYSTEMATIC], SPORADIC)
    return pd.DataFrame(kinds, index=pd.Index(clusters.labels, name=clusters.name), columns=others)
