"""BACH: breast tissue under the microscope, four classes of a hundred images each."""

import re
from pathlib import Path

from pathfm.benchmarks.known import Found, Known, Release
from pathfm.benchmarks.layout import Pictures, found, pictures, root, unpack
from pathfm.errors import InputError
from pathfm.sources.tables import read_table

CLASSES = {"Benign": "b", "InSitu": "is", "Invasive": "iv", "Normal": "n"}  # folder → how its files' names begin
OF_CLASS = 100
TRAIN = ((0, 41), (59, 60), (90, 139), (169, 240), (258, 260), (273, 345), (368, 400))
"""The training images of eva's split, as ranges over all images by class and name: no patient is on both sides. The others are scored."""
PATIENTS = "patients.csv"
LAYOUT = "ICIAR2018_BACH_Challenge/Photos/{Benign,InSitu,Invasive,Normal}/*.tif; patients.csv (image,patient) beside Photos if there"


def find(folder: Path) -> Found:
    """`Photos/CLASS/*.tif`, named b001 to b100, is001 …, iv001 …, n001 …; the organisers' list of patients if it is there.

    The labels of the challenge's test images were never published, so of the labelled ones eva's split scores 132. The organisers tell the
    patients of some images in a table of their own (https://iciar2018-challenge.grand-challenge.org/Dataset), and that the others
    are of other patients; it is read where it was saved as `patients.csv` with the columns image and patient.
    """
    photos = root(folder, "BACH", ("ICIAR2018_BACH_Challenge/Photos", "Photos"))
    groups: list[Pictures] = []
    missing = []
    for number, (label, letters) in enumerate(CLASSES.items()):
        if not (photos / label).is_dir():
            raise InputError(f"{photos} is not BACH's: it lacks the folder {label}{unpack(photos, [label])}")
        paths = pictures(photos / label, (".tif", ".tiff"))
        places = {path: _place(path, letters) for path in paths}
        for path, place in places.items():
            role = "train" if any(first <= number * OF_CLASS + place < end for first, end in TRAIN) else "test"
            groups.append(Pictures(label, role, [path]))
        there = set(places.values())
        missing += [f"{label}/{letters}{place + 1:03d}.tif" for place in range(OF_CLASS) if place not in there]
    lacking = f"{len(missing)} of {OF_CLASS * len(CLASSES)} images are missing, the first {missing[0]}" if missing else ""
    patients = _patients(photos.parent / PATIENTS)
    return found(groups, within=photos, patient=lambda path: patients.get(path.stem, ""), as_they_are=False, lacking=lacking)


def _place(path: Path, letters: str) -> int:
    """The number of an image in its class, from 0; InputError for a name that is not the publisher's."""
    name = re.fullmatch(rf"{letters}(\d{{3}})", path.stem)
    if not name or not 1 <= int(name[1]) <= OF_CLASS:
        raise InputError(
            f"{path} is not one of BACH's names ({letters}001.tif to {letters}{OF_CLASS}.tif), by which its split is defined; "
            "unpack the download again"
        )
    return int(name[1]) - 1


def _patients(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    known = {"image": ("file", "file name", "image name"), "patient": ("patient id",)}
    table = read_table(path, known=known, suits=lambda names: {"image", "patient"} <= {*names})
    missing = [column for column in known if column not in table]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]!r}; its first line must be image,patient")
    table = table[table["image"].notna() & table["patient"].notna()]
    return {Path(image).stem: patient for image, patient in zip(table["image"], table["patient"], strict=True)}


KNOWN = Known(
    name="bach",
    title="BACH",
    classes=tuple(CLASSES),
    unit="image",
    licence="CC BY-NC-ND 4.0",
    source="https://zenodo.org/records/3632035",
    paper="Aresta et al., Medical Image Analysis 2019",
    layout=LAYOUT,
    find=find,
    releases={"": Release(images={"train": 268, "test": 132}, pixels=(2048, 1536), mpp=0.42, gigabytes=10.4)},
)
