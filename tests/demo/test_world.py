"""The planted world: balanced classes in many hospitals, labels that follow from the programmes, and nothing left to chance."""

import numpy as np
import pytest

from pathfm.demo.world import PROGRAMMES, make_world, planted_programmes
from pathfm.errors import InputError
from pathfm.sources import barcodes


@pytest.mark.parametrize("seed", range(5))
def test_every_class_lies_in_at_least_four_hospitals_of_at_least_twelve(seed):
    world = make_world(96, seed)
    assert len(world.hospitals) >= 12
    assert set(world.people["site"]) == set(world.hospitals)
    for column in ("project", "diagnosis", "tp53"):
        assert world.people.groupby(column)["site"].nunique().min() >= 4, column


@pytest.mark.parametrize(("patients", "classes"), [(96, 4), (144, 6), (400, 6)])
def test_classes_are_of_equal_size_and_every_hospital_has_patients_of_each(patients, classes):
    people = make_world(patients, 3).people.assign(subtype=lambda table: table["project"] + table["diagnosis"])
    sizes = people["subtype"].value_counts()
    assert len(sizes) == classes
    assert sizes.max() - sizes.min() <= 1
    assert people["tp53"].value_counts().tolist() == [patients // 2] * 2
    assert people.groupby(["site", "subtype"]).ngroups == people["site"].nunique() * classes


def test_the_labels_follow_from_the_programmes():
    world = make_world(400, 0)
    truth = planted_programmes(world)
    mutant = (world.people["tp53"] == "mutant").to_numpy()
    lobular = (world.people["diagnosis"] == "Lobular carcinoma, NOS").to_numpy()
    lung = world.people["project"].isin(["TCGA-LUAD", "TCGA-LUSC"]).to_numpy()
    assert truth.columns.tolist() == list(PROGRAMMES)
    assert truth["proliferation"][mutant].mean() - truth["proliferation"][~mutant].mean() > 1
    assert truth["gland"][lobular].mean() < -0.5
    assert truth["immune"][lung].mean() > 0.5


def test_hospitals_know_nothing_of_the_programmes():
    world = make_world(400, 0)
    by_site = planted_programmes(world).groupby(world.people["site"].to_numpy()).mean()
    assert by_site.std().max() < 2 / np.sqrt(20)


def test_names_are_tcga_barcodes_and_the_traps_of_tcga_are_there():
    world = make_world(96, 0)
    slides, aliquots = world.slides["slide"], world.aliquots["aliquot"]
    assert slides.is_unique and aliquots.is_unique and world.aliquots["folder"].is_unique
    assert all(barcodes.is_tcga(name) for name in [*slides, *aliquots])
    assert [barcodes.preparation(name) == "TS" for name in slides] == world.slides["normal"].tolist()
    assert [barcodes.sample_type(name) == "11" for name in aliquots] == world.aliquots["normal"].tolist()
    patients = world.people["patient"]
    assert [barcodes.site(name) for name in patients] == world.people["site"].tolist()
    assert world.slides["person"].nunique() == world.aliquots["person"].nunique() == 96
    assert slides.str.contains("-DX2").sum() == 12 and world.slides["normal"].sum() == 4
    assert aliquots.str.contains("-01B-").sum() == 4 and world.aliquots["normal"].sum() == 6


def test_the_world_is_a_function_of_patients_and_seed():
    world = make_world(24, 5)
    make_world.cache_clear()
    again, other = make_world(24, 5), make_world(24, 6)
    assert again is not world
    assert again.slides.equals(world.slides) and again.people.equals(world.people)
    assert (again.programmes == world.programmes).all()
    assert world.rng("patch", 1, 2).random() == again.rng("patch", 1, 2).random() != world.rng("patch", 2, 1).random()
    assert not other.slides.equals(world.slides)


@pytest.mark.parametrize(("patients", "seed", "message"), [(15, 0, "--patients 15 is too few"), (96, -1, "--seed -1 is negative")])
def test_too_few_patients_and_a_negative_seed_are_refused(patients, seed, message):
    with pytest.raises(InputError, match=message):
        make_world(patients, seed)
