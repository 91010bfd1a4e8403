"""Every variable, dimension and label of a posterior, once: no string of these is typed twice."""

INTERCEPT = "Intercept"

# Posterior variables
BETA = "beta"
OMEGA_E = "Omega_e"
OMEGA_U = "Omega_u"
U = "u"
SD_E, CORR_E = "sd_e", "corr_e"
SD_U, CORR_U = "sd_u", "corr_u"
ICC = "icc"
CUTPOINTS = "cutpoints"
CATEGORY = "category"
BETA_LEVEL2 = "beta_level2"
# Of covariance matrices that differ between clusters: inverse-Wishart(a, A), or log standard deviations.
HYPER_DF, HYPER_SCALE = "a", "A"
LOG_SD_MEAN, LOG_SD_SPREAD = "log_sd_mean", "log_sd_spread"

# Dimensions. xarray refuses one dimension twice in a variable, hence the trailing underscore.
CHAIN, DRAW = "chain", "draw"
RESPONSE, RESPONSE_ = "response", "response_"
COVARIATE = "covariate"
RESPONSE_LEVEL2, COVARIATE_LEVEL2 = "response_level2", "covariate_level2"
CONTINUOUS_RESPONSE = "continuous_response"
EFFECT, EFFECT_ = "effect", "effect_"
RANDOM_EFFECT = "random_effect"  # where level-2 responses are among the effects
CLUSTER = "cluster"
ROW = "row"
IMPUTATION = "imputation"
CUTPOINT = "cutpoint"

# Columns of a long stack of imputations
LONG_IMPUTATION, LONG_ROW = ".imp", ".id"


def effect_label(response: str, covariate: str) -> str:
    """Label of a random effect, e.g. ``english|Intercept``."""
    return f"{response}|{covariate}"


def cutpoints_label(response: str) -> str:
    """Variable that holds the free cut points of an ordinal response."""
    return f"{CUTPOINTS}_{response}"


def cutpoint_dimension(response: str) -> str:
    """Dimension of the free cut points of an ordinal response."""
    return f"{CUTPOINT}_{response}"


def rho_label(response: str) -> str:
    """Variable that holds the correlation of the residual of a response with that of its being observed."""
    return f"rho_{response}"


def rho_clusters_label(response: str) -> str:
    """Variable that holds that correlation in each cluster."""
    return f"{rho_label(response)}_by_cluster"


def rho_spread_label(response: str) -> str:
    """Variable that holds the standard deviation of its artanh over clusters."""
    return f"{rho_label(response)}_spread"


def crossed_label(indicator: str, column: str) -> str:
    """Variable that holds the intercepts of an indicator by a crossed factor."""
    return f"u_{indicator}_{column}"


def crossed_sd_label(indicator: str, column: str) -> str:
    """Variable that holds their standard deviation."""
    return f"sd_{indicator}_{column}"


def category_label(response: str) -> str:
    """Variable that holds drawn categories of a response, whose own name might be that of a parameter."""
    return f"{CATEGORY}_{response}"
