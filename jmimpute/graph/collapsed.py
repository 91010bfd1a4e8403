"""The collapsed PyMC model: the parameters of the generative one, with random effects and missing cells integrated out."""

import pymc as pm

from jmimpute.errors import SamplingError, some
from jmimpute.graph.op import collapsed_loglikelihood
from jmimpute.graph.parameters import add_parameters, coords
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics


def collapsed(specification: Specification, stats: Statistics) -> pm.Model:
    """Write the model that gradient-based samplers can use for tables of any length.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.

    Returns
    -------
    pymc.Model
        Variables are those of the generative model, without `u` and `y`; the likelihood is the potential ``likelihood``.

    Raises
    ------
    SamplingError
        If a response is categorical.
    """
    if specification.is_structured:
        raise SamplingError(
            "There is no collapsed graph with covariances of clusters, level-2 responses or uncorrelated random effects "
            "('||'): its likelihood is for one Omega_e and a full Omega_u. Use JointModel.pymc, which is the "
            "definition of every model."
        )
    latent = [variable.name for variable in specification.layout.variables if variable.is_latent]
    if latent:
        raise SamplingError(
            f"There is no collapsed likelihood with categorical responses, here {some(map(repr, latent))}: their latent "
            "normals cannot be integrated out in closed form. Use JointModel.pymc, which has them as parameters."
        )
    with pm.Model(coords=coords(specification)) as model:
        parameters = add_parameters(specification)
        pm.Potential("likelihood", collapsed_loglikelihood(*parameters, specification.layout, stats))
    return model
