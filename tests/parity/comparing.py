"""Differences between two samplers of one posterior in units of their Monte Carlo error.

Every mean and standard deviation of a free element of beta, Omega_e, Omega_u and cut points is compared by

    z = (ours - theirs) / sqrt(mcse_ours^2 + mcse_theirs^2),

which is about standard normal if both are right.
"""

import numpy as np
import pandas as pd

from jmimpute.sampling.elements import elements

PARAMETERS = ("beta", "Omega_e", "Omega_u", "cutpoints_o")


def summary(fit):
    """Means, standard deviations and their Monte Carlo errors, one row an element."""
    table = fit.summary(tuple(name for name in PARAMETERS if name in fit.posterior))
    return table[["mean", "mcse_mean", "sd", "mcse_sd"]]


def of_jomo(reference, fit):
    """The same of a reference, which states the error of a standard deviation for a normal variable."""
    names = tuple(name for name in PARAMETERS if name in fit.posterior)
    tails = pd.Series({label: np.sqrt((kurtosis(draws) - 1) / 2) for label, draws in elements(fit.posterior, names)})
    table = pd.DataFrame(reference).T.rename(columns={"mcse": "mcse_mean"})
    return table.assign(mcse_sd=table["mcse_sd"] * tails)[["mean", "mcse_mean", "sd", "mcse_sd"]]


def kurtosis(draws):
    """Fourth standardised moment; 3 for a normal variable."""
    return float((((draws - draws.mean()) / draws.std()) ** 4).mean())


def differences(ours, theirs):
    """z of means and standard deviations, one row an element."""
    assert set(ours.index) == set(theirs.index)
    theirs = theirs.loc[ours.index]
    table = pd.DataFrame({"mean": ours["mean"], "their mean": theirs["mean"], "sd": ours["sd"], "their sd": theirs["sd"]})
    for what in ("mean", "sd"):
        table[f"z {what}"] = (ours[what] - theirs[what]) / np.hypot(ours[f"mcse_{what}"], theirs[f"mcse_{what}"])
    return table


def assert_equal(ours, theirs):
    """Differences are as large as Monte Carlo error makes them."""
    table = differences(ours, theirs)
    z = table[["z mean", "z sd"]].to_numpy()
    rms = np.sqrt((z**2).mean(axis=0))
    verdict = f"largest |z| {np.abs(z).max(axis=0).round(2)}, rms {rms.round(2)} (means, sds)\n{table.round(3).to_string()}"
    print(verdict)
    assert np.all(np.abs(z) < 4.0), verdict
    assert np.all(rms < 1.4), verdict
