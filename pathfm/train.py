"""python -m pathfm.train --config FILE --workdir DIR: the training loop, one for all objectives.

config → processes → mesh → genes that the base shows → data (leak check) → objective → optimizer and shardings → compile →
restore or initialise → loop (evaluate, save, next batch, update, log the step before) → weights.
"""

if __name__ == "__main__":  # help and mistakes in the config answer before jax is imported
    import sys

    from pathfm.settings.command_line import start

    sys.exit(start("pathfm.train", sys.argv[1:]))

from functools import partial
from pathlib import Path

import jax
import numpy as np

from pathfm.errors import InputError, StoppedEarly
from pathfm.features.predictable import learn_panel
from pathfm.folders.run import RunFolder
from pathfm.input.bags import Bags, batches
from pathfm.input.repeats import refuse_repeats
from pathfm.input.schedule import Schedule
from pathfm.input.starts import hashes
from pathfm.input.training_data import Part, TrainingData, open_training_data
from pathfm.modalities.panel import Panel, asked_of_features, choice_name
from pathfm.objectives.bank import Bank
from pathfm.progress import say
from pathfm.settings.terms import modalities_of, on_card
from pathfm.settings.training import TrainConfig
from pathfm.training.bad_records import BadRecords
from pathfm.training.checkpoints import Checkpoints
from pathfm.training.durations import Durations
from pathfm.training.health import Divergence, warnings_of
from pathfm.training.interruption import Interruption
from pathfm.training.mesh import batch_sharding, local_slots, make_mesh, on_devices, replicated
from pathfm.training.metrics import Clock, MetricWriter, show, validation_losses
from pathfm.training.processes import in_company, made_once
from pathfm.training.program import Facts, Program, image_tower, make_program
from pathfm.training.skipping import IN_ALL
from pathfm.training.state import State
from pathfm.training.step import Ahead
from pathfm.training.validation import Validation
from pathfm.weights.card import Base, Card, SeenModality
from pathfm.weights.folder import Weights, open_weights, panel_file, save_weights


@in_company
def run(config: TrainConfig, workdir: Path) -> None:
    """Trains as the config says and leaves config.json, run.json, metrics.jsonl, checkpoints/ and weights/ in `workdir`.

    A run that was stopped goes on where its newest checkpoint stands and ends with the same parameters, bit for bit. One that diverges
    leaves its best weights and ends with an InputError.
    """
    folder, first = RunFolder(workdir), jax.process_index() == 0
    folder.keep_config(config, write=first)
    divergence = Divergence(folder, config.optimizer.skip)
    divergence.refuse_to_go_on()
    mesh = make_mesh(config.mesh)
    slots = local_slots(mesh, config.batch)
    base = open_weights(config.init) if config.init else None
    learned = learned_panels(folder, base, config)
    data = open_training_data(config.cohort, config.fold, config.recipe, modalities_of(config.objective), learned)
    refuse_leaks(base, data, config)
    folder.keep_facts(facts_of(base, data), write=first)

    train = data.train.index
    schedule = Schedule(len(train.patients), config.batch, config.seed)
    refuse_repeats(config.objective, schedule)
    durations = Durations.of(config, schedule)
    program = make_program(config, image_tower(config, base, train.tile), Facts.of(data), durations, mesh).compiled()
    bank = make_bank(data.train, mesh) if program.objective.needs_bank else None
    batched, steps = batch_sharding(mesh), durations.steps

    checkpoints = Checkpoints(folder.checkpoints, validation_losses(folder.metrics()))
    step = checkpoints.latest() or 0
    state = program.start(config.seed, base)
    if step:
        say(f"going on from step {step} of {workdir}")
        state = program.restored(checkpoints, step, state.fixed)
    say(
        f"{config.objective.name}: {len(train.patients)} training patients, {steps} steps of {config.batch} patients with "
        f"{config.tiles} tile(s) each, on {mesh.devices.size} {jax.devices()[0].platform} device(s)"
    )

    bags = Bags(train, data.train.vectors, data.train.codes, schedule, config.tiles, steps, slots)
    stream = batches(bags, len(slots), step, config.threads, config.workers)
    validate = Validation(data.validation, config, slots)
    clock = Clock(config.batch, program.objective.flops(config.batch, config.tiles))
    bad, ahead, unlogged = BadRecords(train, config.max_bad), Ahead(), None
    with checkpoints, Interruption() as interruption, MetricWriter(folder, step, active=first) as writer:
        while True:
            stop, due, validation = interruption.requested(), step == steps or step % durations.evaluate_every == 0, {}
            if unlogged is not None and (stop or due):
                log(*unlogged, writer, steps, divergence)
                unlogged = None
            if stop or due or step % durations.log_every == 0:
                bad.settle()
            if due and not stop and not divergence:
                validation = validate(program, state, bank, batched, interruption)
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
            state, metrics = program.train_step(state, on_devices(batched, batch), bank)
            ahead.wait(metrics)
            step += 1
            if unlogged is not None:
                log(*unlogged, writer, steps, divergence)
            unlogged = (step, metrics, clock.lap()) if step % durations.log_every == 0 or step == steps else None
        checkpoints.finish()
        best = checkpoints.best() if config.select == "best" or divergence else None
        if divergence and best is None:
            raise divergence.error(checkpoints.latest(), None)
        chosen = steps if best is None else best
        state = state if chosen == steps else program.restored(checkpoints, chosen, state.fixed)
        last_good = checkpoints.latest()

    keep_weights(folder, program, state, chosen, config, data, base)
    if divergence:
        raise divergence.error(last_good, chosen)
    if chosen == 0:
        say("warning: no step has less loss on validation patients than the start; the weights are those of step 0")
    for warning in warnings_of(folder.metrics(), program.objective):
        say(f"warning: {warning}")
    say(f"done: {folder.weights} holds the weights of step {chosen} of {steps}")


