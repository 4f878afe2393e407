"""The model card of an export: Markdown with a metadata header, as model hubs show it (https://huggingface.co/docs/hub/model-cards)."""

import json

from pathfm.settings.terms import TermSettings
from pathfm.weights.card import IMPORTED, Blend
from pathfm.weights.exported import Exported
from pathfm.weights.folder import Weights
from pathfm.zoo.known import OWN, ZOO
from pathfm.zoo.timm import timm_entry

IDENTIFIERS = {"Apache-2.0": "apache-2.0", "MIT": "mit", "CC-BY-NC-ND-4.0": "cc-by-nc-nd-4.0"}
"""Licences that hubs know by an identifier."""


def model_card(weights: Weights, result: Exported, file: str, evaluation: str = "") -> str:
    """The card's text; `file` is the name of the tensors, `evaluation` a table in Markdown or nothing.

    It names no patient and no path.
    """
    parts = [header(weights, result), about(weights), "## Load it\n\n" + loading(result, file), _images(weights, result)]
    parts += ["\n".join(f"- {note}" for note in result.notes)] if result.notes else []
    parts += [_training(weights)] + ([f"## Evaluation\n\n{evaluation.strip()}"] if evaluation.strip() else [])
    return "\n\n".join(parts) + "\n"


def header(weights: Weights, result: "Exported | None") -> str:
    """The metadata between `---`: YAML, its strings written as JSON."""
    model = ZOO.get(weights.origin.model) if weights.origin else None
    library = "jax" if result is None else result.naming.library
    fields = {"library_name": library, "tags": ["pathology", "histology", "feature-extraction", "pathfm"]}
    if model is not None:
        licence = IDENTIFIERS.get(model.licence)
        fields |= {"license": licence} if licence else {"license": "other", "license_name": model.licence, "license_link": model.source}
        if model.source.startswith("https://huggingface.co/"):
            fields["base_model"] = model.source.removeprefix("https://huggingface.co/")
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"])


def about(weights: Weights) -> str:
    """What the weights are, what they were started from, and on what terms that was had."""
    card, spec = weights.card, weights.spec
    lines = [
        f"# {_plain(card.name)}",
        f"A vision transformer for H&E tiles: {spec.depth} blocks of width {spec.width}, patch {spec.patch}, {spec.registers or 'no'} "
        f"registers, {spec.features} features; {_trained(card.objective)}.",
    ]
    model = ZOO.get(weights.origin.model) if weights.origin else None
    if model is not None and model.licence != OWN:
        lines.append(
            f"The tower began as {model.name}, from {model.source}, whose licence is given as “{model.licence}”. That licence binds what "
            "is made of it as well: read its text before you pass these weights on."
        )
    elif model is not None:
        lines.append(f"The tower began as {model.name}, from {model.source} ({model.licence}).")
    return "\n\n".join(lines)


def loading(result: Exported, file: str) -> str:
    """How a user of the stock library loads the tensors, as code."""
    if result.naming.library == "transformers":
        more = ", interpolate_pos_encoding=True" if "ViTModel" in result.said["architectures"] else ""
        code = f"""\
        import torch
        from transformers import AutoModel

        model = AutoModel.from_pretrained("THIS FOLDER").eval()
        tokens = model(pixel_values=images{more}).last_hidden_state"""
    elif result.naming.library == "timm":
        code = _timm_code(result, file)
    else:
        arguments = ", ".join(f"{name}={value!r}" for name, value in result.said.items())
        code = f"""\
        import safetensors.torch
        import torch
        from {result.naming.library}.models.vision_transformer import DinoVisionTransformer

        model = DinoVisionTransformer({arguments}).eval()
        model.load_state_dict(safetensors.torch.load_file("{file}"))
        tokens = model.norm(model.forward_features(images)["x_prenorm"])"""
    prefix = result.spec.prefix
    if result.spec.per_channel:
        code = code.replace("images", "images.flatten(0, 1).unsqueeze(1)")  # red, green and blue one after the other
    code += "\n        features = tokens[:, 0]"
    if result.spec.output == "class+mean":
        code += f"\n        features = torch.cat([features, tokens[:, {prefix}:].mean(1)], dim=-1)"
    if result.spec.per_channel:
        code += "\n        features = features.unflatten(0, (-1, 3)).flatten(1)"
    return "```python\n" + "\n".join(line.removeprefix("        ") for line in code.splitlines()) + "\n```"


def _timm_code(result: Exported, file: str) -> str:
    said = dict(result.said)
    classes = {"mlp_layer": "timm.layers", "act_layer": "torch.nn"}
    words = {name: f"{classes[name]}.{value}" if name in classes else repr(value) for name, value in said.items() if name != "norm_layer"}
    if "norm_layer" in said:
        words["norm_layer"] = f"functools.partial(torch.nn.LayerNorm, eps={result.spec.epsilon!r})"
    arguments = "\n".join(f"            {name}={value}," for name, value in words.items())
    return f"""\
        import functools

        import timm
        import torch

        model = timm.create_model(
            "{timm_entry(result.spec)}",
            checkpoint_path="{file}",
{arguments}
        ).eval()
        tokens = model.forward_features(images)"""


def _images(weights: Weights, result: Exported) -> str:
    card = weights.card
    resolution = "" if card.mpp is None else f" at {card.mpp:g} µm/px"
    positions = f"the position embeddings are resampled from {result.spec.image_size} px"
    if result.spec.rope is not None:
        positions = "positions are the patches' coordinates in the image"
    return (
        f"`images` are float [batch, 3, height, width]: RGB in 0 to 1, less {list(card.mean)}, over {list(card.std)}, by channel. It "
        f"was trained on tiles of {card.tile} px{resolution}. Other sizes that {result.spec.patch} divides work; {positions}."
    )


def _training(weights: Weights) -> str:
    """Base, data and recipe by their hashes, as the card has them."""
    card, base = weights.card, weights.card.base
    rows = {
        "weights (SHA-256 of the tower before export)": card.weight_hash,
        "base": f"{_plain(base.name)}, {base.weight_hash}" if base else None,
        "blend": _blended(card.blend) if card.blend else None,
        "objective": card.objective,
        "step": card.step or None,
        "data hash": card.data_hash,
        "recipe hash": card.recipe_hash,
        "seed": card.seed,
        "split and fold": f"{card.split_hash}, fold {card.fold}" if card.split_hash else None,
        "genes": card.paired.features if card.paired else None,
        "pairing": card.pairing,
        "pathfm": card.pathfm,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value is not None]
    return "\n".join(["## Where it comes from", "", "| | |", "| --- | --- |", *lines])


def _trained(objective: str) -> str:
    """How the tower was trained, in words."""
    if objective == IMPORTED:
        return "imported and not trained further"
    return TermSettings.kinds.get(objective, TermSettings).says


def _blended(blend: Blend) -> str:
    """Between which weights the tower lies, and how far."""
    tuned = ", ".join(f"{_plain(one.name)}, {one.weight_hash}" for one in blend.tuned)
    return f"{1 - blend.alpha:g} · base + {blend.alpha:g} · {'the mean of ' if len(blend.tuned) > 1 else ''}{tuned}"


def _plain(text: str) -> str:
    """A name in Markdown: nothing in it is read as markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|~" else letter for letter in text.replace("\n", " "))
