"""Joint objectives from the command line, from any folder, and what makes none."""

import pytest

from pathfm.errors import InputError
from pathfm.settings.command_line import load, parse
from pathfm.settings.schema import differences, from_dict
from pathfm.settings.terms import Anchor, Contrastive, Direct, Joint, Views, terms_of
from pathfm.settings.training import TrainConfig


def parsed(*flags, config="joint"):
    return parse(["--config", config, "--workdir", "w", "--config.cohort=c", *flags], "train", TrainConfig)[0]


@pytest.mark.parametrize("name", ["joint", "anchored"])
def test_a_shipped_recipe_is_known_by_its_name_in_any_folder(name, tmp_path, monkeypatch):
    by_path = load(f"configs/{name}.py")
    monkeypatch.chdir(tmp_path)
    assert load(name) == by_path
    (tmp_path / name).mkdir()  # a folder of that name is no recipe
    assert load(name) == by_path


@pytest.mark.parametrize(
    ("flags", "terms"),
    [
        (["terms=direct,views=0.3"], {"direct": Direct(), "views": Views(weight=0.3)}),
        (["terms=direct, views = 0.3"], {"direct": Direct(), "views": Views(weight=0.3)}),
        (["terms=direct"], {"direct": Direct()}),
        (["terms={'direct': 1, 'views': {'weight': 2}}"], {"direct": Direct(), "views": Views(weight=2.0)}),
        (["terms=direct=2", "terms.direct.hidden=8"], {"direct": Direct(weight=2.0, hidden=8)}),
        (["terms.views=0.1"], {"direct": Direct(), "contrastive": Contrastive(), "views": Views(weight=0.1)}),
        (["terms.views.weight=0"], {"direct": Direct(), "contrastive": Contrastive(), "views": Views(weight=0.0)}),
    ],
)
def test_terms_are_named_and_weighted_in_words_or_one_by_one(flags, terms):
    assert parsed(*(f"--config.objective.{flag}" for flag in flags)).objective == Joint(terms=terms, balance="gradient")


def test_from_any_recipe_an_objective_is_made_joint():
    flags = ["--config.objective=joint", "--config.objective.terms=direct,anchor=0.5", "--config.init=b"]
    joint = Joint(terms={"direct": Direct(), "anchor": Anchor(weight=0.5)})
    assert parsed(*flags, config="direct").objective == joint
    assert parsed(*reversed(flags), config="contrastive").objective == joint


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.objective.terms=direct,vews=1"], "config.objective.terms.vews.name is 'vews'; did you mean views"),
        (["--config.objective.terms=direct,views=much"], "config.objective.terms=direct,views=much: 'much' is not a number"),
        (["--config.objective.terms=direct,views=-1"], "the weight of views is -1.0; it must be 0 or more"),
        (["--config.objective.terms=direct,views=1e999"], "the weight of views is inf; it must be 0 or more"),
        (["--config.objective.terms=direct=0,views=0"], "the weights of the terms sum to nothing"),
        (["--config.objective.terms={'direct'"], "is not a value of type"),
        (["--config.objective.balance=size"], "balance is 'size'; known are none, gradient"),
        (["--config.objective.terms={'image': {'name': 'direct'}}"], "a term cannot be called image, as a part of the tower is"),
        (["--config.objective.terms=direct,anchor"], "the term anchor holds to the weights of init; give --config.init=DIR"),
        (["--config.objective.terms.anchor={'distance': 'euclid'}"], "distance is 'euclid'; known are cosine, l2"),
    ],
)
def test_what_makes_no_objective_is_one_sentence(flags, message):
    with pytest.raises(InputError, match=message) as error:
        parsed(*flags)
    assert "\n" not in str(error.value)


def test_an_anchor_needs_weights_to_hold_to_and_a_single_term_a_weight():
    with pytest.raises(InputError, match="the term anchor holds to the weights of init"):
        parsed(config="anchored")
    assert terms_of(parsed("--config.init=b", config="anchored").objective)["anchor"] == Anchor()
    with pytest.raises(InputError, match="the weights of the objective's terms sum to nothing"):
        parsed("--config.objective.weight=0", config="direct")


def test_the_balance_is_part_of_the_recipe_only_where_it_is_set():
    joint = {"name": "joint", "terms": {"direct": 1.0}}
    plain = from_dict(TrainConfig, {"cohort": "c", "objective": joint})
    assert "balance" not in differences(plain)["objective"]
    balanced = from_dict(TrainConfig, {"cohort": "c", "objective": {**joint, "balance": "gradient"}})
    assert plain.recipe.hash != balanced.recipe.hash
