"""One clinical table and one MAF, saved again by every program there is, give the same labels."""

import csv
import gzip
import io
import tarfile
import zipfile
from dataclasses import dataclass

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.labels import build_labels
from pathfm.files import read_parquet
from pathfm.sources import text

CLINICAL = [
    ["project.project_id", "cases.submitter_id", "Tissue or Organ", "diagnoses.primary_diagnosis", "site of résection"],
    ["TCGA-BRCA", "TCGA-A7-A0D1", "Breast, NOS", "Infiltrating duct carcinoma, NOS", 'Klinikum "Köln"'],
    ["TCGA-BRCA", "TCGA-A7-A0D2", "Breast, NOS", "Lobular carcinoma, NOS", "2,5"],
    ["TCGA-BRCA", "TCGA-A7-A0D3", "'--", "'--", "Ulm"],
    ["TCGA-KIRC", "TCGA-B0-0001", "Kidney; left", "Clear cell adenocarcinoma, NOS", "Kiel | Süd"],
]
MAF = [
    ["Hugo_Symbol", "Entrez_Gene_Id", "Variant_Classification", "Tumor_Sample_Barcode", "FILTER", "Mutation_Status"],
    ["TP53", "7157", "Missense_Mutation", "TCGA-A7-A0D1-01A-11D-A12D-09", "PASS", "Somatic"],
    ["TTN", "7273", "3'UTR", "TCGA-A7-A0D2-01A-11D-A12D-09", "PASS", "Somatic"],
    ["TP53", "7157", "Nonsense_Mutation", "TCGA-A7-A0D3-01A-11D-A12D-09", "oxog; wga", "Somatic"],
    ["TP53", "7157", "Missense_Mutation", "TCGA-B0-0001-01A-11D-A12D-09", "PASS", "Germline"],
    ["TTN", "7273", "Silent", "TCGA-B0-0001-01A-11D-A12D-09", "PASS", "Somatic"],
]
EXPECTED = {
    "TCGA-A7-A0D1": ("A7", "TCGA-BRCA", "BRCA", "mutant", "IDC", None, None),
    "TCGA-A7-A0D2": ("A7", "TCGA-BRCA", "BRCA", "wild type", "ILC", None, None),
    "TCGA-A7-A0D3": ("A7", "TCGA-BRCA", "BRCA", None, None, None, None),
    "TCGA-B0-0001": ("B0", "TCGA-KIRC", "KIRC", "wild type", None, "KIRC", None),
}


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    quotes: int
    encoding: str
    line_end: str
    header: str
    numbers: str
    above: str
    padding: str
    container: str

    def bytes(self, rows) -> bytes:
        header, *below = rows
        header = [self.spelt(name) for name in header]
        if self.numbers:
            below = [[str(number), *row] for number, row in enumerate(below)]
            header = header if self.numbers == "short" else [{"empty": "", "pandas": "Unnamed: 0", "R": "X"}[self.numbers], *header]
        if self.padding == "columns":
            header, below = [*header, "", ""], [[*row, "", ""] for row in below]
        elif self.padding == "rows":
            below = [*below, [""] * len(below[0]), [""] * len(below[0])]
        elif self.padding == "ends of rows":
            below = [[*row, "", "", ""] for row in below]
        elif self.padding == "blanks":
            below = [[f" {cell} " for cell in row] for row in below]
        out = io.StringIO()
        csv.writer(out, delimiter=self.delimiter, quoting=self.quotes, lineterminator="\n").writerows([header, *below])
        text = (self.above + out.getvalue()).replace("\n", self.line_end)
        return self.packed(text.encode(self.encoding))

    def spelt(self, name: str) -> str:
        return {
            "R": lambda: name.replace(" ", "."),
            "capitals": name.upper,
            "small": name.lower,
            "as it is": lambda: name,
        }[self.header]()

    def packed(self, data: bytes) -> bytes:
        out = io.BytesIO()
        if self.container == "zip":
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("__MACOSX/._table.tsv", b"\x00\x05\x16\x07")
                archive.writestr("cart/README.md", b"the cart")
                archive.writestr("cart/table.tsv", data)
                archive.writestr("cart/other.tsv", b"id\tfilename\nx\ty\n")
        elif self.container == "tar.gz":
            with tarfile.open(fileobj=out, mode="w:gz") as archive:
                for name, content in {"MANIFEST.txt": b"id\tfilename\nx\ty\n", "a/table.maf.gz": gzip.compress(data)}.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
        return {"plain": data, "gzip": gzip.compress(data)}.get(self.container) or out.getvalue()


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from(["\t", ",", ";"]),
    quotes=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "utf-32"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    header=st.sampled_from(["as it is", "R", "capitals", "small"]),
    numbers=st.sampled_from(["", "empty", "pandas", "R", "short"]),
    above=st.sampled_from(["", "#version 2.4\n", "\n\n", "#a\tb\n#c,d;e\n"]),
    padding=st.sampled_from(["", "columns", "rows", "ends of rows", "blanks"]),
    container=st.sampled_from(["plain", "gzip", "zip", "tar.gz"]),
)


