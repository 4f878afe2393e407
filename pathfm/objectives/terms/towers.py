"""Contrastive learning between a patient's image and several vectors at once, such as expression and a report, in one shared space.

Every pair has CLIP's loss, as in AudioCLIP (Guzhov et al. 2022, https://arxiv.org/abs/2106.13043), among the patients that have both;
nothing stands in for a vector that a patient lacks. mSTAR (Xu et al. 2025, https://doi.org/10.1038/s41467-025-66220-x) joins slides,
reports and expression.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import (
    bounded_scale,
    effective_rank,
    first_logit_scale,
    logit_scale,
    mean_where,
    nothing_learned,
)
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.objectives.pair_losses import info_nce_of_pairs
from pathfm.objectives.pairs import Rows, Rule, retrieved
from pathfm.objectives.terms.contrastive import Contrastive
from pathfm.settings import terms

IMAGE = "image"


@dataclass(frozen=True)
class Towers:
    """A tower for each modality beside that of the image; the loss is the mean over all pairs of towers, each with a temperature."""

    settings: terms.Towers
    widths: Widths
    views: int = 1
    reads: str = "bag"
    additive: bool = False
    needs_bank: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(combinations((IMAGE, *self.settings.modalities), 2))

    def of(self, modality: str) -> Contrastive:
        """The contrastive term between the image and one modality; `own` gives it its parameters."""
        one, names = self.settings, ("projection", "hidden", "dropout", "temperature", "max_logit_scale")
        shared = {name: getattr(one, name) for name in names}
        return Contrastive(terms.Contrastive(modality=modality, mask_genes=one.masking, **shared), self.widths)

    def own(self, params: Any, modality: str) -> dict[str, Any]:
        """The parameters of `of(modality)`."""
        scale = params["scales"][named((IMAGE, modality))]
        return {"projection": params["projection"], modality: params["towers"][modality], **scale}

    def init(self, rng: jax.Array) -> dict[str, Any]:
        made = {name: self.of(name).init(jax.random.fold_in(rng, number)) for number, name in enumerate(self.settings.modalities)}
        return {
            "projection": made[self.settings.modalities[0]]["projection"],
            "towers": {name: params[name] for name, params in made.items()},
            "scales": {named(pair): {"logit_scale": first_logit_scale(self.of(pair[1]).settings)} for pair in self.pairs},
        }

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        known = batch["patient"] >= 0
        rows, there = {IMAGE: self.predict(params, features["bag"])["embedding"]}, {IMAGE: known}
        for number, name in enumerate(self.settings.modalities):
            key = jax.random.fold_in(rng, number) if train else None
            rows[name] = self.of(name).embed(self.own(params, name), batch["vectors"][name], key)
            there[name] = known & batch["present"][name]
        losses, shares, metrics = [], [], {}
        rule, place = Rule(everywhere=self.widths.everywhere), jnp.arange(len(known))
        for one, other in self.pairs:
            pair, both = named((one, other)), there[one] & there[other]
            scale = logit_scale(params["scales"][pair], self.of(other).settings)
            ours, theirs = (Rows(rows[side], jnp.where(both, batch["patient"], -1), place, None) for side in (one, other))
            loss, chance = info_nce_of_pairs(ours, theirs, theirs, scale, rule)
            losses.append(loss)
            shares.append(loss / jnp.maximum(chance, 1e-12))
            metrics |= {f"{pair}/loss_share": shares[-1], f"{pair}/logit_scale": scale}
            if not train:
                found = retrieved(ours, theirs, rule.everywhere)
                metrics[f"{pair}/retrieval_at_1"] = mean_where(found.astype(jnp.float32), both)
        if not train:
            metrics["effective_rank"] = effective_rank(rows[IMAGE], known)
        return _mean(losses), {"loss_share": _mean(shares), **metrics}

    def counted(self, batch: Batch) -> jax.Array:
        has_any = jnp.any(jnp.stack([batch["present"][name] for name in self.settings.modalities]), axis=0)
        return (batch["patient"] >= 0) & has_any

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The image's place in the shared space, unit rows [b, projection]; `of(modality).embed` gives that of a vector."""
        first = self.settings.modalities[0]
        return self.of(first).predict(self.own(params, first), bag)

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]:
        if "scales" not in params:
            return params
        bounds = self.of(self.settings.modalities[0]).settings
        return params | {"scales": {pair: bounded_scale(scale, bounds) for pair, scale in params["scales"].items()}}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        found = []
        for pair in self.pairs:
            prefix = f"{named(pair)}/"
            own = {name.removeprefix(prefix): value for name, value in validation.items() if name.startswith(prefix)}
            found += [f"of {pair[0]} and {pair[1]}, {sentence}" for sentence in nothing_learned(own, self.settings.max_logit_scale)]
        return found

    def flops(self, batch: int, tiles: int) -> float:
        of_images = sum(self.of(name).flops(batch, tiles) for name in self.settings.modalities)
        return of_images + 6.0 * batch * batch * self.settings.projection * (len(self.pairs) - len(self.settings.modalities))


def named(pair: tuple[str, str]) -> str:
    """A pair as parameters and metrics name it."""
    return "_and_".join(pair)


def _mean(values: list[jax.Array]) -> jax.Array:
    return jnp.mean(jnp.stack(values))
