"""Paints tissue: nuclei, lymphocytes, glands, necrosis and fibres in haematoxylin and eosin, as NumPy arrays.

Two steps. `scatter` draws what lies in a square of tissue, given the programmes; `render` turns objects and smooth noise into a picture
under a stain, in optical density (Beer-Lambert; Ruifrok & Johnston 2001). All lengths are pixels of 0.5 µm.

The programmes act on what is small: how large, coarse and dark nuclei are, how many mitoses and lymphocytes, how often and how round a
lumen. What is large (stain, light, blur, cellularity, fibres) is nuisance.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pathfm.demo.noise import lattice

MARGIN = 4
REACH = 48
PITCH = 12
STAMP = 10
SQUARE = 96
GLAND_WALL = 13.0
NECROSIS_LEVEL = 1.75
NECROSIS_EFFECT = 0.9

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.10, 0.84, 0.30])
NO_HABITS = np.zeros(5)


@dataclass(frozen=True)
class Stain:
    """`haematoxylin` and `eosin` are optical densities [3] per unit of dye, `light` is empty glass [3] in 0…255, `blur` a sigma in px."""

    haematoxylin: np.ndarray
    eosin: np.ndarray
    light: np.ndarray
    blur: float
    noise: float = 2.0


@dataclass(frozen=True)
class Objects:
    """What lies in a piece of tissue.

    `cells` [n, 8]: x, y, long and short radius, angle, darkness, chromatin coarseness, kind; `glands` [m, 6]: x, y, radius, serration,
    lobes, phase.
    """

    cells: np.ndarray
    glands: np.ndarray

    def moved(self, x: float, y: float) -> "Objects":
        cells, glands = self.cells.copy(), self.glands.copy()
        cells[:, :2] += (x, y)
        glands[:, :2] += (x, y)
        return Objects(cells, glands)


TUMOUR, LYMPHOCYTE, EPITHELIUM, DEBRIS = range(4)


@dataclass(frozen=True)
class Ground:
    """Smooth fields [side, side] beneath the cells: three of noise, `along` the fibres (px), `necrosis` 0…1, `tissue` 0…1."""

    coarse: np.ndarray
    middle: np.ndarray
    fine: np.ndarray
    along: np.ndarray
    necrosis: np.ndarray
    tissue: np.ndarray


def hospital_stain(rng: np.random.Generator) -> Stain:
    """The stain, scanner and focus of one hospital."""
    haematoxylin = HAEMATOXYLIN * (1 + rng.normal(0, 0.10, 3)) * np.exp(rng.normal(0, 0.16))
    eosin = (EOSIN + np.abs(rng.normal(0, 0.06, 3))) * np.exp(rng.normal(-0.1, 0.2))
    light = np.minimum(240 * (1 + rng.normal(0, 0.02) + rng.normal(0, 0.006, 3)), 252)
    return Stain(haematoxylin, eosin, light, blur=rng.uniform(0.45, 0.95))


def slide_stain(rng: np.random.Generator, stain: Stain) -> Stain:
    """One day's slide of that hospital: a little paler or darker, more or less in focus."""
    dyes = np.exp(rng.normal(0, 0.08, 2))
    return replace(
        stain, haematoxylin=stain.haematoxylin * dyes[0], eosin=stain.eosin * dyes[1], blur=stain.blur * np.exp(rng.normal(0, 0.1))
    )


def paint_tile(
    rng: np.random.Generator, programmes: np.ndarray, stain: Stain, size: int = SQUARE, habits: np.ndarray = NO_HABITS
) -> np.ndarray:
    """A tile of its own, uint8 [size, size, 3], that belongs to no slide; `programmes` [4] in the order of `world.PROGRAMMES`."""
    objects = scatter(rng, programmes, habits, size + 2 * REACH).moved(-REACH, -REACH)
    return render(rng, objects, free_ground(rng, programmes, size), stain, size, habits)


def free_ground(rng: np.random.Generator, programmes: np.ndarray, size: int) -> Ground:
    """The ground of a tile that belongs to no slide."""
    side = size + 2 * MARGIN
    coarse, middle, fine, along = (lattice(rng, side, side, period).window(0, 0, side) for period in (48, 24, 6, 96))
    theta = rng.uniform(0, np.pi)
    return Ground(
        coarse,
        middle,
        fine,
        slope(0, 0, side, theta) + 16 * along,
        necrotic(coarse, float(programmes[3])),
        np.ones((side, side), np.float32),
    )


