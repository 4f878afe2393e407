"""What the tensors of a checkpoint are for, by their names alone: the tower, heads and mask tokens, another tower, or unknown.

Training code wraps a tower in prefixes (`teacher.backbone.`, `module.`, `state_dict.`, `vit.`) and keeps other things beside it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pathfm.errors import InputError
from pathfm.zoo.other_models import IMAGE_TEXT, WITH_PATCHES, WITHOUT_PATCHES, refuse, refuse_other, refuse_unready, with_patches
from pathfm.zoo.rules import listed

_WRAPPERS = re.compile(r"(?:(?:_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module)\.)")
"""What torch.compile, FSDP and activation checkpointing put before the names inside a module that they wrap."""

_W = f"{_WRAPPERS.pattern}*"
PATCH_EMBEDDINGS = re.compile(rf"(?P<prefix>|.*\.)(patch_embed\.{_W}proj|embeddings\.{_W}patch_embeddings\.{_W}projection)\.{_W}weight")
OF_DINOV3 = re.compile(r"(?P<prefix>|.*\.)embeddings\.patch_embeddings\.weight")
"""Of Hugging Face's DINOv3, and of its ConvNeXts."""

TRUNK = "visual.trunk."  # of open_clip, which has a projection at `visual.head`, or of CONCH, which ends in attention pooling instead

RANKS = (
    {"teacher"},  # DINO, iBOT, DINOv2
    {"ema", "averaged", "swa"},  # an average of the weights over the training
    {"online", "base", "q"},  # BYOL; base_encoder of MoCo v3, encoder_q of MoCo
    {"target"},  # MSN, I-JEPA
    set(),  # no such word
    {"momentum", "k", "key", "current"},
    {"student"},
    {"optimizer", "optim", "opt", "callbacks"},  # a copy in the state of the training
)
"""Words of prefixes: of several towers the one is taken that its trainer evaluates, which is the first in this order."""

_HEADS = (
    r"((momentum|online|target|student|teacher|base)_)?(head|heads|head_dist|classifier|fc|pooler|linear|mlp_head|cls_head|dino_head|"
    r"ibot_head|contrastive_head|projector|predictor|projection|prediction|proj_head|projection_head|prediction_head|visual_projection|"
    r"image_projection|online_classifier|decoder\w*)(_momentum|_ema)?(\..+)?"
)
BESIDE = re.compile(rf"(embeddings\.)?mask_token|masked_embed|rope_embed\.periods|(.*\.)?attn\.qkv\.bias_mask|local_cls_norm\..+|{_HEADS}")
"""Parts of a model that no feature depends on, or that say what is known (periods, masks); they are kept beside the parameters and written
back.
"""

LEFT = {
    "state of its training": re.compile(
        r"(.*\.)?(optimizers?|optimizers?_states?|optim|opt|(lr_)?schedulers?|loops|callbacks|hyper_parameters|hparams|amp|(\w+_)?scaler|"
        r"\w*loss\w*|criterion\w*|center|\w*metrics?|(train|val|valid|test)_\w+|n_averaged|num_updates|initted|step|epoch|rng\w*|"
        r"num_batches_tracked|position_ids)\b.*"
    ),
    "a queue": re.compile(r"(.*\.)?queue\w*"),
    "prototypes": re.compile(r"(.*\.)?prototypes?\w*(\..+)?"),
    "a text tower or another transformer": re.compile(
        r"(.*\.)?(text|text_\w+|transformer|token_embedding|positional_embedding|ln_final|logit_scale|logit_bias|language_model|bert)(\..+)?"
    ),
    "an average under other names": re.compile(r"(.*\.)?(ema|model_ema|ema_model|ema_weights|shadow_params|collected_params)(\..+)?"),
}
"""What else stands beside a tower; nothing of it is kept."""


@dataclass(frozen=True)
class Contents:
    """The tensors of a checkpoint by their use.

    `tower` leads from the name without prefix, wrappers and chunks to the name in the file, `beside` from the name without prefix. `chunk`
    is how many blocks make a chunk (0: they are not cut), `others` leads from another tower's prefix to the number of its tensors and of
    those that belong to it, `left` from what else is left out to its names.
    """

    prefix: str
    tower: dict[str, str]
    beside: dict[str, str]
    chunk: int
    others: dict[str, int]
    left: dict[str, list[str]]

    def lines(self) -> list[str]:
        """What was set aside, for the user."""
        said = [f"the tower lies under {self.prefix!r}"] if self.prefix else []
        if self.others:
            said = [f"of {len(self.others) + 1} towers the one under {self.prefix!r} is taken, the one that its trainer evaluates"]
        said += [f"its blocks come in chunks of {self.chunk}"] if self.chunk else []
        said += [f"kept beside the parameters: {listed(sorted(self.beside))}"] if self.beside else []
        said += [f"another tower is left out: {prefix!r}, {count} tensors" for prefix, count in self.others.items()]
        return said + [f"{what} is left out: {len(names)} tensors, {listed(names)}" for what, names in self.left.items()]


