"""Embeddings of the demo's reports, as a user has them from a text encoder: rows of numbers, and beside them whose they are.

No encoder is needed for reports of so few words: each word has a random vector of its own, the same in every world, and a report is the
mean of its words (random indexing, Kanerva et al. 2000). Of some patients there is none, as in any collection of reports.
"""

import io
import re
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from pathfm.demo.tables import report
from pathfm.demo.world import World
from pathfm.files import replacing

WIDTH = 64
ABSENT = 12  # one patient in so many has no embedding
NAME = "report_embeddings"


def write_embeddings(out: Path, world: World) -> None:
    """`report_embeddings.npy` float32 [patients, WIDTH], and `.csv` with the column patient, a line a row."""
    people = [number for number in range(len(world.people)) if number % ABSENT != ABSENT - 1]
    rows = np.stack([embedding(report(world, person)) for person in people])
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=False)
    names = "".join(f"{world.people['patient'][person]}\n" for person in people)
    for suffix, data in ((".npy", file.getvalue()), (".csv", f"patient\n{names}".encode())):
        with replacing(out / f"{NAME}{suffix}") as temporary:
            temporary.write_bytes(data)


def embedding(text: str) -> np.ndarray:
    """The mean of the vectors of a text's words, float32 [WIDTH]."""
    return np.mean([of_word(word) for word in re.findall("[a-z]+", text.lower())], axis=0, dtype=np.float64).astype(np.float32)


@lru_cache(maxsize=4096)
def of_word(word: str) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(WIDTH)
