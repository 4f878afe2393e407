"""The tissue of one slide, painted patch by patch: any patch can be painted alone, and neighbours meet without a seam.

A patch is the square of 96 px at (96 i, 96 j) of level 0, which is the tiler's grid at 0.5 µm/px: a tile of the cohort *is* a patch.
What lies in a patch is drawn from a generator of its own (seed, slide, patch); to paint it, the objects of its eight neighbours are
drawn as well.
"""

from dataclasses import dataclass, field

import numpy as np

from pathfm.demo import painter
from pathfm.demo.noise import Lattice, lattice
from pathfm.demo.painter import MARGIN, SQUARE, Ground, Objects, Stain, scatter
from pathfm.demo.world import NORMAL_TISSUE, PROGRAMMES, World

TISSUE_AREA = 16
SLIDE_SPREAD, FIELD_SPREAD, PATCH_SPREAD = 0.25, 0.35, 0.25
FIELD_PERIOD = 192
SIDE = SQUARE + 2 * MARGIN


@dataclass(frozen=True)
class Fragment:
    """A piece of tissue: a rounded outline about a centre, in px."""

    x: float
    y: float
    radius: float
    waves: tuple[float, ...]
    phases: tuple[float, ...]

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """1 inside, 0 outside, and a slope of a few px between."""
        across, down = (x - self.x).astype(np.float32), (y - self.y).astype(np.float32)
        distance = np.hypot(across, down)
        if distance.max() < self.radius * (1 - sum(self.waves)) - 3:
            return np.ones_like(distance)
        if distance.min() > self.radius * (1 + sum(self.waves)) + 3:
            return np.zeros_like(distance)
        angle = np.arctan2(down, across)
        edge = np.float32(self.radius) * (
            1 + sum(wave * np.cos((k + 2) * angle + phase) for k, (wave, phase) in enumerate(zip(self.waves, self.phases, strict=True)))
        )
        return np.clip((edge - distance) / 3 + 0.5, 0, 1)


