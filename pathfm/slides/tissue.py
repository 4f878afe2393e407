"""Where a slide holds tissue, and how sharp a tile is.

The mask is Otsu's threshold on the saturation of a low-resolution image, as in CLAM (Lu et al., Nature Biomedical Engineering
2021), held between bounds so that blank glass has no tissue and a slide full of tissue is not cut in two. Pen marks are found
by hue, as in histolab (https://github.com/histolab/histolab) and grown over their blurred edge.
"""

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

SATURATION = (0.05, 0.15)
PEN_EDGE = 100.0


def tissue_mask(image: np.ndarray, mpp: float) -> np.ndarray:
    """Boolean [height, width]: tissue in an RGB uint8 image [height, width, 3] of `mpp` µm/px; about 8 µm/px is meant."""
    hsv = rgb2hsv(image.astype(np.float32) / 255)
    pen = pen_mask(hsv, mpp)
    saturation = ndimage.median_filter(np.where(pen, 0, hsv[..., 1]), 3)
    return ndimage.binary_opening((saturation > saturation_threshold(saturation[~pen])) & ~pen)


def saturation_threshold(saturation: np.ndarray) -> float:
    """Otsu's threshold of the values, not below what glass shows nor above what pale tissue shows."""
    if saturation.size == 0:
        return SATURATION[1]
    return float(np.clip(threshold_otsu(saturation), *SATURATION))


def pen_mask(hsv: np.ndarray, mpp: float) -> np.ndarray:
    """Boolean [height, width]: ink and black marks in an HSV image (each channel in 0..1) of `mpp` µm/px.

    Green is no colour of H&E or DAB; red and blue count when purer than eosin, blood or haematoxylin, black when nothing stained
    is so dark. From such a core the mark grows over the paler ink beside it, and red also over darker ink, at most 0.1 mm.
    """
    hue, saturation, value = hsv[..., 0] * 360, hsv[..., 1], hsv[..., 2]
    pale = saturation > SATURATION[0]
    green = (hue > 75) & (hue < 195)
    red = (hue > 345) | (hue < 15)
    blue = (hue >= 195) & (hue < 245)
    dark_red = ((hue > 280) | (hue < 20)) & (value < 0.55)
    reach = max(1, round(PEN_EDGE / mpp))
    return (
        _grow(green & (saturation > 0.25), green & pale, reach)
        | _grow(red & (saturation > 0.65), (red & pale) | dark_red, reach)
        | _grow(blue & (saturation > 0.65), blue & (saturation > 0.4), reach)
        | (value < 0.2)
    )


def _grow(core: np.ndarray, edge: np.ndarray, steps: int) -> np.ndarray:
    return ndimage.binary_dilation(core, mask=core | edge, iterations=steps)


def tile_fractions(mask: np.ndarray, rows: int, columns: int, cells: int) -> np.ndarray:
    """Float32 [rows, columns]: the share of the mask in each square of `cells`² pixels, from the top left corner."""
    blocks = mask[: rows * cells, : columns * cells].reshape(rows, cells, columns, cells)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def sharpness(tile: np.ndarray) -> float:
    """Variance of the Laplacian of the luma of an RGB uint8 tile: low when out of focus (Pech-Pacheco et al., ICPR 2000)."""
    luma = tile.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    middle = luma[1:-1, 1:-1]
    return float((luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle).var())
