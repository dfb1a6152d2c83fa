"""Load the settings of a cluster: defaults < file < environment < flags.

`load` is the way in. The tree of settings with its defaults, units and bounds is
`hubbub.settings`; everything here is driven by that table.
"""

from .load import Given, Loaded, load
from .problem import ConfigError, UsageProblem

__all__ = ["ConfigError", "Given", "Loaded", "UsageProblem", "load"]
