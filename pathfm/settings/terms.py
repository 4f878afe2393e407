"""The terms that an objective is made of: a frozen dataclass each, told apart by its `name`, where its defaults stand once.

`TermSettings.kinds` knows them; a term from elsewhere joins with `@term`, for example in a config file.
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pathfm.settings.schema import Tagged

EXPRESSION = "expression"  # the modality that pairs.parquet pairs with slides
CONTRASTS = {"loss": ("infonce", "siglip"), "targets": ("masked", "diagonal", "multi"), "negatives": ("batch", "bank")}
DISTANCES = ("cosine", "l2")
BALANCES = ("none", "gradient")
TOWER_PARTS = ("image", "pooling", "lora", "base_image")  # what lies beside the terms among the parameters


@dataclass(frozen=True, kw_only=True)
class TermSettings(Tagged):
    """What all terms have. `made_by` is the `pathfm.objectives.objective.Term` of these settings, as "module:Class" or the class itself."""

    kinds: ClassVar[dict[str, type]] = {}
    short: ClassVar[str] = "weight"
    says: ClassVar[str] = "trained by an objective that is not described here"  # of a tower trained with it, for those who get the weights
    files: ClassVar[tuple[str, ...]] = ()  # keys that hold paths
    made_by: ClassVar[Any]
    needs_init: ClassVar[bool] = False  # whether it compares with the weights that training starts from

    name: str
    weight: float = 1.0  # of this term's loss in the sum

    def __post_init__(self):
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"the weight of {self.name} is {self.weight}; it must be 0 or more")


Kind = TypeVar("Kind", bound=type[TermSettings])


def term(settings: Kind) -> Kind:
    """Makes a dataclass of settings known by its default `name`."""
    TermSettings.kinds[settings.name] = settings
    return settings


@dataclass(frozen=True, kw_only=True)
class HeadSettings(TermSettings):
    """What terms have whose head is linear, or has one hidden layer, on the feature of a patient's tiles."""

    modality: str = EXPRESSION  # whose vectors are predicted
    hidden: int = 0  # width of the hidden layer of the head; 0: linear


@term
@dataclass(frozen=True, kw_only=True)
class Direct(HeadSettings):
    """Prediction of expression from the feature of a patient's tiles."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.regression:Regression"
    says: ClassVar[str] = "tuned to predict the bulk gene expression of a tile's patient"

    name: str = "direct"
    huber: float = 1.0  # where the loss turns from square to linear, in standard deviations


@term
@dataclass(frozen=True, kw_only=True)
class Contrastive(TermSettings):
    """A patient's image embedding and expression embedding find each other among other patients'; docs/objectives.md has the sources."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.contrastive:Contrastive"
    says: ClassVar[str] = "tuned to tell which bulk gene expression belongs to a tile's patient"

    name: str = "contrastive"
    modality: str = EXPRESSION  # whose vectors stand in the place of text
    projection: int = 512  # width of the shared space
    hidden: int = 1024  # width of the hidden layer of the expression tower
    dropout: float = 0.2
    mask_genes: float = 0.2  # share of the genes hidden from the expression tower, one mask per patient and step
    temperature: float = 0.07  # at the start; learned
    max_logit_scale: float = 100.0
    noise: float = 0.0  # standard deviation of noise added to the scaled expression
    loss: str = "infonce"  # or "siglip"
    targets: str = "masked"  # what a row's own patient is to it in other rows: "masked" out, a negative ("diagonal"), a positive ("multi")
    negatives: str = "batch"  # whose expression an image is told from: of the "batch", or of all training patients (the "bank")
    same_cancer: bool = False  # negatives are of the patient's own cancer type alone
    bias: float | None = None  # of SigLIP at the start, learned; None: minus the log of a row's negatives

    def __post_init__(self):
        super().__post_init__()
        for key, known in CONTRASTS.items():
            if getattr(self, key) not in known:
                raise ValueError(f"{key} of {self.name} is {getattr(self, key)!r}; known are {', '.join(known)}")

    @property
    def refuses_repeats(self) -> bool:
        """Whether a patient must not be in a batch twice: each pair that is no target is then a certain negative."""
        return self.loss == "siglip" and self.targets == "diagonal"


