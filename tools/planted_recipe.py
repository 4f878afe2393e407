"""What is trained in the trial of the planted effect: one base, and from it every arm with the same steps, learning rate and data."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pathfm.settings.command_line import load
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PANEL = "hvg:500"
COMMON = {
    "optimizer": {"learning_rate": 1e-3, "layer_decay": 1.0, "b2": 0.99, "warmup": "10 %"},
    "augment": {"stain": 0.2, "brightness": 0.2, "crop": 0.0},
}


@dataclass(frozen=True)
class Settings:
    """The size of the trial and its recipe; two trials with equal settings may share a folder."""

    patients: int = 840
    fractions: tuple[float, float, float] = (0.72, 0.08, 0.20)
    tiles_per_patient: int = 16
    panel: str = PANEL  # which genes all arms see and are scored on
    base: dict[str, Any] = field(default_factory=lambda: {"train_for": "500 steps", "batch": 64, **COMMON})
    shared: dict[str, Any] = field(default_factory=lambda: {"train_for": "480 steps", "batch": 64, "tiles": 2, **COMMON})
    direct: dict[str, Any] = field(default_factory=dict)
    contrastive: dict[str, Any] = field(
        default_factory=lambda: {"residual": "site", "objective": {"projection": 32, "hidden": 64, "temperature": 0.1}}
    )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"fractions": list(self.fractions)}


@dataclass(frozen=True)
class Arm:
    """One training, and what its expression belongs to: the patient ("true"), another patient ("permuted"), or none there ("")."""

    objective: str
    pairing: str = ""

    @property
    def name(self) -> str:
        return "-".join(filter(None, [self.objective, self.pairing]))


BASE = Arm("base")
CONTROL = Arm("control")
TUNED = tuple(Arm(objective, pairing) for objective in ("direct", "contrastive") for pairing in ("true", "permuted"))
ARMS = (CONTROL, *TUNED)


def training(arm: Arm, settings: Settings, cohort: Path, base: Path, seed: int) -> TrainConfig:
    """The shipped config of the arm's objective with the settings of the trial; the control is `views` from the base."""
    values = load(str(CONFIGS / f"{'views' if arm in (BASE, CONTROL) else arm.objective}.py"))
    values = merged(values, {"cohort": str(cohort), "seed": seed, "log_every": "5 %", "evaluate_every": "10 %"})
    if arm == BASE:
        return from_dict(TrainConfig, merged(values, {"model": "demo", **settings.base}))
    values = merged(merged(values, {"init": str(base), "panel": settings.panel}), settings.shared)
    if arm == CONTROL:
        return from_dict(TrainConfig, values)
    return from_dict(TrainConfig, merged(values, {"pairing": arm.pairing, **getattr(settings, arm.objective)}))


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them, block by block."""
    result = dict(values)
    for key, change in changes.items():
        result[key] = merged(result[key], change) if isinstance(change, dict) and isinstance(result.get(key), dict) else change
    return result
