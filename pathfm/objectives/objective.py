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
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pathfm.models.precision import float32_products
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.losses import mean_where

Batch = Mapping[str, Any]
Features = Mapping[str, jax.Array]  # "bag" [b, features] and, where a term reads it, "tiles" [b, views, tiles, features]
Metrics = dict[str, jax.Array]


@dataclass(frozen=True)
class Widths:
    """What a term's heads connect: the width of the tower's feature and of each modality's vector, and how many hospitals there are."""

    features: int
    vectors: Mapping[str, int]
    dtype: DTypeLike = jnp.float32  # to compute in; parameters are float32
    sites: int = 0  # hospitals of the training patients; 0 where weights are applied again


class Term(Protocol):
    """One way to train the tower: its settings and `widths` are all that it is made of. A new one is a file like its neighbours."""

    views: int  # how many differently augmented versions of each tile it compares
    reads: Literal["bag", "tiles"]
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


@dataclass(frozen=True)
class Objective:
    """The tower and its terms with their weights. A single term's parameters lie beside the tower's, several under their names."""

    tower: ImageTower
    terms: Mapping[str, Term]
    weights: Mapping[str, float]

    @cached_property
    def views(self) -> int:
        return max(term.views for term in self.terms.values())

    @cached_property
    def additive(self) -> bool:
        return all(term.additive for term in self.terms.values())

    @cached_property
    def needs_bank(self) -> bool:
        return any(term.needs_bank for term in self.terms.values())

    def init(self, rng: jax.Array) -> dict[str, Any]:
        """Parameters, float32; the image tower lies under `image`."""
        params = self.tower.init(jax.random.split(rng, 3)[0])
        if self._single:
            return params | next(iter(self.terms.values())).init(rng)
        return params | {name: term.init(jax.random.fold_in(rng, number)) for number, (name, term) in enumerate(self.terms.items())}

    def encode(self, params: Any, batch: Batch) -> Features:
        """What the image tower makes of each patient's tiles, float32."""
        reads = {term.reads for term in self.terms.values()}
        tiles = [self.tower.tiles(params, images) for images in batch["images"]]
        features = {"bag": self.tower.pooled(params, tiles[0], batch["tile_mask"])} if "bag" in reads else {}
        return features | ({"tiles": jnp.stack(tiles, axis=1)} if "tiles" in reads else {})

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
        parts, metrics = [], {}
        for number, (name, term) in enumerate(self.terms.items()):
            own = rng if self._single else jax.random.fold_in(rng, number)
            loss, found = term.loss(self.own(params, name), features, batch, bank, own, train=train)
            if loss.ndim:
                loss = mean_where(loss, term.counted(batch))
            if of is not None:
                loss = loss * jnp.sum(term.counted(batch), dtype=jnp.float32) / of[name]
            parts.append(self.weights[name] * loss)
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
        bag = self.tower.bags(params, images, tile_mask)
        return {name: term.predict(self.own(params, name), bag) for name, term in self.terms.items()}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        """The terms' sentences on their last metrics on validation patients."""
        found = []
        for name, term in self.terms.items():
            own = validation if self._single else {key.removeprefix(f"{name}/"): value for key, value in validation.items()}
            found += term.warnings(own)
        return found

    def flops(self, batch: int, tiles: int) -> float:
        """Floating-point operations of a training step, forward and backward."""
        return self.tower.flops(self.views * batch * tiles) + sum(term.flops(batch, tiles) for term in self.terms.values())

    def own(self, params: Any, name: str) -> Any:
        """The parameters of a term."""
        return params if self._single else params[name]

    @property
    def _single(self) -> bool:
        return len(self.terms) == 1


# From a uint8 batch and a key to the batch that the objective encodes.
Prepare = Callable[[Batch, jax.Array, bool], Batch]
