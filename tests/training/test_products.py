"""A product of float32 is computed as one on every device: GPUs would round its operands to TF32, TPUs to bfloat16."""

import jax
import pytest

from pathfm.models.vit import ViTSpec
from pathfm.settings.terms import Contrastive, Direct, Joint, Views
from pathfm.settings.training import LoraConfig, MeshConfig, TrainConfig
from pathfm.training.durations import Durations
from pathfm.training.mesh import make_mesh
from pathfm.training.program import Facts, Tower, make_program

TOWER = Tower(ViTSpec(width=32, depth=1, heads=2, mlp_width=64, patch=8, image_size=16, mlp="swiglu"), (0.5,) * 3, (0.5,) * 3)
TERMS = {"direct": Direct(hidden=8), "contrastive": Contrastive(projection=8, hidden=16), "views": Views(projection=8)}
TERMS |= {"siglip": Contrastive(projection=8, hidden=16, loss="siglip", negatives="bank")}


def products(lowered) -> list[str]:
    return [line for line in lowered.as_text().splitlines() if "stablehlo.dot_general" in line]


def abstract_batch() -> dict:
    def array(*shape, dtype="float32"):
        return jax.ShapeDtypeStruct(shape, dtype)

    return {
        "tiles": array(4, 2, 24, 24, 3, dtype="uint8"),
        "tile_mask": array(4, 2, dtype="bool"),
        "patient": array(4, dtype="int32"),
        "site": array(4, dtype="int32"),
        "cancer": array(4, dtype="int32"),
        "vectors": {"expression": array(4, 12)},
        "present": {"expression": array(4, dtype="bool")},
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("lora", [LoraConfig(), LoraConfig(rank=2)])
def test_no_product_of_float32_is_left_to_the_device(dtype, lora):
    config = TrainConfig(cohort="", objective=Joint(terms=TERMS), batch=4, tiles=2, pooling="attention", dtype=dtype, lora=lora)
    program = make_program(
        config, TOWER, Facts(24, {"expression": 12}, 9), Durations(9, 1, 1, 1), make_mesh(MeshConfig(), jax.devices()[:1])
    )
    batch = abstract_batch()
    for step in (program.train_step, program.evaluate_step):
        found = products(step.lower(program.state_shapes, batch, program.bank_shapes))
        exact = [line for line in found if "precision = [HIGHEST, HIGHEST]" in line]
        of_float32 = [line for line in found if "bf16" not in line]
        assert len(of_float32) > 10
        assert not [line for line in of_float32 if line not in exact]
