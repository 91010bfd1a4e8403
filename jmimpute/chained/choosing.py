"""The method of an incomplete variable that the analyst gave none: by its kind, and by what clusters have of it."""

import numpy as np

from jmimpute.chained.columns import Column
from jmimpute.chained.methods import BINARY, COUNT, NOMINAL, NUMBER, ORDINAL
from jmimpute.errors import ImputationError
from jmimpute.table.clusters import Clusters

#: The limits of `find.defaultMethod` of micemd.
FEW_VALUES, SHARE = 100, 0.4
_OF_ROWS = {NUMBER: "pmm", COUNT: "pmm", BINARY: "logistic", NOMINAL: "polytomous", ORDINAL: "proportional-odds"}
_OF_CLUSTERS = {NUMBER: "level2-norm", COUNT: "level2-norm", BINARY: "level2-pmm", ORDINAL: "level2-pmm"}
_FEW = {NUMBER: "mixed", COUNT: "mixed", BINARY: "mixed-binary"}
_MANY = {NUMBER: "two-stage", COUNT: "two-stage", BINARY: "two-stage-binary"}


def default_method(column: Column, clusters: Clusters) -> str:
    """Choose a method.

    Without clusters ``"pmm"`` for numbers, ``"logistic"`` for two categories, ``"polytomous"`` or ``"proportional-odds"`` for
    more. With clusters ``"mixed"`` or ``"mixed-binary"`` if more than 40 % of the clusters with observed values have at most
    100 of them, else ``"two-stage"`` or ``"two-stage-binary"``: the rule of micemd, by the clusters with data and the true
    type. Whole numbers are taken as numbers, since most are scores or ages; where they are counts, ask for ``"mixed-poisson"``
    or ``"two-stage-poisson"``. Variables of clusters: ``"level2-constant"`` if every cluster has a value in some row, else
    ``"level2-norm"``, or ``"level2-pmm"`` for two or ordered categories.

    Parameters
    ----------
    column : Column
    clusters : Clusters

    Returns
    -------
    str

    Raises
    ------
    ImputationError
        If there is none for categories of this kind.
    """
    counts = np.bincount(clusters.codes[column.observed], minlength=len(clusters.labels))
    if clusters.name is None:
        return _OF_ROWS[column.kind]
    if column.level == 2 and counts.all():
        return "level2-constant"
    has_few_values = np.mean(counts[counts > 0] <= FEW_VALUES) > SHARE
    suited = _OF_CLUSTERS if column.level == 2 else _FEW if has_few_values else _MANY
    if column.kind not in suited:
        raise ImputationError(
            f"Column {column.name!r} is {column.kind} with {len(column.levels)} categories, for which there is no conditional "
            "model with clusters. Use the joint model (jm.impute), which has one; or name a method that ignores clusters, such "
            "as 'polytomous' or 'proportional-odds', or None to leave the column incomplete."
        )
    return suited[column.kind]