def contents(names: Iterable[str]) -> Contents:
    """Sorts a checkpoint's tensors; InputError when there is no ViT of the zoo's kind, which says what is there instead, when several
    towers are and nothing tells which is meant, or lists names of no known use.
    """
    names = sorted(names)
    prefixes = [match["prefix"] for name in names if (match := PATCH_EMBEDDINGS.fullmatch(name))]
    dinov3 = [match["prefix"] for name in names if (match := OF_DINOV3.fullmatch(name))]
    prefixes += [prefix for prefix in dinov3 if any(re.match(rf"{re.escape(prefix)}(model\.)?layer\.0\.", name) for name in names)]
    if not prefixes:
        refuse_unready(names)
        refuse_other(names, WITH_PATCHES + WITHOUT_PATCHES)
        raise InputError(f"there is no patch embedding of a ViT among the {len(names)} tensors; the first are {listed(names)}")
    refuse_other(names, IMAGE_TEXT)
    prefix = _taken(prefixes)
    if prefix.endswith(TRUNK) and not any(name.startswith(f"{prefix.removesuffix('trunk.')}head.") for name in names):
        refuse("conch")
    roots = {_root(other, prefix): other for other in prefixes if other != prefix}
    tower, beside, others, left, unknown = {}, {}, dict.fromkeys(roots.values(), 0), {}, []
    for name in names:
        owner = max((known for known in prefixes if name.startswith(known)), key=len, default=None)
        owner = owner if owner is not None else next((other for root, other in roots.items() if name.startswith(root)), None)
        inner = _WRAPPERS.sub("", name.removeprefix(prefix))
        what = next((what for what, pattern in LEFT.items() if pattern.fullmatch(inner)), None)
        if owner in others:
            others[owner] += 1
        elif owner == prefix and inner not in beside and BESIDE.fullmatch(inner):
            beside[inner] = name
        elif what:
            left.setdefault(what, []).append(name)
        elif owner == prefix and inner not in tower:
            tower[inner] = name
        elif name not in beside and re.fullmatch(rf"(.*\.)?{_HEADS}", name):
            beside[name] = name
        else:
            unknown.append(name)
    refuse_unready(tower)
    refuse_other(tower, with_patches(tower))
    if unknown:
        raise InputError(f"tensors of no known use: {listed(unknown)}; leave them out of the file and import it again")
    tower, chunk = _without_chunks(tower)
    return Contents(prefix, tower, beside, chunk, others, left)


def chunked(name: str, chunk: int) -> str:
    """The name of a tensor of a tower whose blocks are cut into chunks of that many, as DINOv2's hub code does it."""
    match = re.fullmatch(r"blocks\.(\d+)\.(.*)", name)
    return f"blocks.{int(match[1]) // chunk}.{match[1]}.{match[2]}" if match and chunk else name


def _taken(prefixes: list[str]) -> str:
    """The prefix of the tower that its trainer evaluates; InputError when nothing tells which that is."""

    ranks = [_rank(prefix) for prefix in prefixes]
    best = [prefix for prefix, rank in zip(prefixes, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        raise InputError(f"there are several towers, under {listed([repr(prefix) for prefix in best])}; save the one that is meant alone")
    return best[0]


def _rank(prefix: str) -> int:
    words = set(re.split(r"[._]", prefix.lower()))
    last = len(RANKS) - 1
    return last if words & RANKS[last] else next((i for i, told in enumerate(RANKS) if words & told), RANKS.index(set()))


def _root(other: str, prefix: str) -> str:
    """What all names of another tower's network begin with and those of the tower's do not: `student.` of `student.backbone.`."""
    parts, ours = other.split("."), prefix.split(".")
    same = next((i for i, (a, b) in enumerate(zip(parts, ours, strict=False)) if a != b), len(parts))
    return ".".join(parts[: same + 1]) + "."


def _without_chunks(tower: dict[str, str]) -> tuple[dict[str, str], int]:
    """The tower's names with one number for a block, and how many blocks its first chunk has."""
    pattern = re.compile(r"blocks\.(\d+)\.(\d+)\.(.*)")
    first = {int(match[2]) for name in tower if (match := pattern.fullmatch(name)) and match[1] == "0"}
    return {pattern.sub(r"blocks.\2.\3", name): original for name, original in tower.items()}, len(first)
