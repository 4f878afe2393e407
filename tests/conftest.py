"""Fixtures shared by all tests; four virtual devices, strict promotion of types and ranks."""

import ctypes
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# On a CPU each device that waits in a collective keeps one of XLA's threads, of which there are as many as cores or devices: once all of
# them wait in different collectives, none goes on. With a thread for every device in each of 80 collectives of a program that cannot be;
# tests/training/test_sharding.py counts them.
os.environ.setdefault("NPROC", "320")
# A device or process may still come late on a busy machine; XLA would abort the tests after 40 s, and gloo fail after 30 s.
LATE = "--xla_cpu_collective_call_terminate_timeout_seconds=600 --xla_cpu_collective_timeout_seconds=600"
# Tests compile many small programs and run each a few times: compile them quickly, and once; each worker has a core of its own.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false"
if version("jaxlib").startswith("0.10."):  # the older way to emit a fusion compiles twice as fast; later versions have lost it
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", f"{QUICK} {LATE}")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def shapes_are_checked():
    """Wherever a collected test has loaded jax; the others need not wait for it."""
    if "jax" in sys.modules:
        from tests.shape_checks import check_all

        check_all()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of small real files beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real files are not at {SHARED}")
    return SHARED


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes; the test is skipped where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=2m"):
        pytest.skip(f"no small disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(os.fsencode(folder), 2)
