"""Simulated pupils in schools, with test scores and a questionnaire that some schools did not use."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, overload

import numpy as np
import pandas as pd

from jmimpute.datasets.normal import covariance_of, draw_normal
from jmimpute.errors import TableError
from jmimpute.names import BETA, INTERCEPT, OMEGA_E, OMEGA_U, effect_label

RESPONSES = ("reading", "maths", "motivation")
COVARIATES = (INTERCEPT, "sex[girl]", "age")
SEXES = pd.CategoricalDtype(["boy", "girl"])

PUPILS_TRUTH: Mapping[str, pd.DataFrame] = MappingProxyType(
    {
        BETA: pd.DataFrame(
            [[25.0, 3.0, 2.0], [33.0, -1.0, 1.5], [4.4, 0.3, -0.1]],
            index=list(RESPONSES),
            columns=list(COVARIATES),
        ),
        OMEGA_E: covariance_of(list(RESPONSES), [9.0, 8.0, 0.7], [[1.0], [0.55, 1.0], [0.3, 0.25, 1.0]]),
        OMEGA_U: covariance_of(
            [effect_label(response, covariate) for response in RESPONSES for covariate in COVARIATES[:2]],
            [4.0, 2.0, 4.5, 1.5, 0.3, 0.15],
            [
                [1.0],
                [-0.2, 1.0],
                [0.6, 0.0, 1.0],
                [0.0, 0.3, -0.2, 1.0],
                [0.3, 0.0, 0.4, 0.0, 1.0],
                [0.0, 0.3, 0.0, 0.3, -0.2, 1.0],
            ],
        ),
    }
)
"""What `simulate_pupils` draws from, labelled as in a posterior: coefficients, level-1 and school-level covariances."""

# Shares and log-odds of being missing; `simulate_pupils` documents them.
_ABSENT = 0.02
_SCHOOLS_WITHOUT_MOTIVATION = 0.2
_READING_MISSING = (-2.0, -0.5, 0.8)
_MATHS_MISSING = (-1.6, -0.1)


@overload
def simulate_pupils(
    schools: int = ...,
    pupils: tuple[int, int] = ...,
    random_seed: int | None = ...,
    *,
    sex_slope: bool = ...,
    return_complete: Literal[False] = ...,
) -> pd.DataFrame: ...


@overload
def simulate_pupils(
    schools: int = ...,
    pupils: tuple[int, int] = ...,
    random_seed: int | None = ...,
    *,
    sex_slope: bool = ...,
    return_complete: Literal[True],
) -> tuple[pd.DataFrame, pd.DataFrame]: ...


def simulate_pupils(
    schools: int = 40,
    pupils: tuple[int, int] = (10, 40),
    random_seed: int | None = None,
    *,
    sex_slope: bool = False,
    return_complete: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate pupils in schools with missing test scores and a questionnaire that some schools did not use.

    Three continuous responses of pupil i in school j follow a two-level multivariate normal model with the parameters
    in `PUPILS_TRUTH`::

        y_ij = beta (1, girl_ij, age_ij)' + u_j + e_ij        u_j ~ N(0, Omega_u),  e_ij ~ N(0, Omega_e)

    ==========  =================================================  ===========  ============  ====
    response    coefficients: Intercept, sex[girl], age per year   sd of e      sd of u       ICC
    ==========  =================================================  ===========  ============  ====
    reading     25, 3, 2                                           9 points     4 points      0.16
    maths       33, -1, 1.5                                        8 points     4.5 points    0.24
    motivation  4.4, 0.3, -0.1                                     0.7          0.3           0.16
    ==========  =================================================  ===========  ============  ====

    Correlations reading-maths, reading-motivation, maths-motivation: 0.55, 0.3, 0.25 between pupils of a school and
    0.6, 0.3, 0.4 between schools. The intercept is the expected value of a boy of age 0. Scores and ages are recorded
    to two decimals.

    Values go missing in three steps, at random given what stays observed (MAR):

    1. 2 % of the pupils, at least one, were absent: all three responses are missing.
    2. 20 % of the schools did not use the questionnaire: motivation is systematically missing there.
    3. Of the others, reading is missing with log-odds ``-2 - 0.5 girl + 0.8 (age - 11)``; maths is missing with
       log-odds ``-1.6 - 0.1 (reading - 47)`` where reading is observed and ``-1.6`` where it is not.

    Parameters
    ----------
    schools : int
        Number of schools J.
    pupils : tuple of two int
        Smallest and largest number of pupils in a school; sizes are uniform between them, both included.
    random_seed : int, optional
        The same seed gives the same table.
    sex_slope : bool
        Let the difference between girls and boys vary between schools: ``z_ij = (1, girl_ij)``. Without it only the
        ``...|Intercept`` rows and columns of `PUPILS_TRUTH`'s ``Omega_u`` are at work.
    return_complete : bool
        Return the table before values went missing as well.

    Returns
    -------
    DataFrame, or tuple of two DataFrames
        One row a pupil, columns ``school`` (text, such as ``school-07``), ``pupil`` (1 to n_rows), ``sex``
        (categorical: boy, girl), ``age`` (years, 10 to 12), ``reading``, ``maths`` (points), ``motivation`` (scale
        points). With `return_complete` this table and the complete one, rows in the same order.

    Raises
    ------
    TableError
        If there is no school, or schools can be empty.
    """
    smallest, largest = pupils
    if schools < 1 or not 1 <= smallest <= largest:
        raise TableError(
            f"schools={schools} and pupils={pupils} leave a school or the table empty. "
            "Give at least 1 school and (smallest, largest) with 1 <= smallest <= largest."
        )
    rng = np.random.default_rng(random_seed)
    complete = _complete_pupils(rng, schools, pupils, sex_slope)
    incomplete = _with_missing(rng, complete)
    return (incomplete, complete) if return_complete else incomplete


