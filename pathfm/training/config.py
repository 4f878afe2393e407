"""What a training run can be told; configs/ holds the recipes."""

import dataclasses
from dataclasses import dataclass, field

from pathfm.files import digest


@dataclass(frozen=True)
class ObjectiveConfig:
    """Which objective, and the sizes of its heads."""

    name: str  # "contrastive", "direct" or "views"
    projection: int = 512  # width of the shared space of contrastive and views
    hidden: int = 1024  # width of the hidden layer of the expression tower, or of the regression head (0: linear)
    dropout: float = 0.2
    mask_genes: float = 0.2  # share of the genes hidden from the expression tower, one mask per patient and step
    temperature: float = 0.07  # at the start; learned
    max_logit_scale: float = 100.0
    huber: float = 1.0  # where the regression loss turns from square to linear, in standard deviations
    noise: float = 0.0  # standard deviation of noise added to the scaled expression that contrastive sees

    def __post_init__(self):
        known = ("contrastive", "direct", "views")
        if self.name not in known:
            raise ValueError(f"objective.name is {self.name!r}; known are {', '.join(known)}")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with warm-up and cosine decay; rules are regular expressions over parameter names `a/b/c`, first match wins."""

    learning_rate: float = 1e-4
    warmup: str = "5 %"
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    b2: float = 0.999
    layer_decay: float = 1.0  # learning rate of a block = the next block's, times this
    freeze: tuple[str, ...] = ()  # parameters that stay as they are
    multipliers: tuple[str, ...] = ()  # "REGEX=FACTOR" on the learning rate


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank factors beside the kernels of some modules; the tower itself then stays as it is. The weights of the run hold it merged."""

    rank: int = 0  # 0: none, the tower itself is trained
    alpha: float = 16.0  # what is added to a kernel is alpha / rank · down @ up
    modules: str = r"blocks_\d+/attention/(qkv|projection)"

    def __post_init__(self):
        if self.rank < 0 or self.alpha <= 0:
            raise ValueError("lora.rank must be 0 or more, and lora.alpha above 0")


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation on the device; strengths are standard deviations or shares, 0 is off."""

    flip: bool = True
    turn: bool = True  # quarter turns
    stain: float = 0.1  # log-normal gain and shift of each optical-density channel
    brightness: float = 0.1
    crop: float = 0.0  # least share of the tile's edge kept by a random square crop is 1 - crop
    blur: float = 0.0  # share of tiles smoothed by a small kernel


@dataclass(frozen=True)
class MeshConfig:
    """Devices along the axes of the mesh; -1 takes what is left."""

    data: int = -1
    fsdp: int = 1


@dataclass(frozen=True)
class TrainConfig:
    """One training run: where from, what for, how long. Durations are `N steps`, `N epochs`, `N examples` or `N %` of the run."""

    cohort: str
    objective: ObjectiveConfig
    init: str = ""  # a finished run or a folder of imported weights; empty: from scratch
    model: str = ""  # a name of `pathfm.models.zoo`, needed from scratch only
    seed: int = 0
    fold: int = 0
    pairing: str = "true"  # "true", or the null controls "permuted" and "permuted_in_site"
    panel: str = "protein_coding"
    residual: str = "none"  # what is taken from expression: the mean of the hospital ("site"), of the "cancer" type, "cancer_and_site"
    train_for: str = "30 epochs"
    batch: int = 256  # patients a step
    tiles: int = 1  # tiles of a patient a step
    microbatch: int = 0  # patients in the image tower at a time, same loss in less memory; 0: all, on a CPU few where that costs nothing
    pooling: str = "mean"  # "mean" or "attention"
    dtype: str = "auto"  # compute type: bfloat16 on accelerators, float32 on CPU
    remat: str = "cheap"  # what the backward pass computes again: "none", "cheap" values or whole "blocks"
    evaluate_every: str = "5 %"  # loss on validation patients; a checkpoint follows each
    select: str = "best"  # the weights with the least validation loss, or the "last"
    log_every: str = "1 %"
    max_bad: float = 0.001  # share of training records that may fail to decode
    threads: int = 4  # that read records
    workers: int = 0  # processes that read records; 0: threads of this one
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)

    def __post_init__(self):
        choices = {
            "pairing": ("true", "permuted", "permuted_in_site"),
            "residual": ("none", "site", "cancer", "cancer_and_site"),
            "pooling": ("mean", "attention"),
            "select": ("best", "last"),
            "remat": ("none", "cheap", "blocks"),
            "dtype": ("auto", "float32", "bfloat16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known are {', '.join(known)}")
        for name, least in (("batch", 1), ("tiles", 1), ("microbatch", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")

    @property
    def recipe_hash(self) -> str:
        """The same for runs that differ in their fold, and in where cohort and base lie, alone."""
        return digest(dataclasses.asdict(self.replace(cohort="", init="", fold=0)))

    def replace(self, **changes) -> "TrainConfig":
        return dataclasses.replace(self, **changes)
