"""CRC MSI: tiles of colorectal cancers of TCGA, with microsatellite instability or without, in both of their releases."""

import re
from dataclasses import dataclass
from pathlib import Path

from pathfm.benchmarks.known import Found, Known, Release
from pathfm.benchmarks.layout import Pictures, found, lacking_counts, pictures, refuse_shared_patients, unpack
from pathfm.errors import InputError
from pathfm.sources.barcodes import patient

CLASSES = ("MSS", "MSI")
BARCODE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?:-\d{2}[A-Z]-\d{2}-[A-Z]{2}[A-Z0-9]*)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Layout:
    """The folders of one release: of each role and class one, under one of two names."""

    roles: dict[str, str]  # role → folder
    classes: dict[str, str]  # folder → class
    published: dict[str, int]  # role → images

    def places(self, role: str, kind: str) -> tuple[str, str]:
        """Where the images of a role and class lie: unpacked into one folder a role, or each archive into its own."""
        return f"{self.roles[role]}/{kind}", f"{self.roles[role]}_{kind}/{kind}"


RELEASES = {
    "224px": Layout({"train": "CRC_DX_TRAIN", "test": "CRC_DX_TEST"}, {"MSIMUT": "MSI", "MSS": "MSS"}, {"train": 93_408, "test": 98_904}),
    "512px": Layout({"train": "TRAIN", "test": "TEST"}, {"MSIH": "MSI", "nonMSIH": "MSS"}, {"train": 19_557, "test": 32_361}),
}


def find(folder: Path) -> Found:
    """`CRC_DX_{TRAIN,TEST}/{MSIMUT,MSS}/*.png` (Zenodo 2530835, 224 px) or `{TRAIN,TEST}/{MSIH,nonMSIH}/` (3832231, 512 px).

    The TCGA barcode in a file's name tells its patient and slide. MSIMUT and MSIH are the class MSI; MSS and nonMSIH, which holds MSI-L
    as well, the class MSS.
    """
    there = {
        name: {
            (role, kind): next((folder / place for place in layout.places(role, kind) if (folder / place).is_dir()), None)
            for role in layout.roles
            for kind in layout.classes
        }
        for name, layout in RELEASES.items()
    }
    begun = [name for name, places in there.items() if any(places.values())]
    if not begun:
        hint = unpack(folder, ("CRC_DX_TRAIN_MSIMUT", "CRC_DX_TRAIN", "TRAIN"))
        raise InputError(f"{folder} is not CRC MSI: it has neither CRC_DX_TRAIN/MSIMUT nor TRAIN/MSIH{hint}")
    if len(begun) > 1:
        raise InputError(f"{folder} holds both releases of CRC MSI; give a folder of one")
    release, layout, places = begun[0], RELEASES[begun[0]], there[begun[0]]
    missing = [layout.places(role, kind)[0] for (role, kind), place in places.items() if place is None]
    if missing:
        archives = [name.replace("/", "_") for name in missing] + [name.partition("/")[0] for name in missing]
        raise InputError(f"{folder} is not the whole of CRC MSI: it lacks {', '.join(missing)}{unpack(folder, archives)}")
    groups = [Pictures(layout.classes[kind], role, pictures(place, (".png", ".jpg"))) for (role, kind), place in places.items() if place]
    nameless = [path for group in groups for path in group.paths if not BARCODE.search(path.name)]
    if nameless:
        raise InputError(f"{len(nameless)} images have no TCGA barcode in their names, which tells the patient; the first is {nameless[0]}")
    counts = {role: sum(len(group.paths) for group in groups if group.role == role) for role in layout.roles}
    lacking = lacking_counts(counts, layout.published)
    result = found(groups, within=folder, patient=_patient, slide=_slide, as_they_are=True, lacking=lacking, release=release)
    refuse_shared_patients("CRC MSI", result.table)
    return result


def _barcode(path: Path) -> str:
    match = BARCODE.search(path.name)
    return match[0] if match else ""


def _slide(path: Path) -> str:
    return _barcode(path).upper()


def _patient(path: Path) -> str:
    return patient(_barcode(path))


KNOWN = Known(
    name="crc_msi",
    title="CRC MSI",
    classes=CLASSES,
    unit="patient",
    licence="CC BY 4.0",
    source="https://zenodo.org/records/2530835 (224 px), https://zenodo.org/records/3832231 (512 px)",
    paper="Kather et al., Nature Medicine 2019",
    layout="CRC_DX_{TRAIN,TEST}/{MSIMUT,MSS}/*.png, or {TRAIN,TEST}/{MSIH,nonMSIH}/*",
    find=find,
    releases={
        "224px": Release(images=RELEASES["224px"].published, pixels=(224, 224), mpp=0.5),
        "512px": Release(images=RELEASES["512px"].published, pixels=(512, 512), mpp=0.5),
    },
)
