"""Where probes are fitted: in float64, on the default device, or on the host of a TPU, which only emulates float64."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def float64() -> Iterator[None]:
    """What is computed inside is float64 where it is given as such."""
    on_host = jax.default_backend() == "tpu"
    device = jax.local_devices(backend="cpu")[0] if on_host else jax.local_devices()[0]
    with jax.enable_x64(True), jax.default_device(device):
        yield
