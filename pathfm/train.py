"""python -m pathfm.train --config FILE --workdir DIR: the training loop, one for all objectives.

config → processes → mesh → data (leak check) → objective → optimizer and shardings → compile → restore or initialise →
loop (evaluate, save, next batch, update, log the step before) → weights.
"""

if __name__ == "__main__":  # help and mistakes in the config answer before jax is imported
    import sys

    from pathfm.configuration import start

    sys.exit(start("pathfm.train", sys.argv[1:]))

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.cohort.panel import choice_name
from pathfm.configuration import to_json
from pathfm.errors import InputError, StoppedEarly
from pathfm.files import replacing
from pathfm.input.augment import augmented, patient_keys
from pathfm.input.bags import Bags, batches, validation_batches
from pathfm.input.paired import TrainingData, open_training_data
from pathfm.input.schedule import Schedule, steps_of
from pathfm.models import zoo
from pathfm.models.images import normalised
from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Objective
from pathfm.progress import say
from pathfm.training.bad_records import BadRecords
from pathfm.training.checkpoints import Checkpoints
from pathfm.training.config import TrainConfig
from pathfm.training.health import Divergence, warnings_of
from pathfm.training.interruption import Interruption
from pathfm.training.mesh import batch_sharding, local_slots, make_mesh, on_devices, state_shardings
from pathfm.training.metrics import Clock, MetricWriter, show, validation_losses
from pathfm.training.microbatch import part_size
from pathfm.training.optimizer import make_optimizer
from pathfm.training.processes import in_company
from pathfm.training.step import Ahead, State, compiler_options, initial_state, make_evaluate_step, make_train_step
from pathfm.weights.folder import Weights, open_weights, save_weights


