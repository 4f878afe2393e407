"""Two processes that train together: they stop at one step, fail together, speak once and end with the bits of an undisturbed run."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pathfm.errors import STOPPED_EARLY, WRONG_INPUT
from pathfm.models.vit import by_name
from pathfm.slides.records import write_records
from pathfm.weights.folder import open_weights
from tests.small_cohort import make_small_cohort

ROOT = Path(__file__).resolve().parents[2]
SETTLED = "Preemption sync counter is set"  # what jax's coordination service logs when all know where to stop
SECONDS = 600  # after which a test gives up

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48).root


class Company:
    """Processes of one run, each with its standard error in a file."""

    def __init__(self, cohort, workdir, *settings, held=None, processes=2, own=(), only=None):
        self.workdir, self.folder = Path(workdir), Path(workdir).with_name(f"{Path(workdir).name}-{time.monotonic_ns()}")
        self.folder.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = ["-m", "pathfm.train"] if held is None else ["-m", "tests.held_run", str(self.folder), *held, "--"]
        config = ["--config", str(ROOT / "configs" / "direct.py"), "--workdir", str(workdir), f"--config.cohort={cohort}"]
        config += ["--config.model=demo", "--config.batch=4", "--config.panel=protein_coding", "--config.log_every=1 steps", *settings]
        numbers = range(processes) if only is None else [only]
        self.logs = [self.folder / f"{number}.log" for number in numbers]
        self.running = []
        for number, log in zip(numbers, self.logs, strict=True):
            join = [f"--coordinator=127.0.0.1:{port}", f"--processes={processes}", f"--process-id={number}", f"--join-timeout={SECONDS}"]
            environ = os.environ | {"JAX_NUM_CPU_DEVICES": "1", "TF_CPP_MIN_LOG_LEVEL": "0", "PYTHONPATH": str(ROOT)}
            arguments = [sys.executable, *program, *config, *(join if processes > 1 else ()), *(own[number] if own else ())]
            with log.open("w") as stderr:
                self.running.append(subprocess.Popen(arguments, env=environ, stderr=stderr, cwd=ROOT))

    def wait_until(self, there):
        limit = time.monotonic() + SECONDS
        while not there():
            assert time.monotonic() < limit and all(process.poll() is None for process in self.running), self.said()
            time.sleep(0.02)

    def stop_while_held(self, *numbers):
        """SIGTERM, twice, to the processes of these numbers while all are held; then all go on."""
        self.wait_until(lambda: len(list(self.folder.glob("held-*"))) == len(self.running))
        for number in (*numbers, *numbers):
            self.running[number].send_signal(signal.SIGTERM)
        if len(self.running) > 1:
            self.wait_until(lambda: all(SETTLED in log.read_text() for log in self.logs))
        (self.folder / "go").touch()

    def codes(self):
        try:
            return [process.wait(SECONDS) for process in self.running]
        finally:
            for process in self.running:
                process.kill()

    def said(self):
        """What each process said, without the lines of XLA and of jax's coordination service."""
        return [re.sub(r"^[IWE]\d{4} .*\n", "", log.read_text(), flags=re.MULTILINE) for log in self.logs]

    def steps_saved(self):
        return {int(path.name) for path in (self.workdir / "checkpoints").iterdir() if path.name.isdecimal()}


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def losses(workdir):
    return [(line["step"], line.get("loss"), line.get("validation_loss")) for line in lines(workdir)]


def assert_same_run(found, expected):
    ours, theirs = (open_weights(folder) for folder in (found, expected))
    assert ours.card.step == theirs.card.step
    before, after = by_name(theirs.params), by_name(ours.params)
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name].tobytes() != after[name].tobytes()]
    assert losses(found) == losses(expected)


RUN = ("--config.train_for=8 steps", "--config.evaluate_every=4 steps")


@pytest.fixture(scope="module")
def undisturbed(cohort, tmp_path_factory):
    """The run folder of a run of so many processes that nothing disturbs."""

    @functools.cache
    def folder(processes):
        company = Company(cohort, tmp_path_factory.mktemp("undisturbed") / "run", *RUN, processes=processes)
        assert company.codes() == [0] * processes, company.said()
        return company.workdir

    return folder


# The call at which the processes are held, and the step that they then stop at.
MOMENTS = {
    "before the first step": (("Clock.waiting", "1"), 1),
    "between the batches of a validation": (("BadRecords.note", "7"), 4),
    "in the last step": (("Clock.waiting", "8"), 8),
    "while saving": (("Checkpoints.save", "2"), 5),
}


@pytest.mark.parametrize(
    ("moment", "processes"),
    [
        ("before the first step", 2),
        ("between the batches of a validation", 2),
        ("in the last step", 1),
        ("while saving", 2),
    ],
)
def test_a_stop_of_one_stops_all_and_the_run_ends_as_if_nothing_had_been(moment, processes, undisturbed, cohort, tmp_path):
    held, step = MOMENTS[moment]
    company = Company(cohort, tmp_path / "run", *RUN, held=held, processes=processes)
    company.stop_while_held(processes - 1)
    assert company.codes() == [STOPPED_EARLY] * processes, company.said()
    assert f"stopped at step {step} of 8 on request" in company.said()[0]
    assert max(company.steps_saved()) == step
    if moment != "while saving":
        assert not [line for line in lines(tmp_path / "run") if line["step"] == step and "validation_loss" in line]
    again = Company(cohort, tmp_path / "run", *RUN, processes=processes)
    assert again.codes() == [0] * processes, again.said()
    assert f"going on from step {step} of" in again.said()[0]
    assert_same_run(tmp_path / "run", undisturbed(processes))


