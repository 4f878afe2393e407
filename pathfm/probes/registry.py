"""The probes that the config can name."""

from typing import Any

from pathfm.probes.logistic import Logistic
from pathfm.probes.protocol import Probe
from pathfm.probes.ridge import Ridge

PROBES: dict[str, Probe[Any]] = {probe.name: probe for probe in (Logistic(), Ridge())}
