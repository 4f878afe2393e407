"""What decides a tower's shapes and its function."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pathfm.errors import InputError
from pathfm.models.positions import Interpolation

Mlp = Literal["gelu", "swiglu", "swiglu_packed"]
Slots = Literal["patches", "class", "all"]
Output = Literal["class", "class+mean"]
RopeType = Literal["float32", "bfloat16"]

LATER = ("rope", "rope_type", "key_bias", "per_channel")
"""Fields that earlier versions lacked: at their defaults they are not written, so that what is known by an architecture stays known."""


@dataclass(frozen=True)
class ViTSpec:
    """The architecture of an image tower; it holds everything that decides the shapes and the function.

    `slots` says which tokens own a position embedding: the patches alone, the class token too, or the registers as well (then the
    registers stand before the position embedding is added). `mlp_width` is the width between the two MLP layers (after the gate).
    "swiglu" and "swiglu_packed" are one function: packed, timm's files hold gate and value in one tensor. `interpolation` is the rule
    by which the position embeddings of `image_size` are resampled for images of another size.

    With `rope`, the base of the periods of rotary position embeddings, patches are turned by their coordinates and nothing is learned of
    positions, so `slots` is "patches"; `rope_type` is the type in which the publisher's code computes the angles. `key_bias=False` holds
    the key's third of the bias of query, key and value at zero. A tower `per_channel` sees red, green and blue one at a time, and its
    feature is those of the three side by side.
    """

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int = 16
    image_size: int = 224
    registers: int = 0
    slots: Slots = "class"
    mlp: Mlp = "gelu"
    qkv_bias: bool = True
    layer_scale: float | None = None
    epsilon: float = 1e-6
    output: Output = "class"
    interpolation: Interpolation = "antialias"
    rope: float | None = None
    rope_type: RopeType = "float32"
    key_bias: bool = True
    per_channel: bool = False

    def __post_init__(self):
        for name in ("width", "depth", "heads", "mlp_width", "patch", "image_size"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"the architecture's {name} is {getattr(self, name)!r}; it must be a whole number above 0")
        if self.registers < 0 or self.width % self.heads or self.image_size % self.patch:
            raise InputError(
                "the architecture does not fit together: heads must divide width, patch must divide image_size, registers must be 0 or more"
            )
        choices = {"slots": Slots, "mlp": Mlp, "output": Output, "interpolation": Interpolation, "rope_type": RopeType}
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise InputError(f"the architecture's {name} is {getattr(self, name)!r}; it must be one of {', '.join(get_args(known))}")
        if self.rope is not None and (self.rope <= 0 or self.slots != "patches" or self.width // self.heads % 4):
            raise InputError(
                "the architecture does not fit together: rotary position embeddings want a base above 0, slots 'patches', and heads whose "
                "width 4 divides"
            )

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "ViTSpec":
        """The spec that `to_dict` wrote; fields it lacks take their defaults, InputError for unknown or missing ones."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InputError(f"the architecture has the unknown field {unknown[0]!r}; known are {', '.join(known)}")
        missing = sorted(name for name, field in known.items() if field.default is dataclasses.MISSING and name not in fields)
        if missing:
            raise InputError(f"the architecture lacks the field {missing[0]!r}")
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, JSON-like; of those in `LATER` only what is no default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in LATER or value != defaults[name]}

    @property
    def passes(self) -> int:
        """How often the tower runs on an image."""
        return 3 if self.per_channel else 1

    @property
    def features(self) -> int:
        """The width of the tower's output."""
        return self.passes * self.width * (2 if self.output == "class+mean" else 1)

    @property
    def prefix(self) -> int:
        """How many tokens stand before the patches: the class token and the registers."""
        return 1 + self.registers

    @property
    def prefix_slots(self) -> int:
        """How many of the prefix tokens own a position embedding."""
        return {"patches": 0, "class": 1, "all": self.prefix}[self.slots]

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The patches down and across an image; InputError when the patch does not divide it."""
        if height % self.patch or width % self.patch or min(height, width) < self.patch:
            raise InputError(
                f"an image of {height} x {width} px has no whole patches of {self.patch} px; choose a tile size that {self.patch} divides"
            )
        return height // self.patch, width // self.patch

    def tokens(self, image_size: int | None = None) -> int:
        """The tokens of one image in all passes, those before the patches included."""
        rows, columns = self.grid(image_size or self.image_size, image_size or self.image_size)
        return self.passes * (self.prefix + rows * columns)

    def flops(self, image_size: int | None = None) -> int:
        """Floating-point operations of one image's forward pass: two for each multiply-add of its matrix products."""
        tokens = self.tokens(image_size) // self.passes
        embedding = (tokens - self.prefix) * self.patch**2 * (3 // self.passes) * self.width
        attention = tokens * self.width * 4 * self.width + 2 * tokens**2 * self.width
        mlp = tokens * self.width * self.mlp_width * (2 if self.mlp == "gelu" else 3)
        return 2 * self.passes * (embedding + self.depth * (attention + mlp))
