"""Compile the samplers once, side by side: processes that run tests then find them on disk instead of each compiling them.

Numbers do not matter here: a few draws of small models that between them call every kernel.
"""

import warnings

from joblib import Parallel, delayed

import jmimpute as jm

STRUCTURED = ("reading + band + maths ~ sex + (1 | school)", {"covariance": "random", "level2": "board ~ 1"})
LATENT = ("reading + band + maths ~ sex + (1 + sex | school)", {})
CONTINUOUS = ("reading + maths ~ sex + age + (1 | school)", {})


def compile_one(formula: str, options: dict) -> None:
    """Fit and impute."""
    warnings.simplefilter("ignore")  # a few draws do not converge
    pupils = jm.datasets.load("pupils")
    level = pupils["motivation"].rank(pct=True).mul(3).clip(upper=2.999) // 1
    pupils["band"] = level.astype("category")
    pupils["board"] = pupils["school"].astype("category").cat.codes % 2 == 0
    model = jm.JointModel(formula, pupils, families={"band": "nominal"} if "band" in formula else None, **options)
    model.fit(draws=20, tune=20, chains=2, cores=1, random_seed=1, progressbar=False).impute(2, progressbar=False)


if __name__ == "__main__":
    Parallel(n_jobs=2)(delayed(compile_one)(*job) for job in (STRUCTURED, LATENT, CONTINUOUS))
