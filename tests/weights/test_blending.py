"""Averages of weights: the ends themselves, between them tower and a shared pooling, heads as tuned; unlike ones are refused."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.weights.blending import between, mean_of, refuse_unlike
from pathfm.weights.card import Base, Blend, Card
from pathfm.weights.folder import Weights
from pathfm.weights.hashing import weight_hash
from tests.parity import random_params

SPEC = ViTSpec(width=16, depth=2, heads=2, mlp_width=32, patch=8, image_size=16)


def weights_of(seed, spec=SPEC, pooling="mean", **card):
    params = {"image": random_params(spec, seed), "head": {"kernel": np.full((16, 3), seed, np.float32)}}
    if pooling == "attention":
        params["pooling"] = {"score": {"kernel": np.full((16, 1), seed, np.float32)}}
    facts = {
        "objective": "direct",
        "tile": 16,
        "mpp": 0.5,
        "settings": {"name": "direct"},
        "split_hash": "s",
        "fold": 0,
        "seed": seed,
    } | card
    own = Card(name=f"run{seed}", architecture=spec, mean=(0.5,) * 3, std=(0.5,) * 3, pooling=pooling, **facts)
    return Weights(Path(f"run{seed}"), replace(own, weight_hash=weight_hash(params["image"])), params)


def test_between_two_towers_each_leaf_lies_between_and_the_head_is_the_tuned_ones():
    base, tuned = weights_of(0), weights_of(1)
    found = between(base, tuned, 0.3)
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(c, 0.7 * a + 0.3 * b, atol=1e-6), *(one.params["image"] for one in (base, tuned, found))
    )
    assert (found.params["head"]["kernel"] == 1).all()
    assert found.card.weight_hash == weight_hash(found.params["image"]) not in (base.card.weight_hash, tuned.card.weight_hash)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(found.params))


def test_the_ends_are_the_weights_themselves():
    base, tuned = weights_of(0), weights_of(1)
    base.params["image"]["class_token"][:] = -0.0
    base = replace(base, card=replace(base.card, weight_hash=weight_hash(base.params["image"])))
    assert between(base, tuned, 0.0).card.weight_hash == base.card.weight_hash
    assert between(base, tuned, 1.0) is tuned


@pytest.mark.parametrize(("pooling", "shared"), [("mean", False), ("attention", True)])
def test_a_pooling_is_averaged_where_both_trained_one(pooling, shared):
    base, tuned = weights_of(0, pooling=pooling), weights_of(1, pooling="attention")
    found = between(base, tuned, 0.5)
    same = jax.tree.map(np.array_equal, found.params["pooling"], tuned.params["pooling"])
    assert all(jax.tree.leaves(same)) != shared


def test_the_mean_of_runs_is_that_of_all_their_parameters():
    runs = [weights_of(seed) for seed in (1, 2, 6)]
    found = mean_of(runs)
    assert (found.params["head"]["kernel"] == 3).all()
    jax.tree.map(
        lambda a, b, c, mean: np.testing.assert_allclose(mean, (a + b + c) / 3, atol=1e-6),
        *(one.params["image"] for one in (*runs, found)),
    )
    assert found.card.name == "run1" and mean_of(runs[:1]) is runs[0]


def test_other_towers_and_other_trainings_are_refused():
    base = weights_of(0)
    with pytest.raises(InputError, match="run1 holds another tower than run0: its depth is 3 and not 2"):
        refuse_unlike(base, [weights_of(1, replace(SPEC, depth=3))])
    other = weights_of(1)
    with pytest.raises(InputError, match="normalised by other means"):
        refuse_unlike(base, [replace(other, card=replace(other.card, mean=(0.1,) * 3))])
    for changes in ({"settings": {"name": "contrastive"}}, {"fold": 1}, {"split_hash": "t"}):
        with pytest.raises(InputError, match=f"run2 and run1 were trained with different {next(iter(changes))}"):
            refuse_unlike(base, [weights_of(1), weights_of(2, **changes)])
    refuse_unlike(base, [weights_of(1), weights_of(2)])


def test_a_card_keeps_what_was_blended():
    point = {"alpha": 0.5, "loss": 1.0, "r": None}
    blend = Blend(base=Base(name="a", weight_hash="1"), tuned=(Base(name="b", weight_hash="2"),), alpha=0.5, by="loss", curve=(point,))
    card = replace(weights_of(0).card, blend=blend)
    assert Card.from_dict(card.to_dict(), Path("card.json")) == card
    del (broken := card.to_dict())["blend"]["alpha"]
    with pytest.raises(InputError, match="card.json is not a card"):
        Card.from_dict(broken, Path("card.json"))
