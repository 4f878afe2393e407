"""The command `pathfm blend`: base and tuned weights → curve over α on validation patients → the weights of the best α.

weights and their runs → data of the fold (leak check) → the mean of several runs → loss and probe at each α → one folder of weights.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.features.expression_probe import ExpressionProbe
from pathfm.files import digest
from pathfm.folders.run import RunFolder
from pathfm.input.training_data import TrainingData, open_training_data
from pathfm.progress import say
from pathfm.settings.terms import modalities_of
from pathfm.settings.training import TrainConfig
from pathfm.train import make_bank, refuse_leaks
from pathfm.training.interruption import stop_at_once
from pathfm.training.validation_loss import loss_on_validation
from pathfm.weights.blending import between, mean_of, named, refuse_unlike
from pathfm.weights.card import Blend, Card
from pathfm.weights.folder import Weights, open_weights, save_weights


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked for; `alphas` are in order, each from 0 to 1."""

    base: str
    tuned: tuple[str, ...]
    cohort: str
    out: str
    alphas: tuple[float, ...]
    by: str = "probe"
    soup: str = "uniform"
    tiles_per_slide: int = 32
    batch: int = 256


@dataclass(frozen=True)
class Point:
    """What validation patients say of weights; r is None where no expression was learned from."""

    loss: float
    r: float | None

    def goodness(self, by: str) -> float:
        """The higher the better; minus infinity where there is none."""
        value = -self.loss if by == "loss" else self.r
        return value if value is not None and math.isfinite(value) else -math.inf

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}" + ("" if self.r is None else f", r of the probe {self.r:.4f}")


Score = Callable[[Weights], Point]


def blend(asked: Asked) -> None:
    """Leaves `weights/` and the probe's `features/` in `asked.out`. InputError for weights that cannot be averaged or judged."""
    out = Path(asked.out)
    if RunFolder(out).config_file.exists():
        raise InputError(f"{out} holds a training run; give another --out")
    with stop_at_once():
        base, runs = open_weights(asked.base), [open_weights(path) for path in asked.tuned]
        refuse_unlike(base, runs)
        warn_of_others(base, runs)
        score = scores(asked, base, runs)
        members = ingredients(runs, score, asked)
        tuned = mean_of(members)
        curve = over_alphas(base, tuned, score, asked)
        alpha = best_alpha(curve, asked.by)
        chosen = between(base, tuned, alpha)
        patients = base.patients.union(*(run.patients for run in members))
        card = card_of(chosen, base, members, alpha, curve, asked)
        save_weights(out / "weights", chosen.params, card, chosen.panels, patients, base.origin)
    if alpha == 0:
        say(f"warning: none of what was tuned serves validation patients better than the base (by {asked.by}); the tower is the base's")
    say(f"done: {out / 'weights'} holds {1 - alpha:g} · base + {alpha:g} · tuned, chosen by {asked.by}")


def warn_of_others(base: Weights, runs: Sequence[Weights]) -> None:
    """A line where weights hardly lie in one valley of the loss, without which their average is nothing."""
    for run in runs:
        if run.card.base is None or run.card.base.weight_hash != base.card.weight_hash:
            say(f"warning: {run.path} was not tuned from {base.path} itself; weights that began apart may average to nothing useful")
    if len({run.card.seed for run in runs}) > 1:
        say("warning: the runs drew their heads from different seeds; the loss of their mean says little, the probe is not concerned")


def scores(asked: Asked, base: Weights, runs: Sequence[Weights]) -> Score:
    """From weights to what the validation patients of the first run's fold say of them; InputError where they were not held out."""
    first, config = runs[0], replace(config_of(runs[0]), cohort=asked.cohort)
    data = open_training_data(asked.cohort, config.fold, config.recipe, modalities_of(config.objective), first.panels)
    refuse_other_data(first, data, asked.cohort)
    for weights in (base, *runs):
        refuse_leaks(weights, data, config.replace(init=str(weights.path)))
    probe = None
    if first.panel is not None:
        cache = Path(asked.out) / "features"
        probe = ExpressionProbe.of(Cohort.open(asked.cohort), config.fold, first.panel, cache, asked.batch, asked.tiles_per_slide)
    elif asked.by == "probe":
        raise InputError(f"{first.path} was trained without expression, so there are no genes to probe; give --by loss")
    loss = loss_on_validation(config, base, first, data, partial(make_bank, data.train))
    return lambda weights: Point(loss(weights), None if probe is None else probe.r(weights))


