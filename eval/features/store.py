"""A feature cache keyed by what pictures show, so none goes through a network twice.

    CACHE/features/<digest of network and preparation>/<digest>.safetensors

A file holds the rows of some pictures: `digests` (n, 32) uint8, SHA-256 of shape and pixels, and every part of the
features, (n, D) float32. File names do not matter. Files are written whole and never changed, so several processes may
add files at once. Deleting the folder clears the cache.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from datasets.images import Images
from epe.distributed.processes import ProcessGroup
from eval.digests import pixel_digest
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Fit = Callable[[Pixels], Pixels]

FLUSH = 64
"""Pictures per file; an interrupted run loses no more than these."""


class Embedding(Protocol):
    """A network, and how pictures are prepared for it.

    Attributes:
        name: for display.
        digest: of the weights and the preparation; any difference in them changes it.
        widths: dimensions of the vectors, by part.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def widths(self) -> dict[str, int]: ...
    def __call__(self, picture: Pixels) -> dict[str, Floats]:
        """The vectors of a picture (H, W, 3) uint8 sRGB: (D,) by part.

        Raises:
            ValueError: the network cannot take the picture.
        """
        ...


@dataclass(frozen=True)
class FolderFeatures:
    """Features of all pictures in a folder, in the order of its keys.

    Attributes:
        parts: (N, D) by part.
        contents: SHA-256 of each picture as it is in the folder, by key.
    """

    parts: dict[str, Floats]
    contents: dict[str, bytes]


class FeatureStore:
    """The cached features of one embedding."""

    def __init__(self, cache: Path, embedding: Embedding) -> None:
        self.folder = cache / "features" / embedding.digest
        self.embedding = embedding
        self.places: dict[bytes, tuple[Path, int]] = {}
        self.known: dict[Path, int] = {}  # rows by file

    def refresh(self) -> None:
        """Read the digests of all files in the folder.

        Raises:
            InputError: a file holds no features.
        """
        for path in sorted(set(self.folder.glob("*.safetensors")) - self.known.keys()):
            digests = self._read(path, "digests", np.uint8, 32)
            self.places |= {row.tobytes(): (path, index) for index, row in enumerate(digests)}
            self.known[path] = len(digests)

    def add(self, rows: dict[bytes, dict[str, Floats]]) -> None:
        """Store the features of some pictures, by the pictures' digests."""
        if not rows:
            return
        digests = sorted(rows)
        name = hashlib.sha256(b"".join(digests)).hexdigest()
        tensors: dict[str, NDArray[np.generic]] = {
            part: np.stack([rows[digest][part] for digest in digests]) for part in self.embedding.widths
        }
        tensors["digests"] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
        with replacing(self.folder / f"{name}.safetensors") as partial:
            save_file(tensors, partial)
        self.refresh()

    def rows(self, digests: Sequence[bytes]) -> dict[str, Floats]:
        """The features (N, D) by part of N pictures that are all in the cache."""
        found = {part: np.empty((len(digests), width), np.float32) for part, width in self.embedding.widths.items()}
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for index, digest in enumerate(digests):
            path, row = self.places[digest]
            wanted.setdefault(path, []).append((index, row))
        for path, pairs in wanted.items():
            to, of = (list(side) for side in zip(*pairs, strict=True))
            for part, width in self.embedding.widths.items():
                values = self._read(path, part, np.float32, width)
                if len(values) != self.known[path]:
                    raise InputError(
                        f"{path}: {part} has {len(values)} rows, wanted {self.known[path]}; remove the file."
                    )
                found[part][to] = values[of]
        return found

    def _read(self, path: Path, part: str, dtype: type, width: int) -> NDArray[np.generic]:
        try:
            with safe_open(path, framework="np") as file:
                found: NDArray[np.generic] = file.get_tensor(part)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a file of features ({error}); remove it.") from error
        if found.dtype != dtype or found.ndim != 2 or found.shape[1] != width:
            raise InputError(f"{path}: {part} is {found.dtype} {found.shape}, wanted (n, {width}); remove the file.")
        return found


def embed(
    images: Images, embedding: Embedding, cache: Path, *, fit: Fit, group: ProcessGroup, bar: "tqdm[NoReturn]"
) -> FolderFeatures:
    """Features of every picture in a folder; only those of unknown pictures are computed.

    Args:
        images: the folder.
        embedding: what makes features.
        cache: where they are kept.
        fit: turns a picture as read into the picture as judged.
        group: processes that share the work; each gets all features.
        bar: advances by one with every picture.

    Raises:
        InputError: a picture that the network cannot take, or a cache that is damaged or not shared.
    """
    store = FeatureStore(cache, embedding)
    store.refresh()
    contents: dict[str, bytes] = {}
    fitted: list[bytes] = []
    fresh: dict[bytes, dict[str, Floats]] = {}
    for index, key in enumerate(images.keys):
        picture = images[index]
        contents[key] = pixel_digest(picture)
        judged = fit(picture)
        fitted.append(contents[key] if judged is picture else pixel_digest(judged))
        mine = index % group.size == group.rank
        if mine and fitted[-1] not in store.places and fitted[-1] not in fresh:
            try:
                fresh[fitted[-1]] = embedding(judged)
            except ValueError as error:
                raise InputError(f"{images.path(index)}: {error}; leave it out.") from error
        if len(fresh) == FLUSH:
            store.add(fresh)
            fresh = {}
        bar.update()
    store.add(fresh)
    group.wait()
    store.refresh()
    if not store.places.keys() >= set(fitted):
        raise InputError(f"{store.folder}: not seen by all processes; wanted a folder that they share, by --cache.")
    return FolderFeatures(store.rows(fitted), contents)
