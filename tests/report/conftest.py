"""Coarse pictures, which are drawn in half the time."""

import pytest

from jmimpute.report import blocks


@pytest.fixture(scope="package", autouse=True)
def coarse_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "DPI", 40)
        yield