@dataclass(frozen=True)
class Scene:
    """`width` and `height` in px of level 0; `fields` are the programmes' local deviations, `habits` the patient's."""

    world: World
    slide: str
    width: int
    height: int
    fragments: tuple[Fragment, ...]
    stain: Stain
    programmes: np.ndarray
    habits: np.ndarray
    fields: tuple[Lattice, ...]
    noise: tuple[Lattice, ...]
    theta: float
    drawn: dict[tuple[int, int], Objects] = field(default_factory=dict, compare=False)

    def tissue(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.max([fragment.inside(x, y) for fragment in self.fragments], axis=0)

    def shares(self) -> np.ndarray:
        """The share of tissue in each patch that lies wholly on the slide, [rows, columns]."""
        rows, columns = self.height // SQUARE, self.width // SQUARE
        x, y = (np.arange(count * 8) * 12 + 6.0 for count in (columns, rows))
        return self.tissue(x, y[:, None]).reshape(rows, 8, columns, 8).mean((1, 3))

    def touches(self, column: int, row: int) -> bool:
        """Whether a patch shows any tissue, looked at every 4 px and a little beyond its border."""
        steps = np.arange(-8, SQUARE + 9, 4)
        return bool(self.tissue(column * SQUARE + steps, (row * SQUARE + steps)[:, None]).any())

    def objects(self, column: int, row: int) -> Objects:
        """What lies in a patch, in the slide's coordinates."""
        if (column, row) not in self.drawn:
            rng = self.world.rng("patch", self.slide, column, row)
            x, y = (int((place + 1.5) * SQUARE) for place in (column, row))
            local = np.array([float(deviation.window(x, y, 1)[0, 0]) for deviation in self.fields])
            programmes = self.programmes + FIELD_SPREAD * local + PATCH_SPREAD * rng.standard_normal(len(PROGRAMMES))
            self.drawn[column, row] = scatter(rng, programmes, self.habits).moved(column * SQUARE, row * SQUARE)
        return self.drawn[column, row]

    def ground(self, column: int, row: int) -> Ground:
        x, y = column * SQUARE + SQUARE - MARGIN, row * SQUARE + SQUARE - MARGIN
        coarse, middle, fine, along = (noise.window(x, y, SIDE) for noise in self.noise)
        necrosis = painter.necrotic(coarse, float(self.programmes[3]) + FIELD_SPREAD * self.fields[3].window(x, y, SIDE))
        across, down = (np.arange(SIDE) + (place * SQUARE - MARGIN) for place in (column, row))
        tissue = self.tissue(across, down[:, None]).astype(np.float32)
        return Ground(coarse, middle, fine, painter.slope(x, y, SIDE, self.theta) + 16 * along, necrosis, tissue)

    def patch(self, column: int, row: int) -> np.ndarray:
        """The picture of one patch, uint8 [96, 96, 3]."""
        around = [self.objects(c, r) for r in (row - 1, row, row + 1) for c in (column - 1, column, column + 1)]
        joined = Objects(np.concatenate([objects.cells for objects in around]), np.concatenate([objects.glands for objects in around]))
        rng = self.world.rng("grain", self.slide, column, row)
        return painter.render(rng, joined.moved(-column * SQUARE, -row * SQUARE), self.ground(column, row), self.stain, SQUARE, self.habits)

    @property
    def glass(self) -> np.ndarray:
        """The colour of empty glass, uint8 [3]: what a patch without tissue shows."""
        return (self.stain.light.astype(np.float32) + 0.5).astype(np.uint8)


def make_scene(world: World, slide: str) -> Scene:
    """The scene of a slide of `world.slides`."""
    row = world.slides.loc[world.slides["slide"] == slide].iloc[0]
    person = int(row["person"])
    rng = world.rng("scene", slide)
    hospital = painter.hospital_stain(world.rng("stain", world.people["site"][person]))
    programmes = 0.4 * world.programmes[person] + NORMAL_TISSUE if row["normal"] else world.programmes[person]
    programmes = programmes + SLIDE_SPREAD * rng.standard_normal(len(PROGRAMMES))
    width, height, fragments = layout(rng)
    fields = tuple(lattice(rng, width + 2 * SQUARE, height + 2 * SQUARE, FIELD_PERIOD) for _ in PROGRAMMES)
    noise = tuple(lattice(rng, width + 2 * SQUARE, height + 2 * SQUARE, period) for period in (48, 24, 6, 96))
    stain = painter.slide_stain(rng, hospital)
    return Scene(world, slide, width, height, fragments, stain, programmes, world.habits[person], fields, noise, rng.uniform(0, np.pi))


def layout(rng: np.random.Generator) -> tuple[int, int, tuple[Fragment, ...]]:
    """Width and height of the slide, and one or two pieces of tissue that cover about 16 patches together."""
    pieces = int(rng.integers(1, 3))
    radius = SQUARE * np.sqrt(TISSUE_AREA / (np.pi * pieces)) * rng.uniform(0.95, 1.1)
    high = int(2.6 * radius + rng.integers(240, 420))
    wide = int(2.5 * radius * pieces + rng.integers(240, 420))
    if pieces == 1:
        wide += 200
    centres = [((piece + 0.5) * wide / pieces, high / 2) for piece in range(pieces)]
    fragments = tuple(
        Fragment(x, y, float(radius), tuple(rng.uniform(0.02, 0.07, 3).tolist()), tuple(rng.uniform(0, 2 * np.pi, 3).tolist()))
        for x, y in centres
    )
    return wide, high, fragments


def pixels(scene: Scene) -> np.ndarray:
    """The whole slide at level 0, uint8 [height, width, 3]."""
    rows, columns = -(-scene.height // SQUARE), -(-scene.width // SQUARE)
    canvas = np.empty((rows * SQUARE, columns * SQUARE, 3), np.uint8)
    canvas[:] = scene.glass
    for row, column in np.ndindex(rows, columns):
        if scene.touches(column, row):
            canvas[row * SQUARE : (row + 1) * SQUARE, column * SQUARE : (column + 1) * SQUARE] = scene.patch(column, row)
    return canvas[: scene.height, : scene.width]


def tissue_patches(scene: Scene, least: float) -> np.ndarray:
    """(column, row) of every patch with at least this share of tissue, int64 [n, 2], row by row."""
    return np.argwhere(scene.shares() >= least)[:, ::-1]
