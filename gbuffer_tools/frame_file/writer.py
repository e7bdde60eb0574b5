"""Writing frame files: in one step, so that a killed writer never leaves half a file under a real name."""

import shutil
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import (
    CAMERAS,
    FORMAT,
    HEADER_TEXTS,
    MAX_NAME_BYTES,
    MOMENTS,
    VERSION,
    Array,
    Frame,
    Header,
    buffer_spec,
    check_frame,
)
from gbuffer_tools.frame_file import chunks, hdf5
from gbuffer_tools.frame_file.reader import Shard
from gbuffer_tools.io.atomic import replacing

NAME = h5py.string_dtype("utf-8", MAX_NAME_BYTES)
HDF5_FORMAT = ("v110", "v110")
"""Of HDF5 1.10 (2016), whose list of tiles takes 18 bytes a tile; the format of 1.8 takes 72, 2 % of a frame file."""


def write(path: Path, frames: Iterable[Frame], header: Header) -> None:
    """Write a new frame file, replacing any of that name, in one step: the name appears when all is on disk.

    Args:
        frames: at least one; all of one size, with the same buffers and ids.

    Raises:
        InputError: no frames, or frames that do not fit together or the format.
    """
    with replacing(path) as partial, h5py.File(partial, "w", libver=HDF5_FORMAT) as file:
        for key in HEADER_TEXTS:
            file.attrs[key] = getattr(header, key)
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs.create("classes", list(header.classes), dtype=h5py.string_dtype())
        _add_all(file, frames, path)


def append(path: Path, frames: Iterable[Frame], header: Header) -> None:
    """Add frames to a frame file, or start it; as atomic as `write`.

    Raises:
        InputError: as `write`; also where the file has another header.
    """
    if not path.exists():
        write(path, frames, header)
        return
    with Shard(path) as shard:
        if shard.header != header:
            raise InputError(f"{path}: was written with other classes, source or tool; choose another --out")
    with replacing(path) as partial:
        shutil.copyfile(path, partial)
        with h5py.File(partial, "r+") as file:
            _add_all(file, frames, path)


def _add_all(file: h5py.File, frames: Iterable[Frame], path: Path) -> None:
    known = {bytes(n).decode() for n in file["frame/name"][:]} if "frame" in file else set()
    count = len(known)
    with ThreadPoolExecutor() as threads:
        for frame in frames:
            try:
                check_frame(frame)
                if frame.name in known:
                    raise ValueError(f"a frame named {frame.name} is there already")
                _add(file, count, _arrays(frame), threads)
            except ValueError as error:
                raise InputError(f"{path}: frame {frame.name!r}: {hdf5.one_line(error)}") from error
            known.add(frame.name)
            count += 1
    if not count:
        raise InputError(f"{path}: no frames to write")


def _arrays(frame: Frame) -> dict[str, Array]:
    """Dataset path -> the frame's row in it."""
    rows: dict[str, Array] = {"image": frame.image, "frame/name": np.array(frame.name.encode(), NAME)}
    rows |= {f"buffers/{name}": array for name, array in frame.buffers.items()}
    rows |= {f"ids/{name}": array for name, array in frame.ids.items()}
    for name in CAMERAS:
        matrix = getattr(frame, name)
        if matrix is not None:
            rows[f"camera/{name}"] = np.asarray(matrix, np.float64).reshape(4, 4)
    for name in MOMENTS:
        value = getattr(frame, name)
        if value is not None:
            rows[f"frame/{name}"] = np.asarray(value, np.float64)
    return rows


def _add(file: h5py.File, index: int, rows: dict[str, Array], threads: Executor) -> None:
    """Write one row into every dataset; the first row creates them."""
    if index == 0:
        for path, row in rows.items():
            _create(file, path, row)
    present = {f"{g}{n}" for g, members in _members(file).items() for n in members}
    if present != set(rows):
        odd = ", ".join(sorted(present ^ set(rows)))
        raise ValueError(f"differs from the frames before in having or lacking {odd}")
    for path, row in rows.items():
        data = file[path]
        if data.shape[1:] != row.shape or (data.dtype != row.dtype and row.dtype.kind != "S"):
            before = f"{data.dtype} {data.shape[1:]}"
            raise ValueError(f"{path} is {row.dtype} {row.shape}, wanted {before} as in the frames before")
        data.resize(index + 1, axis=0)
        if is_map(path, row):
            chunks.put(data, index, row, threads)
        else:
            data[index] = row


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
