"""What the tensors of a checkpoint are for, by their names alone: the tower, heads and mask tokens, another tower, or unknown.

Training code wraps a tower in prefixes (`teacher.backbone.`, `module.`, `state_dict.`, `vit.`) and keeps other things beside it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pathfm.errors import InputError
from pathfm.models.naming import listed
from pathfm.models.zoo import OUT_OF_SCOPE

PATCH_EMBEDDINGS = re.compile(r"(?P<prefix>|.*\.)(patch_embed\.proj|embeddings\.patch_embeddings\.projection)\.weight")
PREFERRED = ("teacher", "ema")  # of several towers

_HEADS = r"(head|head_dist|classifier|pooler|fc|dino_head|ibot_head|projector|projection_head|decoder\w*)\..*"
BESIDE = re.compile(rf"(embeddings\.)?mask_token|{_HEADS}")
"""Parts of a model that no feature depends on; they are kept beside the parameters and written back."""

LEFT = re.compile(r"(.*\.)?(optimizer|optimizer_state|scheduler|fp16_scaler|grad_scaler|dino_loss|ibot_patch_loss|queue|loss)\b.*")
"""State of the training that made the checkpoint; nothing of it is kept."""

FOREIGN = {
    "conch": re.compile(r"visual\.trunk\..*|text\.transformer\..*"),
    "ctranspath": re.compile(r"(.*\.)?layers\.\d+\.blocks\.\d+\.attn\.relative_position_bias_table"),
}


@dataclass(frozen=True)
class Contents:
    """The tensors of a checkpoint by their use.

    `tower` leads from the name without prefix and chunks to the name in the file, `beside` from the name without prefix. `chunk` is how
    many blocks make a chunk (0: they are not cut), `others` leads from another tower's prefix to the number of its tensors.
    """

    prefix: str
    tower: dict[str, str]
    beside: dict[str, str]
    chunk: int
    others: dict[str, int]
    left: int

    def lines(self) -> list[str]:
        """What was set aside, for the user."""
        said = [f"the tower lies under {self.prefix!r}"] if self.prefix else []
        said += [f"its blocks come in chunks of {self.chunk}"] if self.chunk else []
        said += [f"kept beside the parameters: {listed(sorted(self.beside))}"] if self.beside else []
        said += [f"another tower is left out: {prefix!r}, {count} tensors" for prefix, count in self.others.items()]
        return said + ([f"state of its training is left out: {self.left} tensors"] if self.left else [])


def contents(names: Iterable[str]) -> Contents:
    """Sorts a checkpoint's tensors; InputError when there is no ViT, when it is a model out of scope, or lists names of no known use."""
    names = sorted(names)
    for model, pattern in FOREIGN.items():
        if any(pattern.fullmatch(name) for name in names):
            raise InputError(f"these look like the weights of {model}, which is out of scope: {OUT_OF_SCOPE[model]}")
    prefixes = [match["prefix"] for name in names if (match := PATCH_EMBEDDINGS.fullmatch(name))]
    if not prefixes:
        raise InputError(f"there is no patch embedding of a ViT among the {len(names)} tensors; the first are {listed(names)}")
    prefix = next((prefix for word in PREFERRED for prefix in prefixes if word in prefix), min(prefixes, key=len))
    tower, beside, unknown, left = {}, {}, [], 0
    others = dict.fromkeys((other for other in prefixes if other != prefix), 0)
    for name in names:
        owner = max((known for known in prefixes if name.startswith(known)), key=len, default=None)
        inner = name.removeprefix(prefix)
        if owner in others:
            others[owner] += 1
        elif owner == prefix and BESIDE.fullmatch(inner):
            beside[inner] = name
        elif owner == prefix and not LEFT.fullmatch(inner):
            tower[inner] = name
        elif LEFT.fullmatch(name) or any(name.startswith(f"{other.split('.')[0]}.") for other in others if other):
            left += 1
        elif re.fullmatch(rf"(.*\.)?{_HEADS}", name):
            beside[name] = name
        else:
            unknown.append(name)
    if unknown:
        raise InputError(f"tensors of no known use: {listed(unknown)}; leave them out of the file and import it again")
    tower, chunk = _without_chunks(tower)
    return Contents(prefix, tower, beside, chunk, others, left)


def chunked(name: str, chunk: int) -> str:
    """The name of a tensor of a tower whose blocks are cut into chunks of that many, as DINOv2's hub code does it."""
    match = re.fullmatch(r"blocks\.(\d+)\.(.*)", name)
    return f"blocks.{int(match[1]) // chunk}.{match[1]}.{match[2]}" if match and chunk else name


def _without_chunks(tower: dict[str, str]) -> tuple[dict[str, str], int]:
    """The tower's names with one number for a block, and how many blocks its first chunk has."""
    pattern = re.compile(r"blocks\.(\d+)\.(\d+)\.(.*)")
    first = {int(match[2]) for name in tower if (match := pattern.fullmatch(name)) and match[1] == "0"}
    return {pattern.sub(r"blocks.\2.\3", name): original for name, original in tower.items()}, len(first)
