"""Which slides files, folders and globs lead to; what was meant to be a slide and is none is named, never passed over in silence."""

import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from pathfm.errors import InputError
from pathfm.slides import finding
from pathfm.slides.finding import find_slides


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def reasons(found) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in found.left_out.items()}


def test_files_folders_and_globs_lead_to_slides(tmp_path):
    make(
        tmp_path,
        "a/x.svs",
        "a/deep/er/y.TIFF",
        "a/notes.txt",
        "a/.hidden.svs",
        "b/z.ndpi",
        "b/logs/run.log",
        "b/z.svs.partial",
        "c/odd.img",
    )
    assert list(find_slides([str(tmp_path)]).slides) == ["x", "y", "z"]
    assert list(find_slides([str(tmp_path / "*" / "*.svs")]).slides) == ["x"]
    assert list(find_slides([str(tmp_path / "**" / "*")]).slides) == ["x", "y", "z"]
    assert list(find_slides([str(tmp_path / "c" / "odd.img"), str(tmp_path / "b")]).slides) == ["odd", "z"]
    for nothing in ("c", "missing.svs", "*.vms", "b/logs"):
        with pytest.raises(InputError, match="leads to no whole-slide image"):
            find_slides([str(tmp_path / "a" / "x.svs"), str(tmp_path / nothing)])


def test_what_is_no_slide_yet_or_cannot_be_read_is_named(tmp_path, write_pyramid, stained):
    make(tmp_path, "x.svs")
    expected = {
        finding.DOWNLOAD: ("a.svs.partial", "b.svs.part", "c.svs.crdownload", "D.SVS.PART", "e.tmp"),
        finding.UNPACK: ("f.svs.gz", "batch.zip", "g.tar"),
        finding.PICTURE: ("overview.jpg", "h.PNG"),
        finding.FORMAT: ("i.isyntax", "j.vsi", "k.qptiff"),
        finding.AFTER: ("l.svs.1", "m.svs.old"),
        finding.OTHER: ("n", "o.dat"),
    }
    for names in expected.values():
        make(tmp_path, *names)
    make(
        tmp_path,
        "p.svs.download/p.svs",
        "q.ome.zarr/0/0.tif",
        "r/Slidedat.ini",
        "r/Data0000.dat",
        "s.mrxs",
        "s/Slidedat.ini",
        "s/Data0000.dat",
    )
    make(tmp_path, "u/.git/t.svs", "._x.svs", ".DS_Store", "u/logs/x.parcel", "x.svs.md5", "MANIFEST.txt", "u/annotations.txt")
    make(tmp_path, "z.part/z.svs", "v/v.vms", "v/v_map.jpg", "v/v.opt")
    os.rename(write_pyramid(tmp_path / "w.tif", stained(300, 300)), tmp_path / "TCGA-A2-A0T2-01Z-00-DX1")
    found = find_slides([str(tmp_path)])
    assert list(found.slides) == ["s", "v", "x", "z"]
    assert reasons(found) == {
        **{name: reason for reason, names in expected.items() for name in names},
        **{"p.svs.download": finding.DOWNLOAD, "q.ome.zarr": finding.FORMAT, "r": finding.MIRAX, ".git": finding.HIDDEN},
        "TCGA-A2-A0T2-01Z-00-DX1": finding.ENDING,
    }
    assert list(find_slides([str(tmp_path / "TCGA-A2-A0T2-01Z-00-DX1")]).slides) == ["TCGA-A2-A0T2-01Z-00-DX1"]


def test_dicom_is_named_once_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(finding.openslide.OpenSlide, "detect_format", lambda path: "dicom" if path.suffix in (".dcm", "") else None)
    make(tmp_path, "x.svs", "d/1.dcm", "d/2.dcm", "e/1")
    assert Counter(find_slides([str(tmp_path)]).left_out.values()) == {finding.DICOM: 3}


def test_a_folder_without_a_slide_says_what_it_holds(tmp_path):
    make(tmp_path, "a.svs.partial", "b.svs.partial", "c.zip")
    for given in ([str(tmp_path)], [str(tmp_path / "*")], [str(tmp_path / "a.svs.partial"), str(tmp_path / "b.svs.partial")]):
        with pytest.raises(InputError, match="no whole-slide image .2 left out, a download that is not finished"):
            find_slides(given)
    make(tmp_path, "x.svs")
    found = find_slides([str(path) for path in sorted(tmp_path.iterdir())])
    assert list(found.slides) == ["x"] and len(found.left_out) == 3


