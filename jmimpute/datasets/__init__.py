"""Data sets: some shipped with the package, with the generators that made them, and public ones that are fetched."""

from jmimpute.datasets.fetching import available, fetch
from jmimpute.datasets.pupils import COVARIATES, PUPILS_TRUTH, RESPONSES, SEXES, simulate_pupils
from jmimpute.datasets.shipped import load
from jmimpute.datasets.survey import SURVEY_RESPONSES, SURVEY_TRUTH, simulate_survey

__all__ = [
    "COVARIATES",
    "PUPILS_TRUTH",
    "RESPONSES",
    "SEXES",
    "SURVEY_RESPONSES",
    "SURVEY_TRUTH",
    "available",
    "fetch",
    "load",
    "simulate_pupils",
    "simulate_survey",
]