def _complete_pupils(rng: np.random.Generator, schools: int, pupils: tuple[int, int], sex_slope: bool) -> pd.DataFrame:
    codes = np.repeat(np.arange(schools), rng.integers(*pupils, size=schools, endpoint=True))
    n_rows = len(codes)
    girl = rng.integers(0, 2, size=n_rows)
    age = rng.uniform(10, 12, size=n_rows).round(2)
    # Slopes are drawn even when they are not used, so that a seed gives the same pupils with and without them.
    effects = draw_normal(rng, schools, PUPILS_TRUTH[OMEGA_U]).reshape(schools, len(RESPONSES), 2)
    scores = (
        np.column_stack([np.ones(n_rows), girl, age]) @ PUPILS_TRUTH[BETA].to_numpy().T
        + effects[codes, :, 0]
        + effects[codes, :, 1] * girl[:, None] * sex_slope
        + draw_normal(rng, n_rows, PUPILS_TRUTH[OMEGA_E])
    )
    width = max(2, len(str(schools)))
    labels = [f"school-{number:0{width}d}" for number in range(1, schools + 1)]
    return pd.DataFrame(
        {
            "school": pd.Series(np.array(labels)[codes], dtype="str"),
            "pupil": np.arange(1, n_rows + 1),
            "sex": pd.Categorical.from_codes(girl, dtype=SEXES),
            "age": age,
            **dict(zip(RESPONSES, scores.round(2).T, strict=True)),
        }
    )


def _with_missing(rng: np.random.Generator, complete: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with missing responses; each step looks only at what stays observed."""
    n_rows = len(complete)
    absent = np.zeros(n_rows, dtype=bool)
    absent[rng.choice(n_rows, size=max(1, round(_ABSENT * n_rows)), replace=False)] = True

    schools = complete["school"].unique()
    without = rng.choice(schools, size=round(_SCHOOLS_WITHOUT_MOTIVATION * len(schools)), replace=False)

    girl = (complete["sex"] == "girl").to_numpy(dtype=float)
    intercept, of_girl, of_age = _READING_MISSING
    no_reading = absent | _happens(rng, intercept + of_girl * girl + of_age * (complete["age"].to_numpy() - 11))

    intercept, of_reading = _MATHS_MISSING
    # 47, the expected score of a boy of 11, stands for a reading score that is not seen.
    seen_reading = np.where(no_reading, 47, complete["reading"])
    no_maths = absent | _happens(rng, intercept + of_reading * (seen_reading - 47))

    no_motivation = absent | complete["school"].isin(without).to_numpy()
    holes = dict(zip(RESPONSES, (no_reading, no_maths, no_motivation), strict=True))
    return complete.assign(**{response: complete[response].mask(hole) for response, hole in holes.items()})


def _happens(rng: np.random.Generator, log_odds: np.ndarray) -> np.ndarray:
    """Draw one event a row, with probability 1 / (1 + exp(-log_odds))."""
    return rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
