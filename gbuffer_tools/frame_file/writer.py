"""Writes frame files in one step, so a killed writer never leaves half a file under a real name."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.frame import (
    CAMERAS,
    FORMAT,
    HEADER_TEXTS,
    MAX_NAME_BYTES,
    NUMBERS,
    VERSION,
    Array,
    Frame,
    Header,
    buffer_spec,
    check_frame,
)
from gbuffer_tools.frame_file import chunks
from gbuffer_tools.frame_file.reader import Shard
from gbuffer_tools.io.atomic import Twin, replacing
from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import h5py
    from typing_extensions import Buffer
else:
    h5py = LateModule("h5py")

HDF5_FORMAT = ("v110", "v110")
"""HDF5 1.10 (2016): its list of tiles takes 18 bytes per tile; that of 1.8 takes 72, which is 2 % of a frame file."""

Packed = dict[str, Array | list[chunks.Tile]]
"""Path of a dataset -> what a frame adds to it: packed tiles of a map, else its row."""


def write(path: Path, frames: Iterable[Frame], header: Header) -> None:
    """Write a new frame file, replacing any of that name, in one step: the name appears once all is on disk.

    Args:
        path: the file; folders are made as needed.
        frames: at least one; all of one size, with the same buffers and ids.
        header: the root attributes.

    Raises:
        InputError: no frames, or frames that do not fit together or the format.
    """
    _write_checked(path, _checked(path, frames), header)


def append(path: Path, frames: Iterable[Frame], header: Header) -> None:
    """Add frames to a frame file, or start it; as atomic as `write`.

    Copies the file once: for frames that come one at a time, use `Appender`.

    Raises:
        InputError: as for `write`; also if the file has another header.
    """
    append_checked(path, _checked(path, frames), header)


def append_checked(path: Path, frames: Iterable[Frame], header: Header) -> None:
    """Add frames that have passed `check_frame`; otherwise as `append`."""
    if not path.exists():
        _write_checked(path, frames, header)
        return
    check_same_header(path, header)
    with replacing(path) as partial:
        shutil.copyfile(path, partial)
        with _opened(partial, "r+") as file:
            _add_all(file, frames, path)


class Appender:
    """Adds frames one at a time to a frame file, or starts it: each is stored, whole, when `add` returns.

    A killed writer never leaves half a file under the real name, and never loses a frame that was there. The time that
    a frame takes does not depend on how many there are, except for the first, for which an existing file is copied.
    Use it as a context manager.

    Args:
        path: the frame file; folders are made as needed.
        header: the root attributes.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.header = path, header
        self._twin = Twin(path)
        self._last: tuple[int, Packed] | None = None  # the frame that the twin lacks
        self._threads = ThreadPoolExecutor()

    def __enter__(self) -> Appender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        self._twin.remove()

    def add(self, frame: Frame) -> None:
        """Add a frame that has passed `check_frame`.

        Raises:
            InputError: it does not fit those in the file, or the file has another header or is not a frame file. The
                file stays as it was.
        """
        if not self.path.exists():
            _write_checked(self.path, [frame], self.header)
            return
        if not self._twin.is_current():  # the first frame, or somebody else has written the file
            check_same_header(self.path, self.header)
        with self._twin.advanced(self._catch_up) as partial, _opened(partial, "r+") as file:
            index = len(file["frame/name"])
            packed = _pack_new(file, frame, self.path, _names(file), self._threads)
            _put(file, index, packed)
        self._last = index, packed

    def _catch_up(self, partial: Path) -> None:
        """Add the last added frame to the copy that lacks it."""
        assert self._last is not None
        # In a session of its own, so the file gets the same bits as without a twin.
        with _opened(partial, "r+") as file:
            _put(file, *self._last)


def check_same_header(path: Path, header: Header) -> None:
    """Raises `InputError`, which names what differs, if the existing frame file has another header."""
    with Shard(path) as shard:
        found = shard.header
    check_equal_headers(path, found, header)


def check_equal_headers(path: Path, found: Header, header: Header) -> None:
    """Raises `InputError`, which names what differs, if the header `found` in a frame file is not the wanted one."""
    for field in fields(Header):
        there, wanted = getattr(found, field.name), getattr(header, field.name)
        if there != wanted:
            raise InputError(
                f"{path}: was written with the {field.name} {one_line(there, 100)!r}, now {one_line(wanted, 100)!r}; "
                "choose another --out, or remove the file"
            )


