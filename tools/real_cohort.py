"""python tools/real_cohort.py SHARED_DATA OUT: a small cohort of real pixels, real profiles and real calls under invented barcodes.

OUT receives what a user has on disk: slides/, rna/ as gdc-client leaves it, gdc_sample_sheet.tsv, clinical.tsv, mutations.maf. Who has
which picture, profile, project and mutation is invented, so nothing can be learned from it: it shows that every part works on real
input. Run again, it makes what is missing. The closing lines say what was invented.
"""

import gzip
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
import pandas as pd

from pathfm.demo.folder import write_table
from pathfm.demo.omics import gene_table
from pathfm.demo.slides import halved, write_pyramid
from pathfm.files import replacing
from pathfm.progress import say
from pathfm.slides.reader import on_white
from pathfm.slides.tissue import tile_fractions, tissue_mask
from pathfm.sources.consequences import changes_protein
from pathfm.sources.star import write_star_counts

SITES = ("0A", "0B", "0C", "0D", "0E", "0F")  # no tissue source site of TCGA has such a code
PIECES_A_SITE = 6
PIECE = 288  # px: three by three tiles of 96
HALVINGS = 4  # from 0.5 to 8 µm/px, where tissue is found
READS = 3e7
SPREAD = 0.2  # log2: three profiles serve all patients, so each patient's copy is disturbed a little


@dataclass(frozen=True)
class Source:
    """A real slide: its file, the µm/px its pieces are given, the project that is invented for them, and what its barcodes end in."""

    file: str
    mpp: float
    project: str
    diagnosis: str
    ending: str


SOURCES = (
    Source("CMU-1-Small-Region.svs", 0.499, "TCGA-SKCM", "Malignant melanoma, NOS", "01Z-00-DX1"),
    # The file tells no µm/px; 0.5 is taken, what a 20× scan has.
    Source("TCGA-CR-7395-01A-01-TS1.svs", 0.5, "TCGA-HNSC", "Squamous cell carcinoma, NOS", "01A-01-TS1"),
)


@dataclass(frozen=True)
class Patient:
    """An invented patient: a number, a barcode, a source slide."""

    number: int
    barcode: str
    source: Source

    @property
    def slide(self) -> str:
        return f"{self.barcode}-{self.source.ending}.{identifier(self.barcode, 'slide').upper()}.tif"

    @property
    def rna(self) -> tuple[str, str]:
        """File id (the folder) and file name, as the GDC has them: two UUIDs."""
        name = f"{identifier(self.barcode, 'file name')}.rna_seq.augmented_star_gene_counts.tsv"
        return identifier(self.barcode, "file id"), name


def identifier(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(names)))


def invented_patients() -> list[Patient]:
    """Every site has as many patients of the one slide as of the other."""
    places = [(site, source) for _ in range(PIECES_A_SITE) for site in SITES for source in SOURCES]
    return [Patient(number, f"TCGA-{site}-{number:04d}", source) for number, (site, source) in enumerate(places)]


