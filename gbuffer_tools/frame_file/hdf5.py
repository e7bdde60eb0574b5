"""HDF5 files that somebody else wrote: their structure is checked before any of their data is read.

An HDF5 file can point at other files on the reader's machine (soft, external and virtual links, external
storage), name filters that load plugins, and declare terabytes in a few kilobytes. Frame files need none of
this, so everything but plain, fully written datasets behind hard links is refused. Call these functions within
`broken`, which names the file in the library's own errors.
"""

from __future__ import annotations

import errno
import math
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbuffer_tools.errors import InputError, one_line, system_reason
from gbuffer_tools.frame_file import hdf5_heap
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.recognise import refusal

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")

KINDS = ("HDF5",)
SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEFLATE = 1
FILTERS = {
    DEFLATE: "gzip",
    2: "shuffle",
    3: "fletcher32",
}
"""By their numbers (HDF5 file format specification, IV.A.2.l)."""
LAYOUTS = range(3)
"""Compact, contiguous, chunked (same specification, IV.A.2.i)."""
MAX_CHUNK_BYTES = 64 * 2**20
HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
"""What the system says about a file that HDF5 cannot lock because somebody else has."""
MAX_TEXT = 4096
MAX_DEFLATE_RATIO, MAX_UNPACKED = 1032, 2**29
"""Deflate's highest compression ratio, and the bytes that a chunk may unpack to without a look at what it holds."""


@contextmanager
def broken(path: Path, where: str) -> Iterator[None]:
    """Turn what h5py raises on damaged files into an `InputError`.

    The library reports damage as any of these, depending on which structure is damaged.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if reason := system_reason(error):  # the disk's fault, not the file's
            raise InputError(f"{path}: cannot be read ({reason})") from error
        raise refusal(path, f"broken HDF5 at {where}", f" ({one_line(error)}); write it again", KINDS) from error


def open_read(path: Path, wanted: str = "a frame file (.h5)") -> h5py.File:
    """Open for reading; raises `InputError` if `path` is not a readable HDF5 file, let alone what is `wanted`."""
    try:
        with path.open("rb") as file:
            head = file.read(len(SIGNATURE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted {wanted}") from error
    if head != SIGNATURE:
        raise refusal(path, "", f"got {head[:4]!r}… at the start, wanted an HDF5 file; is it {wanted}?")
    with broken(path, "the start"):
        try:
            return h5py.File(path, "r")
        except OSError as error:
            if error.errno in HELD:
                raise InputError(f"{path}: another program has it open for writing; close it there first") from error
            if not error.errno:
                raise
        return h5py.File(path, "r", locking=False)  # a file system without locks, as NFS and Lustre may be


def names(group: h5py.Group, path: Path) -> list[str]:
    """Names in a group, sorted; raises `InputError` if one of them is not a hard link."""
    found = sorted(group)
    for name in found:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            where = f"{group.name.rstrip('/')}/{name}"
            raise InputError(f"{path}: {where} is a link to elsewhere; copy the data into the file")
    return found


def group_in(parent: h5py.Group, name: str, path: Path) -> h5py.Group:
    """The group `name` in a group whose `names` were checked."""
    found = parent[name]
    if not isinstance(found, h5py.Group):
        raise InputError(f"{path}: {found.name} is a dataset, wanted a group; see gbuffer_tools.schema")
    return found


def dataset_in(parent: h5py.Group, name: str, path: Path, dtypes: Collection[np.dtype]) -> h5py.Dataset:
    """The dataset `name` in a group whose `names` were checked: plain storage, known filters, no holes.

    Args:
        dtypes: the accepted element types.

    Raises:
        InputError: for virtual or external storage, unknown filters, other types, chunks above
            `MAX_CHUNK_BYTES`, or storage that was never written.
    """
    found = parent[name]
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path}: {found.name} is not a dataset; see gbuffer_tools.schema")
    if found.dtype not in dtypes:
        wanted = " or ".join(sorted(str(d) for d in dtypes if d.isnative))
        raise InputError(f"{path}: {found.name} holds {found.dtype}, wanted {wanted}")
    _check_storage(found, path)
    return found


def either_order(dtypes: Collection[np.dtype]) -> frozenset[np.dtype]:
    """These types in both byte orders: other people's machines may have been big-endian."""
    return frozenset(each for dtype in dtypes for each in (dtype.newbyteorder("<"), dtype.newbyteorder(">")))


