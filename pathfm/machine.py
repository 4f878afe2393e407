"""What this process may use of the machine it runs on."""

import os


def cores() -> int:
    """The cores that this process may use: fewer than the machine has where a scheduler or `taskset` gave it a share."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
