"""Downloads of the public benchmarks as their publishers lay them out, with few and small images."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from pathfm.benchmarks import bach, crc_9, tcga_uniform

PCAM_IMAGES = {"train": 40, "valid": 16, "test": 24}


def picture(seed: int, width: int, height: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_bach(folder: Path, of_class: range = range(38, 62)) -> Path:
    """TIFF files of 16 × 12 px, of each class those of these numbers from 0, and what Windows leaves among them."""
    photos = folder / "ICIAR2018_BACH_Challenge" / "Photos"
    for number, (label, letters) in enumerate(bach.CLASSES.items()):
        for place in of_class:
            save(photos / label / f"{letters}{place + 1:03d}.tif", picture(number * bach.OF_CLASS + place, 16, 12))
        (photos / label / "Thumbs.db").write_bytes(b"")
    return folder


def make_pcam(folder: Path, seed: int = 0) -> Path:
    """Nine files; the slides of a split are its own, about eight images each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(PCAM_IMAGES.items()):
        rng = np.random.default_rng([seed, number])
        labels = rng.integers(0, 2, count)
        stem = f"camelyonpatch_level_2_split_{split}"
        with h5py.File(folder / f"{stem}_x.h5", "w") as file:
            images = rng.integers(0, 256, (count, 12, 12, 3), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
            file.create_dataset("x", data=images, chunks=(8, 96, 96, 3), compression="gzip")
        with h5py.File(folder / f"{stem}_y.h5", "w") as file:
            file["y"] = labels.reshape(count, 1, 1, 1).astype(np.uint8)
        kind = "test" if split == "test" else "train"
        slides = [f"camelyon16_{kind}_{number}_{row // 8:03d}" for row in range(count)]
        rows = [f"{row},{100 + row},{200 + row},True,{bool(labels[row])},{slides[row]}" for row in range(count)]
        (folder / f"{stem}_meta.csv").write_text("\n".join([",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi", *rows]) + "\n")
    return folder


def make_crc_msi(folder: Path, release: str = "224px", patients: int = 3, tiles: int = 2) -> Path:
    """PNG files of 224 or 512 px, dark where there is instability; of each class and part so many patients, told by the files' names."""
    edge = int(release.removesuffix("px"))
    parts = {"224px": (("CRC_DX_TRAIN", "CRC_DX_TEST"), ("MSIMUT", "MSS")), "512px": (("TRAIN", "TEST"), ("MSIH", "nonMSIH"))}[release]
    number = 0
    for part in parts[0]:
        for kind in parts[1]:
            for _ in range(patients):
                number += 1
                for tile in range(tiles):
                    name = f"blk-{'ABCDEFGHIJ'[tile] * 12}-TCGA-AA-{number:04d}-01Z-00-DX1.png"
                    shade = (40 if kind in ("MSIMUT", "MSIH") else 180) + number % 30 + tile
                    save(folder / part / kind / name, np.full((edge, edge, 3), shade, np.uint8))
    return folder


def make_crc_9(folder: Path, images: int = 1) -> Path:
    for number, (role, name) in enumerate(crc_9.FOLDERS.items()):
        for place, kind in enumerate(crc_9.CLASSES):
            for image in range(images):
                stem = f"{kind}-{'AAAFLCLY' if role == 'train' else 'TCGA-AASSYQNI'}{image}"
                save(folder / name / kind / f"{stem}.tif", np.full((224, 224, 3), number * 100 + place * 10 + image, np.uint8))
    return folder


def make_tcga_uniform(folder: Path, patients: int = 3) -> Path:
    for number, kind in enumerate(tcga_uniform.CLASSES):
        for patient in range(patients):
            slide = folder / kind / "0" / f"TCGA-{number:02d}-{patient:04d}-01Z-00-DX1"
            save(slide / f"0_{patient}_507.jpg", np.full((256, 256, 3), (number * 8 + patient) % 256, np.uint8))
            save(folder / kind / "1" / slide.name / f"0_{patient}_608.jpg", np.zeros((8, 8, 3), np.uint8))
    return folder


def make_mhist(folder: Path, images: int = 8) -> Path:
    rows = ["Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),Partition"]
    for number in range(images):
        name = f"MHIST_{'abcdefghij'[number]}aa.png"
        save(folder / "images" / name, picture(number, 224, 224))
        rows.append(f"{name},{('HP', 'SSA')[number % 2]},{(2, 5)[number % 2]},{('train', 'train', 'test', 'test')[number % 4]}")
    (folder / "annotations.csv").write_text("\n".join(rows) + "\n")
    return folder


MAKERS = {
    "bach": make_bach,
    "pcam": make_pcam,
    "mhist": make_mhist,
    "crc_msi": make_crc_msi,
    "crc_9": make_crc_9,
    "tcga_uniform": make_tcga_uniform,
}
