"""What the planted external benchmarks share: of each image a label that the programmes drive, and a slide of a hospital of their own.

A label follows a score of the image's (or patient's) programmes by rank, under the noise that the labels of the cohort have.
"""

from dataclasses import dataclass

import numpy as np

from pathfm.demo import painter
from pathfm.demo.painter import SQUARE
from pathfm.demo.world import HABITS, World

HOSPITALS = 8
PATIENTS_FOR_ALL = 160


@dataclass(frozen=True)
class Images:
    """The images of a benchmark, a row each.

    `files` (in the benchmark's folder), `labels`, `slides` (which share stain and habits) and their `hospitals` are text [images],
    `programmes` are [images, programmes].
    """

    files: np.ndarray
    labels: np.ndarray
    slides: np.ndarray
    hospitals: np.ndarray
    programmes: np.ndarray


def share(world: World, count: int) -> int:
    """How many of the `count` images (or patients) of a benchmark a world has: all from 160 patients on, in a small one fewer."""
    return count * min(len(world.people), PATIENTS_FOR_ALL) // PATIENTS_FOR_ALL


def paint(world: World, images: Images, number: int, size: int = SQUARE) -> np.ndarray:
    """One image, uint8 [size, size, 3]."""
    slide = str(images.slides[number])
    rng = world.rng("external slide", slide)
    stain = painter.slide_stain(rng, painter.hospital_stain(world.rng("stain", str(images.hospitals[number]))))
    habits = rng.standard_normal(len(HABITS))
    return painter.paint_tile(world.rng("external image", slide, number), images.programmes[number], stain, size, habits)
