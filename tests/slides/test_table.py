"""Whose a slide is, and what the user's tables say of it."""

import pytest

from pathfm.errors import InputError
from pathfm.slides import table


def test_overrides_by_id_or_file_name(tmp_path):
    file = tmp_path / "o.csv"
    file.write_text("\ufeffslide,mpp\nA,0.25\n B.svs , 0.5 \n", encoding="utf-8")
    overrides = table.read_overrides(file)
    assert [table.lookup(overrides, tmp_path / name) for name in ("A.svs", "B.svs", "C.svs")] == [0.25, 0.5, None]
    assert table.unknown(overrides, [tmp_path / "A.svs"]) == ["B.svs"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slide,mpp\nA,0.25\nB,quarter\n", "line 3: 'quarter' is no mpp of B"),
        ("slide,mpp\nA,0\n", "line 2: '0' is no mpp"),
        ("slide,mpp\nA,-1\n", "line 2: '-1' is no mpp"),
        ("slide,mpp\nA,nan\n", "line 2: 'nan' is no mpp"),
        ("slide,mpp\nA,inf\n", "line 2: 'inf' is no mpp"),
        ("slide,mpp\nA\n", "line 2: '' is no mpp"),
        ("slide,mpp\n,1\n", "line 2: the slide has no name"),
        ("slide,mpp\nA,0.25\nA,0.5\n", "line 3: A has another mpp"),
        ("slide;mpp\nA;2,5,0\n", "line 2: '2,5,0' is no mpp"),
        ("slide,micrometres\nA,1\n", "lacks the column 'mpp'"),
        ("", "is empty"),
        ('slide,mpp\n"A,1\n', "a quotation mark is opened in line 2 and never closed"),
    ],
)
def test_a_bad_override_names_its_place(tmp_path, text, message):
    (tmp_path / "o.csv").write_text(text)
    with pytest.raises(InputError, match=f"o.csv.*{message}"):
        table.read_overrides(tmp_path / "o.csv")


def test_overrides_that_a_german_spreadsheet_saved(tmp_path):
    (tmp_path / "o.csv").write_bytes('"Slide";MPP;\r\n"Käse ""1""";0,25;\r\nB.svs;1;\r\n;;\r\n'.encode("cp1252"))
    assert table.read_overrides(tmp_path / "o.csv") == {'Käse "1"': 0.25, "B.svs": 1.0}


def test_a_table_has_bounds_and_must_be_text(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    (tmp_path / "o.csv").write_text("slide,mpp\n" + "A,1\n" * 4)
    with pytest.raises(InputError, match="more than 3 rows"):
        table.read_overrides(tmp_path / "o.csv")
    (tmp_path / "o.csv").write_bytes(b"slide,mpp\n\xff\xfe,1\n")
    with pytest.raises(InputError, match="line 2 is not UTF-8, UTF-16 or Latin-1"):
        table.read_overrides(tmp_path / "o.csv")
    with pytest.raises(InputError, match="missing.csv is missing"):
        table.read_overrides(tmp_path / "missing.csv")


def test_whose_a_slide_is():
    barcode = "TCGA-A2-A0T2-01Z-00-DX1.29A5C4CA-6E39-4BB8-A2C9-8B1E1B1B1B1B"
    assert table.identity(barcode, None) == {
        "patient": "TCGA-A2-A0T2",
        "sample": "TCGA-A2-A0T2-01Z",
        "sample_type": "01",
        "preparation": "DX",
        "project": None,
        "site": "A2",
    }
    nobody = table.identity("CMU-1", None)
    assert set(nobody.values()) == {None}
    ours = table.identity("S 17", {"patient": "P1", "sample": "P1-T", "site": None})
    assert (ours["patient"], ours["sample"], ours["site"], ours["sample_type"]) == ("P1", "P1-T", None, None)
    assert table.identity(barcode, {"patient": None, "sample": None, "site": "Walter Reed"})["site"] == "Walter Reed"


def test_the_owners_table(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("slide,patient,sample,site\nA,P1,,Ulm\n")
    assert table.read_owners(file) == {"A": {"patient": "P1", "sample": None, "site": "Ulm"}}
    file.write_text("slide,patient,sample,site\nA,P1,,Ulm\nA,P2,,Ulm\n")
    with pytest.raises(InputError, match="line 3: A belongs to another patient"):
        table.read_owners(file)
    file.write_text("slide,patient,sample,site\nA,P1\nB,NA,NA,NA\nC,TCGA-NA-A4QY,,NA\n")
    assert table.read_owners(file) == {
        "A": {"patient": "P1", "sample": None, "site": None},
        "B": {"patient": None, "sample": None, "site": None},
        "C": {"patient": "TCGA-NA-A4QY", "sample": None, "site": "NA"},
    }
    file.write_text("slide,patient,sample,site\nA,1.23E+11,,Ulm\n")
    with pytest.raises(InputError, match=r"line 2: 1.23E\+11 is a name that a spreadsheet has shortened"):
        table.read_owners(file)
    file.write_text("slide,patient\nA,P1\n")
    with pytest.raises(InputError, match="lacks the column 'sample'"):
        table.read_owners(file)
