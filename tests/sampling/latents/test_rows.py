"""Rows as the sampler walks over them."""

import numpy as np
import pytest

from jmimpute.sampling.latents.rows import CHUNK, refresh_statistics
from jmimpute.sampling.latents.state import build_problem
from jmimpute.table.statistics import summarise
from tests.problems import statistics
from tests.sampling.latents.problems import FORMULAS, specification


@pytest.mark.sampling
@pytest.mark.parametrize(("kind", "n_rows"), [*((kind, 60) for kind in FORMULAS), ("two variables, slopes", 3 * CHUNK)])
def test_spans_hold_each_row_with_an_observed_category_once(kind, n_rows):
    spec = specification(kind, n_rows=n_rows)
    problem = build_problem(spec, statistics(spec))
    latents, rows = problem.latents, problem.rows
    for latent, k in enumerate(latents.coordinate):
        spans = latents.spans[latents.span_start[latent] : latents.span_start[latent + 1]]
        walked = np.concatenate([np.arange(first, end) for first, end in spans])
        np.testing.assert_array_equal(walked, np.flatnonzero(~np.isnan(spec.y[rows.position, k])))
        assert (np.diff(spans) > 0).all() and (np.diff(spans) <= CHUNK).all()


@pytest.mark.sampling
@pytest.mark.parametrize("kind", FORMULAS)
def test_statistics_are_those_of_the_rows(kind):
    """After a change of the latents, as if they were data."""
    spec = specification(kind)
    problem = build_problem(spec, statistics(spec))
    y = np.random.default_rng(1).normal(size=spec.y.shape)
    y = np.where(np.isnan(spec.y) | ~spec.layout.latent, spec.y, y)
    refresh_statistics(problem.latents, problem.rows, np.nan_to_num(y[problem.rows.position].T), problem.target.stats)
    known = summarise(y, spec.x, spec.z, spec.clusters.codes, spec.n_clusters, spec.patterns)
    for name in ("xy", "yy", "zy"):
        np.testing.assert_allclose(getattr(problem.target.stats, name), getattr(known, name), rtol=1e-9, atol=1e-9)
