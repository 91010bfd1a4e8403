"""Make `survey.csv`, shipped as ``jmimpute.datasets.load("survey")``: ``python jmimpute/data/make_survey.py``."""

from pathlib import Path

import pandas as pd

from jmimpute.datasets import simulate_survey

SEED = 20261


def make_survey() -> pd.DataFrame:
    """Simulate the shipped table: 24 regions of 40 to 80 people.

    Returns
    -------
    DataFrame
        One row a person.
    """
    return simulate_survey(random_seed=SEED)[0]


if __name__ == "__main__":
    make_survey().to_csv(Path(__file__).with_name("survey.csv"), index=False)
