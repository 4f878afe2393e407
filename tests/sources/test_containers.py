"""Tables out of archives: bounded, as streams, and never on disk."""

import gzip
import io
import tarfile
import zipfile

import pytest

from pathfm.errors import InputError
from pathfm.sources.tables import read_table, read_tables

TABLE = b"a\tb\n1\t2\n"


def tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("pack", [tar, zipped])
def test_all_tables_of_an_archive_that_suit_are_read(tmp_path, pack):
    members = {
        "cart/clinical.tsv": TABLE,
        "cart/more/second.maf.gz": gzip.compress(b"#c\nb,a\n4,3\n"),
        "cart/follow_up.tsv": b"x\ty\n1\t2\n",
        "cart/empty.tsv": b"",
        "cart/._clinical.tsv": b"\x00\x05\x16",
        "cart/slide.svs": b"\x00" * 100,
    }
    path = pack(tmp_path / "cart.bin", members)
    tables = list(read_tables(path, suits=lambda names: "a" in names))
    assert [name for name, _ in tables] == [f"{path}, 'cart/clinical.tsv'", f"{path}, 'cart/more/second.maf.gz'"]
    assert read_table(path, suits=lambda names: "a" in names)[["a", "b"]].values.tolist() == [["1", "2"], ["3", "4"]]
    with pytest.raises(InputError, match=r"cart.bin holds no table of the kind that is needed here in 'cart/clinical.tsv', .*'; give"):
        read_table(path, suits=lambda names: "z" in names)


@pytest.mark.parametrize("pack", [tar, zipped])
def test_nothing_is_written_whatever_the_members_are_called(tmp_path, pack):
    (tmp_path / "work").mkdir()
    path = pack(tmp_path / "work" / "x", {"../../evil.tsv": TABLE, "/etc/passwd.tsv": TABLE, "a\nb\x1b[31m.tsv": TABLE})
    before = sorted(tmp_path.rglob("*"))
    names = [name for name, _ in read_tables(path)]
    assert len(names) == 3 and all(map(str.isprintable, names)) and sorted(tmp_path.rglob("*")) == before


def test_what_comes_out_of_an_archive_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("pathfm.sources.tables.MAX_BYTES_WHOLE", 100_000)
    bomb = b"a\n" + b"1\n" * 40_000
    for path in (
        zipped(tmp_path / "one.zip", {"a.tsv": bomb, "b.tsv": bomb}),
        tar(tmp_path / "two.tar.gz", {"a.tsv": bomb, "b.tsv": bomb}),
        zipped(tmp_path / "three.zip", {"a.tsv.gz": gzip.compress(bomb), "b.tsv.gz": gzip.compress(bomb)}),
        tar(tmp_path / "four.tar", {"a.tsv.gz": gzip.compress(bomb), "b.tsv.gz": gzip.compress(bomb)}, "w"),
        zipped(tmp_path / "five.xlsx", {"xl/workbook.xml": b" " * 200_000}),
        tar(tmp_path / "six.tar.gz", {"slide.svs": bomb * 2, "a.tsv": TABLE}),
    ):
        with pytest.raises(InputError, match=rf"{path.name}.* holds more than 100,000 bytes once decompressed"):
            read_table(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "old kind (.xls); save it as .xlsx or CSV"),
        (b"PAR1\x15", "is a Parquet file"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "is a web page or XML"),
        (b'[{"case_id": 1}]', "is JSON"),
        (gzip.compress(b"RDX3\nX\n", mtime=0), "is an R data file"),
        (b"BZh91AY&SY", "packed by bzip2"),
        (b"PK\x03\x04 and no more", "not a sound zip archive"),
    ],
)
def test_other_kinds_of_files_are_called_by_their_name(tmp_path, data, message):
    (tmp_path / "clinical.tsv").write_bytes(data)
    with pytest.raises(InputError, match=r"clinical\.tsv") as caught:
        read_table(tmp_path / "clinical.tsv")
    assert message in str(caught.value)


def test_archives_that_cannot_be_read(tmp_path):
    for pack in (tar, zipped):
        with pytest.raises(InputError, match=r"holds no table of text \(.csv, .maf, .tab, .tsv, .txt\) but 'x.svs'"):
            read_table(pack(tmp_path / "none", {"x.svs": b"1"}))
    cut = tar(tmp_path / "cut.tar.gz", {"a.tsv": TABLE * 1000})
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cut.tar.gz"):
        read_table(cut)
    short = tar(tmp_path / "short.tar", {"a.tsv": TABLE * 1000}, "w")
    short.write_bytes(short.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"short.tar.*(not a sound|cut or damaged)"):
        read_table(short)
    damaged = zipped(tmp_path / "damaged.zip", {"a.tsv": TABLE * 1000})
    data = bytearray(damaged.read_bytes())
    data[50:54] = b"\xff\xff\xff\xff"
    damaged.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged.zip, 'a.tsv'.*(not a sound|cut or damaged)"):
        read_table(damaged)
    document = zipped(tmp_path / "t.ods", {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"})
    with pytest.raises(InputError, match="is an OpenDocument file; save the sheet as .xlsx or CSV"):
        read_table(document)


def test_a_locked_member_is_told(tmp_path):
    path = zipped(tmp_path / "locked.zip", {"a.tsv": TABLE})
    data = path.read_bytes()
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(header) + at
        data = data[:place] + b"\x01" + data[place + 1 :]
    path.write_bytes(data)
    with pytest.raises(InputError, match="'a.tsv' is locked with a password"):
        read_table(path)
