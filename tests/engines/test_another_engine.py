"""Somebody else's engine, one class and one line to register it: jobs as files, each run by a process that knows nothing of the others.

So a cluster's scheduler runs them: it is given a command line, and what comes back is a file.
"""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.demo.scene import make_scene
from pathfm.demo.slides import write_slide
from pathfm.demo.world import make_world
from pathfm.engines import ENGINES
from pathfm.files import read_parquet

pytestmark = pytest.mark.slow

PROGRAM = """
import pickle, sys
function, job = pickle.load(open(sys.argv[1], "rb"))
pickle.dump(function(job), open(sys.argv[2], "wb"))
"""


@dataclass(frozen=True)
class Apart:
    workers: int

    def results(self, function, jobs):
        with TemporaryDirectory() as folder:
            begun = []
            for number, job in enumerate(jobs):
                given, result = Path(folder, f"{number}.job"), Path(folder, f"{number}.result")
                given.write_bytes(pickle.dumps((function, job)))
                begun.append((job, result, subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, given, result])))
            for job, result, process in begun:
                yield job, pickle.loads(result.read_bytes()) if process.wait() == 0 else None


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Two slides of the demo world, and a file that is none."""
    folder = tmp_path_factory.mktemp("slides")
    world = make_world(16, 0)
    for slide in world.slides["slide"][:2]:
        write_slide(folder / f"{slide}.tif", make_scene(world, slide))
    (folder / "broken.svs").write_bytes(b"no slide")
    return folder


def tile(slides, cohort, *flags) -> subprocess.CompletedProcess:
    """`pathfm tile`, with the engine of this file registered by one line."""
    program = (
        "import sys\nfrom pathfm.cli import main\nfrom pathfm.engines import ENGINES\nfrom tests.engines.test_another_engine import Apart\n"
        "if __name__ == '__main__':\n    ENGINES['apart'] = Apart\n    sys.exit(main(sys.argv[1:]))\n"
    )
    (cohort.parent / "program.py").write_text(program)
    command = [sys.executable, cohort.parent / "program.py", "tile", slides, "--cohort", cohort, "--tile", "96", *flags]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.long
def test_tiling_gives_the_same_cohort_on_every_engine(slides, tmp_path):
    tables = {}
    for name in (*ENGINES, "apart"):
        ended = tile(slides, tmp_path / name, "--engine", name, "--workers", "2")
        assert ended.returncode == 0, ended.stderr
        assert "tile: 3 slides to tile, " in ended.stderr and "3 slides, 2 done with" in ended.stderr
        tables[name] = read_parquet(CohortFolder(tmp_path / name).slides)
        shutil.rmtree(tmp_path / name)
    assert all(table.equals(tables["local"]) for table in tables.values()) and len(tables) == len(ENGINES) + 1


def test_an_engine_that_is_not_there_is_one_sentence_before_any_work(slides, tmp_path):
    ended = tile(slides, tmp_path / "cohort", "--engine", "slurm")
    assert ended.returncode == 2 and not (tmp_path / "cohort").exists()
    assert ended.stderr == "pathfm tile: there is no engine 'slurm'; there are local, threads, serial, apart\n"
