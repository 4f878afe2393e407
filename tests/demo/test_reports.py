"""The embeddings of the demo's reports: a function of their words, of most patients, in the form that `pathfm vectors` reads."""

import numpy as np

from pathfm.cohort.folder import CohortFolder
from pathfm.demo.reports import ABSENT, WIDTH, embedding, of_word, write_embeddings
from pathfm.demo.tables import report
from pathfm.demo.world import make_world
from pathfm.features.rows import read_rows
from pathfm.features.vectors import build_vectors

WORLD = make_world(48, 0)


def test_a_user_finds_rows_and_names_and_makes_a_modality_of_them(tmp_path):
    write_embeddings(tmp_path, WORLD)
    rows = read_rows(tmp_path / "report_embeddings.npy")
    assert rows.values.shape == (48 - 48 // ABSENT, WIDTH) and rows.values.dtype == np.float32
    patients = WORLD.people["patient"].tolist()
    absent = set(patients) - set(rows.names["patient"])
    assert len(absent) == 48 // ABSENT
    person = patients.index(rows.names["patient"][7])
    np.testing.assert_array_equal(rows.values[7], embedding(report(WORLD, person)))
    told = build_vectors(tmp_path / "report_embeddings.npy", "text", CohortFolder(tmp_path / "cohort"))
    assert (told["patients"], told["columns"]) == (len(rows.values), WIDTH)


def test_the_same_words_have_the_same_embedding_whatever_their_order_and_case():
    one = embedding("Necrosis: present. Sparse lymphocytes")
    np.testing.assert_allclose(embedding("sparse LYMPHOCYTES, necrosis present"), one, atol=1e-6)
    assert np.abs(embedding("Necrosis: not identified. Sparse lymphocytes") - one).max() > 0.1


def test_the_planted_programmes_can_be_read_from_them():
    rows = np.stack([embedding(report(WORLD, person)) for person in range(48)]).astype(np.float64)
    proliferation, immune = WORLD.programmes[:, 0], WORLD.programmes[:, 1]
    axis = of_word("brisk") - of_word("sparse")  # of the lymphocytes
    assert np.corrcoef(rows @ axis, immune)[0, 1] > 0.7 > 0.4 > abs(np.corrcoef(rows @ axis, proliferation)[0, 1])
