"""A folder of images as a sequence, from image files or from frame files.

Keys are paths relative to the folder without the suffix (frames: shard/frame), so that equal file names in different
folders have different keys.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasets.open_shards import OpenShards
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.folders import Walk, check_folder, counted, key_in_time, say, walk
from gbuffer_tools.io.images import SUFFIXES, image_size, read_image, write_png
from gbuffer_tools.io.sensor_pictures import sensor_pictures
from gbuffer_tools.schema import Shard, frame_files, shards_in

__all__ = ["SUFFIXES", "Images", "check_out", "read_image", "write_png"]


class Images(Sequence[np.ndarray]):
    """The images of a folder, read on access.

    Args:
        folder: the folder.
        suffixes: of image files, lower case; more than `SUFFIXES` for callers who read the files themselves, by `path`.

    Attributes:
        folder, suffixes: as above.
        keys: one unique key per image, in chronological order (gbuffer_tools.io.folders).

    Raises:
        InputError: the folder does not exist or has no images, or both images and frame files; two images have the
            same key, or a name is not UTF-8.
    """

    def __init__(self, folder: Path | str, suffixes: Sequence[str] = SUFFIXES) -> None:
        self.folder, self.suffixes = Path(folder), tuple(suffixes)
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; wanted a folder of images or of frame files (.h5).")
        self._shards = OpenShards()
        found = walk(self.folder)
        check_one_kind(found)
        entries = self._frames(found) if frame_files(found) else self._files(found)
        if not entries:
            what = f"; it holds {counted(found.files, self.folder)}" if found.files else ""
            wanted = f"images ({', '.join(self.suffixes)}) and no frame files (.h5)"
            raise InputError(f"{self.folder}: holds no {wanted}{what}.")
        entries.sort(key=lambda entry: key_in_time(entry[0]))
        self.keys = tuple(key for key, _, _ in entries)
        try:
            "".join(self.keys).encode()
        except UnicodeEncodeError as error:
            key = next(key for key in self.keys if error.object[error.start] in key)
            raise InputError(f"{self.folder}: the name {key!r} is not UTF-8; rename the file.") from error
        for before, after in zip(self.keys, self.keys[1:], strict=False):
            if before == after:
                raise InputError(f"{self.folder}: two images have the key {after!r}; keep one suffix per name.")
        self._positions = tuple((path, index) for _, path, index in entries)

    def _frames(self, found: Walk) -> list[tuple[str, Path, int]]:
        entries = []
        for path in shards_in(found):
            with Shard(path) as shard:
                entries += [(f"{path.stem}/{name}", path, i) for i, name in enumerate(shard.names)]
        return entries

    def _files(self, found: Walk) -> list[tuple[str, Path, int]]:
        files = found.of(self.suffixes)
        for line in found.left_out(files, "no images") if files else ():
            say(line)
        # Callers who read the files themselves have a use for all of them.
        sensors = sensor_pictures(files, self.folder) if self.suffixes == SUFFIXES else set()
        others = [path for path in files if path not in sensors]
        if sensors:
            named = [path for path in found.files if path in sensors]
            done = "left out" if others else "taken, as there are no others"
            say(f"{self.folder}: {counted(named, self.folder)}: named after depth, classes or normals; {done}")
        files = others or files
        return [(path.relative_to(self.folder).with_suffix("").as_posix(), path, -1) for path in files]

    def path(self, index: int) -> Path:
        """Return the file that contains image `index`."""
        return self._positions[index][0]

    def size(self, index: int) -> tuple[int, int]:
        """Return (height, width) of image `index` without decoding it."""
        path, frame = self._positions[index]
        return image_size(path) if frame < 0 else (self._shards[path].height, self._shards[path].width)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        """Read image `index`: (H, W, 3) uint8, sRGB, RGB order."""
        path, frame = self._positions[index]
        return read_image(path) if frame < 0 else self._shards[path].image(frame)


def check_one_kind(found: Walk) -> None:
    """Refuse a folder with both frame files and pictures: its frames would be judged when the pictures are meant.

    Raises:
        InputError: the folder has both; the message names one of each.
    """
    frames, pictures = frame_files(found), found.of((*SUFFIXES, ".exr"))
    if frames and pictures:
        raise InputError(
            f"{found.folder}: holds frame files ({frames[0].name}) and pictures "
            f"({pictures[0].relative_to(found.folder).as_posix()}); wanted one of them. "
            "Move the pictures to a folder of their own."
        )


def to_make(paths: Sequence[Path], *, overwrite: bool, resume: bool) -> list[int]:
    """Return which of a command's pictures to make: all, or those that a stopped run did not reach.

    Args:
        paths: what the command writes.
        overwrite: make all, whatever exists.
        resume: make what is missing.

    Returns:
        Indices in order.

    Raises:
        InputError: some pictures exist and neither option is set, or both options are set.
    """
    if overwrite and resume:
        raise InputError("--overwrite makes all pictures again, --resume those that are missing; wanted one of them.")
    there = [path for path in paths if path.exists()]
    if there and not overwrite and not resume:
        raise InputError(
            f"{there[0]}: already exists ({len(there)} of {len(paths)}); pass --overwrite to make all again, "
            "--resume to make what is missing, or another --out."
        )
    return [index for index, path in enumerate(paths) if overwrite or not path.exists()]


def check_out(out: Path, source: Path) -> None:
    """Refuse to write pictures among frame files, or among what is read: no reader could tell them apart.

    Args:
        out: folder for pictures, which may not exist yet.
        source: the file or folder that is read.

    Raises:
        InputError: `out` is a file or holds frame files, or is the source or a folder in it.
    """
    check_folder(out)
    frames = frame_files(walk(out)) if out.is_dir() else []
    if frames:
        raise InputError(f"--out {out}: holds frame files ({frames[0].name}); choose another folder for the pictures.")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"--out {out}: lies in {source}, which is read; choose a folder outside for the pictures.")


def check_not_read(target: Path, *read: Path | None) -> None:
    """Refuse to write a file over one that is read, with or without --overwrite; None: nothing is read.

    Raises:
        InputError: the target is one of those read, or would lie in a folder that is read.
    """
    for path in read:
        if path is not None and (
            target.resolve() == path.resolve() or (path.is_dir() and target.resolve().is_relative_to(path.resolve()))
        ):
            raise InputError(f"{target}: would be written over or into {path}, which is read; choose another name.")
