"""Pictures of missing patterns, convergence and imputations; each has a table that can be had without drawing."""

from jmimpute.plots.assumptions import assumptions, assumptions_table
from jmimpute.plots.bars import bars, bars_table
from jmimpute.plots.check import check, check_table
from jmimpute.plots.clusters import clusters, clusters_table
from jmimpute.plots.compare import comparison, comparison_table
from jmimpute.plots.correlation import correlation, correlation_table
from jmimpute.plots.density import density, density_table
from jmimpute.plots.diagram import diagram, diagram_table
from jmimpute.plots.estimates import estimates, estimates_table
from jmimpute.plots.flux import flux, flux_table
from jmimpute.plots.forest import forest, forest_table
from jmimpute.plots.implied_means import implied_means, implied_means_table
from jmimpute.plots.imputed_trace import imputed_trace, imputed_trace_table
from jmimpute.plots.overimpute import overimpute, overimpute_table
from jmimpute.plots.pattern import pattern, pattern_table
from jmimpute.plots.predictors import predictors, predictors_table
from jmimpute.plots.propensity import propensity, propensity_table
from jmimpute.plots.rank import rank, rank_table
from jmimpute.plots.rho import rho, rho_table
from jmimpute.plots.scatter import scatter, scatter_table
from jmimpute.plots.select import select, select_table
from jmimpute.plots.sensitivity_grid import sensitivity_grid, sensitivity_grid_table
from jmimpute.plots.strip import box, box_table, strip, strip_table
from jmimpute.plots.study_lollipop import lollipop, lollipop_table
from jmimpute.plots.study_loop import nested_loop, nested_loop_table
from jmimpute.plots.study_zip import zip_plot, zip_plot_table
from jmimpute.plots.tipping import tipping, tipping_table
from jmimpute.plots.tornado import tornado, tornado_table
from jmimpute.plots.trace import trace, trace_table
from jmimpute.plots.width import width_by_m, width_by_m_table

__all__ = [
    "assumptions",
    "assumptions_table",
    "bars",
    "bars_table",
    "box",
    "box_table",
    "check",
    "check_table",
    "clusters",
    "clusters_table",
    "comparison",
    "comparison_table",
    "correlation",
    "correlation_table",
    "density",
    "density_table",
    "diagram",
    "diagram_table",
    "estimates",
    "estimates_table",
    "flux",
    "flux_table",
    "forest",
    "forest_table",
    "implied_means",
    "implied_means_table",
    "imputed_trace",
    "imputed_trace_table",
    "lollipop",
    "lollipop_table",
    "nested_loop",
    "nested_loop_table",
    "overimpute",
    "overimpute_table",
    "pattern",
    "pattern_table",
    "predictors",
    "predictors_table",
    "propensity",
    "propensity_table",
    "rank",
    "rank_table",
    "rho",
    "rho_table",
    "scatter",
    "scatter_table",
    "select",
    "select_table",
    "sensitivity_grid",
    "sensitivity_grid_table",
    "strip",
    "strip_table",
    "tipping",
    "tipping_table",
    "tornado",
    "tornado_table",
    "trace",
    "trace_table",
    "width_by_m",
    "width_by_m_table",
    "zip_plot",
    "zip_plot_table",
]