def slope(x: int, y: int, side: int, theta: float) -> np.ndarray:
    """How far each pixel of a window at (x, y) lies along the direction `theta`, float32 [side, side] px."""
    steps = np.arange(side)
    return ((steps + x) * np.sin(theta) + (steps[:, None] + y) * np.cos(theta)).astype(np.float32)


def necrotic(noise: np.ndarray, programme: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-(noise + NECROSIS_EFFECT * programme - NECROSIS_LEVEL) / 0.15))


def scatter(rng: np.random.Generator, programmes: np.ndarray, habits: np.ndarray, extent: int = SQUARE) -> Objects:
    """What lies in a square of `extent` px: its corner is (0, 0)."""
    proliferation, immune, gland, _ = programmes
    cellularity, size, darkness = habits[:3]
    area = (extent / SQUARE) ** 2
    glands = np.empty((rng.poisson(area * 0.5 * np.exp(0.45 * gland)), 6))
    glands[:, :2] = rng.uniform(0, extent, (len(glands), 2))
    glands[:, 2] = np.clip(rng.normal(8.5 + 1.2 * gland, 2.5, len(glands)), 4, 18)
    glands[:, 3] = np.clip(rng.normal(0.10 - 0.02 * gland, 0.05, len(glands)), 0, 0.3)
    glands[:, 4] = rng.integers(2, 6, len(glands))
    glands[:, 5] = rng.uniform(0, 2 * np.pi, len(glands))

    sites = jittered_grid(rng, extent)
    kept = sites[rng.random(len(sites)) < np.clip(0.46 + 0.08 * cellularity + 0.06 * proliferation, 0.1, 0.95)]
    radius, dark = 4.6 + 0.45 * proliferation + 0.25 * size, 0.78 + 0.05 * darkness + 0.08 * proliferation
    tumour = nuclei(rng, kept, radius, 0.14 + 0.02 * proliferation, dark, TUMOUR)
    tumour[:, 6] = np.clip(rng.normal(0.22 + 0.10 * proliferation, 0.08, len(tumour)), 0, 0.6)
    mitoses = nuclei(rng, anywhere(rng, area * 0.45 * np.exp(0.7 * proliferation), extent), 3.6, 0.15, 1.5, TUMOUR)
    mitoses[:, 3] *= 0.6
    lymphocytes = nuclei(rng, infiltrate(rng, area * 5.0 * np.exp(0.8 * immune), extent), 3.0, 0.08, 1.4, LYMPHOCYTE)
    lymphocytes[:, 3] = lymphocytes[:, 2] * rng.uniform(0.88, 1, len(lymphocytes))
    debris = nuclei(rng, anywhere(rng, area * 30, extent), 1.6, 0.3, 0.9, DEBRIS)
    return Objects(np.concatenate([tumour, lymphocytes, mitoses, debris, epithelium(rng, glands, size, darkness)]), glands)


def anywhere(rng: np.random.Generator, expected: float, extent: int) -> np.ndarray:
    return rng.uniform(0, extent, (rng.poisson(expected), 2))


def infiltrate(rng: np.random.Generator, expected: float, extent: int) -> np.ndarray:
    """Half of the lymphocytes lie anywhere, half around one centre."""
    loose, dense = anywhere(rng, expected / 2, extent), rng.poisson(expected / 2)
    centre = rng.uniform(0, extent, 2)
    return np.concatenate([loose, np.clip(centre + rng.normal(0, 0.14 * extent, (dense, 2)), 0, extent)])


@lru_cache(maxsize=8)
def grid(extent: int) -> np.ndarray:
    places = np.arange(PITCH / 2, extent, PITCH)
    return np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)


def jittered_grid(rng: np.random.Generator, extent: int) -> np.ndarray:
    return grid(extent) + rng.uniform(-0.42 * PITCH, 0.42 * PITCH, grid(extent).shape)


