"""The demo's BACH: photographs of breast tissue in four classes, by the publisher's names, and so with the split that these define.

Malignant tissue (in situ, invasive) proliferates more than normal and benign tissue. Within either half the class with fewer and less round
glands is the second: a benign lesion distorts them, an invasive tumour loses them, while in one that is in situ they are kept.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from pathfm.benchmarks import bach
from pathfm.demo import external
from pathfm.demo.external import HOSPITALS, Images
from pathfm.demo.world import PROGRAMMES, World, ranked
from pathfm.files import replacing

OF_CLASS = 80
SPREAD = 1.5  # of the programmes: normal and tumour tissue differ more than tumours do
WIDTH, HEIGHT = 128, 96  # px of 0.5 µm, where the publisher's are 2048 × 1536 of 0.42


@lru_cache(maxsize=2)
def images(world: World) -> Images:
    """As many of each class, numbered evenly over the publisher's hundred, class by class."""
    rng = world.rng("bach")
    each = external.share(world, OF_CLASS)
    programmes = SPREAD * rng.standard_normal((len(bach.CLASSES) * each, len(PROGRAMMES)))
    proliferation, _, gland, _ = programmes.T
    quiet, malignant = ranked(rng, proliferation, np.arange(len(programmes)), 2)
    benign, normal = ranked(rng, gland, quiet, 2)
    invasive, in_situ = ranked(rng, gland, malignant, 2)
    members = {"Benign": benign, "InSitu": in_situ, "Invasive": invasive, "Normal": normal}
    places = np.arange(each) * bach.OF_CLASS // each
    names = [f"{label}/{letters}{place + 1:03d}" for label, letters in bach.CLASSES.items() for place in places]
    return Images(
        files=np.array([f"ICIAR2018_BACH_Challenge/Photos/{name}.tif" for name in names]),
        labels=np.repeat(list(bach.CLASSES), each),
        slides=np.array([f"BACH {name}" for name in names]),
        hospitals=np.array([f"BACH {hospital}" for hospital in rng.integers(HOSPITALS, size=len(names))]),
        programmes=programmes[np.concatenate([rng.permutation(members[label]) for label in bach.CLASSES])],
    )


def files(world: World) -> list[str]:
    return images(world).files.tolist()


def write_file(path: Path, world: World, number: int) -> None:
    image = external.paint(world, images(world), number, WIDTH)[:HEIGHT]
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, "TIFF")