@in_company
def run(config: TrainConfig, workdir: Path) -> None:
    """Trains as the config says and leaves config.json, metrics.jsonl, checkpoints/ and weights/ in `workdir`.

    A run that was stopped goes on where its newest checkpoint stands and ends with the same parameters, bit for bit. One that diverges
    leaves its best weights and ends with an InputError.
    """
    keep_config(config, workdir)
    divergence = Divergence(workdir)
    divergence.refuse_to_go_on()
    mesh = make_mesh(config.mesh)
    slots = local_slots(mesh, config.batch)
    base = open_weights(config.init) if config.init else None
    with_expression = config.objective.name != "views"
    panel = config.panel if with_expression else None
    data = open_training_data(config.cohort, config.fold, panel, config.pairing, config.seed, config.residual)
    refuse_leaks(base, data, config)
    tower = image_tower(config, base, data.train.tile)

    schedule = Schedule(len(data.train.patients), config.batch, config.seed)
    steps = steps_of(config.train_for, schedule.steps_per_epoch, config.batch)
    warmup, evaluate_every, log_every = (
        steps_of(duration, schedule.steps_per_epoch, config.batch, steps)
        for duration in (config.optimizer.warmup, config.evaluate_every, config.log_every)
    )

    genes = len(data.panel.genes) if data.panel else 0
    lora = config.lora if config.lora.rank else None
    encoder = ImageTower(tower.spec, config.pooling, compute_type(config), config.remat, data.train.tile, lora)
    objective = make_objective(config.objective, encoder, genes)
    prepare = preparation(objective, config, tower)
    shapes = jax.eval_shape(objective.init, jax.random.key(config.seed))
    rules = replace(config.optimizer, freeze=(*config.optimizer.freeze, "image/.*")) if lora else config.optimizer
    optimizer = make_optimizer(rules, shapes, steps, warmup)
    state_shapes = jax.eval_shape(lambda params: initial_state(params, optimizer), shapes)
    shardings, batched = state_shardings(mesh, state_shapes), batch_sharding(mesh)
    platform = mesh.devices.flat[0].platform
    tokens = config.tiles * tower.spec.tokens(data.train.tile)
    part = part_size(config.microbatch, config.batch, tokens, objective.additive, platform, mesh.devices.size)
    train_step = jax.jit(
        make_train_step(objective, prepare, optimizer, config.seed, part),
        donate_argnums=0,
        in_shardings=(shardings, batched),
        out_shardings=(shardings, None),
        compiler_options=compiler_options(platform, config.remat),
    )
    evaluate_step = jax.jit(make_evaluate_step(objective, prepare, config.seed, part), in_shardings=(shardings.params, batched))

    checkpoints = Checkpoints(workdir / "checkpoints", validation_losses(workdir / "metrics.jsonl"))
    step = checkpoints.latest() or 0
    if step:
        say(f"going on from step {step} of {workdir}")
        state = checkpoints.restore(step, state_shapes, shardings)
    else:
        state = started(objective, optimizer, base, config.seed, shardings)
    say(
        f"{config.objective.name}: {len(data.train.patients)} training patients, {steps} steps of {config.batch} patients with "
        f"{config.tiles} tile(s) each, on {mesh.devices.size} {jax.devices()[0].platform} device(s)"
    )

    stream = batches(
        Bags(data.train, schedule, config.tiles, steps, slots, data.expression), len(slots), step, config.threads, config.workers
    )
    clock = Clock(config.batch, objective.flops(config.batch, config.tiles))
    bad, bad_validation = BadRecords(data.train, config.max_bad), BadRecords(data.validation, config.max_bad)
    ahead, unlogged = Ahead(), None
    with checkpoints, Interruption() as interruption, MetricWriter(workdir, step, active=jax.process_index() == 0) as writer:
        while True:
            stop, due, validation = interruption.requested(), step == steps or step % evaluate_every == 0, {}
            if unlogged is not None and (stop or due):
                log(*unlogged, writer, steps, divergence)
                unlogged = None
            if stop or due or step % log_every == 0:
                bad.settle()
            if due and not stop and not divergence:
                validation = evaluated(evaluate_step, state.params, data, config, slots, batched, bad_validation, interruption)
                stop = not validation
            if validation:
                writer.write(step, validation)
                show(step, steps, validation)
                divergence.of_losses(step, validation)
            if (stop or due) and not divergence.of_state(step, state):
                checkpoints.save(step, state, validation.get("validation_loss"))
            if divergence or (step == steps and not stop):
                break
            if stop:
                checkpoints.finish()
                raise StoppedEarly(f"stopped at step {step} of {steps} on request; run the same command again to go on")
            batch = clock.waiting(stream)
            bad.note(batch.pop("bad"))
            state, metrics = train_step(state, on_devices(batched, batch))
            ahead.wait(metrics)
            step += 1
            if unlogged is not None:
                log(*unlogged, writer, steps, divergence)
            unlogged = (step, metrics, clock.lap()) if step % log_every == 0 or step == steps else None
        checkpoints.finish()
        best = checkpoints.best() if config.select == "best" or divergence else None
        if divergence and best is None:
            raise divergence.error(checkpoints.latest(), None)
        chosen = steps if best is None else best
        params = state.params if chosen == steps else checkpoints.restore(chosen, state_shapes, shardings).params
        last_good = checkpoints.latest()

    if divergence:
        keep_weights(workdir, plain(params, encoder), chosen, config, data, tower, base)
        raise divergence.error(last_good, chosen)
    if chosen == 0:
        say("warning: no step has less loss on validation patients than the start; the weights are those of step 0")
    for warning in warnings_of(workdir / "metrics.jsonl", config):
        say(f"warning: {warning}")
    keep_weights(workdir, plain(params, encoder), chosen, config, data, tower, base)
    say(f"done: {workdir / 'weights'} holds the weights of step {chosen} of {steps}")


@dataclass(frozen=True)
class Tower:
    """The image tower that is trained: its architecture and the normalisation of its input."""

    spec: ViTSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]


def keep_config(config: TrainConfig, workdir: Path) -> None:
    """Leaves the config in the run folder; a folder that holds another run's is refused."""
    path, text = workdir / "config.json", to_json(config)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{workdir} holds a run with another config (see {path}); use another --workdir, or the same settings to go on")
    if jax.process_index() == 0 and not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def image_tower(config: TrainConfig, base: Weights | None, tile: int) -> Tower:
    """The tower of the weights to start from, or from scratch the one that `model` names in the zoo, made for the cohort's tiles."""
    if base is not None:
        normalisation = base.card["normalisation"]
        return Tower(base.spec, tuple(normalisation["mean"]), tuple(normalisation["std"]))
    if not config.model:
        raise InputError("give --config.init=DIR (a run or imported weights), or --config.model=NAME to train from scratch")
    known = zoo.known(config.model)
    return Tower(replace(known.spec, image_size=tile), known.mean, known.std)


def compute_type(config: TrainConfig) -> jnp.dtype:
    on_cpu = jax.devices()[0].platform == "cpu"
    return jnp.dtype(config.dtype if config.dtype != "auto" else "float32" if on_cpu else "bfloat16")


