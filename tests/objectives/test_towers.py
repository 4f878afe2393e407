"""Several vectors at once: each pair has CLIP's loss among the patients that have both, and what is absent has no part in anything."""

import math
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Widths
from pathfm.objectives.terms.contrastive import Contrastive
from pathfm.objectives.terms.towers import Towers, named
from pathfm.settings import terms
from pathfm.settings.schema import from_dict
from pathfm.settings.terms import TermSettings, modalities_of
from tests.objectives.test_bounds import SPEC

PATIENTS, WIDTH = 20, 10
WIDTHS = {"expression": 12, "text": 7, "protein": 5}
RNG = np.random.default_rng(0)
BAG = RNG.normal(size=(PATIENTS, WIDTH)).astype(np.float32)
VECTORS = {name: RNG.normal(size=(PATIENTS, width)).astype(np.float32) for name, width in WIDTHS.items()}
PRESENT = {"expression": np.arange(PATIENTS) != 3, "text": np.arange(PATIENTS) % 3 != 0, "protein": np.arange(PATIENTS) % 2 == 0}
PATIENT = np.where(np.arange(PATIENTS) < PATIENTS - 2, np.arange(PATIENTS), -1).astype(np.int32)


def term(modalities=("expression", "text", "protein")):
    settings = terms.Towers(modalities=modalities, projection=8, hidden=16)
    return Towers(settings, Widths(WIDTH, WIDTHS))


def batch(vectors=VECTORS, present=PRESENT):
    return jax.tree.map(jnp.asarray, {"patient": PATIENT, "vectors": vectors, "present": present})


def loss(one, params, given=None, train=False):
    return one.loss(params, {"bag": jnp.asarray(BAG)}, given or batch(), None, jax.random.key(2), train=train)


def clip(a, b, scale):
    """CLIP's loss of paired unit rows, in NumPy."""
    logits = scale * np.asarray(a, np.float64) @ np.asarray(b, np.float64).T
    rows, columns = (np.log(np.exp(logits - logits.max()).sum(axis=axis)) + logits.max() for axis in (1, 0))
    return float((0.5 * (rows + columns) - np.diag(logits)).mean())


def test_it_is_the_mean_over_pairs_of_clips_loss_among_those_who_have_both():
    one = term()
    params = one.init(jax.random.key(1))
    params["scales"][named(("image", "text"))] = {"logit_scale": jnp.float32(1.0)}
    rows = {name: one.of(name).embed(one.own(params, name), jnp.asarray(VECTORS[name])) for name in WIDTHS}
    rows["image"] = one.predict(params, jnp.asarray(BAG))["embedding"]
    there = {name: has & (PATIENT >= 0) for name, has in PRESENT.items()} | {"image": PATIENT >= 0}
    expected, shares = [], []
    for first, second in combinations(("image", *WIDTHS), 2):
        both = there[first] & there[second]
        scale = math.e if (first, second) == ("image", "text") else 1 / 0.07
        expected.append(clip(rows[first][both], rows[second][both], scale))
        shares.append(expected[-1] / math.log(both.sum()))
    value, metrics = loss(one, params)
    assert len(expected) == 6
    assert float(value) == pytest.approx(np.mean(expected), rel=1e-5)
    assert float(metrics["loss_share"]) == pytest.approx(np.mean(shares), rel=1e-5)
    assert float(metrics["image_and_protein/loss_share"]) == pytest.approx(shares[2], rel=1e-5)
    assert metrics["image_and_text/logit_scale"] == pytest.approx(math.e)


def test_a_vector_that_is_absent_has_no_part_in_loss_or_gradient():
    one = term()
    params = one.init(jax.random.key(1))
    other = {name: np.where(PRESENT[name][:, None], values, 1e3) for name, values in VECTORS.items()}
    for train in (False, True):

        def found(given, train=train):
            return jax.value_and_grad(lambda params: loss(one, params, given, train)[0])(params)

        (value, slopes), (other_value, other_slopes) = found(batch()), found(batch(other))
        assert float(value) == pytest.approx(float(other_value), rel=1e-6)
        for ours, theirs in zip(jax.tree.leaves(slopes), jax.tree.leaves(other_slopes), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_with_one_modality_it_is_the_contrastive_term():
    one = term(("text",))
    params = one.init(jax.random.key(1))
    pair = Contrastive(terms.Contrastive(modality="text", projection=8, hidden=16), one.widths)
    value, _ = pair.loss(one.own(params, "text"), {"bag": jnp.asarray(BAG)}, batch(), None, jax.random.key(2), train=False)
    assert float(loss(one, params)[0]) == pytest.approx(float(value), rel=1e-6)
    assert jax.tree.structure(pair.init(jax.random.key(0))) == jax.tree.structure(one.own(params, "text"))


def test_pairs_that_nobody_has_both_of_leave_everything_finite():
    one = term(("expression", "text"))
    nobody = {**PRESENT, "text": np.zeros(PATIENTS, bool)}
    value, slopes = jax.value_and_grad(lambda params: loss(one, params, batch(present=nobody), train=True)[0])(one.init(jax.random.key(1)))
    assert jnp.isfinite(value) and all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slopes["towers"]["text"]))


def test_the_scale_of_each_pair_is_bounded_and_its_warning_names_the_pair():
    objective = make_objective(
        terms.Towers(modalities=("expression",), projection=8, hidden=16), ImageTower(SPEC), Widths(SPEC.features, {"expression": 4})
    )
    params = objective.init(jax.random.key(0))
    pair = named(("image", "expression"))
    far = params | {"scales": {pair: {"logit_scale": jnp.float32(9.0)}}}
    assert float(objective.bounded(far)["scales"][pair]["logit_scale"]) == pytest.approx(math.log(100))
    assert objective.bounded({"image": params["image"]}) == {"image": params["image"]}  # the heads are frozen
    (sentence,) = objective.warnings({f"{pair}/loss_share": 0.999, f"{pair}/logit_scale": 14.0})
    assert sentence.startswith("of image and expression, the loss on validation patients stayed")


def test_its_modalities_are_those_that_training_opens():
    joint = terms.Joint(terms={"towers": terms.Towers(modalities=("text", "protein")), "direct": terms.Direct(), "views": terms.Views()})
    assert modalities_of(joint) == ["expression", "protein", "text"]
    assert modalities_of(terms.Adversary()) == []
    for given in ((), ("text", "text"), ("image", "text")):
        with pytest.raises(InputError, match="name one or more beside the image, each once"):
            from_dict(TermSettings, {"name": "towers", "modalities": given})
