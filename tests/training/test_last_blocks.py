"""With `trainable=last:N` what lies beneath is not differentiated: neither in the gradient norm, nor in what a step computes."""

from dataclasses import replace

import jax
import numpy as np

from pathfm.models.vit import by_name
from pathfm.settings.terms import Direct
from pathfm.settings.training import MeshConfig, OptimizerConfig, TrainConfig
from pathfm.training.durations import Durations
from pathfm.training.mesh import batch_sharding, make_mesh, on_devices
from pathfm.training.program import make_program, preparation
from tests.training.test_averages import held
from tests.training.test_sharding import FACTS, TOWER, batch_of

DEEP = replace(TOWER, spec=replace(TOWER.spec, depth=4))


def program_of(trainable):
    config = TrainConfig(
        cohort="", objective=Direct(), batch=16, tiles=2, microbatch=16, remat="none", optimizer=OptimizerConfig(trainable=trainable)
    )
    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    return make_program(config, DEEP, FACTS, Durations(4, warmup=1, evaluate_every=4, log_every=1), mesh), config


def test_what_lies_beneath_costs_no_backward_pass_and_has_no_part_in_the_norm():
    program, config = program_of("last:1")
    whole, _ = program_of("all")
    state, batch = program.start(0, None), on_devices(batch_sharding(program.mesh), batch_of(0))
    assert state.params["image"].keys() == {"blocks_3", "norm"}
    before = held(state.fixed)
    one, every = (each.train_step.lower(each.state_shapes, each.batch_shapes, None).compile() for each in (program, whole))
    # Of the towers' forward and backward passes, 12 parts, one block leaves 4 + 2.
    assert one.cost_analysis()["flops"] < 0.65 * every.cost_analysis()["flops"]

    objective, prepare = program.objective, preparation(program.objective.views, config.augment, DEEP)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)

    def loss(params):
        encoded = objective.encode(params, prepare(batch, jax.random.fold_in(key, 0), True))
        return objective.loss(params, encoded, batch, None, jax.random.fold_in(key, 1), train=True)[0]

    gradients = by_name(jax.jit(jax.grad(loss))(state.every))
    behind = [leaf for name, leaf in gradients.items() if name.startswith(("image/blocks_3", "image/norm", "head"))]
    norm = np.sqrt(sum(float(np.sum(np.square(leaf))) for leaf in behind))
    state, metrics = one(state, batch, None)
    np.testing.assert_allclose(float(metrics["gradient_norm"]), norm, rtol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, state.fixed, before)
