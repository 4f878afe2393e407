"""Configs: which keys a group has, what an override may say, and what identifies a recipe."""

import re
from dataclasses import dataclass, field, make_dataclass, replace

import pytest

from pathfm.errors import InputError
from pathfm.settings.command_line import overridden, parse, shipped, usage
from pathfm.settings.earlier import ONE_FOR_ALL, translated
from pathfm.settings.schema import differences, differing, from_dict
from pathfm.settings.terms import Contrastive, Direct, Joint, terms_of
from pathfm.settings.training import Placement, Recipe, TrainConfig

CONFIG = {"cohort": "c", "objective": {"name": "direct"}}


def parsed(*flags, config="direct"):
    return parse(["--config", config, "--workdir", "w", "--config.cohort=c", *flags], "train", TrainConfig)[0]


def test_the_defaults_of_a_term_stand_in_its_settings_alone():
    assert from_dict(TrainConfig, CONFIG).objective == Direct()
    assert parsed("--config.objective.hidden=64").objective == Direct(hidden=64)


def test_another_terms_key_is_an_error():
    with pytest.raises(InputError, match="unknown key config.objective.projection; known are name, weight, modality, hidden, huber"):
        from_dict(TrainConfig, {**CONFIG, "objective": {"name": "direct", "projection": 8}})
    with pytest.raises(InputError, match="unknown key config.objective.projection"):
        parsed("--config.objective.projection=8")


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({}, "config.objective.name is missing; known are direct, contrastive"),
        ({"name": "contrastiv"}, "did you mean contrastive"),
        ({"name": "magic"}, "config.objective.name is 'magic'; known are"),
        (3, "config.objective is a group of keys, not 3"),
        ({"name": "joint"}, "weights of the terms sum to nothing"),
        ({"name": "joint", "terms": {"direct": 0.0}}, "weights of the terms sum to nothing"),
        ({"name": "joint", "terms": {"direct": -1.0}}, "the weight of direct is -1.0; it must be 0 or more"),
        ({"name": "joint", "terms": {"joint": {"terms": {"direct": 1}}}}, "not of another joint"),
        ({"name": "joint", "terms": {"dirct": 1.0}}, "config.objective.terms.dirct.name is 'dirct'; did you mean direct"),
    ],
)
def test_an_objective_that_makes_no_sense_is_one_sentence(objective, message):
    with pytest.raises(InputError, match=message):
        from_dict(TrainConfig, {"cohort": "c", "objective": objective})


def test_a_joint_objective_is_terms_with_weights():
    joint = from_dict(
        TrainConfig, {**CONFIG, "objective": {"name": "joint", "terms": {"direct": 1.0, "contrastive": {"weight": 0.3}}}}
    ).objective
    assert terms_of(joint) == {"direct": Direct(weight=1.0), "contrastive": Contrastive(weight=0.3)}
    values = {"cohort": "c", "objective": {"name": "joint", "terms": {"direct": 1.0}}}
    flags = ["--config.objective.terms.direct.hidden=4", "--config.objective.terms.mine={'name': 'contrastive', 'projection': 8}"]
    joint = from_dict(TrainConfig, overridden(values, flags, TrainConfig, "train")).objective
    assert joint.terms == {"direct": Direct(weight=1.0, hidden=4), "mine": Contrastive(projection=8)}


def test_a_flag_may_name_the_kind_before_or_after_its_keys():
    values = {"cohort": "c"}
    flags = ["--config.objective.hidden=4", "--config.objective=direct"]
    assert from_dict(TrainConfig, overridden(dict(values), flags, TrainConfig, "train")).objective == Direct(hidden=4)
    flags = ["--config.objective.projection=4", "--config.objective.name=views"]
    assert from_dict(TrainConfig, overridden(dict(values), flags, TrainConfig, "train")).objective.projection == 4


def test_the_recipe_is_what_is_trained_and_the_placement_how():
    config = parsed()
    elsewhere = replace(
        config, cohort="d", init="b", fold=3, workers=7, threads=1, microbatch=8, remat="blocks", log_every="3 steps", max_bad=0.5
    )
    assert config.recipe == elsewhere.recipe and config.recipe.hash == elsewhere.recipe.hash
    assert config.placement != elsewhere.placement
    assert config.recipe != replace(config, seed=1).recipe and config.recipe.hash == replace(config, seed=1).recipe.hash
    for change in ({"dtype": "bfloat16"}, {"objective": Direct(huber=2.0)}, {"tiles": 3}):
        assert config.recipe.hash != replace(config, **change).recipe.hash


def test_a_key_that_a_later_version_adds_changes_no_hash_until_it_is_set():
    later = make_dataclass("Later", [("added", int, field(default=3))], bases=(Recipe,), frozen=True, kw_only=True)
    recipe = parsed().recipe
    values = {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}
    assert later(**values).hash == recipe.hash
    assert later(**values, added=4).hash != recipe.hash


def test_differences_are_what_is_no_default():
    config = parsed("--config.augment.blur=0.5", "--config.objective.hidden=8")
    assert differences(config) == {
        "objective": {"name": "direct", "hidden": 8},
        "panel": "predictable:2000",
        "tiles": 4,
        "optimizer": {"layer_decay": 0.75},
        "augment": {"blur": 0.5},
        "cohort": "c",
    }
    assert differing(parsed(), config) == [("objective.hidden", 0, 8), ("augment.blur", 0.0, 0.5)]
    assert differing(parsed(), parsed("--config.mesh.fsdp=2", "--config.workers=1"), besides=Placement) == []


def test_a_config_of_all_objectives_at_once_is_read_as_that_of_its_own():
    old = dict.fromkeys(ONE_FOR_ALL, 1.0) | {"name": "views", "projection": 7, "temperature": 0.2, "max_logit_scale": 50.0}
    assert translated({"objective": old})["objective"] == {"name": "views", "projection": 7, "temperature": 0.2, "max_logit_scale": 50.0}
    assert translated(CONFIG) == CONFIG


def test_recipes_are_found_by_name_and_all_keys_are_listed():
    assert {"contrastive", "direct", "views", "evaluate"} <= set(shipped())
    text = usage("pathfm.train")
    assert re.search(r"--config.objective.name=direct\|contrastive\|views\|.*\bjoint\b", text)
    assert re.search(r"--config.objective.noise=0.0  \(contrastive.*\)", text)
    with pytest.raises(InputError, match="there is no config file nowhere; shipped recipes are .*contrastive, .*direct"):
        parsed(config="nowhere")


def test_a_modality_is_seen_through_its_own_settings_or_the_recipes():
    recipe = parsed("--config.panel=hvg:5", "--config.residual=site", "--config.modalities.text.residual=cancer").recipe
    assert (recipe.modality("expression").panel, recipe.modality("expression").residual) == ("hvg:5", "site")
    assert (recipe.modality("text").panel, recipe.modality("text").residual) == ("all", "cancer")
    with pytest.raises(InputError, match="residual is 'magic'"):
        parsed("--config.modalities.text.residual=magic")


@dataclass(frozen=True)
class Group:
    number: int = 1


def test_a_value_is_no_group_and_a_group_no_value():
    with pytest.raises(InputError, match="config.number is a value, not a group of keys"):
        overridden({}, ["--config.number.x=1"], Group, "train")
    with pytest.raises(InputError, match="config.number=one is not a value of type int"):
        overridden({}, ["--config.number=one"], Group, "train")


def test_joint_of_one_term_is_that_term_in_a_group():
    assert terms_of(Joint(terms={"direct": Direct()})) == {"direct": Direct()}
