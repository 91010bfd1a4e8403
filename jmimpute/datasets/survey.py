"""A simulated survey of weights, which the heavier are less willing to tell."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from jmimpute.datasets.normal import covariance_of, draw_normal
from jmimpute.errors import TableError
from jmimpute.names import BETA, INTERCEPT, OMEGA_E, OMEGA_U, effect_label

SURVEY_DTYPES: Mapping[str, object] = {
    "sex": pd.CategoricalDtype(["female", "male"]),
    **dict.fromkeys(("duration", "age", "height", "weight"), float),
    "famhist": pd.CategoricalDtype(["no", "yes"]),
}

SURVEY_RESPONSES = ("weight", "height", "age", "famhist.yes")
SURVEY_TRUTH: Mapping[str, pd.DataFrame] = MappingProxyType(
    {
        BETA: pd.DataFrame(
            [[71.0, 12.0], [1.63, 0.13], [46.0, 0.0], [-0.5, -0.1]],
            index=list(SURVEY_RESPONSES),
            columns=[INTERCEPT, "sex[male]"],
        ),
        OMEGA_E: covariance_of(
            list(SURVEY_RESPONSES), [12.0, 0.065, 11.0, 1.0], [[1.0], [0.4, 1.0], [0.2, -0.1, 1.0], [0.3, 0.0, 0.1, 1.0]]
        ),
        OMEGA_U: covariance_of(
            [effect_label(response, INTERCEPT) for response in SURVEY_RESPONSES],
            [3.0, 0.012, 3.0, 0.25],
            [[1.0], [0.2, 1.0], [0.2, 0.0, 1.0], [0.3, 0.0, 0.0, 1.0]],
        ),
    }
)
"""What `simulate_survey` draws from, labelled as in a posterior; ``famhist.yes`` is the latent normal of a family history."""

# What decides whether weight is recorded: constant, of men, of a standardised duration, standard deviation between regions.
_WEIGHT_RECORDED = (0.7, -0.1, 0.7, 0.3)
_REGIONS_WITHOUT = {"weight": 2, "height": 1}
# Shares missing of women and men.
_SHARES = {"height": (0.08, 0.14), "age": (0.05, 0.05), "famhist": (0.12, 0.2)}


def simulate_survey(
    regions: int = 24, people: tuple[int, int] = (40, 80), random_seed: int | None = None, *, rho: float = -0.6
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate a survey of weights, which the heavier are less willing to tell.

    Weight, height, age and the latent normal of a family history of diabetes of person i in region j follow a two-level
    multivariate normal model with the parameters in `SURVEY_TRUTH`::

        y_ij = beta (1, male_ij)' + u_j + e_ij        u_j ~ N(0, Omega_u),  e_ij ~ N(0, Omega_e)

    There is a family history where its latent normal is positive. Weight is recorded if ``0.7 - 0.1 male + 0.7 z + v_j + eps``
    is positive, with z the standardised duration of the interview, ``v_j ~ N(0, 0.3^2)`` and eps standard normal with
    correlation `rho` with the residual of weight: missing not at random, with duration as exclusion restriction. Two regions
    have no scales; in one, heights were not asked for. Of the other cells of women (men) 8 (14) % of the heights, 5 % of the
    ages and 12 (20) % of the family histories are missing at random.

    Parameters
    ----------
    regions : int
        At least 4.
    people : tuple of two int
        Smallest and largest number in a region; sizes are uniform between them, both included.
    random_seed : int, optional
        The same seed gives the same tables.
    rho : float
        Between -1 and 1; 0 is missing at random.

    Returns
    -------
    tuple of two DataFrames
        The incomplete table and the complete one, a row a person: ``region``, ``sex`` (categorical: female, male), ``duration``
        (minutes), ``age`` (years), ``height`` (m), ``weight`` (kg) and ``famhist`` (categorical: no, yes).

    Raises
    ------
    TableError
        If there are too few regions, these can be empty, or rho is no correlation.
    """
    smallest, largest = people
    if regions < 4 or not 1 <= smallest <= largest or not -1 < rho < 1:
        raise TableError(
            f"regions={regions}, people={people} and rho={rho} make no survey. Give at least 4 regions, (smallest, largest) "
            "with 1 <= smallest <= largest, and a correlation."
        )
    rng = np.random.default_rng(random_seed)
    codes = np.repeat(np.arange(regions), rng.integers(*people, size=regions, endpoint=True))
    n_rows = len(codes)
    male, duration = rng.integers(0, 2, size=n_rows), np.clip(rng.normal(30, 8, size=n_rows).round(), 6, 54)
    e, u = draw_normal(rng, n_rows, SURVEY_TRUTH[OMEGA_E]), draw_normal(rng, regions, SURVEY_TRUTH[OMEGA_U])
    y = np.column_stack([np.ones(n_rows), male]) @ SURVEY_TRUTH[BETA].to_numpy().T + u[codes] + e
    complete = pd.DataFrame(
        {
            "region": pd.Series(np.array([f"region-{number:02d}" for number in range(1, regions + 1)])[codes], dtype="str"),
            "sex": pd.Categorical.from_codes(male, dtype=SURVEY_DTYPES["sex"]),
            "duration": duration,
            "age": y[:, 2].round(1),
            "height": y[:, 1].round(3),
            "weight": y[:, 0].round(1),
            "famhist": pd.Categorical.from_codes((y[:, 3] > 0).astype(int), dtype=SURVEY_DTYPES["famhist"]),
        }
    )
    constant, of_male, of_duration, spread = _WEIGHT_RECORDED
    unseen = rho * e[:, 0] / np.sqrt(SURVEY_TRUTH[OMEGA_E].iloc[0, 0]) + np.sqrt(1 - rho**2) * rng.standard_normal(n_rows)
    willing = constant + of_male * male + of_duration * (duration - 30) / 8 + spread * rng.standard_normal(regions)[codes]
    return _with_survey_holes(rng, complete, codes, willing + unseen > 0), complete


def _with_survey_holes(
    rng: np.random.Generator, complete: pd.DataFrame, codes: np.ndarray, recorded: np.ndarray
) -> pd.DataFrame:
    """A copy without what was not recorded, was not asked for in a region, or is missing at random."""
    regions = rng.permutation(codes.max() + 1)
    first = _REGIONS_WITHOUT["weight"]
    holes = {"weight": ~recorded | np.isin(codes, regions[:first])}
    male = (complete["sex"] == "male").to_numpy().astype(int)
    for name, shares in _SHARES.items():
        holes[name] = rng.random(len(complete)) < np.array(shares)[male]
    holes["height"] |= np.isin(codes, regions[first : first + _REGIONS_WITHOUT["height"]])
    return complete.assign(**{name: complete[name].mask(hole) for name, hole in holes.items()})
