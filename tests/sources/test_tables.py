"""Tables as the field hands them out."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathfm.errors import InputError
from pathfm.sources import tables, text
from pathfm.sources.tables import read_bytes, read_parts, read_table


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


ROWS = st.lists(
    st.lists(st.sampled_from(["", "a", " b ", "NA", '"q"', '"', 'x"y', '"a""b"', "#1", "ü", "|", "c d"]), min_size=3, max_size=5),
    min_size=1,
    max_size=30,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(["\t", ","]), st.sampled_from([20, 100, 4 << 20]))
def test_whole_blocks_and_single_lines_are_read_alike(tmp_path, monkeypatch, rows, delimiter, block):
    path = tmp_path / "t.txt"
    path.write_text("\n".join(map(delimiter.join, [["one", "two", "three", "four"], *rows])) + "\n")

    def read(fast):
        with monkeypatch.context() as patch:
            patch.setattr(text, "BLOCK", block)
            if not fast:
                patch.setattr(tables.View, "fast", lambda *_: None)
            try:
                table = read_table(path, short_rows=True)
            except InputError as error:
                return str(error)
        return table.index.tolist(), table.to_dict("list")

    assert read(True) == read(False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [2, 3, 7, 4 << 20])
def test_encodings_and_ends_of_lines_wherever_a_block_ends(tmp_path, monkeypatch, encoding, end, block):
    monkeypatch.setattr(text, "BLOCK", block)
    (tmp_path / "t.tsv").write_bytes(end.join(["patient\tcity", "P1\tKöln", "P2\tUlm", ""]).encode(encoding))
    table = read_table(tmp_path / "t.tsv")
    assert (table.index.tolist(), table.values.tolist()) == ([2, 3], [["P1", "Köln"], ["P2", "Ulm"]])


def test_joined_files_of_two_encodings(tmp_path):
    (tmp_path / "t.tsv").write_bytes("a\tb\n1\tKöln\n".encode() + "\ufeffa\tb\n2\tUlm\n".encode() + "3\tKöln – “x”\n".encode("cp1252"))
    assert read_table(tmp_path / "t.tsv").values.tolist() == [["1", "Köln"], ["2", "Ulm"], ["3", "Köln – “x”"]]


def test_cells_that_hold_tabs_line_breaks_and_single_quotation_marks(tmp_path, monkeypatch):
    for block in (10, 4 << 20):
        monkeypatch.setattr(text, "BLOCK", block)
        (tmp_path / "t.tsv").write_text('a\tb\n1\t"x\ty"\n2\t"two\nlines, ""q"""\n3\t5" wide\n4\t"open\n5\t"e"\n\n"6"\t\'--\n')
        table = read_table(tmp_path / "t.tsv")
        assert table["b"].tolist() == ["x\ty", 'two\nlines, "q"', '5" wide', '"open', "e", None]
        assert table["a"].tolist() == list("123456") and table.index.tolist() == [2, 3, 5, 6, 7, 9]


def test_rows_may_lack_cells_only_behind_what_is_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\tc\td\n1\t2\t3\n5\t6\t7\t8\t\t\n")
    assert read_table(path, lambda name: name in "ab").values.tolist() == [["1", "2"], ["5", "6"]]
    assert read_table(path, short_rows=True).values.tolist() == [["1", "2", "3", None], ["5", "6", "7", "8"]]
    with pytest.raises(InputError, match="line 2 has 3 fields where the header has 4; the file is cut or damaged"):
        read_table(path, lambda name: name in "abc")
    path.write_text("a\tb\tc\td\n1\t2\t3\t4\n5\t6")
    with pytest.raises(InputError, match="line 3 has 2 fields"):
        read_table(path, short_rows=True)


def test_names_are_known_in_any_spelling_and_must_not_contradict_each_other(tmp_path):
    path = tmp_path / "t.csv"
    known = {"File ID": (), "Sample": ("Probe",)}
    path.write_text("file.id,PROBE,FILE_ID,sample.type\nf1,s1,,x\n,s2,f2,y\n")
    table = read_table(path, known=known, wanted=lambda name: name in known)
    assert table.to_dict("list") == {"File ID": ["f1", "f2"], "Sample": ["s1", "s2"]}
    path.write_text("sample,probe\ns1,p1\n")
    assert read_table(path, known=known).to_dict("list") == {"Sample": ["s1"], "probe": ["p1"]}
    path.write_text("file.id,FILE_ID\nf1,f1\nf2,f3\n")
    with pytest.raises(InputError, match="two columns are called 'File ID' and say different things, 'f2' and 'f3' in line 3"):
        read_table(path, known=known)


def test_a_header_that_comes_again_begins_a_table_of_its_own(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("#v\na\tb\tc\n1\t2\t3\n#v\n\nc\ta\n4\t5\nb\ta\tc\n")
    assert [(list(part), part.values.tolist()) for part in read_parts(path) if len(part)] == [
        (["a", "b", "c"], [["1", "2", "3"]]),
        (["c", "a"], [["4", "5"]]),
    ]


def test_row_names_of_r_and_pandas_are_a_column_without_a_name(tmp_path):
    path = tmp_path / "t.txt"
    for content in ("X.a\tï..b\n1\tx\ty\n2\tz\t\n", '"a" "b"\n"r1" "x" "y"\n"r2" "z" NA\n', ",a,b\n0,x,y\n1,z,\n"):
        path.write_text(content)
        assert read_table(path, known={"a": (), "b": ()})[["a", "b"]].values.tolist() == [["x", "y"], ["z", None]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b;c\n", "delimiter cannot be told, comma and semicolon part the column names"),
        ("a,b;c\n1,2;3\n", "delimiter cannot be told"),
        ("patient cancer\nP1 BRCA\n", "delimiter cannot be told, only blanks"),
        ('"patient,cancer"\n"P1,BRCA"\n', "all column names stand in one cell of line 1"),
        (
            "a\tb\nx\t1\t2\n",
            "line 2 has 3 fields where the header has 2; a cell holds a tab without quotation marks, or two lines were joined",
        ),
        ("Table S1\na\tb\n1\t2\n", "'Table S1' stands alone where the names of several columns should"),
        ("Table S1;;\na;b;c\n1;2;3\n", "'Table S1' stands alone"),
        ("a\tb\n1\tx\t\n2\ty\t\n", "cannot be told whether the first is the name of a row or the last is empty"),
        ('a,b\n1,"2\n3,4\n', "quotation mark is opened in line 2 and never closed"),
        ('a,b\n1,"2"3\n', "quotation marks in line 2 do not match"),
        ('"a,b\n1,2\n', "quotation marks in line 1, the column names, do not match"),
        ("a\tb\n1\tK\x9aln\n".encode("latin-1"), "line 2 is not UTF-8, UTF-16 or Latin-1"),
        (b"a\tb\n1\t\x00\n", "line 2 is not UTF-8"),
        ("a\tb\n1\t2\n".encode("utf-16") + b"x", "no longer UTF-16"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, content, message):
    (tmp_path / "t.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"t\.txt") as caught:
        read_table(tmp_path / "t.txt")
    assert message in str(caught.value)


def test_a_delimiter_that_a_name_holds_too_is_told_by_the_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a;b, in mm\n1;2,5\n3;4\n")
    assert read_table(tmp_path / "t.csv").values.tolist() == [["1", "2,5"], ["3", "4"]]
    (tmp_path / "t.csv").write_text("sep=;\na;b\n1;2\n")
    assert read_table(tmp_path / "t.csv").values.tolist() == [["1", "2"]]