def test_a_stop_while_the_data_are_opened_ends_with_the_code_that_asks_to_be_started_again(cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", *RUN, held=("open_training_data", "1"), processes=1)
    company.stop_while_held(0)
    assert company.codes() == [STOPPED_EARLY], company.said()
    assert "run the same command again to go on" in company.said()[0]


def test_a_stop_while_the_others_are_waited_for_does_not_wait(cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", *RUN, only=1)
    company.wait_until(lambda: "joins the others" in company.logs[0].read_text())
    company.running[0].send_signal(signal.SIGTERM)
    assert company.codes() == [STOPPED_EARLY], company.said()


def test_one_process_speaks_for_all(cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", "--config.train_for=1 steps")
    assert company.codes() == [0, 0]
    first, second = company.said()
    assert "process 0 of 2 joins the others at 127.0.0.1:" in first and "done: " in first
    assert second.count("\n") == 1 and "process 1 of 2 joins the others" in second


def test_one_process_learns_the_panel_and_both_train_with_it(undisturbed, cohort, tmp_path):
    base = undisturbed(1)
    settings = ("--config.train_for=2 steps", f"--config.init={base}", "--config.panel=predictable:6")
    company = Company(cohort, tmp_path / "run", *settings)
    assert company.codes() == [0, 0], company.said()
    first, second = company.said()
    assert "go through the base" in first and "go through the base" not in second
    alone = Company(cohort, tmp_path / "alone", *settings, processes=1)
    assert alone.codes() == [0], alone.said()
    assert open_weights(tmp_path / "run").panel.hash == open_weights(tmp_path / "alone").panel.hash


def test_without_a_base_to_learn_from_all_processes_end(cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", "--config.panel=predictable:6")
    assert company.codes() == [WRONG_INPUT] * 2, company.said()
    assert "process 0 of 2: the panel predictable:6 is what a base's features show" in company.said()[0]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_mistake_that_one_process_meets_ends_all_with_its_number(failing, cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", "--config.train_for=100000 steps", held=("Clock.waiting", "3", "the disk is gone"))
    (company.folder / "fails").write_text(str(failing))
    assert company.codes() == [WRONG_INPUT] * 2, company.said()
    said = company.said()
    assert f"process {failing} of 2: the disk is gone" in said[failing] and f"process {failing} of 2: the disk is gone" in said[0]
    assert not [text for text in said if "Traceback" in text or "stack trace" in text]


def test_processes_with_different_configs_do_not_start(cohort, tmp_path):
    company = Company(cohort, tmp_path / "run", "--config.train_for=2 steps", own=((), ("--config.seed=1",)))
    assert company.codes() == [WRONG_INPUT] * 2
    assert "process 1 was started with another config" in company.said()[0]
    assert not (tmp_path / "run").exists()


def test_the_share_of_broken_records_is_that_of_all_processes(tmp_path):
    folder = make_small_cohort(tmp_path / "cohort", patients=48)
    broken = [path for path in sorted((folder.root / "tiles").glob("*.array_record")) if path.name[8:12] in ("0002", "0003")]
    for path in broken:
        write_records(path, [b"not a picture"] * 6)
    settings = ("--config.train_for=16 steps", "--config.evaluate_every=16 steps")
    few = Company(folder.root, tmp_path / "few", *settings, "--config.max_bad=0.1")
    assert few.codes() == [0, 0], few.said()
    first, second = few.said()
    assert first.count("does not decode") == 6 * len(broken) and "does not decode" not in second
    many = Company(folder.root, tmp_path / "many", *settings, "--config.max_bad=0.05")
    assert many.codes() == [WRONG_INPUT] * 2, many.said()
    first, second = many.said()
    assert f"{6 * len(broken)} of " in first and "--config.max_bad=0.05" in first and "max_bad" not in second


@pytest.mark.parametrize("number", [0, 1])
def test_partners_that_never_come_are_one_sentence_after_the_time_that_was_said(number, cohort, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    config = ["--config", str(ROOT / "configs" / "direct.py"), "--workdir", str(tmp_path / "run"), f"--config.cohort={cohort}"]
    join = [f"--coordinator={place}", "--processes=2", f"--process-id={number}", "--join-timeout=2"]
    done = subprocess.run(
        [sys.executable, "-m", "pathfm.train", *config, *join], capture_output=True, text=True, cwd=ROOT, check=False, timeout=SECONDS
    )
    assert done.returncode == WRONG_INPUT
    first, last = done.stderr.splitlines()
    assert first == f"process {number} of 2 joins the others at {place}, which is this machine alone; it waits 2 s for them"
    assert last.startswith(f"python -m pathfm.train: the others did not all come within 2 s to {place}")
    assert not (tmp_path / "run").exists()
