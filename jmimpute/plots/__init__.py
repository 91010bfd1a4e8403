"""Pictures of missing patterns, convergence and imputations; each has a table that can be had without drawing."""

from jmimpute.plots.clusters import clusters, clusters_table
from jmimpute.plots.density import density, density_table
from jmimpute.plots.pattern import pattern, pattern_table
from jmimpute.plots.trace import trace, trace_table

__all__ = [
    "clusters",
    "clusters_table",
    "density",
    "density_table",
    "pattern",
    "pattern_table",
    "trace",
    "trace_table",
]
