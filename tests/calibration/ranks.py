"""What the calibration tests share: the uniform distribution of ranks."""

import numpy as np
import pandas as pd
from scipy.stats import chisquare

N_RANKED, N_BINS = 99, 10
SMALLEST_P = 1e-5  # with some 20 to 50 quantities a model a false alarm in 2 000 to 5 000 runs


def assert_uniform(table):
    """Ranks from 0 to `N_RANKED`, a column a quantity and a row a data set, are uniformly distributed."""
    counts = {label: np.histogram(table[label], np.linspace(0, N_RANKED + 1, N_BINS + 1))[0] for label in table}
    p_values = pd.Series({label: chisquare(count).pvalue for label, count in counts.items()})
    print(p_values.sort_values().to_string())
    assert p_values.min() > SMALLEST_P, counts[p_values.idxmin()]
