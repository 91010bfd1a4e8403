import warnings; warnings.simplefilter("error", UserWarning)
import numpy as np, pymc as pm, jmimpute as jm
from tests.problems import model
from jmimpute.graph.generative import generative
for pri in (None,{"Omega_e":jm.priors.inverse_wishart(6.0, 2.0)}):
    m=model("slopes",6,priors=pri)
    a=m.prior_predictive(50,random_seed=3)["prior"]
    with generative(m.specification, observe=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        b=pm.sample_prior_predictive(50,random_seed=3)["prior"]
    print([float(np.abs(a[k]-b[k]).max()) for k in ("beta","Omega_e","Omega_u","u")])
