"""Reads frame files: everything is checked on opening, and pixels are read on request."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import (
    BUFFER_DTYPES,
    CAMERAS,
    FORMAT,
    HEADER_TEXTS,
    ID_DTYPES,
    MAX_CHANNELS,
    MAX_CLASSES,
    MAX_FRAME_BYTES,
    MAX_FRAMES,
    MAX_NAME_BYTES,
    MAX_SIDE,
    NUMBERS,
    VERSION,
    Array,
    Frame,
    Header,
    buffer_spec,
    check_name,
)
from gbuffer_tools.frame_file import hdf5, hdf5_heap
from gbuffer_tools.io.folders import Walk, counted, say, walk
from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")

SUFFIXES = (".h5",)
ALL = slice(None)
FLOAT64 = frozenset((np.dtype("float64"),))


class Shard:
    """A frame file, open for reading.

    Use it as a context manager, or call `close`. Do not share it between processes: open one in each.

    Args:
        path: the file.

    Attributes:
        header: the root attributes.
        names: the frames' names.
        height, width: of every frame.
        buffers: name -> number of channels.
        ids: names of the id maps.

    Raises:
        InputError: the file is not a frame file of this version, or cannot be trusted.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = hdf5.open_read(self.path)
        try:
            with hdf5.broken(self.path, "its structure"):
                self._open()
        except InputError:
            self.close()
            raise

    def _open(self) -> None:
        self.header = self._read_header()
        self._data, self._scale = self._find_datasets()
        self.names = self._read_names()
        self.height, self.width = (int(n) for n in self._data["image"].shape[1:3])
        self.buffers = {n: _channels(d) for n, d in self._in("buffers").items()}
        self.ids = tuple(self._in("ids"))
        self._check_shapes()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Shard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.names)

    def image(self, i: int, rows: slice = ALL, cols: slice = ALL) -> npt.NDArray[np.uint8]:
        """The image of frame `i`, or a crop of it: (h,w,3) uint8, sRGB."""
        return self._read("image", i, rows, cols).astype(np.uint8, copy=False)

    def buffer(self, name: str, i: int, rows: slice = ALL, cols: slice = ALL) -> npt.NDArray[np.float32]:
        """A buffer of frame `i`, or a crop of it: (h,w,C) float32 in the buffer's units, fixed point scaled.

        Raises:
            KeyError: there is no such buffer.
            InputError: the stored data is damaged.
        """
        stored = self._read(f"buffers/{name}", i, rows, cols)
        values = stored.astype(np.float32)
        if name in self._scale:
            values *= np.float32(self._scale[name])
        return values if values.ndim == 3 else values[..., None]

    def id(self, name: str, i: int, rows: slice = ALL, cols: slice = ALL) -> Array:
        """An id map of frame `i`, or a crop of it: (h,w) unsigned, as stored. Errors as for `buffer`."""
        return self._read(f"ids/{name}", i, rows, cols)

    def camera(self, i: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """(view, projection) of frame `i`, each (4,4) float64; None if the file has no cameras."""
        if "camera/view" not in self._data:
            return None
        view, projection = (self._row(f"camera/{n}", i).astype(np.float64) for n in CAMERAS)
        return view, projection

    def number(self, name: str, i: int) -> float | None:
        """The number "time" (seconds) or "relight" (-1..1) of frame `i`; None if the file has none."""
        return float(self._row(f"frame/{name}", i)) if f"frame/{name}" in self._data else None

    def frame(self, i: int) -> Frame:
        """Frame `i` as it is stored, so writing it again gives the same bits."""
        camera = self.camera(i)
        return Frame(
            name=self.names[i],
            image=self.image(i),
            buffers={n: self._row(f"buffers/{n}", i) for n in self.buffers},
            ids={n: self.id(n, i) for n in self.ids},
            view=camera[0] if camera else None,
            projection=camera[1] if camera else None,
            time=self.number("time", i),
            relight=self.number("relight", i),
        )

    def layout(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Path of each map in the file -> element type and shape of a frame's row there, (H,W) or (H,W,C)."""
        maps = {"image": self._data["image"]} | {
            f"{group}/{name}": data for group in ("buffers", "ids") for name, data in self._in(group).items()
        }
        return {path: (str(data.dtype), data.shape[1:]) for path, data in maps.items()}

    def _row(self, key: str, i: int) -> Array:
        return self._read(key, i, ALL, ALL)

    def _read(self, key: str, i: int, rows: slice, cols: slice) -> Array:
        data = self._data[key]
        where = (i, rows, cols) if data.ndim >= 3 else (i,)
        if not 0 <= i < len(self):
            raise IndexError(f"frame {i} of {len(self)}")
        with hdf5.broken(self.path, f"{key} of frame {i}"):
            return np.asarray(data[where])

    def _in(self, group: str) -> dict[str, h5py.Dataset]:
        return {k.removeprefix(f"{group}/"): d for k, d in self._data.items() if k.startswith(f"{group}/")}

    def _read_header(self) -> Header:
        file, path = self._file, self.path
        hdf5_heap.check_attributes(file, path)
        if (got := hdf5.text_attribute(file, "format", path)) != FORMAT:
            raise InputError(f"{path}: format is {got!r}, wanted {FORMAT!r}; is it a frame file?")
        if (number := hdf5.number_attribute(file, "version", path)) != VERSION:
            raise InputError(f"{path}: version {number:g} of the format, this program reads {VERSION}; update it")
        classes = hdf5.texts_attribute(file, "classes", path, max_entries=MAX_CLASSES)
        source, profile, licence, tool = (hdf5.text_attribute(file, key, path) for key in HEADER_TEXTS)
        return Header(source, profile, classes, licence, tool)

    def _find_datasets(self) -> tuple[dict[str, h5py.Dataset], dict[str, float]]:
        """Every dataset by its path from the root, and the scale of fixed-point buffers."""
        path, data, scale = self.path, {}, {}
        welcome = {
            "buffers": BUFFER_DTYPES, "ids": ID_DTYPES, "camera": FLOAT64, "frame": FLOAT64,
        }  # fmt: skip
        for top in hdf5.names(self._file, path):
            if top == "image":
                data[top] = hdf5.dataset_in(self._file, top, path, {np.dtype(np.uint8)})
                continue
            if top not in welcome:
                raise InputError(f"{path}: /{top} is unknown in version {VERSION}; see gbuffer_tools.schema")
            group = hdf5.group_in(self._file, top, path)
            for name in hdf5.names(group, path):
                if (top, name) == ("frame", "name"):
                    continue
                dtypes = frozenset((np.dtype(np.uint8),)) if (top, name) == ("ids", "class") else welcome[top]
                data[f"{top}/{name}"] = hdf5.dataset_in(group, name, path, dtypes)
                if top == "buffers" and data[f"{top}/{name}"].dtype.kind == "u":
                    scale[name] = hdf5.number_attribute(data[f"{top}/{name}"], "scale", path)
        if "image" not in data:
            raise InputError(f"{path}: lacks /image; is it a frame file?")
        return data, scale

    def _read_names(self) -> tuple[str, ...]:
        group = hdf5.group_in(self._file, "frame", self.path) if "frame" in self._file else {}
        if "name" not in group:
            raise InputError(f"{self.path}: lacks /frame/name; is it a frame file?")
        dtype = group["name"].dtype
        fixed = dtype.kind == "S" and dtype.itemsize <= MAX_NAME_BYTES
        variable = dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None
        if not fixed and not variable:
            wanted = f"text of at most {MAX_NAME_BYTES} bytes"
            raise InputError(f"{self.path}: /frame/name holds {dtype}, wanted {wanted}")
        names = hdf5.dataset_in(group, "name", self.path, {dtype})
        if names.ndim != 1 or not 0 < len(names) <= MAX_FRAMES:
            raise InputError(f"{self.path}: /frame/name has shape {names.shape}, wanted 1..{MAX_FRAMES} names")
        if variable:
            hdf5_heap.check_elements(names, self.path)
        # One by one: every entry of a variable-length array may point at the same long text.
        found = tuple(self._name(names, i) for i in range(len(names)))
        if len(set(found)) < len(found):
            raise InputError(f"{self.path}: /frame/name has a name twice; wanted unique names")
        return found

    def _name(self, names: h5py.Dataset, i: int) -> str:
        with hdf5.broken(self.path, f"/frame/name of frame {i}"):
            name: str = bytes(names[i]).decode()
            check_name(name)
            return name

    def _check_shapes(self) -> None:
        count, (height, width) = len(self.names), (self.height, self.width)
        if not (min(height, width) > 0 and max(height, width) <= MAX_SIDE):
            raise InputError(f"{self.path}: frames are {width} x {height}, wanted sides of 1..{MAX_SIDE}")
        for key, data in self._data.items():
            top, _, name = key.partition("/")
            wanted: dict[str, tuple[tuple[int, ...], ...]] = {
                "image": ((count, height, width, 3),),
                "buffers": ((count, height, width), (count, height, width, _channels(data))),
                "ids": ((count, height, width),),
                "camera": ((count, 4, 4),),
                "frame": ((count,),),
            }
            if data.shape not in wanted[top]:
                raise InputError(f"{self.path}: /{key} has shape {data.shape}, wanted {wanted[top][-1]}")
            if math.prod(data.shape[1:]) * data.dtype.itemsize > MAX_FRAME_BYTES:
                raise InputError(f"{self.path}: a frame of /{key} takes more than {MAX_FRAME_BYTES:,} bytes")
            if (top == "camera" and name not in CAMERAS) or (top == "frame" and name not in NUMBERS):
                raise InputError(f"{self.path}: /{key} is unknown in version {VERSION}")
        if ("camera/view" in self._data) != ("camera/projection" in self._data):
            raise InputError(f"{self.path}: has one of /camera/view and /camera/projection, wanted both")
        for name, channels in self.buffers.items():
            try:
                buffer_spec(name, channels)
            except ValueError as error:
                raise InputError(f"{self.path}: {error}") from error


def _channels(data: h5py.Dataset) -> int:
    channels = int(data.shape[3]) if data.ndim == 4 else 1
    return min(channels, MAX_CHANNELS + 1)


def shards(folder: Path) -> list[Path]:
    """The frame files of a data set, in time order; those in subfolders are left out, and the user is told.

    Raises:
        InputError: there are none.
    """
    folder = Path(folder)
    return shards_in(walk(folder) if folder.is_dir() else Walk(folder, ()))


def shards_in(there: Walk) -> list[Path]:
    """The frame files of a folder that was already walked; see `shards`."""
    found, below = frame_files(there), there.of(SUFFIXES)
    if not found:
        more = f"; {counted(below, there.folder)} lie in folders below: name one" if below else ""
        raise InputError(f"{there.folder}: holds no frame files (*.h5); extract some, or name another folder{more}")
    others = [file for file in below if file.parent != there.folder]
    if others:
        what = counted(others, there.folder)
        say(f"left out of {there.folder}: {what}: in folders below, which are sets of their own")
    return found


def frame_files(there: Walk) -> list[Path]:
    """The frame files in a folder, without those in subfolders."""
    return [file for file in there.of(SUFFIXES) if file.parent == there.folder]
