"""Loss and metrics on the validation patients of a run."""

from collections import defaultdict
from typing import Any

from pathfm.input.bags import Bags, batches
from pathfm.input.schedule import Once
from pathfm.input.training_data import Part
from pathfm.objectives.bank import Bank
from pathfm.settings.training import TrainConfig
from pathfm.training.bad_records import BadRecords
from pathfm.training.interruption import Interruption
from pathfm.training.mesh import on_devices
from pathfm.training.program import Program
from pathfm.training.state import State


class Validation:
    """The validation patients, each once and with the same tiles every time; files stay open from one time to the next."""

    def __init__(self, part: Part, config: TrainConfig, slots: range):
        order = Once(len(part.index.patients), config.batch, config.seed)
        self._config, self._local = config, len(slots)
        self._bags = Bags(part.index, part.vectors, part.codes, order, config.tiles, order.steps, slots)
        self._bad = BadRecords(part.index, config.max_bad)

    def __call__(self, program: Program, state: State, bank: Bank | None, sharding: Any, interruption: Interruption) -> dict[str, float]:
        """Metrics by name, each weighted by the patients of its batch; nothing when a stop is requested between two batches.

        InputError where too many records do not decode.
        """
        sums, patients = defaultdict(float), 0
        for batch in batches(self._bags, self._local, 0, self._config.threads, workers=0):
            if interruption.requested():
                return {}
            self._bad.note(batch.pop("bad"))
            metrics, count = program.evaluate_step(state, on_devices(sharding, batch), bank)
            patients += int(count)
            for name, value in metrics.items():
                sums[f"validation_{name}"] += float(value) * int(count)
        self._bad.settle()
        return {name: value / patients for name, value in sums.items()}
