"""Vectors of genes from a file: by id or symbol, of sets by their genes, and files that do not fit are one sentence."""

import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.modalities.gene_vectors import read_gene_vectors
from pathfm.modalities.panel import Panel
from pathfm.modalities.pathways import Pathways

NAMES = ("ENSG00000000001.4", "TP53", "EGFR", "ENSG00000000009")
VALUES = np.array([[3.0, 4.0], [0.0, 2.0], [5.0, 0.0], [0.0, 0.0]], np.float32)


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "genes.npy", VALUES)
    (tmp_path / "genes.txt").write_text("\n".join(NAMES) + "\n")
    return tmp_path / "genes.npy", tmp_path / "genes.txt"


def panel_of(genes, symbols):
    ones = np.ones(len(genes), np.float32)
    return Panel(genes, symbols, ones, ones, 5.0)


PANEL = panel_of(("ENSG00000000001", "ENSG00000000002", "ENSG00000000003"), ("A1BG", "TP53", "NOSUCH"))


def test_a_gene_is_found_by_id_of_any_version_or_by_symbol(files, capsys):
    vectors = read_gene_vectors(*files)
    np.testing.assert_array_equal(vectors.of_panel(PANEL), [[3, 4], [0, 2], [0, 0]])
    assert "1 of 3 features of the panel have none and are left out: NOSUCH" in capsys.readouterr().err
    np.testing.assert_array_equal(vectors.of("ENSG00000000001.9"), [3, 4])
    np.testing.assert_array_equal(vectors.of("EGFR"), [5, 0])
    assert vectors.of("X", "") is None


def test_a_set_is_the_mean_of_its_genes_directions(files):
    vectors = read_gene_vectors(*files)
    of_set = [("ENSG00000000001", "A1BG"), ("X", "EGFR"), ("ENSG00000000009", ""), ("Y", "NOSUCH")]
    np.testing.assert_allclose(vectors.of_set(of_set), [0.8, 0.4], rtol=1e-6)
    assert vectors.of_set([("Y", "NOSUCH")]) is None
    one = np.ones(1, np.float32)
    pathways = Pathways(("P",), ("P",), one, one, 5.0, None, "pathways", (("ENSG00000000001", "ENSG00000000002"),), PANEL)
    np.testing.assert_allclose(vectors.of_panel(pathways), [[0.3, 0.9]], rtol=1e-6)


def test_a_panel_without_any_vector_is_refused(files):
    with pytest.raises(InputError, match="none of the 1 features of the panel has a gene vector"):
        read_gene_vectors(*files).of_panel(panel_of(("ENSG00000000077",), ("Z",)))


@pytest.mark.parametrize(
    ("values", "names", "said"),
    [
        (VALUES[:3], NAMES, "has 3 rows and .* 4 names"),
        (VALUES, ("A", "B", "A", "C"), "names A twice"),
        (VALUES[0], NAMES, "one row a gene"),
        (VALUES.astype(int), NAMES, "float array"),
        (VALUES / np.array([[1], [1], [1], [np.nan]], np.float32), NAMES, "not finite"),
        (None, NAMES, "genes.npy is missing"),
    ],
)
def test_files_that_do_not_fit_are_one_sentence(values, names, said, tmp_path):
    if values is not None:
        np.save(tmp_path / "genes.npy", values)
    (tmp_path / "genes.txt").write_text("\n".join(names))
    with pytest.raises(InputError, match=said):
        read_gene_vectors(tmp_path / "genes.npy", tmp_path / "genes.txt")


def test_no_code_is_run_and_no_text_is_taken_for_an_array(tmp_path):
    (tmp_path / "genes.txt").write_text("A")
    np.save(tmp_path / "genes.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as an array of NumPy"):
        read_gene_vectors(tmp_path / "genes.npy", tmp_path / "genes.txt")
    (tmp_path / "genes.npy").write_text("gene,1,2\n")
    with pytest.raises(InputError, match="cannot be read as an array of NumPy"):
        read_gene_vectors(tmp_path / "genes.npy", tmp_path / "genes.txt")
