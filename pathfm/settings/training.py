"""What a training run can be told: the recipe, which says what is trained, and the placement, which says how; configs/ holds recipes."""

import dataclasses
import re
from dataclasses import dataclass, field

from pathfm.files import digest
from pathfm.settings.schema import differences
from pathfm.settings.terms import EXPRESSION, TermSettings, terms_of

TRAINABLE = re.compile(r"all|last:([1-9]\d*)")
RESIDUALS = ("none", "site", "cancer", "cancer_and_site")
DEFAULTS = 1  # goes up when a default below or in `terms` changes, so that recipes of before and after are not taken for one


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
    trainable: str = "all"  # of the tower; "last:N": its embeddings and all but its last N blocks stay as they are
    multipliers: tuple[str, ...] = ()  # "REGEX=FACTOR" on the learning rate
    ema: float = 0.0  # decay a step of the average of the parameters, which then is what is validated and kept; 0: none
    skip: int = 0  # steps in a row that may be left out for a loss or gradient that is not finite; more end the run. 0: none may
    spike: float = 0.0  # a gradient norm above so many times the mean of those before counts as not finite; 0: none does

    def __post_init__(self):
        if not TRAINABLE.fullmatch(self.trainable):
            raise ValueError(f"trainable is {self.trainable!r}; give all, or last:N for the last N blocks of the tower")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}; it must be 0 or more and below 1")
        if self.skip < 0 or not (self.spike == 0 or self.spike > 1):
            raise ValueError("skip must be 0 or more, and spike 0 or above 1")
        if self.spike and not self.skip:
            raise ValueError("spike needs skip, the number of steps in a row that may be left out")


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
class ModalityConfig:
    """Which features of a modality a model sees, fitted on training patients."""

    # "all", or for genes "predictable:N", "protein_coding", "hvg:N", "hallmark", "gmt:FILE", "list:FILE"; or scores of gene sets,
    # "pathways:FILE" or "ssgsea:FILE"
    panel: str = "all"
    residual: str = "none"  # what is taken away: the mean of the hospital ("site"), of the "cancer" type, "cancer_and_site"

    def __post_init__(self):
        if self.residual not in RESIDUALS:
            raise ValueError(f"residual is {self.residual!r}; known are {', '.join(RESIDUALS)}")


@dataclass(frozen=True)
class MeshConfig:
    """Devices along the axes of the mesh; -1 takes what is left."""

    data: int = -1
    fsdp: int = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, whatever it runs on. Durations are `N steps`, `N epochs`, `N examples` or `N %` of the run."""

    objective: TermSettings
    model: str = ""  # a name of `pathfm zoo`, needed from scratch only
    seed: int = 0
    pairing: str = "true"  # "true", or the null controls "permuted" and "permuted_in_site"
    panel: str = "protein_coding"  # the genes, as ModalityConfig says
    residual: str = "none"  # what is taken from expression
    modalities: dict[str, ModalityConfig] = field(default_factory=dict)  # of vectors beside expression, `NAME.h5ad` of the cohort
    train_for: str = "30 epochs"
    batch: int = 256  # patients a step
    tiles: int = 1  # tiles of a patient a step
    pooling: str = "mean"  # "mean", "attention" or "transformer"
    dtype: str = "auto"  # compute type: bfloat16 on accelerators, float32 on CPU
    evaluate_every: str = "5 %"  # loss on validation patients; a checkpoint follows each
    select: str = "best"  # the weights with the least validation loss, or the "last"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def modality(self, name: str) -> ModalityConfig:
        """The settings of a modality; of expression `panel` and `residual` unless `modalities` says otherwise."""
        return self.modalities.get(name) or (ModalityConfig(self.panel, self.residual) if name == EXPRESSION else ModalityConfig())

    @property
    def hash(self) -> str:
        """Identifies the recipe by the values that are not defaults, so that a key added later does not make it another.

        Without the seed: trainings of one recipe on several seeds share it.
        """
        return digest([DEFAULTS, {name: value for name, value in differences(self).items() if name != "seed"}])


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How a recipe is run: where it was stopped, it may go on under another placement."""

    microbatch: int = 0  # patients in the image tower at a time, same loss in less memory; 0: all, on a CPU few where that costs nothing
    remat: str = "cheap"  # what the backward pass computes again: "none", "cheap" values or whole "blocks"
    log_every: str = "1 %"
    max_bad: float = 0.001  # share of training records that may fail to decode
    threads: int = 4  # that read records
    workers: int = 0  # processes that read records; 0: threads of this one
    mesh: MeshConfig = field(default_factory=MeshConfig)


CHOICES = {
    "pairing": ("true", "permuted", "permuted_in_site"),
    "residual": RESIDUALS,
    "pooling": ("mean", "attention", "transformer"),
    "select": ("best", "last"),
    "remat": ("none", "cheap", "blocks"),
    "dtype": ("auto", "float32", "bfloat16"),
}
LEAST = {"batch": 1, "tiles": 1, "microbatch": 0, "threads": 1, "workers": 0, "fold": 0}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Placement, Recipe):
    """One training run: a recipe, its placement, and on what."""

    cohort: str
    init: str = ""  # a finished run or a folder of imported weights; empty: from scratch
    fold: int = 0

    def __post_init__(self):
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known are {', '.join(known)}")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")
        terms = terms_of(self.objective)
        if not sum(one.weight for one in terms.values()) > 0:
            raise ValueError("the weights of the objective's terms sum to nothing; give at least one a weight above 0")
        for name, one in terms.items():
            if one.needs_init and not self.init:
                raise ValueError(f"the term {name} holds to the weights of init; give --config.init=DIR, or leave the term out")

    @property
    def recipe(self) -> Recipe:
        return _part(self, Recipe)

    @property
    def placement(self) -> Placement:
        return _part(self, Placement)

    def replace(self, **changes) -> "TrainConfig":
        return dataclasses.replace(self, **changes)


def _part(config: TrainConfig, schema: type):
    return schema(**{field.name: getattr(config, field.name) for field in dataclasses.fields(schema)})
