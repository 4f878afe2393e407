"""The mesh of devices, and where parameters and batches lie on it."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pathfm.errors import InputError
from pathfm.settings.training import MeshConfig

SMALLEST_SHARDED = 2**16  # elements; a smaller parameter is copied to every device


def make_mesh(
    config: MeshConfig,
    devices: Sequence[jax.Device] | None = None,  # pyright: ignore[reportInvalidTypeForm]  # a class of C++ without stubs
) -> jax.sharding.Mesh:
    """The mesh with the axes `data` and `fsdp` over the devices given, or all devices of all processes."""
    devices = list(devices or jax.devices())
    sizes = [config.data, config.fsdp]
    if sizes.count(-1) == 1:
        known = sizes[1 - sizes.index(-1)]
        sizes[sizes.index(-1)] = len(devices) // known if known > 0 else 0
    if min(sizes) < 1 or sizes[0] * sizes[1] != len(devices):
        raise InputError(f"a mesh of data={config.data} and fsdp={config.fsdp} does not fit {len(devices)} devices")
    return jax.make_mesh(tuple(sizes), ("data", "fsdp"), axis_types=(AxisType.Auto, AxisType.Auto), devices=devices)


def batch_sharding(mesh: jax.sharding.Mesh) -> NamedSharding:
    """Examples split over all devices."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def replicated(mesh: jax.sharding.Mesh) -> NamedSharding:
    """The whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(mesh: jax.sharding.Mesh, shapes: Any) -> Any:
    """A sharding for every leaf: the largest axis that `fsdp` divides is split over it, small leaves are copied."""

    def one(leaf: jax.ShapeDtypeStruct) -> NamedSharding:
        fsdp = mesh.shape["fsdp"]
        spec: list[str | None] = [None] * len(leaf.shape)
        divisible = [axis for axis, size in enumerate(leaf.shape) if size % fsdp == 0]
        if fsdp > 1 and divisible and np.prod(leaf.shape) >= SMALLEST_SHARDED:
            spec[max(divisible, key=lambda axis: leaf.shape[axis])] = "fsdp"
        return NamedSharding(mesh, PartitionSpec(*spec))

    return jax.tree.map(one, shapes)


def local_slots(mesh: jax.sharding.Mesh, batch: int) -> range:
    """The slots of the global batch that this process reads; InputError when the batch does not split evenly."""
    devices = mesh.devices.size
    if batch % devices:
        raise InputError(f"a batch of {batch} patients does not split over {devices} devices; choose a multiple")
    per_process = batch // jax.process_count()
    return range(jax.process_index() * per_process, (jax.process_index() + 1) * per_process)


def on_devices(sharding: NamedSharding, batch: Any) -> Any:
    """This process's slice of the batch becomes part of the global arrays."""
    return jax.tree.map(lambda array: jax.make_array_from_process_local_data(sharding, array), batch)
