"""What is missing in a table, where, and at which level, and what that has to do with the other variables."""

from jmimpute.inspection.dependence import Dependence
from jmimpute.inspection.inspection import Inspection, inspect
from jmimpute.inspection.patterns import COMPLETE, SPORADIC, SYSTEMATIC
from jmimpute.inspection.variables import kind_of

__all__ = ["COMPLETE", "SPORADIC", "SYSTEMATIC", "Dependence", "Inspection", "inspect", "kind_of"]