@term
@dataclass(frozen=True, kw_only=True)
class Views(TermSettings):
    """Two augmentations of a tile find each other among all tiles of the batch; no expression, no labels."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.views:Views"
    says: ClassVar[str] = "trained without labels, by telling two views of a tile from other tiles"

    name: str = "views"
    projection: int = 128
    temperature: float = 0.1
    max_logit_scale: float = 100.0


@term
@dataclass(frozen=True, kw_only=True)
class Towers(TermSettings):
    """The embeddings of a patient's image and of each of its vectors find each other, pair by pair, among the patients that have both."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.towers:Towers"
    says: ClassVar[str] = "tuned to tell which gene expression and other vectors belong to a tile's patient"

    name: str = "towers"
    modalities: tuple[str, ...] = (EXPRESSION, "text")  # each has a tower; a patient may lack some
    projection: int = 512  # width of the shared space
    hidden: int = 1024  # width of the hidden layer of each modality's tower
    dropout: float = 0.2
    masking: float = 0.2  # share of a vector's entries hidden from its tower, one mask per patient and step
    temperature: float = 0.07  # at the start; learned for each pair
    max_logit_scale: float = 100.0

    def __post_init__(self):
        super().__post_init__()
        if not self.modalities or len({*self.modalities, "image"}) <= len(self.modalities):
            named = ", ".join(self.modalities) or "none"
            raise ValueError(f"the modalities of {self.name} are {named}; name one or more beside the image, each once")


@term
@dataclass(frozen=True, kw_only=True)
class Adversary(TermSettings):
    """A head reads the hospital from a patient's feature, and the tower learns to hide it; goes with other terms in a joint objective."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.adversary:Adversary"
    says: ClassVar[str] = "tuned to hide the hospital of a tile's patient"

    name: str = "adversary"
    hidden: int = 256  # width of the hidden layer of the head
    within_cancer: bool = False  # the head chooses among the hospitals that have the patient's cancer type, which it so gains nothing by
    strength: float = 1.0  # at the end, of the reversed gradient against that of the head
    ramp: float = 10.0  # how fast it comes there: at the share p of the run it is strength · (2 / (1 + exp(-ramp · p)) - 1)

    def __post_init__(self):
        super().__post_init__()
        if not self.strength >= 0 or not self.ramp > 0:
            raise ValueError(f"strength is {self.strength} and ramp is {self.ramp}; strength must be 0 or more, ramp above 0")


@term
@dataclass(frozen=True, kw_only=True)
class Joint(TermSettings):
    """Several terms on one tower: `{"direct": 1.0, "contrastive": {"weight": 0.3, "projection": 128}}`.

    A key is the name of its term, or any word for a term that gives its own `name`. Balanced by `gradient`, the terms' gradients at the
    tower's features are brought to one size before they are weighted (`pathfm.objectives.balance`).
    """

    made_by: ClassVar[None] = None
    says: ClassVar[str] = "trained by several objectives at once"
    name: str = "joint"
    terms: dict[str, TermSettings] = field(default_factory=dict)
    balance: str = "none"  # "gradient": weights are shares of the gradient instead of factors on losses of different size

    def __post_init__(self):
        super().__post_init__()
        if self.balance not in BALANCES:
            raise ValueError(f"balance is {self.balance!r}; known are {', '.join(BALANCES)}")
        if taken := sorted(set(self.terms) & set(TOWER_PARTS)):
            raise ValueError(f"a term cannot be called {taken[0]}, as a part of the tower is; choose another word")
        if any(isinstance(one, Joint) for one in self.terms.values()):
            raise ValueError("a joint objective is made of terms, not of another joint objective")
        if not sum(one.weight for one in self.terms.values()) > 0:
            raise ValueError("the weights of the terms sum to nothing; give at least one a weight above 0")


@term
@dataclass(frozen=True, kw_only=True)
class Anchor(TermSettings):
    """The features of a tile stay near those that the weights of `init` have for it."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.anchor:Anchor"
    says: ClassVar[str] = "held near the features of the weights that it was tuned from"
    needs_init: ClassVar[bool] = True

    name: str = "anchor"
    distance: str = "cosine"  # or "l2", in which the length of a feature counts too

    def __post_init__(self):
        super().__post_init__()
        if self.distance not in DISTANCES:
            raise ValueError(f"distance is {self.distance!r}; known are {', '.join(DISTANCES)}")


def terms_of(objective: TermSettings) -> dict[str, TermSettings]:
    """The terms of an objective by the names that their parameters and metrics go by; a single term by its own."""
    return objective.terms if isinstance(objective, Joint) else {objective.name: objective}


def modalities_of(objective: TermSettings) -> list[str]:
    """The modalities whose vectors the terms need."""
    every = terms_of(objective).values()
    return sorted({name for one in every for name in (getattr(one, "modality", None), *getattr(one, "modalities", ())) if name})


def on_card(objective: TermSettings) -> dict[str, Any]:
    """The settings of an objective as cards name them: all fields, files without their folders."""
    if isinstance(objective, Joint):
        return asdict(objective) | {"terms": {name: on_card(one) for name, one in objective.terms.items()}}
    return asdict(objective) | {key: Path(path).name for key in objective.files if (path := getattr(objective, key))}
