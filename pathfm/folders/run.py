"""The folder of a training run: config.json, run.json, metrics.jsonl, tensorboard/, checkpoints/ and, once it is finished, weights/."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathfm.errors import InputError
from pathfm.files import read_json, replacing, write_json
from pathfm.folders.metrics import read_metrics
from pathfm.settings.earlier import translated
from pathfm.settings.schema import differing, from_dict, to_json
from pathfm.settings.training import Placement, TrainConfig

FACTS = {
    "cohort": "the tiles of its training patients",
    "split": "its split",
    "panels": "its panels of features",
    "base": "the base weights",
}


@dataclass(frozen=True)
class RunFolder:
    """Paths in the folder of a run; docs/formats.md describes each file."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / "config.json"

    @property
    def facts_file(self) -> Path:
        return self.root / "run.json"

    @property
    def metrics_file(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def divergence_file(self) -> Path:
        """There once the run has diverged."""
        return self.root / "diverged.json"

    @property
    def finished(self) -> bool:
        return (self.weights / "card.json").exists()

    def config(self) -> TrainConfig:
        """The config that the run was last started with; InputError when there is none or it is broken."""
        values = read_json(self.config_file)
        if not isinstance(values, dict):
            raise InputError(f"{self.config_file} is not a config")
        return from_dict(TrainConfig, translated(values), str(self.config_file))

    def metrics(self) -> list[dict[str, Any]]:
        return read_metrics(self.metrics_file)

    def keep_config(self, config: TrainConfig, write: bool) -> None:
        """Leaves the config where `write` holds. InputError when the folder holds a run of another recipe, cohort, base or fold.

        Where the placement alone differs the run goes on under the new one.
        """
        if self.config_file.exists():
            kept = self.config()
            if others := differing(kept, config, besides=Placement):
                key, there, here = others[0]
                raise InputError(
                    f"{self.root} holds a run with another config: {key} is {there} there and {here} here (see {self.config_file}); "
                    "use another --workdir, or the same settings to go on"
                )
            if kept == config:
                return
        if write:
            with replacing(self.config_file) as temporary:
                temporary.write_text(to_json(config), encoding="utf-8")

    def keep_facts(self, facts: dict[str, Any], write: bool) -> None:
        """Leaves what identifies the run's input (the keys of FACTS). InputError when the run was begun on something else."""
        if self.facts_file.exists():
            kept = read_json(self.facts_file)
            for name, what in FACTS.items():
                if kept.get(name) != facts[name]:
                    raise InputError(
                        f"{self.root} was begun before {what} changed; put back what it was begun on, or use another --workdir"
                    )
        elif write:
            write_json({"format": 1, **facts}, self.facts_file)
