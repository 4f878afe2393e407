"""What holds on every engine, and what each alone promises."""

import threading

import pytest

from pathfm.engines import ENGINES, collect, engine, run
from pathfm.engines.serial import Serial
from pathfm.engines.threads import AHEAD, Threads
from pathfm.errors import InputError

on_every_engine = pytest.mark.parametrize("name", ENGINES)


def square(number: int) -> int:
    return number * number


def refuse_three(number: int) -> int:
    if number == 3:
        raise InputError("no place for 3")
    return number


@on_every_engine
def test_each_job_ends_once_with_its_result_and_is_told_in_the_callers_thread(name):
    ended = []
    run(square, range(9), engine(name, 2), lambda *pair: ended.append((*pair, threading.get_ident())))
    assert sorted(ended) == [(number, number**2, threading.get_ident()) for number in range(9)]


@on_every_engine
def test_results_are_gathered_in_the_order_of_the_jobs(name, capsys):
    jobs = [5, 1, 4, 0]
    assert collect(square, jobs, engine(name, 3), "squares", "numbers") == [25, 1, 16, 0]
    assert capsys.readouterr().err.startswith("squares: 4/4 numbers, ")


@on_every_engine
def test_no_jobs_are_no_work(name):
    assert collect(square, [], engine(name, 2), "squares", "numbers") == []


@on_every_engine
def test_an_error_of_a_job_or_of_what_comes_after_ends_the_run(name):
    with pytest.raises(InputError, match="no place for 3"):
        run(refuse_three, range(6), engine(name, 2))

    def full(job, result):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        run(square, range(50), engine(name, 2), full)


def test_an_engine_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(InputError, match="there is no engine 'slurm'; there are local, threads, serial"):
        engine("slurm", 2)


def test_threads_give_results_in_the_order_of_the_jobs_however_they_end():
    second = threading.Event()

    def work(number: int) -> int:
        assert number or second.wait(60)
        if number == 1:
            second.set()
        return number

    ended = []
    run(work, range(30), Threads(2), lambda job, result: ended.append(job))
    assert ended == list(range(30))


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_are_a_bounded_number_of_results_ahead(workers):
    begun, ahead = [], []

    def after(job, result):
        ahead.append(len(begun) - job - 1)

    run(begun.append, range(100), Threads(workers), after)
    assert max(ahead) <= AHEAD * workers and len(begun) == 100


def test_serial_runs_in_this_thread_and_begins_a_job_when_the_one_before_is_told():
    told = []

    def work(number: int) -> int:
        assert told == list(range(number)) and threading.current_thread() is threading.main_thread()
        return number

    run(work, range(5), Serial(), lambda job, result: told.append(job))


def test_a_lost_job_is_one_sentence_where_every_result_is_needed():
    class Losing(Serial):
        def results(self, function, jobs):
            yield from ((job, None) for job in jobs)

    with pytest.raises(InputError, match="paint: a process was killed while it made 7; free some memory, or give fewer --workers"):
        collect(square, [7], Losing(), "paint", "slides")
