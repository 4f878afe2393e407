"""What terms are given to start from is known by a hash, so that a run does not go on with other vectors or rates."""

import numpy as np

from pathfm.input.starts import hashes, reads_counts, starts_of
from pathfm.modalities.panel import Panel
from pathfm.settings.regression_terms import GeneQuery, NegativeBinomial
from pathfm.settings.terms import Direct, Joint


def test_other_vectors_are_another_start(tmp_path):
    ones = np.ones(2, np.float32)
    panel = Panel(("ENSG00000000001", "ENSG00000000002"), ("A", "B"), ones, ones, 5.0)
    (tmp_path / "names.txt").write_text("B\nC\nA\n")
    found = []
    for values in (np.eye(3), np.eye(3), 2 * np.eye(3)):
        np.save(tmp_path / "genes.npy", values)
        query = GeneQuery(vectors=str(tmp_path / "genes.npy"), names=str(tmp_path / "names.txt"))
        starts = starts_of(Joint(terms={"direct": Direct(), "asked": query}), {"expression": panel}, {})
        assert set(starts) == {"asked"}
        np.testing.assert_array_equal(starts["asked"]["genes"], values[[2, 0]])
        found.append(hashes(starts))
    assert found[0] == found[1] != found[2]
    assert starts_of(GeneQuery(), {"expression": panel}, {}) == {}


def test_only_a_term_of_reads_asks_for_reads():
    assert reads_counts(Joint(terms={"direct": Direct(), "reads": NegativeBinomial()}))
    assert not reads_counts(Joint(terms={"direct": Direct(), "asked": GeneQuery()}))
