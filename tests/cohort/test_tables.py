"""Tables as the field hands them out."""

import gzip

import pytest

from pathfm.cohort.tables import read_bytes, read_parts, read_table
from pathfm.errors import InputError


def test_comments_above_the_header_missing_marks_repeated_columns_and_blanks(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("﻿#version 2.4\n# made by\nid\tstate\tid\n a \t'--\t#1\nb\t--\t \"x\n", encoding="utf-8")
    table = read_table(path)
    assert list(table) == ["id", "state", "id.1"]
    assert table.values.tolist() == [["a", None, "#1"], ["b", None, '"x']]


def test_quoted_commas_and_line_breaks_of_a_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('patient,diagnosis\nP1,"Infiltrating duct carcinoma, NOS"\nP2,"a\nb"\n')
    assert read_table(path)["diagnosis"].tolist() == ["Infiltrating duct carcinoma, NOS", "a\nb"]


def test_gzip_is_known_by_its_bytes_not_its_name(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    assert read_table(path).values.tolist() == [["1", "2"]]


def test_a_header_alone_is_an_empty_table_with_its_columns(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n")
    assert list(read_table(path)) == ["a", "b"] and len(read_table(path)) == 0


def test_only_the_wanted_columns_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\tc\n1\t2\t3\n")
    assert list(read_table(path, lambda name: name != "b")) == ["a", "c"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"#c\na\tb\n1\t2\n3\n", "line 4 has 1 fields where the header has 2"),
        (b"a\tb\n\xff\xfe\t2\n", "not a table of text"),
        (b"\xff\xfe\x00\n", "not UTF-8"),
        (gzip.compress(b"a\tb\n" * 1000, mtime=0)[:-20], "in the middle of its gzip stream"),
        (b"\x1f\x8bnot gzip at all", "not a sound gzip file"),
    ],
)
def test_a_broken_table_is_refused_with_its_name_and_place(tmp_path, data, message):
    path = tmp_path / "broken.tsv"
    path.write_bytes(data)
    with pytest.raises(InputError, match="broken.tsv") as caught:
        read_table(path)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv is missing"):
        read_table(tmp_path / "none.tsv")


def test_decompressed_bytes_and_rows_are_bounded(tmp_path):
    bomb = tmp_path / "bomb.tsv.gz"
    bomb.write_bytes(gzip.compress(b"a\n" + b"1\n" * 2_000_000))
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        read_bytes(bomb, 1000)
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        list(read_parts(bomb, max_bytes=1_000_000))
    with pytest.raises(InputError, match="more than 100 rows"):
        list(read_parts(bomb, max_rows=100))