def pieces(path: Path, mpp: float, count: int) -> list[np.ndarray]:
    """The `count` squares of PIECE px with the most tissue, uint8 [PIECE, PIECE, 3], side by side in the slide, in reading order."""
    with openslide.OpenSlide(path) as slide:
        width, height = slide.dimensions
        image = on_white(slide.read_region((0, 0), 0, (width, height)))
    rows, columns = height // PIECE, width // PIECE
    small = image
    for _ in range(HALVINGS):
        small = halved(small)
    tissue = tile_fractions(tissue_mask(small, mpp * 2**HALVINGS), rows, columns, PIECE >> HALVINGS).ravel()
    corners = [(place // columns * PIECE, place % columns * PIECE) for place in sorted(np.argsort(tissue, kind="stable")[-count:])]
    return [image[y : y + PIECE, x : x + PIECE] for y, x in corners]


def real_profiles(path: Path, genes: pd.DataFrame) -> tuple[np.ndarray, int]:
    """2^x − 1 of each real case, float64 [cases, genes], zero for genes that the table lacks; and how many genes it has.

    A symbol that several genes share goes to the first of them that is not `_PAR_Y`.
    """
    table = pd.read_csv(path).drop_duplicates("patient_id").set_index("patient_id")
    named = [column for column in table if column.startswith("rna_")]
    own = genes[~genes["gene_id"].str.endswith("_PAR_Y")].drop_duplicates("gene_name")
    place = pd.Series(own.index, index=own["gene_name"])
    known = [column for column in named if column.removeprefix("rna_") in place.index]
    profiles = np.zeros((len(table), len(genes)))
    profiles[:, place[[column.removeprefix("rna_") for column in known]]] = np.exp2(table[known].to_numpy(float)) - 1
    return profiles, len(known)


def write_rna(folder: Path, patients: list[Patient], profiles: np.ndarray, genes: pd.DataFrame) -> None:
    for patient in patients:
        path = folder.joinpath(*patient.rna)
        if not path.exists():
            noise = np.random.default_rng(patient.number).normal(0, SPREAD, len(genes))
            amounts = profiles[patient.number // len(SOURCES) % len(profiles)] * np.exp2(noise)
            tpm = amounts * (1e6 / amounts.sum())
            write_star_counts(path, genes, np.rint(tpm * (READS / 1e6)), tpm)


def sample_sheet(patients: list[Patient]) -> pd.DataFrame:
    """The portal's sample sheet of today, eleven columns."""
    rows = [
        {
            "File ID": patient.rna[0],
            "File Name": patient.rna[1],
            "Data Category": "Transcriptome Profiling",
            "Data Type": "Gene Expression Quantification",
            "Project ID": patient.source.project,
            "Case ID": patient.barcode,
            "Sample ID": f"{patient.barcode}-01A",
            "Tissue Type": "Tumor",
            "Tumor Descriptor": "Primary",
            "Specimen Type": "Solid Tissue",
            "Preservation Method": "OCT",
        }
        for patient in patients
    ]
    return pd.DataFrame(rows)


def clinical(patients: list[Patient]) -> pd.DataFrame:
    rows = [
        {
            "project.project_id": patient.source.project,
            "cases.case_id": identifier(patient.barcode, "case"),
            "cases.submitter_id": patient.barcode,
            "diagnoses.primary_diagnosis": patient.source.diagnosis,
            "diagnoses.days_to_recurrence": "'--",
        }
        for patient in patients
    ]
    return pd.DataFrame(rows)


def mutations(path: Path, patients: list[Patient]) -> pd.DataFrame:
    """Rows of the real MAF under invented barcodes; half of the patients of each slide and site get the calls of a real TP53 mutant."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        calls = pd.read_csv(file, sep="\t", dtype=str)
    hits = (calls["Hugo_Symbol"] == "TP53") & calls["Variant_Classification"].map(changes_protein).eq(True)
    mutants = sorted(set(calls["Tumor_Sample_Barcode"][hits]))
    others = sorted(set(calls["Tumor_Sample_Barcode"]) - set(calls["Tumor_Sample_Barcode"][calls["Hugo_Symbol"] == "TP53"]))
    parts = []
    for patient in patients:
        turn = patient.number // (len(SITES) * len(SOURCES))
        givers = mutants if (turn + patient.number) % 2 else others
        giver = givers[patient.number // 2 % len(givers)]
        parts.append(calls[calls["Tumor_Sample_Barcode"] == giver].assign(Tumor_Sample_Barcode=f"{patient.barcode}-01A-11D-A000-09"))
    return pd.concat(parts, ignore_index=True)


def main(shared: Path, out: Path) -> None:
    patients, genes = invented_patients(), gene_table()
    for source in SOURCES:
        owners = [patient for patient in patients if patient.source is source]
        for patient, piece in zip(owners, pieces(shared / "wsi" / source.file, source.mpp, len(owners)), strict=True):
            if not (out / "slides" / patient.slide).exists():
                write_pyramid(out / "slides" / patient.slide, piece, source.mpp)
        say(
            f"{source.file}: cut into {len(owners)} pyramids of {PIECE} px at {source.mpp} µm/px, under {source.project}, which is invented"
        )

    profiles, matched = real_profiles(shared / "paired" / "sequoia_ref_file.csv", genes)
    write_rna(out / "rna", patients, profiles, genes)
    note = out / "rna" / patients[0].rna[0] / "annotations.txt"
    with replacing(note) as temporary:
        temporary.write_bytes((shared / "gdc" / "lung_annotations_example.txt").read_bytes())
    write_table(out / "gdc_sample_sheet.tsv", sample_sheet(patients))
    write_table(out / "clinical.tsv", clinical(patients))
    write_table(out / "mutations.maf", mutations(shared / "maf" / "maftools_tcga_laml.maf.gz", patients), head="#version 2.4\n")
    found = f"{matched:,} genes found by symbol among {len(genes):,}, the rest 0"
    say(f"sequoia_ref_file.csv: the real profiles of {len(profiles)} cases, {found}")
    say(f"  log scale undone (2^x - 1) and rescaled to 1e6, as they are no TPM; counts derived for {READS:,.0f} reads, lengths unknown")
    say(f"  {len(profiles)} profiles serve {len(patients)} patients: each copy is disturbed by seeded noise of {SPREAD} (log2)")
    say("maftools_tcga_laml.maf.gz: real calls under invented barcodes; who is a TP53 mutant is invented")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