def native(values: np.ndarray) -> np.ndarray:
    """The values in this machine's byte order."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def is_text(found: object) -> bool:
    """Whether a group member is a single text: of fixed or variable length, alone, in a list of one, or as bytes."""
    if not isinstance(found, h5py.Dataset):
        return False
    alone = found.shape in ((), (1,)) and (found.dtype.kind == "S" or h5py.check_string_dtype(found.dtype) is not None)
    return alone or (found.dtype == np.uint8 and found.ndim == 1)


def text_in(parent: h5py.Group, name: str, path: Path, *, max_bytes: int) -> str:
    """The dataset `name` in a group whose `names` were checked: one UTF-8 text of at most `max_bytes`.

    Raises:
        InputError: as for `dataset_in`; also for lists of texts, and for longer texts.
    """
    found = parent[name]
    too_long = f"{path}: {found.name} is no text of at most {max_bytes:,} bytes"
    if not is_text(found) or (found.dtype.kind != "O" and found.size * found.dtype.itemsize > max_bytes):
        raise InputError(too_long)
    with broken(path, name):
        stored = dataset_in(parent, name, path, {found.dtype})
        if stored.dtype.kind == "O":
            hdf5_heap.check_elements(stored, path)
        values = np.asarray(stored[()])
        text = values.tobytes() if values.dtype == np.uint8 else bytes(values.reshape(-1)[0])
        if len(text) > max_bytes:
            raise InputError(too_long)
        return text.decode()


def _check_storage(dataset: h5py.Dataset, path: Path) -> None:
    plist = dataset.id.get_create_plist()
    if plist.get_layout() not in LAYOUTS or plist.get_external_count():
        raise InputError(f"{path}: {dataset.name} keeps its data elsewhere; copy it into this file")
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if not set(filters) <= set(FILTERS) or len(set(filters)) < len(filters):
        used = ", ".join(FILTERS.get(code, str(code)) for code in filters)
        raise InputError(f"{path}: {dataset.name} uses HDF5 filters {used}, wanted {', '.join(FILTERS.values())}, once")
    if dataset.shape is None:
        raise InputError(f"{path}: {dataset.name} has no shape")
    if dataset.chunks is not None:
        chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if chunk_bytes > MAX_CHUNK_BYTES:
            raise InputError(
                f"{path}: {dataset.name} has chunks of {chunk_bytes:,} bytes, wanted < {MAX_CHUNK_BYTES:,}"
            )
        wanted = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
        _check_chunks(dataset, filters, chunk_bytes, path)
    else:
        wanted, written = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if written < wanted:
        raise InputError(f"{path}: {dataset.name} is declared larger than what was written; write it again")


def _check_chunks(dataset: h5py.Dataset, filters: list[int], chunk_bytes: int, path: Path) -> None:
    """HDF5 unpacks a chunk to whatever is in it, and only afterwards finds that it was too much."""
    max_stored = chunk_bytes + chunk_bytes // 1000 + 64  # incompressible data grows by a few bytes
    doubtful: list[tuple[int, ...]] = []

    def judge(chunk: h5py.h5d.StoreInfo) -> None:
        if chunk.size > max_stored:
            raise InputError(f"{path}: {dataset.name} has a chunk of {chunk.size:,} bytes, wanted < {max_stored:,}")
        if chunk.size * MAX_DEFLATE_RATIO > MAX_UNPACKED:
            doubtful.append(chunk.chunk_offset)

    dataset.id.chunk_iter(judge)
    for offset in doubtful if DEFLATE in filters else ():
        left_out, stored = dataset.id.read_direct_chunk(offset)
        if left_out >> filters.index(DEFLATE) & 1:
            continue
        try:
            unpacked = zlib.decompressobj().decompress(stored, chunk_bytes + 1)
        except zlib.error as error:
            raise InputError(f"{path}: {dataset.name} has a broken chunk at {offset} ({error})") from error
        if len(unpacked) > chunk_bytes:
            raise InputError(f"{path}: {dataset.name} has a chunk at {offset} that unpacks to more than its size")


def text_attribute(owner: h5py.Group | h5py.Dataset, name: str, path: Path) -> str:
    """A string attribute of at most `MAX_TEXT` characters; hdf5_heap.py has checked its heap.

    Other writers store it with a fixed length, or as an array of one.
    """
    value = _one(_attribute(owner, name, path, "SO"))
    if not isinstance(value, str | bytes):
        raise InputError(f"{path}: attribute {name} is {type(value).__name__}, wanted text")
    return _bounded(value, name, path)


def texts_attribute(owner: h5py.Group, name: str, path: Path, *, max_entries: int) -> tuple[str, ...]:
    """A 1-D string attribute of at most `max_entries` texts; otherwise as `text_attribute`."""
    value = _attribute(owner, name, path, "SO", max_entries=max_entries)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or not all(isinstance(v, str | bytes) for v in value):
        raise InputError(f"{path}: attribute {name} is not a list of texts")
    return tuple(_bounded(v, name, path) for v in value)


def number_attribute(owner: h5py.Group | h5py.Dataset, name: str, path: Path) -> float:
    """A number attribute, alone or in an array of one."""
    value = _one(_attribute(owner, name, path, "iuf"))
    if not isinstance(value, np.integer | np.floating):
        raise InputError(f"{path}: attribute {name} is {type(value).__name__}, wanted a number")
    return float(value)


def _one(value: object) -> object:
    """What an array of one holds; anything else unchanged."""
    return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def _attribute(owner: h5py.Group | h5py.Dataset, name: str, path: Path, kinds: str, *, max_entries: int = 1) -> object:
    if name not in owner.attrs:
        raise InputError(f"{path}: {owner.name} lacks the attribute {name}; is it a frame file?")
    stored = owner.attrs.get_id(name)
    count = stored.get_space().get_simple_extent_npoints()
    if count > max_entries or count * stored.dtype.itemsize > 2**20:
        raise InputError(f"{path}: attribute {name} is larger than {max_entries} entries or 1 MiB")
    # For any other type, the library would have to follow references that nobody has checked.
    if stored.dtype.kind not in kinds or (stored.dtype.kind == "O" and h5py.check_string_dtype(stored.dtype) is None):
        wanted = "a number" if "f" in kinds else "text"
        raise InputError(f"{path}: attribute {name} is {stored.dtype}, wanted {wanted}")
    with broken(path, f"attribute {name}"):
        return owner.attrs[name]


def _bounded(stored: str | bytes, name: str, path: Path) -> str:
    # h5py turns bytes that are not UTF-8 into lone surrogates.
    text = stored.decode(errors="surrogateescape") if isinstance(stored, bytes) else stored
    if len(text) > MAX_TEXT or any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise InputError(f"{path}: attribute {name} is no UTF-8 text of at most {MAX_TEXT} characters")
    return text
