"""Shapes and types of arrays are checked while tests run, and nowhere else."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from pathfm.models.mlp import VectorTower
from pathfm.objectives import losses
from pathfm.objectives.losses import huber, info_nce
from pathfm.probes.logistic import fit_path
from pathfm.probes.target import Values
from tests.shape_checks import arrays_of, places
from tests.shapes import SHAPES


def test_every_signature_with_arrays_has_its_shapes():
    found = {place.name: arrays_of(place.member) for place in places()}
    assert sorted(found) == sorted(SHAPES)
    assert {name: arrays - set(SHAPES[name]) for name, arrays in found.items() if arrays - set(SHAPES[name])} == {}


ROWS, SCALE, WHO = jnp.ones((4, 8)), jnp.float32(1), jnp.arange(4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: info_nce(ROWS, ROWS[:3], SCALE, WHO),
        lambda: losses.info_nce(ROWS, ROWS, SCALE[None], WHO),
        lambda: jax.jit(info_nce)(ROWS, ROWS, SCALE, WHO[:3]),
        lambda: huber(ROWS, ROWS[:, :1], 1.0),
        lambda: huber(ROWS.astype(jnp.bfloat16), ROWS, 1.0),
        lambda: VectorTower(2, 2).init(jax.random.key(0), ROWS[0]),
        lambda: Values(np.ones(4, np.float32)),
        lambda: fit_path(np.ones((4, 2)), np.arange(3), np.ones((1, 4)), 3, np.ones(1)),
        lambda: fit_path(np.ones((4, 2)), np.arange(4), np.ones((1, 4)), 4, np.ones(1, np.float32)),
    ],
    ids=["rows", "no scalar", "traced", "columns", "bfloat16", "a flax module", "a constructor", "probe", "float32 in a probe"],
)
def test_a_wrong_shape_or_type_fails(call):
    with pytest.raises(TypeCheckError):
        call()


def test_nothing_at_run_time_knows_the_checkers():
    lists = "import sys, pathfm.train, pathfm.evaluate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", lists], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\b(jaxtyping|beartype)\b", loaded)
