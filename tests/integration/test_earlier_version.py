"""What version 0.1 left on disk still opens: a cohort, runs finished and not, weights, evaluations.

tests/fixtures/version_0_1.tar.xz was made by that version from the small cohort of the tests, with a tower of width 16.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from pathfm import evaluate, train
from pathfm.cohort.opened import Cohort
from pathfm.folders.run import RunFolder
from pathfm.models.vit import by_name
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.weights.folder import open_weights

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "version_0_1.tar.xz"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def inside(earlier, monkeypatch):
    monkeypatch.chdir(earlier)
    return earlier


def test_a_cohort_opens_with_people_slides_and_matrix(earlier):
    cohort = Cohort.open(earlier / "cohort")
    assert len(cohort.people(0)) == 24 and len(cohort.slides) == 29
    assert cohort.matrix("expression").n_obs == 24


@pytest.mark.parametrize("name", ["base", "direct", "contrastive", "views"])
def test_weights_open(earlier, name):
    weights = open_weights(earlier / name)
    assert weights.spec.width == 16 and weights.card.pooling == ("attention" if name == "contrastive" else "mean")
    assert (weights.panel is not None) == (name in ("direct", "contrastive"))
    if weights.panel is not None:
        assert weights.card.paired.panel_hash == weights.panel.hash and weights.card.paired.features == 12


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", ["direct", "contrastive"])
def test_a_run_that_was_stopped_goes_on_to_the_parameters_of_the_undisturbed_one(inside, name):
    folder = RunFolder(Path(f"unfinished_{name}"))
    assert not folder.finished
    train.run(folder.config(), folder.root)
    found, wanted = (by_name(open_weights(path).params) for path in (folder.root, Path(name)))
    assert found.keys() == wanted.keys()
    for leaf, values in wanted.items():
        np.testing.assert_allclose(found[leaf], values, rtol=1e-4, atol=1e-5, err_msg=leaf)


@pytest.mark.slow
def test_a_base_of_that_version_is_evaluated_with_the_panel_of_its_run(inside, tmp_path):
    config = EvaluateConfig(checkpoint="base", cohort="cohort", panel="direct", batch=64, permutations=0)
    evaluate.run(config, tmp_path / "evaluation")
    assert (tmp_path / "evaluation" / "evaluation.json").exists()
