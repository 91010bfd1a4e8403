"""For mitml: a folder from which R makes a mitml.list, a data frame an imputation."""

from pathlib import Path

import pandas as pd

from jmimpute.imputation.exchange.r import write_folder

MAKE = """\
imputations <- lapply(seq_len(max(long$.imp)), function(i) {
  table <- long[long$.imp == i, -(1:2), drop = FALSE]
  rownames(table) <- NULL
  table
})
imputations <- mitml::as.mitml.list(imputations)"""


def write_mitml(stack: pd.DataFrame, path: str | Path) -> None:
    """Write imputations for the R package mitml.

    Parameters
    ----------
    stack : pandas.DataFrame
        Long, with imputation 0.
    path : str or Path
        Folder, made if it is not there.
    """
    write_folder(stack, path, "a mitml.list of the package mitml", MAKE)
