"""Tables that are shipped with the package."""

from collections.abc import Mapping
from importlib.resources import files

import pandas as pd

from jmimpute.datasets.pupils import RESPONSES, SEXES
from jmimpute.datasets.survey import SURVEY_DTYPES
from jmimpute.errors import TableError, options

# Columns of the shipped files and their dtypes.
_SHIPPED: Mapping[str, Mapping] = {
    "pupils": {"school": "str", "pupil": "int64", "sex": SEXES, "age": float, **dict.fromkeys(RESPONSES, float)},
    "survey": {"region": "str", **SURVEY_DTYPES},
}


def load(name: str) -> pd.DataFrame:
    """Load a table that is shipped with the package.

    Parameters
    ----------
    name : str
        ``"pupils"``: 40 schools from `simulate_pupils`; ``"survey"``: 24 regions from `simulate_survey`; with fixed seeds. See
        there for columns, units and truth.

    Returns
    -------
    DataFrame
        A new copy at every call.

    Raises
    ------
    TableError
        If there is no table of this name.
    """
    if name not in _SHIPPED:
        raise TableError(f"No shipped table is called {name!r}. Choose {options(list(_SHIPPED))}.")
    with (files("jmimpute") / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=dict(_SHIPPED[name]))
