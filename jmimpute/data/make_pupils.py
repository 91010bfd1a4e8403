"""Make `pupils.csv`, shipped as ``jmimpute.datasets.load("pupils")``: ``python jmimpute/data/make_pupils.py``."""

from pathlib import Path

import pandas as pd

from jmimpute.datasets import simulate_pupils

SEED = 20260


def make_pupils() -> pd.DataFrame:
    """Simulate the shipped table: 40 schools of 10 to 40 pupils, random intercepts.

    Returns
    -------
    DataFrame
        One row a pupil.
    """
    return simulate_pupils(schools=40, pupils=(10, 40), random_seed=SEED)


if __name__ == "__main__":
    make_pupils().to_csv(Path(__file__).with_name("pupils.csv"), index=False)
