"""A response that whole clusters lack: predictive intervals of their means cover what was deleted as often as they say.

In each of `N_SETS` simulated tables `GONE` of `N_CLUSTERS` clusters lack a response, and more cells are missing at random. The
mean of the response in each such cluster is ranked among its means in `M` imputations by the default model. Of ranks from 0 to
`M`, 95 % are in the middle 190 of 200 if imputations are draws from what is known of the cell. Clusters of a table share its
parameters, so Monte Carlo errors are taken over tables: with 3 quantities |z| < 4 gives a false alarm once in 5 000 runs. That
imputations use what other responses tell of a cluster shows in their errors, which are smaller than those of the overall mean.
"""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm

N_SETS, N_CLUSTERS, SIZE, GONE, M = 200, 20, 40, 4, 199
BETWEEN = 0.6 * np.array([[1.0, 0.6, 0.4], [0.6, 1.0, 0.3], [0.4, 0.3, 1.0]])
WITHIN = np.array([[1.0, 0.4, 0.3], [0.4, 1.0, 0.2], [0.3, 0.2, 1.0]])
MEAN = np.array([50.0, 0.0, -3.0])
SPORADIC = 0.15
SAVED = 0.12  # half of the variance between clusters that the other two responses explain


def simulate(rng):
    """Complete table, and the same with cells missing: `y1` in the last clusters, and all responses at random."""
    cluster = np.repeat(np.arange(N_CLUSTERS), SIZE)
    u = rng.multivariate_normal(np.zeros(3), BETWEEN, N_CLUSTERS)
    y = MEAN + u[cluster] + rng.multivariate_normal(np.zeros(3), WITHIN, len(cluster))
    complete = pd.DataFrame(y, columns=["y1", "y2", "y3"]).assign(cluster=cluster)
    gone = rng.random(y.shape) < SPORADIC
    gone[cluster >= N_CLUSTERS - GONE, 0] = True
    return complete, complete.assign(**complete[["y1", "y2", "y3"]].mask(gone))


def cluster_means(values, cluster):
    """Means of the clusters that lack `y1`, shape (..., GONE)."""
    return np.stack([values[..., cluster == j].mean(axis=-1) for j in range(N_CLUSTERS - GONE, N_CLUSTERS)], axis=-1)


def results(seed):
    """For each cluster: rank of its true mean among the imputed ones, error of their mean, and of that of other clusters."""
    complete, holed = simulate(np.random.default_rng(seed))
    model = jm.JointModel("y1 + y2 + y3 ~ 1 + (1 | cluster)", holed)
    imputations = model.fit(random_seed=seed, progressbar=False).impute(M, progressbar=False)
    rows = imputations.rows("y1")
    cluster = complete["cluster"].to_numpy()
    drawn = cluster_means(imputations.values("y1"), cluster[rows])
    truth = cluster_means(complete["y1"].to_numpy(), cluster)
    return (drawn < truth).sum(axis=0), drawn.mean(axis=0) - truth, holed["y1"].mean() - truth


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_intervals_of_the_means_of_clusters_without_a_value_cover_them():
    ranks, errors, plain = (np.array(found) for found in zip(*map(results, range(N_SETS)), strict=True))
    found = {
        "covered by 95 %": (((ranks >= 5) & (ranks < 195)).mean(axis=1), 0.95),
        "covered by 50 %": (((ranks >= 50) & (ranks < 150)).mean(axis=1), 0.50),
        "error": (errors.mean(axis=1), 0.0),
        "squared error saved": ((plain**2 - errors**2).mean(axis=1), SAVED),
    }
    table = pd.DataFrame(
        {
            name: {"mean": values.mean(), "mc_error": values.std(ddof=1) / np.sqrt(N_SETS), "expected": expected}
            for name, (values, expected) in found.items()
        }
    ).T
    table["z"] = (table["mean"] - table["expected"]) / table["mc_error"]
    print(table.round(4).to_string())
    assert table["z"].iloc[:3].abs().max() < 4
    assert table["z"].iloc[3] > 4
