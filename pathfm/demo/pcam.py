"""The demo's PCam: squares of lymph nodes with tumour in their centre or without.

Tumour cells proliferate, and where they grow lymphocytes give way. Both are nuclei, so that how blue a square is tells little.
"""

from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pathfm.benchmarks.pcam import EDGE, SPLITS
from pathfm.demo import external
from pathfm.demo.external import HOSPITALS, Images
from pathfm.demo.world import PROGRAMMES, World, ranked
from pathfm.files import replacing

COUNTS = {"train": 400, "val": 120, "test": 480}
OF_SLIDE = 8


@lru_cache(maxsize=2)
def images(world: World) -> Images:
    """Half of the images of each role have tumour; eight are of one slide, as they come."""
    rng = world.rng("pcam")
    rows, programmes = [], []
    for number, role in enumerate(SPLITS):
        count = external.share(world, COUNTS[role])
        drawn = rng.standard_normal((count, len(PROGRAMMES)))
        proliferation, immune, _, _ = drawn.T
        _, tumour = ranked(rng, proliferation - immune, np.arange(count), 2)
        for image in range(count):
            slide = image // OF_SLIDE
            name = f"camelyon16_{'test' if role == 'test' else 'train'}_{100 * number + slide:03d}"
            rows.append((file_of(role), str(int(image in tumour)), name, f"PCam {slide % HOSPITALS}"))
        programmes.append(drawn)
    return Images(*np.array(rows).T, programmes=np.concatenate(programmes))


def file_of(role: str, kind: str = "x.h5") -> str:
    return f"camelyonpatch_level_2_split_{SPLITS[role]}_{kind}"


def files(world: World) -> list[str]:
    return list(map(file_of, SPLITS))


def write_file(path: Path, world: World, number: int) -> None:
    """All images of one role, in one file."""
    planted = images(world)
    rows = np.flatnonzero(planted.files == files(world)[number])
    write_array(path, "x", np.stack([external.paint(world, planted, row, EDGE) for row in rows.tolist()]))


def write_tables(folder: Path, world: World) -> None:
    """Labels and slides of each role."""
    planted = images(world)
    places = world.rng("places of pcam").integers(0, 100_000, (len(planted.files), 2))
    for role in SPLITS:
        here = planted.files == file_of(role)
        labels = planted.labels[here].astype(np.uint8)
        write_array(folder / file_of(role, "y.h5"), "y", labels.reshape(-1, 1, 1, 1))
        table = pd.DataFrame(places[here], columns=["coord_y", "coord_x"])
        table = table.assign(tumor_patch=labels == 1, center_tumor_patch=labels == 1, wsi=planted.slides[here])
        with replacing(folder / file_of(role, "meta.csv")) as temporary:
            table.to_csv(temporary, lineterminator="\n")


def write_array(path: Path, name: str, values: np.ndarray) -> None:
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file[name] = values
