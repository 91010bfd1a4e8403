"""What a column holds, whatever its dtype: pandas keeps truth values and decimals with missing cells as objects."""

import pandas as pd

NUMBERS, TRUTH, CATEGORIES, TEXTS, MOMENTS, OTHER = "numbers", "truth values", "categories", "texts", "dates", "other values"

_KINDS = {
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal"), NUMBERS),
    **dict.fromkeys(("datetime64", "datetime", "date"), MOMENTS),
    "boolean": TRUTH,
    "string": TEXTS,
}


def kind(series: pd.Series) -> str:
    """Name what a column holds.

    Parameters
    ----------
    series : pandas.Series
        Truth values with missing cells may arrive as objects.

    Returns
    -------
    str
        One of the constants of this module.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return CATEGORIES
    return _KINDS.get(pd.api.types.infer_dtype(series, skipna=True), OTHER)


def categories(series: pd.Series) -> tuple:
    """Categories of a column, in order: those of its type, ``(False, True)``, or the texts that it has, sorted.

    Parameters
    ----------
    series : pandas.Series

    Returns
    -------
    tuple
        Empty for numbers, dates and other values.
    """
    match kind(series):
        case "categories":
            return tuple(series.cat.categories.tolist())
        case "truth values":
            return (False, True)
        case "texts":
            return tuple(sorted(series.dropna().unique().tolist()))
        case _:
            return ()
