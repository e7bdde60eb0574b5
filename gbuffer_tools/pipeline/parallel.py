"""A map over processes: results in the order of the tasks, few of them in memory, no process left behind."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from gbuffer_tools.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

STOPS = (signal.SIGINT, signal.SIGTERM)
SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG in linux/prctl.h."""


class MapFunction(Protocol):
    """`map`, wherever the work is done: results in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]: ...


def cores() -> int:
    """Number of processors that this process may use, as far as the system says."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def in_parallel(processes: int) -> Iterator[MapFunction]:
    """A map over processes, with results in order; plain `map` for one process. Only for the main thread.

    Raises:
        InputError: a process died.
    """
    if processes == 1:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")
    with interrupts_held():
        pool = _Pool(processes, mp_context=spawn, initializer=begin)
    with pool:
        try:
            yield partial(ahead, pool, 2 * processes)
        except BrokenProcessPool as error:
            raise InputError("a process died, perhaps for want of memory; the same command with --jobs 1") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    """Processes that Ctrl-C, which the terminal sends to them too, interrupts only while they work."""

    def submit(self, function: Callable[..., Result], /, *arguments: object, **named: object) -> Future[Result]:
        """Start processes if needed; Ctrl-C waits meanwhile, and in the processes until they listen (`begin`)."""
        with interrupts_held():
            return super().submit(interruptible, function, *arguments, **named)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold back signals that stop this process until the block ends, and Ctrl-C in processes it starts even longer.

    A mask alone is not enough: any thread may receive a signal, and Python then interrupts the main thread.
    """
    heard = list[int]()
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in STOPS}
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if sys.platform != "win32" else set()
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])


def interruptible(function: Callable[..., Result], /, *arguments: object, **named: object) -> Result:
    """Do a process's work, which Ctrl-C interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return function(*arguments, **named)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def begin() -> None:
    """What a pool's process does first: from now on it receives Ctrl-C, and ignores it while it has no work."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def ahead(pool: Executor, window: int, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """`pool.map`, but never more than `window` results ahead of the one requested: frames are large."""
    todo = iter(tasks)
    running = deque(pool.submit(function, task) for task in islice(todo, window))
    while running:
        yield running.popleft().result()
        running.extend(pool.submit(function, task) for task in islice(todo, 1))


def end_with_parent() -> None:
    """End this process when the one that started it is killed.

    Otherwise a pool's processes would finish their current work, which the restarted command is making by then, and
    wait for more forever. Linux ends them at once. Other systems need a thread, which has to wait until libraries
    release the interpreter.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "for the processes of a pool"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent.pid:  # it was already gone
            os._exit(1)
    else:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
