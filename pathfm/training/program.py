"""A run's program: objective, state and the two steps, compiled for a mesh before anything is trained."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.errors import InputError
from pathfm.input.augment import augmented, patient_keys
from pathfm.input.training_data import TrainingData
from pathfm.models.images import normalised
from pathfm.models.precision import compute_type
from pathfm.models.vit import Remat, ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import BASE_IMAGE, ImageTower
from pathfm.objectives.objective import Batch, Objective, Prepare, Widths
from pathfm.progress import say
from pathfm.settings.training import AugmentConfig, TrainConfig
from pathfm.training.checkpoints import Checkpoints
from pathfm.training.durations import Durations
from pathfm.training.mesh import batch_sharding, replicated, state_shardings
from pathfm.training.microbatch import part_size
from pathfm.training.optimizer import make_optimizer, trained
from pathfm.training.state import State, copied, initial_state
from pathfm.training.step import EvaluateStep, TrainStep, compiler_options, make_evaluate_step, make_train_step
from pathfm.weights.folder import Weights
from pathfm.zoo.known import known


@dataclass(frozen=True)
class Tower:
    """The image tower that is trained: its architecture and the normalisation of its input."""

    spec: ViTSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Facts:
    """What a program must know of the data: the edge of a tile in pixels, the width of each modality's vectors, the training patients and
    their hospitals.
    """

    tile: int
    widths: Mapping[str, int]
    patients: int
    sites: int = 0
    starts: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)  # of the parameters of terms, by the names of the terms

    @classmethod
    def of(cls, data: TrainingData) -> "Facts":
        train = data.train.index
        return cls(train.tile, data.widths, len(train.patients), data.sites, data.starts)


@dataclass(frozen=True, eq=False)
class Program:
    """`train_step` and `evaluate_step` are jitted for the shardings given; `compiled` makes them executables."""

    objective: Objective
    tower: Tower
    mesh: jax.sharding.Mesh
    state_shapes: State
    shardings: State
    batch_shapes: Batch
    bank_shapes: Bank | None
    train_step: TrainStep
    evaluate_step: EvaluateStep
    initial: Any  # (seed) → State

    def start(self, seed: int, base: Weights | None) -> State:
        """The state of step 0: fresh heads, and the image tower of the base where there is one, twice where a term needs it as it is."""
        fresh = self.initial(jax.random.key(seed))
        if base is None:
            return fresh
        image = base.params["image"]
        params, fixed = (
            part | {name: _put(part[name], image, shardings[name]) for name in ("image", BASE_IMAGE) if name in part}
            for part, shardings in ((fresh.params, self.shardings.params), (fresh.fixed, self.shardings.fixed))
        )
        average = jax.jit(copied, out_shardings=self.shardings.params)(params) if fresh.average else ()
        return fresh._replace(params=params, fixed=fixed, average=average)

    def restored(self, checkpoints: Checkpoints, step: int, fixed: Any) -> State:
        """The state of a checkpoint on this program's devices, with the fixed parameters given."""
        return checkpoints.restore(step, self.state_shapes, self.shardings, fixed)

    def compiled(self) -> "Program":
        """The program with both steps compiled; says what memory a step takes on each device."""
        begin = time.monotonic()
        train_step = self.train_step.lower(self.state_shapes, self.batch_shapes, self.bank_shapes).compile()
        evaluate_step = self.evaluate_step.lower(self.state_shapes, self.batch_shapes, self.bank_shapes).compile()
        if (memory := train_step.memory_analysis()) is not None:
            say(
                f"compiled in {time.monotonic() - begin:.0f} s; on each device a step takes {memory.temp_size_in_bytes / 1e9:.2f} GB "
                f"beside {memory.argument_size_in_bytes / 1e9:.2f} GB of state and batch"
            )
        return replace(self, train_step=train_step, evaluate_step=evaluate_step)

    def plain(self, state: State) -> Any:
        """The parameters as a run leaves them and as they are validated: with low-rank factors merged into the image tower, without the
        tower of the start.
        """
        params = state.every
        left = {name: leaves for name, leaves in params.items() if name not in ("lora", BASE_IMAGE)}
        return left if self.objective.tower.lora is None else left | {"image": jax.jit(self.objective.tower.image)(params)}


