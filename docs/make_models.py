"""Run the models of `models/` in full and make their page, `docs/models.md`: `.venv/bin/python docs/make_models.py`.

Results are left in out/models/. A run is used again while nothing but words changes in its model file; to repeat it, delete
its folder.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from make_images import save

import jmimpute as jm
from jmimpute import workflow
from jmimpute.case import Case, read_case

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "out" / "models"
IMAGES = DOCS / "images" / "models"
SEED = 1

INTRODUCTION = """\
# Models

Ready models, one [TOML file](reference/toml.md) a case study, in the folder `models`. Each runs as it is:

    jmimpute run models/jsp.toml --seed {seed} --out results

`--draws 100 -m 2` gives a first look within seconds. The data sets `pupils` and `survey` are shipped with the package; the
others are fetched, or made by the line of R that a message names. All that follows is made by `docs/make_models.py`, with seed
{seed}; CPU seconds are those of fit and imputation, without compilation where the machine has done it before.

"""

Picture = Callable[[jm.Imputations, Path], Any]


def densities(imputations: jm.Imputations, folder: Path) -> Any:
    """Densities and shares of all imputed variables."""
    return jm.plots.density(imputations)


def by_cluster(variable: str) -> Picture:
    """One variable, cluster by cluster."""
    return lambda imputations, folder: jm.plots.clusters(imputations, variable)


def rho(imputations: jm.Imputations, folder: Path) -> Any:
    """Prior and posterior of the correlation with being missing."""
    return jm.load_fit(folder / "fit").plot_rho()


#: What to look at, where it is not the densities.
PICTURES: dict[str, tuple[Picture, str]] = {
    "hiv_selection": (rho, "Prior and posterior of rho"),
    "obesity_like": (rho, "Prior and posterior of rho"),
    "jsp_cluster_specific": (by_cluster("english"), "Observed and imputed English scores by school"),
    "jsp_random_covariance": (by_cluster("english"), "Observed and imputed English scores by school"),
    "popularity": (by_cluster("extraversion_ij"), "Observed and imputed extraversion by class"),
    "pupils_formulas": (by_cluster("motivation"), "Observed and imputed motivation by school"),
}


def finished(case: Case, folder: Path) -> dict[str, Any]:
    """The manifest of the run of a case, made now unless there is one."""
    path = folder / "manifest.json"
    if not path.exists() or settings(read(path)["case"]) != settings(msgspec.to_builtins(case)):
        workflow.run(case, workflow.data_of(case), folder, seed=SEED, progressbar=False)
    return read(path)


def read(path: Path) -> dict[str, Any]:
    """Read a manifest."""
    return json.loads(path.read_text(encoding="utf-8"))


def settings(case: dict[str, Any]) -> dict[str, Any]:
    """What of a case bears on results."""
    return {key: value for key, value in case.items() if key not in ("title", "description")}


def anchor(title: str) -> str:
    """Where a heading is found, as GitHub and MyST write it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def overview(cases: dict[str, Case]) -> str:
    """A row a model: what of the package it shows."""
    rows = ["| model | responses | of clusters | covariance | not at random | data |", "| --- | --- | --- | --- | --- | --- |"]
    for name, case in cases.items():
        cells = [
            f"[{name}](#{anchor(case.title)})",
            kinds(case),
            "yes" if case.model.level2 else "",
            case.model.covariance if "|" in "".join(case.model.formulas) else "single level",
            ", ".join(case.model.missing),
            f"`{case.data}`",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def kinds(case: Case) -> str:
    """Families of the responses of units, each once."""
    responses = {name.strip() for formula in case.model.formulas for name in formula.split("~")[0].split("+")}
    families = case.families()
    found = {families[name].kind if name in families else "continuous" for name in responses}
    return ", ".join(sorted(found, key=["continuous", "binary", "ordinal", "nominal"].index))


def description(case: Case, titles: dict[str, str]) -> str:
    """What the file says of itself, with links to other models."""
    text = re.sub(r"^([A-Z][a-z ]+): ", r"**\1:** ", case.description.strip(), flags=re.MULTILINE)
    text = re.sub(r"\b(notebooks/\w+\.py)\b", r"`\1`", text)
    return re.sub(r"\b(\w+)\.toml\b", lambda found: f"[{found[0]}](#{anchor(titles[found[1]])})", text)


def facts(name: str, case: Case, manifest: dict[str, Any]) -> str:
    """Formulas and settings, and the verdict on the chains."""
    model, sampling = case.model, case.sampling
    level2 = [model.level2] if isinstance(model.level2, str) else model.level2
    lines = [f"- File: [{name}.toml](../models/{name}.toml)"]
    lines += [f"- Formula: `{formula}`" for formula in model.formulas]
    lines += [f"- Of clusters: `{formula}`" for formula in level2]
    lines += [f"- Whether {column} is observed: `{said.formula}`" for column, said in model.missing.items()]
    lines += [f"- Covariance of level 1: {model.covariance}"]
    lines += [f"- Analysis: `{case.analysis.formula}` ({case.analysis.family})" if case.analysis else "- Analysis: none"]
    lines += [
        f"- Run: {sampling.chains} chains of {sampling.draws} draws after {sampling.tune}, {manifest['m']} imputations, "
        f"{float(f'{manifest["seconds"]["cpu"]:.2g}'):g} CPU seconds"
    ]
    return "\n".join([*lines, f"- Verdict: {' '.join(manifest['diagnostics'])}"])


def results(folder: Path) -> str:
    """The pooled coefficients, and standard deviations of random effects and residuals."""
    variances = pd.read_csv(folder / "pooled_random_effects.csv")
    table = pd.concat([pd.read_csv(folder / "pooled.csv"), variances[variances["term"].str.startswith("sd(")]])
    rows = ["| term | estimate | standard error | 95 % interval | fmi |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in table.itertuples():
        numbers = f"{row.estimate:.3g} | {row.std_error:.2g} | {row.conf_low:.3g} to {row.conf_high:.3g} | {row.fmi:.2f}"
        rows.append(f"| {code(row.term)} | {numbers} |")
    return "\n".join(rows)


def code(text: str) -> str:
    """Code in a cell of a table, where a bar must not end the cell."""
    return f"`{text}`".replace("|", r"\|")


def section(name: str, case: Case, titles: dict[str, str]) -> str:
    """Run a model, draw its picture, and write its part of the page."""
    folder = RESULTS / name
    manifest = finished(case, folder)
    draw, caption = PICTURES.get(name, (densities, "Densities and shares of observed and imputed values"))
    save(draw(jm.load(folder / "imputations"), folder), IMAGES / f"{name}.png")
    picture = f"![{caption}](images/models/{name}.png)"
    parts = [f"## {case.title}", description(case, titles), facts(name, case, manifest), results(folder), picture]
    return "\n\n".join(parts)


def main() -> None:
    """Write the page and its pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    cases = {path.stem: read_case(path) for path in sorted((ROOT / "models").glob("*.toml"))}
    titles = {name: case.title for name, case in cases.items()}
    parts = [INTRODUCTION.format(seed=SEED) + overview(cases), *(section(name, case, titles) for name, case in cases.items())]
    (DOCS / "models.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
