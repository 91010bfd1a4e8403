"""Make the pictures of the README from the data shipped with the package: `.venv/bin/python docs/make_images.py`."""

from pathlib import Path

import jmimpute as jm

FORMULA = "reading + maths + motivation ~ sex + age + (1 | school)"


def main() -> None:
    """Write docs/images/imputed.png."""
    imputations = jm.impute(jm.datasets.load("pupils"), FORMULA, m=20, random_seed=1)
    jm.plots.density(imputations).savefig(Path(__file__).parent / "images" / "imputed.png", dpi=110)


if __name__ == "__main__":
    main()
