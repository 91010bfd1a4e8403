"""Take the posteriors of `tests/reference/latent_truncation.json` out of the full reference results of R.

Run from anywhere: ``python tests/reference/make/latent_truncation.py``. The full results (``../shared/reference``) show what
jomo's box for latent normals does to complete data that were simulated with a known covariance.
"""

import json

from jsp_posteriors import NAMES, SOURCE, TARGET, numbers


def main() -> None:
    """Write the file."""
    full = json.loads((SOURCE / "jomo_latent_truncation_demo.json").read_text())
    origin = {key: full[key] for key in ("simulation", "package", "r_call", "finding")}
    origin["definitions"] = (
        "mcse, ess: time-series standard error and effective sample size of coda. mcse_sd: sd / sqrt(2 ess)."
    )
    origin["made_by"] = "tests/reference/make/latent_truncation.py"
    builds = ("as_shipped", "corrected")
    result = {"origin": origin} | {build: posterior(full[build]) for build in builds}
    result["variance_of_y"] = full["sample_variance_of_y"]
    result["shares"] = {"observed": full["corrected"]["observed_category_proportions"]}
    result["shares"] |= {build: full[build]["implied_category_probabilities"] for build in builds}
    (TARGET / "latent_truncation.json").write_text(json.dumps(result, indent=1) + "\n")


def posterior(build: dict) -> dict:
    """Numbers of one build of jomo under our names: ``omega_e[f.1,y]`` is our ``Omega_e[f.1, y]``."""
    return {label(row["parameter"]): numbers(row) for row in build["posterior"]}


def label(parameter: str) -> str:
    """Rename a parameter."""
    name, inner = parameter.rstrip("]").split("[")
    return f"{NAMES[name]}[{inner.replace('X1', 'Intercept').replace(',', ', ')}]"


if __name__ == "__main__":
    main()
