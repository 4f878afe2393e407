"""The list of samples that were sequenced."""

import pytest

from pathfm.errors import InputError
from pathfm.sources.sequenced import read_sequenced

EXPECTED = {"TCGA-A7-A0D1", "TCGA-A7-A0D2"}


@pytest.mark.parametrize(
    "text",
    [
        "TCGA-A7-A0D1-01A\nTCGA-A7-A0D2-01\nTCGA-A7-A0D3-11A\n",
        "Sample ID\nTCGA-A7-A0D1-01A\n\n#c\nTCGA-A7-A0D2\n",
        '"x"\n"1" "TCGA-A7-A0D1-01A"\n"2" "TCGA-A7-A0D2-01A"\n',
        '"","barcodes"\n"1","TCGA-A7-A0D1-01A"\n"2","TCGA-A7-A0D2-01A"\n',
        ",0\n0,TCGA-A7-A0D1-01A\n1,TCGA-A7-A0D2-01A\n",
        "0\ttcga.a7.a0d1.01a\n1\tTCGA.A7.A0D2.01A\n",
        "Tumor_Sample_Barcode;Matched_Norm_Sample_Barcode\nTCGA-A7-A0D1-01A;TCGA-A7-A0D1-10A\nTCGA-A7-A0D2-01A;TCGA-A7-A0D2-11A\n",
        "cancer_study_identifier: brca_tcga\nstable_id: x\ncase_list_ids: TCGA-A7-A0D1-01\tTCGA-A7-A0D2-01\n",
        "Tumor_Sample_Barcode\nTCGA-A7-A0D1\nTumor_Sample_Barcode\nTCGA-A7-A0D2\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_of_tcga_barcodes(tmp_path, text, encoding, end):
    (tmp_path / "list.txt").write_bytes(text.replace("\n", end).encode(encoding))
    assert read_sequenced(tmp_path / "list.txt") == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        "P1\nP2\n",
        "P1\textra\nP2\tmore\n",
        "sample\nP1\nP2\n",
        "no,Patient ID\n7,P1\n9,P2\n",
        '"sample"\n"1" "P1"\n"2" "P2"\n',
        "P1\nNA\nP2",
    ],
)
def test_lists_of_other_names(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    assert read_sequenced(tmp_path / "list.txt") == {"P1", "P2"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "names no sequenced"),
        (b"sample_id\n", "names no sequenced"),
        (b"TCGA-A7-A0D1-11A\n", "names no sequenced"),
        (b"\xff\xfe", "not UTF-8"),
        (b"1\tP1\n2\tP2\n3\tP3\n", "begins with a column of row numbers"),
        (b"TCGA-A7-A0D1\tTCGA-A7-A0D2\nTCGA-A7-A0D3\tTCGA-A7-A0D4\n", "several patients in one row, TCGA-A7-A0D3 and TCGA-A7-A0D4"),
        (b'"P1\nP2\n', "quotation marks do not match"),
    ],
)
def test_a_list_that_names_nobody_or_cannot_be_told_is_refused(tmp_path, data, message):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_sequenced(tmp_path / "list.txt")
