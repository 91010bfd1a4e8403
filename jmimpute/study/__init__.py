"""Simulation studies: tables with known truth, many replications, and how methods perform on them."""

from jmimpute.study.generators import Simulated, munoz, resche_rigon
from jmimpute.study.performance import performance
from jmimpute.study.replications import Replications, replicate

__all__ = ["Replications", "Simulated", "munoz", "performance", "replicate", "resche_rigon"]
