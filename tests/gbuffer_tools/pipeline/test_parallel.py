"""A map over processes: order, few results ahead, how it ends; and systems other than Linux."""

import os
import subprocess
import sys
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.pipeline import parallel
from tests.gbuffer_tools.processes import alive, until

ROOT = Path(__file__).parents[3]


class Eager(Executor):
    """Does what it is given at once, and counts."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, function, /, *arguments, **named):
        self.given += 1
        future: Future = Future()
        future.set_result(function(*arguments, **named))
        return future


def test_results_come_in_order_and_few_ahead_of_what_is_asked_for():
    pool = Eager()
    results = parallel.ahead(pool, 3, lambda n: n * n, iter(range(10)))
    assert next(results) == 0
    assert pool.given == 3
    assert list(results) == [n * n for n in range(1, 10)]


def end(code: int) -> None:
    os._exit(code)


def test_a_process_that_dies_is_one_line():
    with pytest.raises(InputError, match="a process died"), parallel.in_parallel(2) as each:
        list(each(end, [1, 1]))


def test_a_process_may_use_as_many_processors_as_the_system_lets_it():
    assert parallel.cores() == len(os.sched_getaffinity(0))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="os.process_cpu_count")
def test_new_versions_of_python_know_it_themselves(monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7)
    assert parallel.cores() == 7


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.gbuffer_tools.elsewhere", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_all_modules_and_the_map_work_on_other_systems():
    process = start()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert len(out.split()) == 4


def test_the_processes_of_a_killed_run_end_with_it_on_other_systems():
    process = start("wait")
    assert process.stdout
    pool = {int(process.stdout.readline()) for _ in range(2)}
    assert len(pool) == 2
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in pool), seconds=10)
