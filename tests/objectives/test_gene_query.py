"""Genes that are asked for by their vectors: what flax's attention gives, and planted genes that no training has seen."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.losses import mean_where, unit_rows
from pathfm.objectives.objective import Widths
from pathfm.settings.regression_terms import GeneQuery
from pathfm.settings.terms import Direct, Joint

SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)
FEATURES, WIDTH = SPEC.features, 12
PATIENTS, TILES, GENES = 5, 4, 9
BROUGHT = GeneQuery(vectors="genes.npy", names="genes.txt", width=16, heads=2)


def objective_of(settings, vectors=None, genes=GENES):
    starts = {} if vectors is None else {name: {"genes": vectors} for name in ("gene_query", "query")}
    return make_objective(settings, ImageTower(SPEC), Widths(FEATURES, {"expression": genes}), starts)


def term_of(settings, vectors=None, genes=GENES):
    objective = objective_of(settings, vectors, genes)
    return objective.terms["gene_query"], {k: v for k, v in objective.init(jax.random.key(0)).items() if k != "image"}


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mask_of():
    mask = np.ones((PATIENTS, TILES), bool)
    mask[1, 2:] = False
    return mask


def test_a_gene_is_what_flaxs_attention_reads_from_the_tiles():
    vectors, tiles, mask = rows(GENES, WIDTH), rows(PATIENTS, TILES, FEATURES, seed=1), mask_of()
    term, params = term_of(BROUGHT, vectors)
    genes = unit_rows(vectors) * WIDTH**0.5
    query, read = (np.tile((genes @ params[name]["kernel"]).reshape(1, GENES, 2, 8), (PATIENTS, 1, 1, 1)) for name in ("query", "read"))
    key, value = ((tiles @ params[name]["kernel"]).reshape(PATIENTS, TILES, 2, 8) for name in ("key", "value"))
    pooled = nn.dot_product_attention(query, key, value, mask=mask[:, None, None])
    wanted = (read * pooled).sum(axis=(2, 3)) / 4
    np.testing.assert_allclose(term.ask(params, tiles, mask, vectors), wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(term.ask(params, tiles, mask, 7 * vectors), wanted, rtol=1e-4, atol=1e-6)
    found = term.predict_of_tiles(params, tiles, mask)["expression"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    single = term.predict_of_tiles(params, tiles[:, :1], mask[:, :1])["expression"]
    np.testing.assert_allclose(term.predict(params, tiles[:, 0])["expression"], single, rtol=1e-5)


def test_tiles_that_are_not_there_change_nothing():
    vectors, tiles, mask = rows(GENES, WIDTH), rows(PATIENTS, TILES, FEATURES, seed=1), mask_of()
    term, params = term_of(BROUGHT, vectors)
    other = np.where(mask[..., None], tiles, 1e3).astype(np.float32)
    np.testing.assert_array_equal(term.ask(params, other, mask, vectors), term.ask(params, tiles, mask, vectors))
    assert np.isfinite(term.ask(params, tiles, np.zeros_like(mask), vectors)).all()


def test_a_gene_without_a_vector_has_no_part_in_the_loss():
    vectors, tiles, mask = rows(GENES, WIDTH), rows(PATIENTS, TILES, FEATURES, seed=1), mask_of()
    some = vectors.copy()
    some[3] = 0
    truth = rows(PATIENTS, GENES, seed=2)

    def loss(given, truth, genes):
        term, params = term_of(BROUGHT, given, genes)
        batch = {"patient": np.arange(PATIENTS), "tile_mask": mask, "vectors": {"expression": truth}}
        batch |= {"present": {"expression": np.ones(PATIENTS, bool)}}
        return term.loss(params, {"tiles": tiles[:, None]}, batch, None, jax.random.key(0), train=True)

    (losses, metrics), (wanted, others) = loss(some, truth, GENES), loss(np.delete(vectors, 3, 0), np.delete(truth, 3, 1), GENES - 1)
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss_share"], others["loss_share"], rtol=1e-5)
    wild = truth.copy()
    wild[:, 3] = 99
    np.testing.assert_allclose(loss(some, wild, GENES)[0], losses, rtol=1e-6)


def test_brought_vectors_are_inputs_and_learned_ones_are_trained():
    vectors = rows(GENES, WIDTH)
    assert objective_of(BROUGHT, vectors).inputs == {"genes"}
    assert objective_of(Joint(terms={"query": BROUGHT, "direct": Direct()}), vectors).inputs == {"query/genes"}
    learned = objective_of(GeneQuery(gene_width=6, width=16))
    assert learned.inputs == frozenset()
    assert learned.init(jax.random.key(0))["genes"].shape == (GENES, 6)
    np.testing.assert_array_equal(objective_of(BROUGHT, vectors).init(jax.random.key(0))["genes"], vectors)


def test_an_objective_asks_with_all_tiles_where_a_term_reads_them():
    vectors = rows(GENES, WIDTH)
    objective = objective_of(Joint(terms={"gene_query": BROUGHT, "direct": Direct()}), vectors)
    params, images, mask = objective.init(jax.random.key(0)), rows(2, TILES, 16, 16, 3), np.ones((2, TILES), bool)
    found = objective.predict(params, images, mask)
    tiles = objective.tower.tiles(params, images)
    wanted = objective.terms["gene_query"].ask(params["gene_query"], tiles, mask, vectors)
    np.testing.assert_allclose(found["gene_query"]["expression"], wanted, rtol=1e-4, atol=1e-6)
    assert found["direct"]["expression"].shape == (2, GENES)


@pytest.mark.parametrize(("settings", "said"), [({"vectors": "a.npy"}, "together"), ({"width": 10, "heads": 4}, "multiple of its 4 heads")])
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        GeneQuery(**settings)


def planted(seed, patients, genes=60, programmes=4, tiles=6):
    """Tiles that show programmes, each in some tiles only, and genes that follow them; a gene's vector tells which, with noise."""
    random = np.random.default_rng(0)
    loadings, shown = random.normal(size=(genes, programmes)), random.normal(size=(programmes, FEATURES))
    told = random.normal(size=(programmes, WIDTH))
    vectors = (loadings @ told + 0.1 * random.normal(size=(genes, WIDTH))).astype(np.float32)
    random = np.random.default_rng(seed)
    activity = random.normal(size=(patients, programmes))
    where = random.random((patients, tiles, programmes)) < 0.7
    tile = (where * activity[:, None]) @ shown + 0.5 * random.normal(size=(patients, tiles, FEATURES))
    truth = activity @ loadings.T
    return vectors, tile.astype(np.float32), (truth / np.linalg.norm(loadings, axis=1)).astype(np.float32)


