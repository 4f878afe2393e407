"""Maps of base and tuned: one t-SNE under every colouring, patients followed from the base's map, nothing invented for who is not known."""

import anndata
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from pathfm.report import plots
from pathfm.report.embeddings import embedding_choices, embedding_figure
from pathfm.report.evaluations import HEADLINE, Evaluation
from pathfm.report.figures import Named
from tests.evaluation_folders import write_runs


def named(folder) -> Named:
    return Named(folder.name, Evaluation.read(folder).block(HEADLINE))


@pytest.fixture(autouse=True, scope="module")
def two_features_for_a_map():
    """t-SNE takes seconds and has a test of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plots, "tsne", lambda vectors: vectors[:, :2].astype(float))
        yield


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    runs = write_runs(tmp_path_factory.mktemp("runs"))
    return dict(embedding_choices([named(run) for run in runs]))


def test_every_colouring_shows_all_runs_side_by_side(choices):
    assert list(choices) == ["cancer type", "TP53", "breast", "lung", "site", "patient"]
    assert all([panel.title for panel in figure.panels] == ["base", "direct", "contrastive"] for figure in choices.values())
    assert [key.label for key in choices["lung"].keys] == ["LUAD", "LUSC", "not known"]
    assert [key.label for key in choices["TP53"].keys] == ["mutant", "wild type"]
    assert choices["site"].panels[0].alt == "t-SNE of the embeddings of 90 test patients by base, in 6 groups by site."


def test_the_base_keeps_its_neighbourhoods_together(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(plots, "points_panel", lambda places, groups, *_: drawn.append((places, groups)) or "<svg></svg>")
    runs = write_runs(tmp_path)
    table = anndata.read_h5ad(runs[1] / "embeddings.h5ad")
    table[np.arange(table.n_obs) != 70].write_h5ad(runs[1] / "embeddings.h5ad")  # this patient is not in the tuned run's map
    embedding_choices([named(run) for run in runs[:2]])
    (places, base), (_, direct) = drawn[-2:]
    middle = np.stack([places[base == name].mean(axis=0) for name in np.unique(base)])
    nearest = np.unique(base)[((places[:, None] - middle) ** 2).sum(axis=-1).argmin(axis=1)]
    assert adjusted_rand_score(base, nearest) > 0.99 and 3 <= len(np.unique(base)) <= 8
    assert direct.tolist() == np.delete(base, 10).tolist()  # test patients begin at 60


def test_without_the_base_no_patient_is_followed(tmp_path):
    runs = write_runs(tmp_path)
    (runs[0] / "embeddings.h5ad").unlink()
    assert "patient" not in dict(embedding_choices([named(run) for run in runs]))
    assert embedding_choices([named(runs[0])]) == []


def test_who_is_not_known_is_grey_and_said():
    groups = np.array(["a", "a", "", "b"])
    figure = embedding_figure(["base"], [np.zeros((4, 2))], [groups], "breast")
    assert [(key.series, key.label) for key in figure.keys] == [(1, "a"), (2, "b"), (0, "not known")]
    assert "in 2 groups by breast" in figure.panels[0].alt
