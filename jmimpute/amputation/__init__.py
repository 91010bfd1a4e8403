"""Making holes on purpose in a table of units in clusters."""

from jmimpute.amputation.amputation import Amputation, ampute

__all__ = ["Amputation", "ampute"]
