"""What the simulation studies share: methods timed and analysed, replications run, measures printed beside published ones."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import jmimpute as jm
from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisWarning, ChainedWarning, ConvergenceWarning

Settings = Mapping[str, Any]
Rows = list[dict[str, Any]]
#: Takes a table with holes, a seed and the settings of the study; gives completed tables, and rows about how they came about.
Method = Callable[[pd.DataFrame, int, Settings], tuple[list[pd.DataFrame], Rows]]
Analysis = str | Callable[[pd.DataFrame], Estimates]

#: The 0.975 quantile of the normal distribution.
WALD = 1.959964

WARNED = {"not converged": ConvergenceWarning, "chained warnings": ChainedWarning}
OTHERS = ("seconds", "CPU seconds", "largest R-hat", "smallest ESS", *WARNED, "missing")


def complete_cases(data: pd.DataFrame, seed: int, settings: Settings) -> tuple[list[pd.DataFrame], Rows]:
    return [data.dropna()], []


def joint_model(model: jm.JointModel, seed: int, settings: Settings) -> tuple[list[pd.DataFrame], Rows]:
    """Impute by a joint model; rows about rho, where there is one, and about convergence.

    Parameters
    ----------
    model : JointModel
    seed : int
    settings : mapping
        With draws, tune, chains, thin, target_accept, m and the sampler of selection models.
    """
    sizes = {name: settings[name] for name in ("draws", "tune", "chains", "thin", "target_accept")}
    sampler = settings["sampler"] if model.specification.selections else "auto"
    fit = model.fit(**sizes, sampler=sampler, cores=1, random_seed=seed, keep_latents=settings["m"], progressbar=False)
    table = fit.diagnostics().table
    rows: Rows = [
        {"term": "largest R-hat", "estimate": table["r_hat"].max()},
        {"term": "smallest ESS", "estimate": table[["ess_bulk", "ess_tail"]].min(axis=None)},
    ]
    if "rho_y" in fit.posterior:
        rho = fit.posterior["rho_y"].to_numpy().ravel()
        low, high = np.quantile(rho, [0.025, 0.975])
        rows.append({"term": "rho", "estimate": rho.mean(), "std_error": rho.std(), "conf_low": low, "conf_high": high})
    return list(fit.impute(settings["m"], progressbar=False)), rows


def analysed(tables: list[pd.DataFrame], model: Analysis) -> Rows:
    """Rows of estimates, by Rubin's rules with large-sample df or the Wald intervals of a single table.

    Standard deviations of random effects and residuals are means over the tables.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        analyses = jm.analyze(tables, model)
    if len(tables) > 1:
        rows = analyses.pool().table[["term", "estimate", "std_error", "conf_low", "conf_high"]].to_dict("records")
    else:
        (fit,) = analyses.fits
        half = WALD * fit.std_errors
        limits = {"conf_low": fit.values - half, "conf_high": fit.values + half}
        table = pd.DataFrame({"term": fit.names, "estimate": fit.values, "std_error": fit.std_errors, **limits})
        rows = table.to_dict("records")
    random = analyses.fits[0].random
    sds = np.mean([np.sqrt(np.diag(fit.random.covariance)) for fit in analyses.fits], axis=0)
    rows += [{"term": f"sd({name}|cluster)", "estimate": sd} for name, sd in zip(random.names, sds, strict=True)]
    residuals = [fit.residual_variance for fit in analyses.fits if fit.residual_variance is not None]
    if residuals:
        rows.append({"term": "sd(residual)", "estimate": np.mean(np.sqrt(residuals))})
    return rows


def judged(name: str, method: Method, model: Analysis, data: pd.DataFrame, seed: int, settings: Settings) -> pd.DataFrame:
    """Impute and analyse one table by one method; the time is that of imputation."""
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tables, rows = method(data, seed, settings)
    rows += [
        {"term": "seconds", "estimate": time.perf_counter() - wall},
        {"term": "CPU seconds", "estimate": time.process_time() - cpu},
    ]
    if len(tables) > 1:
        rows += [
            {"term": term, "estimate": float(any(issubclass(each.category, kind) for each in caught))}
            for term, kind in WARNED.items()
        ]
    return pd.DataFrame([*analysed(tables, model), *rows]).assign(method=name)


