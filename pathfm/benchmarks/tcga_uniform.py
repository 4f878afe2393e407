"""TCGA-UT: uniform tumour regions of the slides of TCGA, 32 cancers."""

import hashlib
from pathlib import Path

import pandas as pd

from pathfm.benchmarks.known import Found, Known, Release
from pathfm.benchmarks.layout import Pictures, found, lacking_counts, pictures, refuse_shared_patients, unpack
from pathfm.errors import InputError
from pathfm.sources.barcodes import is_tcga, patient

CLASSES = (
    "Adrenocortical_carcinoma",
    "Bladder_Urothelial_Carcinoma",
    "Brain_Lower_Grade_Glioma",
    "Breast_invasive_carcinoma",
    "Cervical_squamous_cell_carcinoma_and_endocervical_adenocarcinoma",
    "Cholangiocarcinoma",
    "Colon_adenocarcinoma",
    "Esophageal_carcinoma",
    "Glioblastoma_multiforme",
    "Head_and_Neck_squamous_cell_carcinoma",
    "Kidney_Chromophobe",
    "Kidney_renal_clear_cell_carcinoma",
    "Kidney_renal_papillary_cell_carcinoma",
    "Liver_hepatocellular_carcinoma",
    "Lung_adenocarcinoma",
    "Lung_squamous_cell_carcinoma",
    "Lymphoid_Neoplasm_Diffuse_Large_B-cell_Lymphoma",
    "Mesothelioma",
    "Ovarian_serous_cystadenocarcinoma",
    "Pancreatic_adenocarcinoma",
    "Pheochromocytoma_and_Paraganglioma",
    "Prostate_adenocarcinoma",
    "Rectum_adenocarcinoma",
    "Sarcoma",
    "Skin_Cutaneous_Melanoma",
    "Stomach_adenocarcinoma",
    "Testicular_Germ_Cell_Tumors",
    "Thymoma",
    "Thyroid_carcinoma",
    "Uterine_Carcinosarcoma",
    "Uterine_Corpus_Endometrial_Carcinoma",
    "Uveal_Melanoma",
)
FINEST = "0"  # of the six resolutions that were published: 0.5 µm/px
IMAGES = 271_710
SHARES = (("test", 0.2), ("val", 0.2))  # of the patients of each class; the others train


def find(folder: Path) -> Found:
    """`CANCER/0/SLIDE/*.jpg`, a folder for each slide, named by its TCGA barcode.

    This release has no split, so there is one of our own: of each cancer a fifth of the patients is scored and a fifth validates, by
    the order of the SHA-256 of their barcodes, which no other patient's presence changes by much.
    """
    missing = [kind for kind in CLASSES if not (folder / kind / FINEST).is_dir()]
    if missing:
        named = ", ".join(f"{kind}/{FINEST}" for kind in missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(f"{folder} is not the whole of TCGA-UT: it lacks {named}{unpack(folder, missing)}")
    groups = []
    for kind in CLASSES:
        slides = sorted(path for path in (folder / kind / FINEST).iterdir() if path.is_dir() and not path.name.startswith("."))
        nameless = [path for path in slides if not is_tcga(path.name)]
        if nameless:
            raise InputError(f"{nameless[0]} is not named by a TCGA barcode, which tells the patient; unpack the download again")
        groups += [Pictures(kind, "train", pictures(path, (".jpg", ".jpeg"))) for path in slides]
    lacking = lacking_counts({"resolution 0": sum(len(group.paths) for group in groups)}, {"resolution 0": IMAGES})
    result = found(groups, within=folder, patient=_patient, slide=lambda path: path.parent.name, as_they_are=True, lacking=lacking)
    result.table["role"] = roles(result.table)
    refuse_shared_patients("TCGA-UT", result.table)
    return result


def roles(table: pd.DataFrame) -> list[str]:
    """train, val or test of each row, whole patients of each label."""
    role: dict[str, str] = {}
    for _, patients in table.groupby("label")["patient"]:
        names = sorted(set(patients), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        role |= dict.fromkeys(names, "train")
        first = 0
        for kind, share in SHARES:
            count = max(1, round(share * len(names)))
            role |= dict.fromkeys(names[first : first + count], kind)
            first += count
    return [role[name] for name in table["patient"]]


def _patient(path: Path) -> str:
    return patient(path.parent.name)


KNOWN = Known(
    name="tcga_uniform",
    title="TCGA-UT",
    classes=CLASSES,
    unit="patient",
    licence="CC BY-NC-SA 4.0",
    source="https://zenodo.org/records/5889558",
    paper="Komura et al., Cell Reports 2022",
    layout="CANCER/0/TCGA-…/*.jpg, of 32 cancers",
    find=find,
    releases={"": Release(images={"train, val and test": IMAGES}, pixels=(256, 256), mpp=0.5)},
)
