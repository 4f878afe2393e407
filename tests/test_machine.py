"""The share of the machine that this process was given is what every command takes by default."""

import os
import subprocess
import sys

import pytest

from pathfm.machine import cores

ASKED = """
import argparse, os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
taken = []
import pathfm.cohort.expression, pathfm.demo.folder, pathfm.slides.tiling
from pathfm.commands import demo, expression, tile
from pathfm.errors import InputError


def refuse(*arguments):
    workers = [getattr(value, "workers", value) for value in arguments]  # a number, or that of an engine
    taken.append([value for value in workers if type(value) is int][-1])
    raise InputError("enough")


pathfm.cohort.expression.build_expression = pathfm.demo.folder.write_world = pathfm.slides.tiling.tile_all = refuse
os.close(os.open("a.svs", os.O_CREAT))
for command, words in ((tile, ["a.svs", "--cohort", "c"]), (expression, ["g", "--sheet", "s", "--cohort", "c"]), (demo, ["--out", "o"])):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    try:
        command.run(parser.parse_args(words))
    except InputError:
        pass
print(taken)
"""


def test_cores_are_those_that_may_be_used():
    assert cores() == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores() >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives processes no cores of their own")
def test_every_command_takes_the_cores_that_it_may_use(tmp_path):
    done = subprocess.run([sys.executable, "-c", ASKED], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "[1, 1, 1]", done.stderr
