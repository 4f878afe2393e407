"""MHIST as its publisher lays it out, and what is said of a folder that is not it."""

import numpy as np
import pytest
from PIL import Image

from pathfm.benchmarks.mhist import read_mhist
from pathfm.errors import InputError

HEADER = "Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),Partition\n"
ROWS = ["a.png,HP,1,train\n", "b.png,SSA,6,test\n"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.full((6, 5, 3), number, np.uint8)).save(tmp_path / "images" / name)
    (tmp_path / "annotations.csv").write_text(HEADER + "".join(ROWS))
    return tmp_path


def test_images_labels_and_parts_are_the_publishers(folder):
    benchmark = read_mhist(str(folder))
    assert (benchmark.units, benchmark.labels, benchmark.roles) == (("a.png", "b.png"), ("HP", "SSA"), ("train", "test"))
    assert benchmark.patients is None and (benchmark.read(1) == np.full((6, 5, 3), 1)).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROWS[0] + ",SSA,6,test\n", "row 3: the image has no name"),
        (HEADER + ROWS[0] * 2, "names the image 'a.png' twice"),
        (HEADER + ROWS[0] + "../b.png,SSA,6,test\n", "leads out of"),
        (HEADER + "a.png,HP?,1,train\n", "row 2: Majority Vote Label is 'HP\\?'"),
        (HEADER + "c.png,HP,1,train\n", "1 images of .* are missing"),
        ("Image Name,Partition\n", "lacks the column 'Majority Vote Label'"),
    ],
)
def test_a_table_that_is_not_the_publishers_is_one_sentence(folder, text, message):
    (folder / "annotations.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_mhist(str(folder))
    (folder / "annotations.csv").unlink()
    with pytest.raises(InputError, match="it lacks annotations.csv"):
        read_mhist(str(folder))