def labels(folder, clinical: bytes, maf: bytes) -> dict[str, tuple]:
    (folder / "clinical").write_bytes(clinical)
    (folder / "calls").write_bytes(maf)
    cohort = CohortFolder(folder / "cohort")
    build_labels([folder / "clinical"], [folder / "calls"], None, cohort)
    table = read_parquet(cohort.labels).set_index("patient")
    return {patient: tuple(row) for patient, row in zip(table.index, table.itertuples(index=False), strict=True)}


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=DIALECTS, other=DIALECTS)
def test_every_dialect_gives_the_same_labels(tmp_path, one, other):
    assert labels(tmp_path, one.bytes(CLINICAL), other.bytes(MAF)) == EXPECTED


def test_what_r_writes_by_default(tmp_path):
    """`write.table`: blanks between quoted cells, row names under a header that is one cell short, NA without quotes."""

    def write_table(header, rows):
        lines = [" ".join(f'"{name}"' for name in header)]
        lines += [
            " ".join([f'"{number}"', *("NA" if cell == "'--" else f'"{cell}"' for cell in row)]) for number, row in enumerate(rows, 1)
        ]
        return ("\n".join(lines) + "\n").encode()

    rows = [[cell.replace('"', '\\"') for cell in row] for row in CLINICAL]
    assert labels(tmp_path, write_table(rows[0], rows[1:]), write_table(MAF[0], MAF[1:])) == EXPECTED


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4]])
@pytest.mark.parametrize("comment", ["", "#version 2.4\n", "\n#a\tb\tc\td\te\tf\n\n"])
@pytest.mark.parametrize("block", [50, 4 << 20])
def test_joined_files_with_their_headers_in_any_order_of_columns(tmp_path, monkeypatch, order, comment, block):
    monkeypatch.setattr(text, "BLOCK", block)

    def maf(rows, order):
        return comment + "".join("\t".join(row[column] for column in order) + "\n" for row in rows)

    clinical = "".join("\t".join(row) + "\n" for row in CLINICAL)
    joined = maf(MAF[:3], range(6)) + maf([MAF[0], *MAF[3:]], order) + maf(MAF[:1], order)
    assert labels(tmp_path, clinical.encode(), joined.encode()) == EXPECTED


def excel(rows) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.append(["Table S1, see the text"])
    sheet = book.create_sheet("Data")
    for row in rows:
        sheet.append(row)
    hidden = book.create_sheet("old")
    hidden.sheet_state = "hidden"
    hidden.append(["submitter_id", "project_id"])
    hidden.append(["TCGA-ZZ-0009", "TCGA-OV"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_an_excel_workbook(tmp_path):
    assert labels(tmp_path, excel(CLINICAL), excel(MAF)) == EXPECTED