def refuse_leaks(base: Weights | None, data: TrainingData, config: TrainConfig) -> None:
    """Weights that have seen a patient of this fold's validation or test part could never be judged on it."""
    seen = base.patients & data.held_out if base else frozenset()
    if seen:
        raise InputError(
            f"the weights {config.init} were trained on {len(seen)} patient(s) who validate or test in fold {config.fold}; "
            "start from weights of the same fold of the same split"
        )


def preparation(objective: Objective, config: TrainConfig, tower: Tower):
    """uint8 tiles → images [views, batch, tiles, height, width, 3]; augmented in training, and always where views are compared."""

    def prepare(batch: dict[str, jax.Array], key: jax.Array, train: bool) -> dict[str, jax.Array]:
        def view(number: int) -> jax.Array:
            if not train and objective.views == 1:
                return normalised(batch["tiles"], tower.mean, tower.std)
            keys = patient_keys(jax.random.fold_in(key, number), batch["patient"])
            return augmented(batch["tiles"], keys, config.augment, tower.mean, tower.std)

        return {**batch, "images": jnp.stack([view(number) for number in range(objective.views)])}

    return prepare


def started(objective: Objective, optimizer, base: Weights | None, seed: int, shardings: State) -> State:
    """The state of step 0: fresh heads, and the image tower of the base where there is one."""
    fresh = jax.jit(lambda key: initial_state(objective.init(key), optimizer), out_shardings=shardings)(jax.random.key(seed))
    if base is None:
        return fresh
    image = jax.device_put(base.params["image"], shardings.params["image"])
    return fresh._replace(params={**fresh.params, "image": image})


def plain(params: Any, encoder: ImageTower) -> Any:
    """The parameters as a run leaves them: low-rank factors are merged into the image tower."""
    if encoder.lora is None:
        return params
    return {name: leaves for name, leaves in params.items() if name != "lora"} | {"image": jax.jit(encoder.image)(params)}


def evaluated(
    evaluate_step,
    params: Any,
    data: TrainingData,
    config: TrainConfig,
    slots: range,
    sharding,
    bad: BadRecords,
    interruption: Interruption,
) -> dict[str, float]:
    """Loss and metrics on the validation patients, weighted by the patients of each batch; nothing when a stop is requested between."""
    sums, patients = defaultdict(float), 0
    for batch in validation_batches(data.validation, slots, config.batch, config.tiles, config.seed, data.validation_expression):
        if interruption.requested():
            return {}
        bad.note(batch.pop("bad"))
        metrics, count = evaluate_step(params, on_devices(sharding, batch))
        patients += int(count)
        for name, value in metrics.items():
            sums[f"validation_{name}"] += float(value) * int(count)
    bad.settle()
    return {name: value / patients for name, value in sums.items()}


def log(
    step: int, metrics: dict[str, jax.Array], speed: dict[str, float], writer: MetricWriter, steps: int, divergence: Divergence
) -> None:
    values = {name: float(value) for name, value in metrics.items()} | speed
    divergence.of_losses(step, values)
    writer.write(step, values)
    show(step, steps, {name: values[name] for name in ("loss", "examples_per_second", "data_wait_share")})


def keep_weights(
    workdir: Path, params: Any, step: int, config: TrainConfig, data: TrainingData, tower: Tower, base: Weights | None
) -> None:
    """Leaves the chosen parameters with their card, panel and training patients in `workdir/weights`."""
    card = {
        "name": workdir.name,
        "objective": config.objective.name,
        "architecture": tower.spec.to_dict(),
        "normalisation": {"mean": list(tower.mean), "std": list(tower.std)},
        "tile": data.train.tile,
        "mpp": data.mpp,
        "base": {"name": base.card["name"], "weight_hash": base.card["weight_hash"]} if base else None,
        "split_hash": data.split_hash,
        "fold": config.fold,
        "pairing": config.pairing if data.panel else None,
        "panel_hash": data.panel.hash if data.panel else None,
        "genes": len(data.panel.genes) if data.panel else None,
        "panel_choice": choice_name(config.panel) if data.panel else None,
        "data_hash": data.data_hash,
        "recipe_hash": config.recipe_hash,
        "step": step,
    }
    seen = frozenset(data.train.patients) | (base.patients if base else frozenset())
    save_weights(workdir / "weights", params, card, data.panel, seen, base.origin if base else None)