def test_folders_that_are_links_are_searched_and_may_go_in_circles(tmp_path):
    make(tmp_path, "slides/here.svs", "disk/there.svs", "disk/deep/below.svs")
    slides, disk = tmp_path / "slides", tmp_path / "disk"
    for link, target in ((slides / "batch2", disk), (disk / "back", slides), (disk / "deep" / "up", disk), (slides / "self", slides)):
        link.symlink_to(target)
    (slides / "again").symlink_to(disk)
    found = find_slides([str(slides)])
    assert {slide: len(paths) for slide, paths in found.slides.items()} == {"below": 1, "here": 1, "there": 1} and not found.left_out
    assert find_slides([str(slides), str(slides / "batch2"), str(disk)]).slides.keys() == found.slides.keys()
    assert list(find_slides([str(slides / "batch2" / "deep")]).slides) == ["below", "here", "there"]


def test_one_file_is_one_slide_by_however_many_ways(tmp_path):
    make(tmp_path, "a/x.svs", "b/x.tif")
    (tmp_path / "a" / "link.svs").symlink_to(tmp_path / "a" / "x.svs")
    assert find_slides([str(tmp_path / "a"), str(tmp_path / "a" / "x.svs")]).slides == {"x": [tmp_path / "a" / "x.svs"]}
    assert len(find_slides([str(tmp_path)]).slides["x"]) == 2
    os.link(tmp_path / "a" / "x.svs", tmp_path / "a" / "y.svs")
    found = find_slides([str(tmp_path / "a")])
    assert list(found.slides) == ["x"] and reasons(found) == {"link.svs": finding.AGAIN, "y.svs": finding.AGAIN}
    make(tmp_path, "store/3f/9a")
    (tmp_path / "c").mkdir()
    for name in ("TCGA-2.svs", "TCGA-1.svs"):
        (tmp_path / "c" / name).symlink_to(tmp_path / "store" / "3f" / "9a")
    assert list(find_slides([str(tmp_path / "c")]).slides) == ["TCGA-1"]


def test_links_that_lead_nowhere_are_named(tmp_path):
    make(tmp_path, "x.svs")
    (tmp_path / "gone.svs").symlink_to(tmp_path / "unmounted" / "gone.svs")
    (tmp_path / "batch").symlink_to(tmp_path / "unmounted")
    (tmp_path / "loop.svs").symlink_to(tmp_path / "loop.svs")
    assert reasons(find_slides([str(tmp_path)])) == dict.fromkeys(("gone.svs", "batch", "loop.svs"), finding.LINK)
    with pytest.raises(InputError, match="gone.svs leads to no whole-slide image .1 left out, a link that leads nowhere"):
        find_slides([str(tmp_path / "gone.svs")])


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    make(tmp_path, "x.svs", "locked/y.svs")
    listed = Path.iterdir

    def refuses(path: Path):
        if path.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuses)
    found = find_slides([str(tmp_path)])
    assert list(found.slides) == ["x"] and reasons(found) == {"locked": "it cannot be read (Permission denied)"}


def test_a_name_that_no_table_can_hold_is_left_out_alone(tmp_path):
    make(tmp_path, "x.svs")
    for name in (b"/\xff.svs", b"/a\nb.svs", b"/c\x1b[1m.svs"):
        with open(os.fsencode(tmp_path) + name, "wb"):
            pass
    found = find_slides([str(tmp_path)])
    assert list(found.slides) == ["x"] and Counter(found.left_out.values()) == {finding.SIGNS: 3}


def test_what_pathfm_made_itself_is_not_searched(tmp_path):
    make(tmp_path, "x.svs", "tiles/a.json", "tiles/a.array_record", "thumbnails/a.jpg", "slides.parquet", "expression.h5ad")
    found = find_slides([str(tmp_path)], besides=(tmp_path / "tiles", tmp_path / "thumbnails", tmp_path / "missing"))
    assert list(found.slides) == ["x"] and not found.left_out
