"""The gallery of tiles: neighbours as scikit-learn finds them, the tiles that moved, why there is none, and nobody named."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pathfm.errors import InputError
from pathfm.features import tile_sample
from pathfm.files import read_json, read_parquet, write_json, write_parquet
from pathfm.report import tiles as report_tiles
from pathfm.report.evaluations import Evaluation
from pathfm.report.folder import EvaluationFolder
from pathfm.report.gallery import MOST_QUERIES, MOST_RUNS, SHOWN, galleries, gallery
from pathfm.report.page import LARGEST_PAGE, headline_pairs, named, render
from pathfm.report.table import make_table
from pathfm.report.tiles import Tiles
from tests.evaluation_folders import add_tiles, write_evaluation, write_runs

COUNT, WIDTH = 64, 12
OF_BASE = {"name": "base", "weight_hash": "a" * 64}


def features(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, WIDTH))


def turned(moved=()) -> np.ndarray:
    """The same features in a turned space, but for some rows, which lie elsewhere."""
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(WIDTH, WIDTH)))
    values = features() @ rotation
    values[list(moved)] *= -1
    return values


@pytest.fixture
def runs(tmp_path):
    """Without what other figures of the page need, so that it is made at once."""
    folders = write_runs(tmp_path)
    for folder in folders:
        for name in ("embeddings.h5ad", "training_metrics.jsonl", "expression_predictions.h5ad"):
            (folder / name).unlink()
        scores = read_parquet(folder / "scores.parquet")
        write_parquet(scores[scores["task"] == "mhist"], folder / "scores.parquet")
    return folders


def shown(folders):
    pairs = headline_pairs([Evaluation.read(folder) for folder in folders])
    return galleries(pairs, named(pairs))


def rendered(folders) -> str:
    return render(make_table(folders), [Evaluation.read(folder) for folder in folders])


def places(tiles: Tiles) -> dict[str, int]:
    """The row of a tile by the address of its picture."""
    return {f"data:image/jpeg;base64,{base64.b64encode(data).decode()}": row for row, data in enumerate(tiles.table["thumbnail"])}


def test_the_nearest_tiles_are_those_of_other_patients_as_scikit_learn_finds_them(tmp_path):
    from sklearn.neighbors import NearestNeighbors

    write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    tiles = add_tiles(tmp_path / "base", features())
    other = Tiles(tiles.table, turned([3, 17]))
    found = gallery("base", "direct", tiles, other)
    row_of, patients = places(tiles), tiles.table["patient"].to_numpy(str)
    assert len(found.nearest) == MOST_QUERIES and len(row_of) == COUNT
    for row in (*found.nearest, *found.changed):
        query = row_of[row.query.address]
        assert [name for name, _ in row.strips] == ["base", "direct"]
        for (_, pictures), values in zip(row.strips, (tiles.features, other.features), strict=True):
            others = np.flatnonzero(patients != patients[query])
            near = (
                NearestNeighbors(n_neighbors=SHOWN, metric="cosine").fit(values[others]).kneighbors(values[[query]], return_distance=False)
            )
            assert [row_of[picture.address] for picture in pictures] == others[near[0]].tolist()
    first = found.nearest[0].strips[0][1][0]
    row = tiles.table.iloc[row_of[first.address]]
    assert first.words == f"Tile, nearest number 1: {row['cancer']}, hospital {row['site']}, shown for both encoders"


def test_tiles_of_different_types_and_hospitals_are_asked_about(tmp_path):
    write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    tiles = add_tiles(tmp_path / "base", features())
    asked = [row.query for row in gallery("base", "direct", tiles, tiles).nearest]
    assert {one.cancer for one in asked} == {"BRCA", "KIRC", "LUAD"} and len({one.site for one in asked}) == 6


def test_the_tiles_that_moved_come_first_and_unmoved_ones_never(tmp_path):
    write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    tiles = add_tiles(tmp_path / "base", features())
    same = gallery("base", "direct", tiles, Tiles(tiles.table, turned()))
    assert same.changed == () and all(row.common == 10 for row in same.nearest)
    assert "10.0 in common on average" in same.caption
    moved = gallery("base", "direct", tiles, Tiles(tiles.table, turned([3, 17])))
    first = [places(tiles)[row.query.address] for row in moved.changed[:2]]
    assert sorted(first) == [3, 17] and moved.changed[0].common <= moved.changed[-1].common < 10
    patients = tiles.table["patient"].iloc[[places(tiles)[row.query.address] for row in moved.changed]]
    assert patients.is_unique


def test_the_chance_of_common_neighbours_is_that_of_unrelated_features(tmp_path):
    write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    tiles = add_tiles(tmp_path / "base", features())
    found = [gallery("base", "direct", tiles, Tiles(tiles.table, features(seed))).caption for seed in range(1, 9)]
    seen, chance = zip(
        *(map(float, re.search(r"have ([\d.]+) in common on average; by chance ([\d.]+)\.", one).groups()) for one in found), strict=True
    )
    assert set(chance) == {round(10 * 10 / 60, 1)} and np.mean(seen) == pytest.approx(chance[0], abs=0.2)


def test_a_page_shows_every_picture_with_its_words_and_names_nobody(runs):
    for folder, values in zip(runs, (features(), turned([3]), turned()), strict=True):
        add_tiles(folder, values)
    page = rendered(runs)
    pictures = re.findall(r'<img src="(data:image/jpeg;base64,[A-Za-z0-9+/=]+)" alt="([^"]+)"', page)
    queries = MOST_QUERIES * 3 + sum(len(one.changed) for one in shown(runs)[0]) - MOST_QUERIES
    assert len(pictures) == page.count("<img ") and len(pictures) == queries * (1 + 2 * SHOWN)
    assert all(words.startswith("Tile, ") and "hospital" in words for _, words in pictures)
    assert "TCGA-" not in page and "No tile has other nearest tiles than before." in page
    with Image.open(io.BytesIO(base64.b64decode(pictures[0][0].partition(",")[2]))) as picture:
        assert picture.size == (48, 48)


def test_why_there_are_no_tiles_is_said(runs, tmp_path):
    assert shown(runs)[1][0] == "base was evaluated by a version of pathfm that kept no tiles; evaluate it again."
    add_tiles(runs[0], features())
    add_tiles(runs[1], turned())
    brought = write_evaluation(tmp_path / "other", "base", weight_hash="e" * 64, name="theirs")
    write_json(read_json(brought / "evaluation.json") | {"seen_patients_known": False}, brought / "evaluation.json")
    (brought / "embeddings.h5ad").unlink()
    found, why = shown([*runs, brought])
    assert [one.title for one in found] == ["direct beside base: base"]
    assert why == [
        "base: theirs is of features that were brought, which have no tiles.",
        "contrastive was evaluated by a version of pathfm that kept no tiles; evaluate it again.",
    ]
    assert all(reason in rendered([*runs, brought]) for reason in why)
    assert "No run was compared with its base." in rendered(runs[:1])


def test_tiles_are_matched_by_name_and_too_few_are_none(runs):
    ours = add_tiles(runs[0], features())
    add_tiles(runs[1], turned())
    files = EvaluationFolder(runs[1])
    theirs = files.read_tiles()
    theirs.take(np.arange(COUNT)[::-1][:48]).write(files.tiles, files.tile_features)
    found, _ = shown(runs[:2])
    assert found[0].caption.startswith("48 tiles of 12 test patients") and all(row.common == 10 for row in found[0].nearest)
    assert {row.query.address for row in found[0].nearest} <= set(places(ours))
    theirs.take(range(8)).write(files.tiles, files.tile_features)
    assert shown(runs[:2]) == ([], ["direct and its base have too few test patients in common."])


def test_of_several_folds_the_first_with_tiles_is_shown(tmp_path):
    folders = []
    for fold in (0, 1):
        at = tmp_path / str(fold)
        folders.append(write_evaluation(at / "base", "base", weight_hash="a" * 64, fold=fold, name="base"))
        folders.append(
            write_evaluation(at / "direct", "direct", weight_hash=f"{fold}" * 64, base=OF_BASE, fold=fold, recipe="r", name="direct")
        )
    for folder in folders[2:]:
        add_tiles(folder, features(), fold=1)
    found, why = shown(folders)
    assert [one.title for one in found] == ["direct beside base, fold 1"] and why == []


def test_names_from_files_are_escaped(runs):
    for folder in runs[:2]:
        add_tiles(folder, features(), cancer='"><script>alert(1)</script>')
    page = rendered(runs[:2])
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_largest_gallery_leaves_room_on_the_page(tmp_path, monkeypatch):
    """Thumbnails of noise, as large as they may be, of more runs than are shown."""
    monkeypatch.setattr(tile_sample, "QUALITIES", (40,))
    folders = [write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)]
    folders += [
        write_evaluation(tmp_path / f"run{number}", "direct", weight_hash=f"{number}" * 64, base=OF_BASE) for number in range(MOST_RUNS + 1)
    ]
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = tile_sample.thumbnail(noise)
    data += bytes(tile_sample.MOST_BYTES - len(data))
    for number, folder in enumerate(folders):
        add_tiles(folder, features(number))
        table = read_parquet(folder / "tiles.parquet")
        write_parquet(table.assign(thumbnail=[data] * COUNT), folder / "tiles.parquet")
        (folder / "embeddings.h5ad").unlink()
    found, why = shown(folders)
    assert len(found) == MOST_RUNS and why == [f"direct: run{MOST_RUNS} is left out: a page shows the tiles of {MOST_RUNS} runs."]
    pictures = sum(
        len(picture.address) for one in found for row in (*one.nearest, *one.changed) for _, strip in row.strips for picture in strip
    )
    assert 5_000_000 < pictures < LARGEST_PAGE / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="record"), "lacks the column 'record'"),
        (lambda table: table[1:], "does not hold a feature of finite numbers for each row"),
        (lambda table: table.assign(thumbnail=b"<svg>"), "row 0: the thumbnail is no JPEG"),
        (lambda table: table.assign(thumbnail=b"\xff\xd8\xff" + bytes(report_tiles.MOST_BYTES)), "row 0: the thumbnail is no JPEG"),
    ],
)
def test_broken_tiles_are_one_sentence(runs, change, words):
    add_tiles(runs[0], features())
    write_parquet(change(read_parquet(runs[0] / "tiles.parquet")), runs[0] / "tiles.parquet")
    with pytest.raises(InputError, match=words):
        EvaluationFolder(runs[0]).read_tiles()


@pytest.mark.parametrize("data", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_broken_features_of_tiles_are_one_sentence(runs, data):
    add_tiles(runs[0], features())
    (runs[0] / "tiles.npy").write_bytes(data)
    with pytest.raises(InputError, match="tiles.npy cannot be read as an array of NumPy"):
        EvaluationFolder(runs[0]).read_tiles()


def test_tiles_come_back_as_they_were_written(runs):
    written = add_tiles(runs[0], features())
    found = EvaluationFolder(runs[0]).read_tiles()
    assert found.table.equals(written.table) and found.names[:2] == [("TCGA-A1-T000-01Z-00-DX1", 0), ("TCGA-A1-T000-01Z-00-DX1", 1)]
    np.testing.assert_array_equal(found.features, written.features)
    assert EvaluationFolder(runs[1]).read_tiles() is None
