"""The demo's CRC MSI: tiles of colorectal cancers, unstable (MSIMUT) or stable (MSS), of patients whom the cohort does not have.

Unstable tumours are infiltrated by lymphocytes and form fewer glands, as in Kather et al. (Nature Medicine 2019). The label is the
patient's; the tiles of one slide differ as they do in the cohort.
"""

from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from PIL import Image

from pathfm.benchmarks.crc_msi import RELEASES
from pathfm.demo import external
from pathfm.demo.external import HOSPITALS, Images
from pathfm.demo.scene import FIELD_SPREAD, PATCH_SPREAD, SLIDE_SPREAD
from pathfm.demo.world import PROGRAMMES, World, ranked, site_code
from pathfm.files import replacing

PATIENTS = {"train": 200, "test": 240}
TILES = 2
SPREAD = 1.5  # of the programmes, so that one tile, not a slide of them, tells something of its patient


@lru_cache(maxsize=2)
def images(world: World) -> Images:
    """Half of the patients of each role are unstable; the hospitals are those that follow on the cohort's."""
    rng = world.rng("crc_msi")
    hospitals = [site_code(len(world.hospitals) + number) for number in range(HOSPITALS)]
    rows, programmes = [], []
    for role, folder in RELEASES["224px"].roles.items():
        count = external.share(world, PATIENTS[role])
        patients = SPREAD * rng.standard_normal((count, len(PROGRAMMES)))
        _, immune, gland, _ = patients.T
        _, unstable = ranked(rng, immune - 0.5 * gland, np.arange(count), 2)
        patients += SLIDE_SPREAD * rng.standard_normal(patients.shape)
        tiles = patients.repeat(TILES, axis=0)
        programmes.append(tiles + np.hypot(FIELD_SPREAD, PATCH_SPREAD) * rng.standard_normal(tiles.shape))
        for patient, blocks in enumerate(rng.choice(list(ascii_uppercase), (count, TILES, 12))):
            label, hospital = "MSIMUT" if patient in unstable else "MSS", hospitals[patient % HOSPITALS]
            slide = f"TCGA-{hospital}-{len(rows) // TILES + 1:04d}-01Z-00-DX1"
            rows += [(f"{folder}/{label}/blk-{''.join(block)}-{slide}.png", label, slide, hospital) for block in blocks]
    return Images(*np.array(rows).T, programmes=np.concatenate(programmes))


def files(world: World) -> list[str]:
    return images(world).files.tolist()


def write_file(path: Path, world: World, number: int) -> None:
    image = external.paint(world, images(world), number)
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, "PNG")
