"""The lengths of a run in steps."""

from dataclasses import dataclass

from pathfm.input.schedule import Schedule, steps_of
from pathfm.settings.training import TrainConfig


@dataclass(frozen=True)
class Durations:
    """All in steps: the whole run, the warm-up of the learning rate, and between two validations and two lines of the log."""

    steps: int
    warmup: int
    evaluate_every: int
    log_every: int

    @classmethod
    def of(cls, config: TrainConfig, schedule: Schedule) -> "Durations":
        """What the config's durations come to for so many patients; InputError for one that is not a duration."""
        steps = steps_of(config.train_for, schedule.steps_per_epoch, config.batch)
        shorter = (config.optimizer.warmup, config.evaluate_every, config.log_every)
        return cls(steps, *(steps_of(duration, schedule.steps_per_epoch, config.batch, steps) for duration in shorter))