def learned_panels(folder: RunFolder, base: Weights | None, config: TrainConfig) -> dict[str, Panel]:
    """The panels that features of the base choose, by modality; chosen once in a run, by its first process."""
    panels = {}
    for name in modalities_of(config.objective):
        if asked_of_features(config.modality(name).panel):
            path = folder.root / panel_file(name)
            made_once(path, partial(learn_panel, path, name, base, config))
            panels[name] = Panel.read(path)
    return panels


def refuse_leaks(base: Weights | None, data: TrainingData, config: TrainConfig) -> None:
    """Weights that have seen a patient of this fold's validation or test part could never be judged on it."""
    seen = base.patients & data.held_out if base else frozenset()
    if seen:
        raise InputError(
            f"the weights {config.init} were trained on {len(seen)} patient(s) who validate or test in fold {config.fold}; "
            "start from weights of the same fold of the same split"
        )


def facts_of(base: Weights | None, data: TrainingData) -> dict[str, object]:
    """What the run was begun on: with anything else it would not be the same run."""
    panels = {name: panel.hash for name, panel in data.panels.items()}
    panels |= {f"term/{name}": start for name, start in hashes(data.starts).items()}
    return {"cohort": data.data_hash, "split": data.split_hash, "panels": panels, "base": base.card.weight_hash if base else None}


def make_bank(part: Part, mesh: jax.sharding.Mesh) -> Bank:
    """The vectors of all training patients, on every device."""
    values, present = ({name: getattr(vectors, what) for name, vectors in part.vectors.items()} for what in ("values", "present"))
    patients = np.arange(len(part.index.patients), dtype=np.int32)
    return jax.device_put(Bank(values, present, patients, part.cancer, part.site), replicated(mesh))


def log(
    step: int, metrics: dict[str, jax.Array], speed: dict[str, float], writer: MetricWriter, steps: int, divergence: Divergence
) -> None:
    values = {name: float(value) for name, value in metrics.items()} | speed
    divergence.of_losses(step, values)
    writer.write(step, values)
    show(step, steps, {name: values[name] for name in ("loss", "examples_per_second", "data_wait_share", IN_ALL) if name in values})


def keep_weights(
    folder: RunFolder, program: Program, state: State, step: int, config: TrainConfig, data: TrainingData, base: Weights | None
) -> None:
    """Leaves the chosen parameters with their card, panels and training patients in the run's `weights`."""
    seen = {name: config.modality(name) for name in data.panels}
    card = Card(
        name=folder.root.name,
        objective=config.objective.name,
        settings=on_card(config.objective),
        architecture=program.tower.spec,
        mean=program.tower.mean,
        std=program.tower.std,
        tile=data.train.index.tile,
        mpp=data.mpp,
        pooling=config.pooling,
        modalities={
            name: SeenModality(
                choice=choice_name(seen[name].panel), features=len(panel.genes), panel_hash=panel.hash, residual=seen[name].residual
            )
            for name, panel in data.panels.items()
        },
        base=Base(name=base.card.name, weight_hash=base.card.weight_hash) if base else None,
        pretrained_on=base.card.pretrained_on if base else (),
        split_hash=data.split_hash,
        fold=config.fold,
        pairing=config.pairing if data.panels else None,
        data_hash=data.data_hash,
        recipe_hash=config.recipe.hash,
        seed=config.seed,
        step=step,
    )
    patients = frozenset(data.train.index.patients) | (base.patients if base else frozenset())
    save_weights(folder.weights, program.plain(state), card, data.panels, patients, base.origin if base else None)
