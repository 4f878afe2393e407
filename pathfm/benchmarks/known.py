"""What is known of a public benchmark before anybody has its files, and what a reader finds in a download of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

COLUMNS = ("unit", "label", "role", "patient", "slide")


@dataclass(frozen=True)
class Found:
    """The labelled images of a download, in the publisher's order.

    `table` has a row an image, all text: unit (its name), label, role (train, val or test, as published), patient and slide (empty: not
    published).
    `encoded` gives the bytes of an image by its row, PNG or JPEG, with the published pixels, to several threads at a time; InputError where
    a file does not decode.
    """

    table: pd.DataFrame
    encoded: Callable[[int], bytes]
    size: int  # bytes of the files that are read
    lacking: str = ""  # what the publisher's release has and this download has not; empty: nothing
    release: str = ""  # of a benchmark that was published in several


@dataclass(frozen=True)
class Release:
    """One published form of a benchmark."""

    images: Mapping[str, int]  # role → how many
    pixels: tuple[int, int]  # width, height
    mpp: float  # µm/px
    gigabytes: float | None = None  # to download, packed; None: not known here


@dataclass(frozen=True)
class Known:
    """A benchmark: who published it under which terms, its layout, its classes, and how a download of it is read."""

    name: str  # of its task, and in `--config.benchmarks.NAME`
    title: str
    classes: tuple[str, ...]
    unit: Literal["patient", "slide", "image"]  # the largest unit that the publisher tells of every image
    licence: str
    source: str
    paper: str
    layout: str  # of the user's folder
    find: Callable[[Path], Found]  # raises InputError for a folder that is not the download
    releases: Mapping[str, Release] = field(default_factory=dict)  # under "" where there is one

    def lacking(self, found: Found, sizes: Mapping[int, tuple[int, int]]) -> str:
        """What of the publisher's release a download lacks, images or their size; `sizes` are (width, height) by the image's row."""
        pixels = self.releases[found.release].pixels
        others = [row for row in sorted(sizes) if sizes[row] != pixels]
        if not others:
            return found.lacking
        (width, height), name = sizes[others[0]], found.table["unit"].iloc[others[0]]
        resized = f"{len(others):,} of {len(found.table):,} images are not of {pixels[0]} × {pixels[1]} pixels"
        return "; ".join(filter(None, (found.lacking, f"{resized}, the first {name} with {width} × {height}")))

    @property
    def total(self) -> dict[str, int]:
        """The images of each release."""
        return {name: sum(release.images.values()) for name, release in self.releases.items()}
