"""What an evaluation can be told."""

from dataclasses import dataclass, field

FLOORS = ("", "random", "colour")


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation of one checkpoint on one fold."""

    checkpoint: str  # a finished run, a folder of imported weights, or a file or folder of features that were computed elsewhere
    cohort: str
    benchmarks: dict[str, str] = field(default_factory=dict)  # name → the folder that `pathfm benchmarks prepare` left
    panel: str = ""  # the run whose gene panel is predicted; empty: the checkpoint's own
    floor: str = ""  # "random" or "colour": score what has learned nothing, in the checkpoint's place
    fold: int = -1  # -1: the fold that the checkpoint was trained on, or 0
    tasks: tuple[str, ...] = ()  # empty: all whose data are there
    probes: tuple[str, ...] = ("logistic", "ridge")  # each on every task that it can be fitted to; a task's first gives the headline
    class_weight: str = "balanced"  # or "none"
    seed: int = 0
    tiles_per_slide: int = 0  # at most so many, spread evenly over the slide; 0: all
    tiles_per_bag: int = 256  # of a patient, spread evenly over its tiles, for probes that see tiles (`mil`)
    batch: int = 256  # tiles
    resamples: int = 0  # further probes, each fitted on training patients drawn with replacement: the sd of a score over them
    permutations: int = 1000  # for the number of genes predicted better than chance
    cache: str = ""  # folder of features; empty: `features/` of the run folder
    leave_out_cohort: bool = False  # of benchmarks, the patients whom the cohort's fold trains or validates on
    allow_seen_patients: bool = False  # score patients that the encoder was trained on; the report says so
    smoke: bool = False  # marks scores that mean nothing

    def __post_init__(self):
        if self.class_weight not in ("balanced", "none"):
            raise ValueError(f"class_weight is {self.class_weight!r}; known are balanced, none")
        if self.floor not in FLOORS:
            raise ValueError(f"floor is {self.floor!r}; known are {', '.join(FLOORS[1:])}")
        if not self.probes or len(set(self.probes)) < len(self.probes):
            raise ValueError("probes must be one or more names, each once")
        for name, least in (
            ("batch", 1),
            ("tiles_per_bag", 1),
            ("tiles_per_slide", 0),
            ("permutations", 0),
            ("resamples", 0),
            ("fold", -1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")
