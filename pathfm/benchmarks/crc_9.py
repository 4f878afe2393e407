"""CRC-9: nine tissues of the colon."""

from pathlib import Path

from pathfm.benchmarks.known import Found, Known, Release
from pathfm.benchmarks.layout import Pictures, found, lacking_counts, pictures, unpack
from pathfm.errors import InputError

FOLDERS = {"train": "NCT-CRC-HE-100K", "test": "CRC-VAL-HE-7K"}
IMAGES = {
    "train": dict(ADI=10_407, BACK=10_566, DEB=11_512, LYM=11_557, MUC=8_896, MUS=13_536, NORM=8_763, STR=10_446, TUM=14_317),
    "test": dict(ADI=1_338, BACK=847, DEB=339, LYM=634, MUC=1_035, MUS=592, NORM=741, STR=421, TUM=1_233),
}
CLASSES = tuple(IMAGES["train"])


def find(folder: Path) -> Found:
    """`NCT-CRC-HE-100K/CLASS/*.tif` for training, `CRC-VAL-HE-7K/CLASS/*.tif`, of other patients, for the score.

    The publisher does not tell patients, so the validation part is cut by image. `NCT-CRC-HE-100K-NONORM` is another release, and not read.
    """
    missing = [f"{name}/{kind}" for name in FOLDERS.values() for kind in CLASSES if not (folder / name / kind).is_dir()]
    if missing:
        raise InputError(f"{folder} is not the whole of CRC-9: it lacks {', '.join(missing)}{unpack(folder, FOLDERS.values())}")
    groups = [Pictures(kind, role, pictures(folder / name / kind, (".tif", ".tiff"))) for role, name in FOLDERS.items() for kind in CLASSES]
    counts = {f"{FOLDERS[group.role]}/{group.label}": len(group.paths) for group in groups}
    published = {f"{FOLDERS[role]}/{kind}": count for role, kinds in IMAGES.items() for kind, count in kinds.items()}
    return found(groups, within=folder, as_they_are=False, lacking=lacking_counts(counts, published))


TOTALS = {role: sum(kinds.values()) for role, kinds in IMAGES.items()}
KNOWN = Known(
    name="crc_9",
    title="CRC-9",
    classes=CLASSES,
    unit="image",
    licence="CC BY 4.0",
    source="https://zenodo.org/records/1214456",
    paper="Kather et al., PLOS Medicine 2019",
    layout="{NCT-CRC-HE-100K,CRC-VAL-HE-7K}/{ADI,BACK,DEB,LYM,MUC,MUS,NORM,STR,TUM}/*.tif",
    find=find,
    releases={"": Release(images=TOTALS, pixels=(224, 224), mpp=0.5, gigabytes=12.5)},
)
