"""Running a reader on many damaged files in a process of its own; the one that kills it is found by halving."""

import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import unicodedata
import warnings
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import cv2

from gbuffer_tools.errors import InputError
from tests.gbuffer_tools.fuzz.mutations import damaged
from tests.gbuffer_tools.fuzz.readers import Reader, write_seed

MEMORY = 2**30
"""Bytes beyond what the process had before."""
AT = "at"
"""File with the number of the mutant that is being read."""
WAIT = 600
"""Seconds of the clock for all of a batch: it may also wait for something that never comes."""


@dataclass(frozen=True)
class Failure:
    """What a reader must not do. `number` is the mutant's, for `--first`."""

    reader: str
    number: int
    what: str


@dataclass(frozen=True)
class Outcome:
    """What a reader did.

    Attributes:
        mutants: damaged folders that it was given.
        read, refused: how many it read anyway, and refused in one line.
        seconds: of the processor.
        slowest: seconds for one of them.
        memory: bytes that the process grew by.
        failures: everything else.
    """

    mutants: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0
    slowest: float = 0
    memory: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.mutants + other.mutants,
            self.read + other.read,
            self.refused + other.refused,
            self.seconds + other.seconds,
            max(self.slowest, other.slowest),
            max(self.memory, other.memory),
            self.failures + other.failures,
        )


def hunt(reader: Reader, seed: int, first: int, count: int) -> Outcome:
    """Give mutants number first, first + 1, … to a reader; where the process dies, find out of which.

    The one that it was at is tried alone. Where that does no harm, damage done by those before it came out late: then
    the mutants are halved until a few are left that kill it together.
    """
    outcome, at = in_child(reader, seed, first, count)
    if isinstance(outcome, Outcome):
        return outcome
    if count == 1:
        return Outcome(1, failures=(Failure(reader.name, first, outcome),))
    alone, _ = in_child(reader, seed, at, 1)
    if not isinstance(alone, Outcome):
        before = hunt(reader, seed, first, at - first) if at > first else Outcome()
        after = hunt(reader, seed, at + 1, first + count - at - 1) if at + 1 < first + count else Outcome()
        return before + Outcome(1, failures=(Failure(reader.name, at, alone),)) + after
    half = count // 2
    found = hunt(reader, seed, first, half) + hunt(reader, seed, first + half, count - half)
    if not found.failures:
        found = replace(found, failures=(Failure(reader.name, first, f"{outcome}, of the {count} from here together"),))
    return found


def in_child(reader: Reader, seed: int, first: int, count: int) -> tuple[Outcome | str, int]:
    """`batch` in a fresh process, or how it died; and the number of the mutant that it was at."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    child = context.Process(target=batch, args=(theirs, reader, seed, first, count, folder), daemon=True)
    try:
        child.start()
        theirs.close()
        if not ours.poll(WAIT):
            return f"no answer in {WAIT} s", reached(folder, first)
        answer: Outcome | Exception = ours.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer, first + count
    except EOFError:
        child.join()
        code = child.exitcode or 0
        how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return how, reached(folder, first)
    finally:
        child.kill()
        child.join()
        ours.close()
        shutil.rmtree(folder, ignore_errors=True)


def reached(folder: Path, first: int) -> int:
    return int((folder / AT).read_text()) if (folder / AT).exists() else first


def batch(pipe: Connection, reader: Reader, seed: int, first: int, count: int, folder: Path) -> None:
    """Read damaged folders within limits, and send the outcome; or what is wrong with a whole one."""
    silence()
    whole: list[tuple[Path, dict[str, bytes]]] = []
    try:
        for which in range(len(reader.seeds)):
            whole.append((folder / str(which), write_seed(reader, which, folder / str(which))))
            reader.read(folder / str(which))  # one that cannot be read would prove nothing; also loads libraries
    except Exception as error:  # noqa: BLE001 - for the parent to raise
        pipe.send(RuntimeError(f"{reader.name}: seed {which}: {type(error).__name__}: {error}"))
        return
    limit_memory()
    before, outcome = peak(), Outcome()
    for number in range(first, first + count):
        (folder / AT).write_text(str(number))
        root, files = damage(whole, reader.name, seed, number)
        signal.setitimer(signal.ITIMER_PROF, reader.seconds)  # its signal ends the process
        start = time.process_time()
        what = judged(reader, root)
        seconds = time.process_time() - start
        signal.setitimer(signal.ITIMER_PROF, 0)
        restore(root, files)
        failures = (Failure(reader.name, number, what),) if what not in ("read", "refused") else ()
        outcome += Outcome(1, what == "read", what == "refused", seconds, seconds, peak() - before, failures)
    pipe.send(outcome)


def judged(reader: Reader, root: Path) -> str:
    """ "read", "refused", or what went wrong."""
    try:
        reader.read(root)
    except InputError as error:
        text = str(error)
        odd = {unicodedata.category(c) for c in text} & {"Cc", "Cs", "Zl", "Zp"}
        return f"refuses with other than one clean line ({odd}): {text!r:.300}" if odd or not text else "refused"
    except BaseException as error:  # noqa: BLE001 - any other is what is looked for
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)][-3:]
        return f"{type(error).__name__}: {str(error)!r:.200} at {' > '.join(where)}"
    return "read"


def damage(
    whole: list[tuple[Path, dict[str, bytes]]], name: str, seed: int, number: int
) -> tuple[Path, dict[str, bytes]]:
    """Make mutant `number` of a seed in its folder; the folder, and what its files were."""
    rng = Random(f"{seed} {name} {number}")
    root, files = rng.choice(whole)
    path, how = rng.choice(sorted(files)), rng.random()
    target = root / path
    alike = [data for other, data in files.items() if Path(other).suffix == target.suffix and other != path]
    if how < 0.03 and alike:
        target.write_bytes(rng.choice(alike))
    elif how < 0.05 and len(files) > 1:
        target.unlink()
    elif how < 0.06 and len(files) > 1:
        target.unlink()
        target.mkdir()
    else:
        target.write_bytes(damaged(path, files[path], alike, rng))
    return root, {path: files[path]}


def restore(root: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        if (root / path).is_dir():
            (root / path).rmdir()
        (root / path).write_bytes(data)


def silence() -> None:
    """No output: libraries print what they think of damaged files."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)


def limit_memory() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def peak() -> int:
    """Bytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