def make_program(config: TrainConfig, tower: Tower, facts: Facts, durations: Durations, mesh: jax.sharding.Mesh) -> Program:
    """The program of a config on a mesh; InputError where they do not fit each other."""
    platform = mesh.devices.flat[0].platform
    dtype = compute_type(config.dtype, platform)
    lora = config.lora if config.lora.rank else None
    image = ImageTower(tower.spec, config.pooling, dtype, cast(Remat, config.remat), facts.tile, lora)
    widths = Widths(tower.spec.features, facts.widths, dtype, config.batch, facts.patients, replicated(mesh), facts.sites)
    objective = make_objective(config.objective, image, widths, facts.starts)
    prepare = preparation(objective.views, config.augment, tower)

    shapes = jax.eval_shape(objective.init, jax.random.key(config.seed))
    chosen = trained(config.optimizer, shapes, tower=lora is None, inputs=objective.inputs)
    optimizer = make_optimizer(config.optimizer, shapes, chosen, durations.steps, durations.warmup)

    def initial(key: jax.Array) -> State:
        options = config.optimizer
        return initial_state(objective.init(key), chosen, optimizer, averaged=options.ema > 0, skipping=options.skip > 0)

    state_shapes = jax.eval_shape(initial, jax.random.key(config.seed))
    shardings, batched, everywhere = state_shardings(mesh, state_shapes), batch_sharding(mesh), replicated(mesh)
    tokens = config.tiles * tower.spec.tokens(facts.tile)
    part = part_size(config.microbatch, config.batch, tokens, objective.additive, platform, mesh.devices.size)
    options = compiler_options(platform, config.remat)
    return Program(
        objective=objective,
        tower=tower,
        mesh=mesh,
        state_shapes=state_shapes,
        shardings=shardings,
        batch_shapes=batch_shapes(config, facts),
        bank_shapes=bank_shapes(facts) if objective.needs_bank else None,
        train_step=jax.jit(
            make_train_step(objective, prepare, optimizer, config.optimizer, config.seed, part, durations.steps),
            donate_argnums=0,
            in_shardings=(shardings, batched, everywhere),
            out_shardings=(shardings, None),
            compiler_options=options,
        ),
        evaluate_step=jax.jit(make_evaluate_step(objective, prepare, config.seed, part), in_shardings=(shardings, batched, everywhere)),
        initial=jax.jit(initial, out_shardings=shardings),
    )


def image_tower(config: TrainConfig, base: Weights | None, tile: int) -> Tower:
    """The tower of the weights to start from, or from scratch the one that `model` names in the zoo, made for the cohort's tiles."""
    if base is not None:
        return Tower(base.spec, base.card.mean, base.card.std)
    if not config.model:
        raise InputError("give --config.init=DIR (a run or imported weights), or --config.model=NAME to train from scratch")
    model = known(config.model)
    return Tower(replace(model.spec, image_size=tile), model.mean, model.std)


def preparation(views: int, augment: AugmentConfig, tower: Tower) -> Prepare:
    """uint8 tiles → images [views, batch, tiles, height, width, 3]; augmented in training, and always where views are compared."""

    def prepare(batch: Batch, key: jax.Array, train: bool) -> Batch:
        def view(number: int) -> jax.Array:
            if not train and views == 1:
                return normalised(batch["tiles"], tower.mean, tower.std)
            keys = patient_keys(jax.random.fold_in(key, number), batch["patient"])
            return augmented(batch["tiles"], keys, augment, tower.mean, tower.std)

        return {**batch, "images": jnp.stack([view(number) for number in range(views)])}

    return prepare


def batch_shapes(config: TrainConfig, facts: Facts) -> Batch:
    """The batch that a step takes, as `pathfm.input.bags` makes it."""
    rows, tiles, edge = config.batch, config.tiles, facts.tile
    return {
        "tiles": jax.ShapeDtypeStruct((rows, tiles, edge, edge, 3), jnp.uint8),
        "tile_mask": jax.ShapeDtypeStruct((rows, tiles), bool),
        "patient": jax.ShapeDtypeStruct((rows,), jnp.int32),
        "site": jax.ShapeDtypeStruct((rows,), jnp.int32),
        "cancer": jax.ShapeDtypeStruct((rows,), jnp.int32),
        "vectors": {name: jax.ShapeDtypeStruct((rows, width), jnp.float32) for name, width in facts.widths.items()},
        "present": {name: jax.ShapeDtypeStruct((rows,), bool) for name in facts.widths},
    }


def bank_shapes(facts: Facts) -> Bank:
    """The bank of all training patients, its arrays as their shapes."""

    def bank() -> Bank:
        vectors = {name: jnp.zeros((facts.patients, width), jnp.float32) for name, width in facts.widths.items()}
        present = {name: jnp.zeros((facts.patients,), bool) for name in facts.widths}
        codes = jnp.zeros((facts.patients,), jnp.int32)
        return Bank(vectors, present, codes, codes, codes)

    return jax.eval_shape(bank)


def _put(part: Any, image: Any, shardings: Any) -> Any:
    """The leaves of `image` that `part` has, laid out on the devices."""
    if not isinstance(part, dict):
        return jax.device_put(image, shardings)
    return {name: _put(inner, image[name], shardings[name]) for name, inner in part.items()}