def test_planted_genes_that_training_has_not_seen_are_predicted_from_their_vectors():
    vectors, tiles, truth = planted(1, 160)
    seen, unseen = np.arange(48), np.arange(48, 60)
    term, params = term_of(BROUGHT, vectors[seen], len(seen))
    mask, patients = np.ones(tiles.shape[:2], bool), np.ones(len(tiles), bool)
    batch = {"patient": np.arange(len(tiles)), "tile_mask": mask, "vectors": {"expression": truth[:, seen]}}
    batch |= {"present": {"expression": patients}}
    fixed, trained = {"genes": params["genes"]}, {name: value for name, value in params.items() if name != "genes"}
    optimizer = optax.adam(3e-3)

    def loss(trained):
        losses, _ = term.loss(trained | fixed, {"tiles": tiles[:, None]}, batch, None, jax.random.key(0), train=True)
        return mean_where(losses, patients)

    def step(carry, _):
        trained, state = carry
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(jax.grad(loss)(trained), state)
        return (optax.apply_updates(trained, updates), state), None

    (trained, _), _ = jax.jit(lambda start: jax.lax.scan(step, (start, optimizer.init(start)), length=300))(trained)

    _, others, theirs = planted(2, 80)
    asked = np.asarray(term.ask(trained | fixed, others, np.ones(others.shape[:2], bool), vectors[unseen]))
    shuffled = np.asarray(term.ask(trained | fixed, others, np.ones(others.shape[:2], bool), np.roll(vectors[unseen], 1, axis=0)))
    r, of_others = (
        np.mean([np.corrcoef(found[:, number], theirs[:, gene])[0, 1] for number, gene in enumerate(unseen)]) for found in (asked, shuffled)
    )
    assert r > 0.6 and of_others < 0.4, (r, of_others)
    several = vectors[unseen[:3]] / np.linalg.norm(vectors[unseen[:3]], axis=1, keepdims=True)
    of_set = np.asarray(term.ask(trained | fixed, others, np.ones(others.shape[:2], bool), jnp.mean(several, axis=0)[None]))[:, 0]
    assert np.corrcoef(of_set, theirs[:, unseen[:3]].mean(axis=1))[0, 1] > 0.6