def nuclei(rng: np.random.Generator, places: np.ndarray, radius: float, spread: float, darkness: float, kind: int) -> np.ndarray:
    """Cells [n, 8] at `places` with log-normal radii around `radius`."""
    cells = np.empty((len(places), 8))
    cells[:, :2] = places
    cells[:, 2] = np.clip(radius * np.exp(rng.normal(0, spread, len(cells))), 1.2, STAMP - 1.5)
    cells[:, 3] = cells[:, 2] * rng.uniform(0.55, 0.95, len(cells))
    cells[:, 4] = rng.uniform(0, np.pi, len(cells))
    cells[:, 5] = np.clip(rng.normal(darkness, 0.12, len(cells)), 0.2, 1.8)
    cells[:, 6] = 0.1
    cells[:, 7] = kind
    return cells


def epithelium(rng: np.random.Generator, glands: np.ndarray, size: float = 0.0, darkness: float = 0.0) -> np.ndarray:
    """The nuclei around each lumen, their long axes pointing at it."""
    rings = []
    for x, y, radius, serration, lobes, phase in glands:
        count = int(2 * np.pi * (radius + 7) / 6.5)
        angle = np.arange(count) * (2 * np.pi / max(count, 1)) + rng.normal(0, 0.09, count)
        distance = lumen_edge(angle, radius, serration, lobes, phase) + rng.normal(6.5, 1.3, count)
        places = np.stack([x + distance * np.cos(angle), y + distance * np.sin(angle)], 1)
        ring = nuclei(rng, places, 4.3 + 0.2 * size, 0.1, 0.85 + 0.08 * darkness, EPITHELIUM)
        ring[:, 3] = 0.6 * ring[:, 2]
        ring[:, 4] = angle
        rings.append(ring)
    return np.concatenate(rings) if rings else np.empty((0, 8))


def lumen_edge(angle: np.ndarray, radius: float, serration: float, lobes: float, phase: float) -> np.ndarray:
    return radius * (1 + serration * np.cos(lobes * angle + phase))


def render(
    rng: np.random.Generator, objects: Objects, ground: Ground, stain: Stain, size: int, habits: np.ndarray = NO_HABITS
) -> np.ndarray:
    """The picture, uint8 [size, size, 3], of `objects` (coordinates from the tile's corner) on `ground` [size + 2 MARGIN, …]."""
    side = size + 2 * MARGIN
    fibres, cytoplasm = float(habits[3]), float(habits[4])
    strands = np.sin(ground.along * (2 * np.pi / 11) + 2.5 * ground.middle) * (0.6 + 0.4 * ground.coarse)
    eosin = 0.52 + 0.05 * cytoplasm + 0.07 * ground.coarse + 0.07 * ground.fine + (0.08 + 0.03 * fibres) * strands
    blue = 0.12 + 0.03 * ground.middle + 0.02 * ground.fine
    eosin += ground.necrosis * (0.62 + 0.10 * ground.fine - eosin)
    blue *= 1 - 0.7 * ground.necrosis

    lumen, wall = glands_drawn(objects.glands, side)
    eosin *= 1 - 0.25 * wall
    blue += 0.14 * wall
    nuclear = cells_drawn(objects, ground, side)
    covered = np.minimum(nuclear, 1)
    clear = ground.tissue * (1 - 0.97 * lumen)
    dyes = np.stack([(blue + nuclear) * clear, np.clip(eosin * (1 - 0.55 * covered), 0.05, None) * clear])
    dyes = blurred(dyes, stain.blur)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    density = dyes[0, ..., None] * stain.haematoxylin.astype(np.float32) + dyes[1, ..., None] * stain.eosin.astype(np.float32)
    tissue = ground.tissue[MARGIN:-MARGIN, MARGIN:-MARGIN, None]
    grain = rng.standard_normal(density.shape, dtype=np.float32) * (stain.noise * tissue)
    return np.clip(stain.light.astype(np.float32) * np.exp(-density) + grain + 0.5, 0, 255).astype(np.uint8)


