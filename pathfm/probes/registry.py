"""The probes that the config can name."""

from typing import Any

from pathfm.probes.eva import Eva
from pathfm.probes.few_shot import FewShot
from pathfm.probes.knn import Knn
from pathfm.probes.logistic import Logistic
from pathfm.probes.mil import Mil
from pathfm.probes.protocol import Probe
from pathfm.probes.ridge import Ridge

PROBES: dict[str, Probe[Any]] = {probe.name: probe for probe in (Logistic(), Ridge(), Knn(), FewShot(), Eva(), Mil())}
