"""An objective: one image tower and the weighted terms that train it. A step knows nothing else of what is learned.

A batch holds, for `b` patients,

    images     float32 [views, b, tiles, height, width, 3], normalised
    tile_mask  bool [b, tiles]
    patient    int32 [b], -1 is padding
    site       int32 [b], -1 where unknown; below `Widths.sites` the hospitals of training patients
    cancer     int32 [b], -1 where unknown
    vectors    {modality: float32 [b, width]}
    present    {modality: bool [b]}, whether the patient has it
    progress   float32 [b], the share of the run that is over, the same in all rows; in training alone

`encode` sees each patient alone and is what costs; `loss` sees all of them and needs no images. So the patients of a step may be encoded
a few at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial, reduce
from operator import add
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from pathfm.models.precision import float32_products
from pathfm.objectives.balance import balancing_factors
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import BASE_IMAGE, ImageTower
from pathfm.objectives.losses import mean_where

Batch = Mapping[str, Any]
# What terms read: "bag" [b, features], "tiles" [b, views, tiles, features], and "base" [b, tiles, features], the first view's by the base.
Features = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]


@dataclass(frozen=True)
class Widths:
    """What a term's heads connect, the width of the tower's feature and of each modality's vector; and how they are trained."""

    features: int
    vectors: Mapping[str, int]
    dtype: DTypeLike = jnp.float32  # to compute in; parameters are float32
    batch: int = 1
    patients: int = 1  # who train, as many as the bank has rows
    everywhere: jax.sharding.Sharding | None = None  # that of the bank: what is whole on every device of a mesh
    sites: int = 0  # hospitals of the training patients; 0 where weights are applied again
    starts: Mapping[str, np.ndarray] = field(default_factory=dict)  # what training patients, or a file, give its parameters to start from


class Term(Protocol):
    """One way to train the tower: its settings and `widths` are all that it is made of. A new one is a file like its neighbours."""

    views: int  # how many differently augmented versions of each tile it compares
    reads: Literal["bag", "tiles", "base"]  # "base": the tiles, and what the weights that training starts from make of them
    additive: bool  # the loss is a mean over patients of what each gives alone, without random numbers
    needs_bank: bool

    def init(self, rng: jax.Array) -> dict[str, Any]:
        """Parameters of its heads, float32."""
        ...

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        """(the loss, scalar metrics); with `train` dropout and masking are on. An additive term gives the loss of each patient [b], of
        which the mean over `counted` is taken, any other a scalar.

        The metric `loss_share` is the loss as a share of what knowing nothing costs.
        """
        ...

    def counted(self, batch: Batch) -> jax.Array:
        """Which patients [b] have a part in the loss."""
        ...

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """What it says of patients from their feature [b, features], by name."""
        ...

    def warnings(self, validation: Mapping[str, float]) -> Sequence[str]:
        """Sentences for the user from the term's last metrics on validation patients, when it has learned nothing."""
        ...

    def flops(self, batch: int, tiles: int) -> float:
        """Floating-point operations of its heads in a training step, forward and backward."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A term whose parameters have bounds: `bounded` brings those that are trained back inside them after an update."""

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]: ...


@runtime_checkable
class OfTiles(Protocol):
    """A term that says more of a patient from all its tiles than from their pooled feature."""

    def predict_of_tiles(self, params: Any, tiles: jax.Array, tile_mask: jax.Array) -> dict[str, jax.Array]:
        """As `predict`, from features [b, tiles, features] of the tiles that tile_mask [b, tiles] keeps."""
        ...