def config_of(run: Weights) -> TrainConfig:
    """The config of the run that left these weights; InputError where they are not a run's."""
    folder = RunFolder(run.path.resolve().parent)
    if run.path.resolve() != folder.weights or not folder.config_file.exists():
        raise InputError(f"{run.path} is not the weights of a training run with its config.json; give the folder of the run to --tuned")
    return folder.config()


def refuse_other_data(run: Weights, data: TrainingData, cohort: str) -> None:
    """The curve is of the patients whom the run did not learn from: its own fold's."""
    if data.split_hash != run.card.split_hash:
        raise InputError(f"{run.path} was trained on another split than that of {cohort}; give the cohort of the run to --cohort")
    if {name: panel.hash for name, panel in data.panels.items()} != {name: panel.hash for name, panel in run.panels.items()}:
        raise InputError(
            f"the expression of {cohort} has changed since {run.path} was trained on it; give the cohort of the run to --cohort"
        )


def ingredients(runs: Sequence[Weights], score: Score, asked: Asked) -> list[Weights]:
    """The runs whose mean is taken: all of them, or from the best on those that do not make their mean worse (greedy soup)."""
    if len(runs) == 1 or asked.soup == "uniform":
        return list(runs)
    alone = [score(run) for run in runs]
    for run, point in zip(runs, alone, strict=True):
        say(f"blend: {run.path}: {point}")
    best, *others = sorted(range(len(runs)), key=lambda number: -alone[number].goodness(asked.by))
    kept, reached = [runs[best]], alone[best].goodness(asked.by)
    for number in others:
        point = score(mean_of([*kept, runs[number]]))
        if taken := point.goodness(asked.by) >= reached:
            kept, reached = [*kept, runs[number]], point.goodness(asked.by)
        say(f"blend: with {runs[number].path}: {point}; {'taken' if taken else 'left out'}")
    return kept


def over_alphas(base: Weights, tuned: Weights, score: Score, asked: Asked) -> dict[float, Point]:
    """The curve, said as it comes."""
    curve = {}
    for alpha in asked.alphas:
        curve[alpha] = score(between(base, tuned, alpha))
        say(f"blend: α = {alpha:g}: {curve[alpha]}")
    return curve


def best_alpha(curve: dict[float, Point], by: str) -> float:
    """The α of the best point; of equals the smallest, next to the base. InputError where no point has a value."""
    alpha = min(curve, key=lambda alpha: (-curve[alpha].goodness(by), alpha))
    if curve[alpha].goodness(by) == -math.inf:
        raise InputError(f"no α has a {by} that is a number on validation patients; choose by {'probe' if by == 'loss' else 'loss'}")
    return alpha


def card_of(chosen: Weights, base: Weights, members: Sequence[Weights], alpha: float, curve: dict[float, Point], asked: Asked) -> Card:
    """The card of the tuned weights, which says between what the blend lies; its recipe is that of the runs and how they were blended."""
    recipes = [run.card.recipe_hash for run in members]
    seen = [weights.card.pretrained_on for weights in (base, *members)]
    points = ({"alpha": one, "loss": point.loss, "r": point.r} for one, point in curve.items())
    numbers = tuple({name: value if value is not None and math.isfinite(value) else None for name, value in one.items()} for one in points)
    how = [asked.by, list(asked.alphas), asked.tiles_per_slide, asked.soup if len(asked.tuned) > 1 else None]
    return replace(
        chosen.card,
        name=Path(asked.out).name,
        base=named(base),
        blend=Blend(base=named(base), tuned=tuple(map(named, members)), alpha=alpha, by=asked.by, curve=numbers),
        pretrained_on=None if None in seen else tuple(dict.fromkeys(name for names in seen for name in names or ())),
        recipe_hash=None if None in recipes else digest(["blend", sorted(set(map(str, recipes))), how]),
    )
