"""The loss that a finished run has on its validation patients with other parameters than its own."""

import math
from collections.abc import Callable

import jax

from pathfm.input.schedule import Schedule
from pathfm.input.training_data import TrainingData
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import BASE_IMAGE
from pathfm.settings.training import LoraConfig, MeshConfig, OptimizerConfig, TrainConfig
from pathfm.training.durations import Durations
from pathfm.training.interruption import Interruption
from pathfm.training.mesh import batch_sharding, local_slots, make_mesh
from pathfm.training.program import Facts, Tower, make_program
from pathfm.training.validation import Validation
from pathfm.weights.folder import Weights


class Undisturbed(Interruption):
    """Outside of a training loop nothing is asked for between two batches."""

    def requested(self) -> bool:
        return False


def loss_on_validation(
    config: TrainConfig, base: Weights, weights: Weights, data: TrainingData, bank_of: Callable[[jax.sharding.Mesh], Bank]
) -> Callable[[Weights], float]:
    """From weights with the tower and heads of the run's to the loss as the run itself computes it: its batches, tiles and random numbers.

    `bank_of` makes the bank of its training patients for a mesh, where its objective needs one; an anchor holds to `base`.
    """
    mesh = make_mesh(MeshConfig(), jax.devices()[: math.gcd(config.batch, config.microbatch, jax.device_count())])
    still = config.replace(lora=LoraConfig(), optimizer=OptimizerConfig(freeze=("image/.*",)))  # no moments of a tower that is only run
    durations = Durations.of(still, Schedule(len(data.train.index.patients), config.batch, config.seed))
    program = make_program(still, Tower(weights.spec, weights.card.mean, weights.card.std), Facts.of(data), durations, mesh)
    bank = bank_of(mesh) if program.objective.needs_bank else None
    validate = Validation(data.validation, config, local_slots(mesh, config.batch))
    start, batched = program.start(config.seed, base), batch_sharding(mesh)

    def loss(weights: Weights) -> float:
        parts = [
            {name: part[name] if name == BASE_IMAGE else weights.params[name] for name in part} for part in (start.params, start.fixed)
        ]
        params, fixed = jax.device_put(parts, [program.shardings.params, program.shardings.fixed])
        return validate(program, start._replace(params=params, fixed=fixed), bank, batched, Undisturbed())["validation_loss"]

    return loss