def _checked(path: Path, frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        try:
            check_frame(frame)
        except ValueError as error:
            raise _unfit(path, frame, error) from error
        yield frame


def _unfit(path: Path, frame: Frame, error: ValueError) -> InputError:
    return InputError(f"{path}: frame {frame.name!r}: {one_line(error)}")


def _write_checked(path: Path, frames: Iterable[Frame], header: Header) -> None:
    with replacing(path) as partial, _opened(partial, "w") as file:
        for key in HEADER_TEXTS:
            file.attrs[key] = getattr(header, key)
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs.create("classes", list(header.classes), dtype=h5py.string_dtype())
        _add_all(file, frames, path)


class _Output(io.FileIO):
    """A file that never refuses a write, but remembers that the disk did.

    HDF5 2.0 crashes the process when a write fails. It also needs no lock on a file that nobody else knows.
    """

    refused: OSError | None = None

    def write(self, data: Buffer) -> int:
        """Write all of it, unless the disk has refused."""
        left = memoryview(data)
        count = len(left)
        try:
            while left and not self.refused:
                left = left[super().write(left) :]
        except OSError as error:
            self.refused = error
        return count

    def truncate(self, size: int | None = None) -> int:
        """Give the file a size, unless the disk has refused."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.refused = self.refused or error
            return self.tell()


@contextmanager
def _opened(partial: Path, mode: Literal["w", "r+"]) -> Iterator[h5py.File]:
    """A new or existing frame file, opened for writing.

    Raises:
        OSError: the disk is full or fails; raised when the block ends.
    """
    with _Output(partial, "w+" if mode == "w" else mode) as output:
        try:
            with h5py.File(output, mode, libver=HDF5_FORMAT if mode == "w" else None) as file:
                yield file
        finally:
            if output.refused:
                raise output.refused


def _add_all(file: h5py.File, frames: Iterable[Frame], path: Path) -> None:
    known = _names(file)
    with ThreadPoolExecutor() as threads:
        for frame in frames:
            if not known:
                for name, row in _rows(frame).items():
                    _create(file, name, row)
            _put(file, len(known), _pack_new(file, frame, path, known, threads))
            known.add(frame.name)
    if not known:
        raise InputError(f"{path}: no frames to write")


def _names(file: h5py.File) -> set[str]:
    return {bytes(name).decode() for name in file["frame/name"][:]} if "frame" in file else set()


def _pack_new(file: h5py.File, frame: Frame, path: Path, known: set[str], threads: Executor) -> Packed:
    """What a frame adds to a file's datasets; raises `InputError`, with nothing written, if it does not fit them."""
    rows = _rows(frame)
    try:
        if frame.name in known:
            raise ValueError(f"a frame named {frame.name} is there already")
        _check_fit(file, rows)
    except ValueError as error:
        raise _unfit(path, frame, error) from error
    return {name: chunks.pack_map(file[name], row, threads) if is_map(name, row) else row for name, row in rows.items()}


def _rows(frame: Frame) -> dict[str, Array]:
    """Dataset path -> the frame's row in it."""
    encoded = np.array(frame.name.encode(), h5py.string_dtype("utf-8", MAX_NAME_BYTES))
    rows: dict[str, Array] = {"image": frame.image, "frame/name": encoded}
    rows |= {f"buffers/{name}": array for name, array in frame.buffers.items()}
    rows |= {f"ids/{name}": array for name, array in frame.ids.items()}
    for name in CAMERAS:
        matrix = getattr(frame, name)
        if matrix is not None:
            rows[f"camera/{name}"] = np.asarray(matrix, np.float64).reshape(4, 4)
    for name in NUMBERS:
        value = getattr(frame, name)
        if value is not None:
            rows[f"frame/{name}"] = np.asarray(value, np.float64)
    return rows


def _check_fit(file: h5py.File, rows: dict[str, Array]) -> None:
    """Raises `ValueError` if rows are of other datasets, types or shapes than those of the frames before."""
    present = {f"{g}{n}" for g, members in _members(file).items() for n in members}
    if present != set(rows):
        odd = ", ".join(sorted(present ^ set(rows)))
        raise ValueError(f"differs from the frames before in having or lacking {odd}")
    for path, row in rows.items():
        data = file[path]
        if data.shape[1:] != row.shape or (data.dtype != row.dtype and row.dtype.kind != "S"):
            before = f"{data.dtype} {data.shape[1:]}"
            raise ValueError(f"{path} is {row.dtype} {row.shape}, wanted {before} as in the frames before")


def _put(file: h5py.File, index: int, packed: Packed) -> None:
    """Write one row into every dataset."""
    for path, row in packed.items():
        data = file[path]
        data.resize(index + 1, axis=0)
        chunks.put(data, index, row)


def _members(file: h5py.File) -> dict[str, list[str]]:
    groups = {f"{name}/": list(file[name]) for name in ("buffers", "ids", "camera", "frame") if name in file}
    return {"": ["image"] if "image" in file else []} | groups


def is_map(path: str, row: Array) -> bool:
    """Whether a row has pixels."""
    return row.ndim >= 2 and not path.startswith("camera/")


def _create(file: h5py.File, path: str, row: Array) -> None:
    if not is_map(path, row):
        shape = row.shape
        file.create_dataset(path, (0, *shape), row.dtype, maxshape=(None, *shape), chunks=(64, *shape))
        return
    data = chunks.create(file, path, row)
    if path.startswith("buffers/"):
        spec = buffer_spec(path.removeprefix("buffers/"), 1 if row.ndim == 2 else row.shape[2])
        data.attrs["units"], data.attrs["space"] = spec.units, spec.space
        data.attrs["range"] = np.array(spec.range, np.float64)
        if row.dtype.kind == "u":
            data.attrs["scale"] = 1 / np.iinfo(row.dtype.name).max
