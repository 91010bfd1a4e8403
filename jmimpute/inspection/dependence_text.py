"""What missingness depends on, in words."""

from textwrap import fill
from typing import TYPE_CHECKING, Any

from jmimpute.inspection.patterns import SYSTEMATIC
from jmimpute.inspection.text import LINE_WIDTH

if TYPE_CHECKING:
    from jmimpute.inspection.dependence import Dependence

DIFFERENCES_SHOWN = 12


def as_text(dependence: "Dependence") -> str:
    """Tell the notable differences, largest first, what to do about them, and the notes."""
    table = dependence.table
    notable = table[table["notable"]]
    notable = notable.loc[notable["difference"].abs().sort_values(ascending=False, kind="stable").index]
    lines = [_headline(len(table), len(notable))]
    lines += [f"- {_sentence(row, dependence.cluster)}" for row in notable.head(DIFFERENCES_SHOWN).to_dict("records")]
    if len(notable) > DIFFERENCES_SHOWN:
        lines.append(f"- and {len(notable) - DIFFERENCES_SHOWN} smaller ones, see `table`")
    if len(notable):
        together = notable.groupby("variable", sort=False)["predictor"].unique()
        advice = "; ".join(f"{variable}: {', '.join(predictors)}" for variable, predictors in together.items())
        lines.append(f"Let the imputation model have these. {advice}.")
    lines += [f"Note: {note}" for note in dependence.notes]
    return "\n".join(fill(line, LINE_WIDTH, subsequent_indent="  ") for line in lines)


def _headline(comparisons: int, notable: int) -> str:
    if not comparisons:
        return "No missing value that could be compared with anything."
    return (
        f"Notable in {notable} of {comparisons} comparisons: standardised difference above 0.1, p < 0.05 after Holm's "
        "correction. Dependence on values that are missing themselves cannot be seen in a table."
    )


def _sentence(row: dict[str, Any], cluster: str | None) -> str:
    often = "more often" if row["difference"] > 0 else "less often"
    what = "mean" if row["category"] is None else "share"
    missing, observed = (f"{row[column]:.4g}" for column in ("mean_missing", "mean_observed"))
    parts = [f"standardised difference {row['difference']:.2f}"]
    if cluster is not None and row["kind"] != SYSTEMATIC:
        parts[0] += f" (within clusters {row['within']:z.2f}, between {row['between']:z.2f})"
    parts.append("p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}")
    return f"{_claim(row, often)}: {what} {missing} where missing, {observed} where observed; {', '.join(parts)}."


def _claim(row: dict[str, Any], often: str) -> str:
    variable, predictor, category = row["variable"], row["predictor"], row["category"]
    if row.get("kind") == SYSTEMATIC:
        what = f"mean of {predictor}" if category is None else f"share of {predictor} = {category}"
        return f"{variable} is missing from whole clusters {often} where the {what} is higher"
    return f"{variable} is missing {often} where {predictor} is {'higher' if category is None else category}"