def replication(
    seed: np.random.SeedSequence,
    settings: Settings,
    simulate: Callable[[np.random.Generator, Settings], jm.study.Simulated],
    methods: Mapping[str, Method],
    model: Analysis,
) -> pd.DataFrame:
    """Simulate a table, and impute and analyse it by every method; the table is the same whatever the methods are."""
    tables, own = seed.spawn(2)
    simulated = simulate(np.random.default_rng(tables), settings)
    number = int(own.generate_state(1)[0])
    found = [judged(name, methods[name], model, simulated.data, number, settings) for name in settings["methods"]]
    found.append(pd.DataFrame(analysed([simulated.complete], model)).assign(method="before deletion"))
    share = {"method": "before deletion", "term": "missing", "estimate": simulated.data.isna().any(axis=1).mean()}
    return pd.concat([*found, pd.DataFrame([share])], ignore_index=True)


def study(run: Callable, given: dict[str, Any], truth: pd.Series) -> pd.DataFrame | None:
    """Run the replications that are not there yet; write all, and their measures, which are returned.

    Parameters
    ----------
    run : callable
        One replication: takes a SeedSequence and the settings.
    given : dict
        Arguments of the command line.
    truth : pandas.Series
    """
    n, seed, cores, out = (given.pop(name) for name in ("replicates", "seed", "cores", "out"))
    done = jm.study.replicate(partial(run, settings=given), n, seed, out / "replications", settings=given, cores=cores)
    if len(done.failures):
        print(done.failures[["replicate", "error", "message"]].to_string(index=False))
    done.results.to_csv(out / "results.csv", index=False)
    print(f"{done}\n{given}")
    if done.results["replicate"].nunique() < 2:
        print(done.results.drop(columns="replicate").to_string(index=False))
        return None
    table = jm.study.performance(done, truth)
    table.to_csv(out / "performance.csv", index=False)
    return table


def arguments(parser: Any, methods: Mapping[str, Method], default: Sequence[str], **sizes: int) -> dict[str, Any]:
    """Add what all studies are told on the command line, and read it."""
    parser.add_argument("--replicates", type=int, default=50)
    parser.add_argument("--methods", nargs="+", choices=list(methods), default=list(default))
    for name, size in {"m": 10, "draws": 1000, "tune": 500, "chains": 2, "thin": 1, **sizes}.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--target-accept", type=float, default=0.8)
    parser.add_argument("--sampler", choices=["auto", "compiled", "nutpie"], default="auto", help="of selection models")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cores", type=int, default=1, help="replications at a time")
    parser.add_argument("--out", type=Path, required=True, help="folder of the replications")
    return vars(parser.parse_args())


def show(
    table: pd.DataFrame,
    measures: Sequence[str],
    published: Callable[[str, str], Sequence[float] | None],
    titles: Mapping[str, str],
) -> None:
    """Print measures with Monte Carlo errors in brackets, published ones after them.

    Parameters
    ----------
    table : DataFrame
        As `jmimpute.study.performance` gives it.
    measures : sequence of str
        Columns.
    published : callable
        Takes a method and a term; gives the published measures in the same order, NaN where there is none.
    titles : mapping of str to str
        What to say of the published rows beside a method.
    """
    found = table.set_index(["method", "term", "measure"])[["value", "mc_error"]]
    for method in table["method"].unique():
        beside = titles.get(method)
        print(f"\n{method}" + (f"   (right: published, {beside})" if beside else ""))
        print(f"{'':>22}" + "".join(f"{name:>18}" for name in measures) + "  |" * bool(beside))
        terms = table.loc[table["method"] == method, "term"].unique()
        for term in (term for term in terms if term not in OTHERS):
            cells = [_cell(found, method, term, name) for name in measures]
            numbers = published(method, term) if beside else None
            right = "  |" + "".join(" " * 9 if np.isnan(each) else f"{each:9.3f}" for each in numbers) if numbers else ""
            print(f"{term:>22}" + "".join(f"{text:>18}" for text in cells) + right)
        for term in (term for term in OTHERS if term in terms):
            print(f"{term:>22}{_cell(found, method, term, 'mean'):>18}")


def _cell(found: pd.DataFrame, method: str, term: str, measure: str) -> str:
    if (method, term, measure) not in found.index:
        return "-"
    value, error = found.loc[(method, term, measure)]
    return f"{value:.3f} ({error:.3f})"
