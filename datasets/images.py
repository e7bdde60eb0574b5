"""A folder of pictures, be they image files or the images of frame files, behind one sequence.

Keys are paths relative to the folder without the suffix (frames: shard/frame), so that equal file names in
different folders never meet.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gbuffer_tools.atomic import replacing
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_image(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8, sRGB, RGB order; grey is repeated, alpha dropped, 16 bit scaled.

    Raises:
        InputError: not a readable image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # raised for sizes that OpenCV itself refuses
        pixels = None
    if pixels is None:
        raise InputError(
            f"{path}: not a readable image ({data.size:,} bytes); wanted PNG, JPEG or WebP. Remove or replace it."
        )
    return np.ascontiguousarray(pixels[..., ::-1])


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, or (H, W) uint8, losslessly; whole or not at all."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise ValueError(f"cannot encode an array of shape {image.shape} and type {image.dtype} as PNG.")
    with replacing(path) as partial:
        data.tofile(partial)


class Images(Sequence[np.ndarray]):
    """The pictures of a folder, read when asked for.

    Attributes:
        folder: where they lie.
        keys: one per picture, sorted; unique.

    Raises:
        InputError: no folder, no pictures in it, two pictures of one key.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; wanted a folder of images or of frame files (.h5).")
        self._shards: dict[Path, Shard] = {}
        entries = self._frames() or self._files()
        if not entries:
            raise InputError(f"{self.folder}: holds no images ({', '.join(SUFFIXES)}) and no frame files (.h5).")
        entries.sort(key=lambda entry: entry[0])
        self.keys = tuple(key for key, _, _ in entries)
        for before, after in zip(self.keys, self.keys[1:], strict=False):
            if before == after:
                raise InputError(f"{self.folder}: two images have the key {after!r}; keep one suffix per name.")
        self._places = tuple((path, index) for _, path, index in entries)

    def _frames(self) -> list[tuple[str, Path, int]]:
        entries = []
        for path in sorted(self.folder.glob("*.h5")):
            with Shard(path) as shard:
                entries += [(f"{path.stem}/{name}", path, i) for i, name in enumerate(shard.names)]
        return entries

    def _files(self) -> list[tuple[str, Path, int]]:
        return [
            (path.relative_to(self.folder).with_suffix("").as_posix(), path, -1)
            for path in sorted(self.folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES and path.is_file()
        ]

    def path(self, index: int) -> Path:
        """The file that holds picture `index`."""
        return self._places[index][0]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        """(H, W, 3) uint8, sRGB, RGB order."""
        path, frame = self._places[index]
        if frame < 0:
            return read_image(path)
        if path not in self._shards:
            self._shards[path] = Shard(path)
        return self._shards[path].image(frame)