@runtime_checkable
class WithInputs(Protocol):
    """A term some of whose parameters are given and not trained; `inputs` names them, as `a/b`."""

    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Objective:
    """The tower and its terms with their weights. A single term's parameters lie beside the tower's, several under their names.

    With `balance` "gradient" the training loss is that of `pathfm.objectives.balance`; on validation patients it is the plain weighted sum,
    which alone can be compared from step to step.
    """

    tower: ImageTower
    terms: Mapping[str, Term]
    weights: Mapping[str, float]
    balance: str = "none"

    @cached_property
    def views(self) -> int:
        return max(term.views for term in self.terms.values())

    @cached_property
    def additive(self) -> bool:
        return self.balance == "none" and all(term.additive for term in self.terms.values())

    @cached_property
    def needs_bank(self) -> bool:
        return any(term.needs_bank for term in self.terms.values())

    @cached_property
    def inputs(self) -> frozenset[str]:
        """The names of parameters that are never trained."""
        own = [(name, term.inputs) for name, term in self.terms.items() if isinstance(term, WithInputs)]
        return frozenset(one if self._single else f"{name}/{one}" for name, inputs in own for one in inputs)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The features that `encode` gives."""
        read = {term.reads for term in self.terms.values()}
        return frozenset(read | ({"tiles"} if "base" in read or self.balance != "none" else set()))

    def init(self, rng: jax.Array) -> dict[str, Any]:
        """Parameters, float32; the image tower lies under `image`."""
        params = self.tower.init(jax.random.split(rng, 3)[0])
        if "base" in self.reads and not self.tower.lora:
            params[BASE_IMAGE] = params["image"]
        if self._single:
            return params | next(iter(self.terms.values())).init(rng)
        return params | {name: term.init(jax.random.fold_in(rng, number)) for number, (name, term) in enumerate(self.terms.items())}

    def encode(self, params: Any, batch: Batch) -> Features:
        """What the image tower makes of each patient's tiles, float32."""
        tiles = [self.tower.tiles(params, images) for images in batch["images"]]
        features = {"bag": self.tower.pooled(params, tiles[0], batch["tile_mask"])} if "bag" in self.reads else {}
        if "tiles" in self.reads:
            features["tiles"] = jnp.stack(tiles, axis=1)
        if "base" in self.reads:
            features["base"] = self.tower.base_tiles(params, batch["images"][0])
        return features

    @float32_products
    def loss(
        self,
        params: Any,
        features: Features,
        batch: Batch,
        bank: Bank | None,
        rng: jax.Array,
        *,
        train: bool,
        of: Mapping[str, jax.Array] | None = None,
    ) -> tuple[jax.Array, Metrics]:
        """The weighted sum of the terms' losses, and their metrics; of several terms each metric under its term's name.

        With `of`, the whole batch's `counts`, `batch` is a part of it: the losses of all parts sum to that of the whole.
        """
        factors = self._factors(params, features, batch, bank, rng) if train and self.balance == "gradient" else {}
        parts, metrics = [], {}
        for name, term in self.terms.items():
            loss, found = self._term_loss(name, params, features, batch, bank, rng, train)
            if of is not None:
                loss = loss * jnp.sum(term.counted(batch), dtype=jnp.float32) / of[name]
            weighted = self.weights[name] * loss
            if factors:
                weighted, found = factors[name] * weighted, {**found, "factor": factors[name]}
            parts.append(weighted)
            metrics |= found if self._single else {f"{name}/{metric}": value for metric, value in {"loss": loss, **found}.items()}
        return reduce(add, parts), metrics

    def counts(self, batch: Batch) -> dict[str, jax.Array]:
        """How many patients have a part in each term's loss, at least 1."""
        return {name: jnp.maximum(jnp.sum(term.counted(batch), dtype=jnp.float32), 1.0) for name, term in self.terms.items()}

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]:
        """The trained parameters after an update, inside the bounds of their terms; frozen ones may be absent."""
        for name, term in self.terms.items():
            if isinstance(term, Bounded) and (self._single or name in params):
                within = term.bounded(self.own(params, name))
                params = within if self._single else params | {name: within}
        return params

    @float32_products
    def predict(self, params: Any, images: jax.Array, tile_mask: jax.Array) -> dict[str, dict[str, jax.Array]]:
        """What each term says of patients, from normalised images [b, tiles, height, width, 3] and tile_mask [b, tiles]."""
        tiles = self.tower.tiles(params, images)
        bag = self.tower.pooled(params, tiles, tile_mask)
        return {
            name: term.predict_of_tiles(self.own(params, name), tiles, tile_mask)
            if isinstance(term, OfTiles)
            else term.predict(self.own(params, name), bag)
            for name, term in self.terms.items()
        }

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        """The terms' sentences on their last metrics on validation patients."""
        found = []
        for name, term in self.terms.items():
            own = validation if self._single else {key.removeprefix(f"{name}/"): value for key, value in validation.items()}
            found += term.warnings(own)
        return found

    def flops(self, batch: int, tiles: int) -> float:
        """Floating-point operations of a training step, forward and backward."""
        of_tower = self.tower.flops(self.views * batch * tiles)
        of_base = self.tower.flops(batch * tiles) / 3.0 if "base" in self.reads else 0.0  # forward alone
        return of_tower + of_base + sum(term.flops(batch, tiles) for term in self.terms.values())

    def own(self, params: Any, name: str) -> Any:
        """The parameters of a term; it may have none."""
        return params if self._single else params.get(name, {})

    def _term_loss(
        self, name: str, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, train: bool
    ) -> tuple[jax.Array, Metrics]:
        """(the loss of one term, a scalar; its metrics)."""
        own = rng if self._single else jax.random.fold_in(rng, list(self.terms).index(name))
        loss, found = self.terms[name].loss(self.own(params, name), features, batch, bank, own, train=train)
        return (mean_where(loss, self.terms[name].counted(batch)) if loss.ndim else loss), found

    def _factors(self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array) -> dict[str, jax.Array]:
        """What balances the training losses of the terms at the features of tiles, which all terms share."""
        params, features = jax.lax.stop_gradient((params, features))

        def loss(name: str, tiles: jax.Array) -> jax.Array:
            bag = {"bag": self.tower.pooled(params, tiles[:, 0], batch["tile_mask"])} if "bag" in self.reads else {}
            return self._term_loss(name, params, {**features, **bag, "tiles": tiles}, batch, bank, rng, train=True)[0]

        return balancing_factors({name: partial(loss, name) for name in self.terms}, self.weights, features["tiles"])

    @property
    def _single(self) -> bool:
        return len(self.terms) == 1


# From a uint8 batch and a key to the batch that the objective encodes.
Prepare = Callable[[Batch, jax.Array, bool], Batch]