def glands_drawn(glands: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Lumen and epithelial wall, each float32 [side, side] in 0…1."""
    lumen, wall = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for x, y, radius, serration, lobes, phase in glands.tolist():
        x, y, reach = x + MARGIN, y + MARGIN, radius * (1 + serration) + GLAND_WALL + 1
        left, right = (int(np.clip(edge, 0, side)) for edge in (x - reach, x + reach + 1))
        top, bottom = (int(np.clip(edge, 0, side)) for edge in (y - reach, y + reach + 1))
        if left >= right or top >= bottom:
            continue
        across, down = (
            np.arange(left, right, dtype=np.float32) - np.float32(x),
            np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y),
        )
        outside = np.hypot(across, down) - lumen_edge(np.arctan2(down, across), radius, serration, lobes, phase)
        here = np.s_[top:bottom, left:right]
        np.maximum(lumen[here], np.clip(0.5 - outside, 0, 1), out=lumen[here])
        np.maximum(wall[here], np.clip((GLAND_WALL - outside) / 3, 0, 1), out=wall[here])
    return lumen, np.minimum(wall, 1 - lumen)


def cells_drawn(objects: Objects, ground: Ground, side: int) -> np.ndarray:
    """Haematoxylin bound in nuclei, float32 [side, side]; overlapping nuclei do not add up."""
    cells = visible(objects, ground, side)
    pad = 2 * STAMP
    canvas = np.zeros((side + 2 * pad, side + 2 * pad), np.float32)
    corner = np.floor(cells[:, :2]).astype(np.int64) - STAMP + MARGIN + pad
    for (left, top), stamp in zip(corner.tolist(), stamps(cells.astype(np.float32)), strict=True):
        here = canvas[top : top + 2 * STAMP + 1, left : left + 2 * STAMP + 1]
        np.maximum(here, stamp, out=here)
    return canvas[pad:-pad, pad:-pad]


def visible(objects: Objects, ground: Ground, side: int) -> np.ndarray:
    """The cells that touch the window, faded where tissue is necrotic, less those that a gland displaces."""
    cells, glands = objects.cells, objects.glands
    near = ((cells[:, :2] > -MARGIN - STAMP) & (cells[:, :2] < side - MARGIN + STAMP)).all(1)
    cells = cells[near].copy()
    if len(glands):
        distance = np.hypot(cells[:, None, 0] - glands[:, 0], cells[:, None, 1] - glands[:, 1]) - glands[:, 2]
        cells = cells[np.where((cells[:, 7] == EPITHELIUM)[:, None], distance > 1, distance > GLAND_WALL).all(1)]
    column, row = (np.clip(cells[:, axis] + MARGIN, 0, side - 1).astype(np.int64) for axis in (0, 1))
    dead = ground.necrosis[row, column]
    cells[:, 5] *= np.where(cells[:, 7] == DEBRIS, dead, 1 - 0.9 * dead)
    return cells[cells[:, 5] > 0.1]


def stamps(cells: np.ndarray) -> np.ndarray:
    """Each nucleus on its own square, float32 [n, 2 STAMP + 1, 2 STAMP + 1]: an ellipse with a dark rim and coarse chromatin."""
    x, y, long, short, angle, darkness, coarse, _ = cells.T[..., None, None]
    steps = np.arange(-STAMP, STAMP + 1, dtype=np.float32)
    across, down = steps - (x - np.floor(x)), steps[:, None] - (y - np.floor(y))
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = across * cosine + down * sine, down * cosine - across * sine
    distance = np.sqrt((u / long) ** 2 + (v / short) ** 2)
    inside = np.clip((1 - distance) * short + 0.5, 0, 1)
    chromatin = 1 + coarse * np.sin(1.1 * u + 0.6 * v + 7 * angle) * np.sin(1.3 * v - 0.5 * u + 11 * angle) + 0.25 * (distance - 0.6)
    return inside * darkness * chromatin


def blurred(dyes: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of [dyes, side, side] as two products with a band matrix."""
    band = gaussian_band(dyes.shape[-1], float(sigma))
    return band @ dyes @ band.T


@lru_cache(maxsize=512)
def gaussian_band(side: int, sigma: float) -> np.ndarray:
    distance = np.arange(side)[:, None] - np.arange(side)
    weight = np.exp(-0.5 * (distance / sigma) ** 2) * (np.abs(distance) <= MARGIN)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)
