"""All training profiles at once, for terms that compare a patient with more than the patients of the batch."""

from collections.abc import Mapping
from typing import NamedTuple

import jax


class Bank(NamedTuple):
    """A row per training patient, in the order of the training index.

    `vectors` {modality: float32 [patients, width]} are as the batch holds them, absent ones 0; `patient`, `cancer` and `site` are
    int32 [patients], -1 where unknown. It is an input of the step, replicated or sharded over its rows.
    """

    vectors: Mapping[str, jax.Array]
    present: Mapping[str, jax.Array]
    patient: jax.Array
    cancer: jax.Array
    site: jax.Array
