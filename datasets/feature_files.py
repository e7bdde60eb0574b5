"""VGG16 features of all crops of an image set, stored in files: larger than memory, parallel and resumable.

    DIR/set.json            what the features were made from; features of anything else are refused
    DIR/00012.crops.npy     (n, 3) int32: image, top and left of each crop, for the 13th group of 64 images
    DIR/00012.features.npy  (n, 512) float16, unit length

Every run makes the files that are missing. So a stopped run can be resumed, and runs on several machines can share the
folder (they may make a file twice, which does no harm).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.images import Images
from datasets.photos import to_height
from datasets.runtime.weights import load_vgg
from epe.matching import matching
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing, write_text

PER_FILE = 64
LENGTH = 512
STATISTICS = {"pixels": matching.moments, "images": matching.image_moments}
"""Colour statistics of a set, by name."""


@dataclass(frozen=True)
class Way:
    """How an image set is described.

    Attributes:
        crops: number of random crops per image; None: all of a 16 px grid.
        statistics: key of `STATISTICS`.
    """

    crops: int | None = None
    statistics: str = "pixels"


DEFAULT = Way()


@dataclass(frozen=True)
class Recipe:
    """Everything that the features depend on.

    Attributes:
        images: folder of the images.
        keys: digest of their names.
        files: digest of their files' sizes and modification times.
        height: height in pixels that images are shrunk to; None: not shrunk.
        vgg: file of VGG16 weights; None: those that app.assets fetched.
        seed: seed of the positions of the crop grids.
        mean, std: colour statistics of the set.
        crops, statistics: as in `Way`.
    """

    images: str
    keys: str
    height: int | None
    vgg: str | None
    seed: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crops: int | None = None
    statistics: str = "pixels"
    files: str = ""


class Stored:
    """Features in files, accessed like one array (M, 512).

    Args:
        folder: folder of the files.
        files: number of pairs of files.

    Attributes:
        crops: image, top, left of each row.
        shape: (M, 512).

    Raises:
        InputError: a file is damaged.
    """

    def __init__(self, folder: Path, files: int) -> None:
        crops = [load(folder / f"{number:05}.crops.npy", np.int32, 3) for number in range(files)]
        self._features = [load(folder / f"{number:05}.features.npy", np.float16, LENGTH) for number in range(files)]
        for number, (a, b) in enumerate(zip(crops, self._features, strict=True)):
            if len(a) != len(b):
                raise InputError(f"{folder}/{number:05}.crops.npy: {len(a)} crops, {len(b)} features; delete both.")
        self._starts = np.concatenate([[0], np.cumsum([len(part) for part in crops])])
        table = np.concatenate(crops).astype(np.int64)
        self.crops = matching.Crops(table[:, 0], table[:, 1], table[:, 2])
        self.shape = (len(table), LENGTH)

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the features of one file after another, (n, 512) float32."""
        for part in self._features:
            yield np.asarray(part, np.float32)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the features of some rows, (len(rows), 512) float32."""
        result = np.empty((len(rows), LENGTH), np.float32)
        files = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(files):
            here = files == number
            result[here] = self._features[number][rows[here] - self._starts[number]]
        return result


def load(path: Path, dtype: type, width: int) -> np.ndarray:
    """Open an array (n, width) as a memory map of its file.

    Raises:
        InputError: the file cannot be read, or holds another type or shape.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it, and run again.") from error
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape[1:] != (width,):
        raise InputError(f"{path}: wanted (n, {width}) {np.dtype(dtype)}; delete it, and run again.")
    return array


def store(
    folder: Path, images: Path, height: int | None, vgg: Path | None, seed: int, jobs: int, way: Way = DEFAULT
) -> Stored:
    """Compute the features of all images in a folder, unless their files exist already.

    Args:
        folder: folder for the files.
        images, height, vgg, seed: as in `Recipe`.
        jobs: number of processes.
        way: how images are described.

    Raises:
        InputError: the folder holds features of something else, or no image is large enough.
    """
    recipe = recall_or_measure(folder, images, height, vgg, seed, way)
    files = range(-(-len(Images(images)) // PER_FILE))
    todo = [number for number in files if not (folder / f"{number:05}.crops.npy").exists()]
    progress = tqdm(total=len(files), initial=len(files) - len(todo), desc=f"features of {images}", unit="file")
    with progress as bar:
        if jobs == 1:
            for number in todo:
                make(folder, recipe, number)
                bar.update()
        else:
            with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
                for _ in pool.map(make, *zip(*((folder, recipe, number) for number in todo), strict=True)):
                    bar.update()
    stored = Stored(folder, len(files))
    if not len(stored.crops):
        raise InputError(f"{images}: every image is smaller than {matching.CROP} px; use larger ones.")
    return stored


def recall_or_measure(folder: Path, images: Path, height: int | None, vgg: Path | None, seed: int, way: Way) -> Recipe:
    """Return the recipe stored in the folder; else measure the colours of all images, and store a new one.

    Raises:
        InputError: the stored recipe is damaged or differs from the arguments, or frames differ in size.
    """
    found = Images(images)
    path = folder / "set.json"
    facts = {
        "images": str(images), "keys": digest(found.keys), "files": digest(states(found)), "height": height,
        "vgg": str(vgg) if vgg else None, "seed": seed, **asdict(way),
    }  # fmt: skip
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            recipe = Recipe(**(stored | {name: tuple(map(float, stored[name])) for name in ("mean", "std")}))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path}: damaged ({error}); delete the folder.") from error
        for name, value in facts.items():
            if getattr(recipe, name) == value:
                continue
            if name in ("keys", "files"):
                raise InputError(f"{path}: made before files in {images} were changed; give another folder.")
            raise InputError(f"{path}: made with {name} {getattr(recipe, name)}, now {value}; give another folder.")
        return recipe
    progress = tqdm(range(len(found)), desc=f"colours of {images}", unit="image")
    mean, std = STATISTICS[way.statistics](alike(found, (picture(found, i, height) for i in progress), height))
    recipe = Recipe(**facts, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(recipe), indent=1) + "\n")
    return recipe


def digest(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts, in hex."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def states(images: Images) -> Iterator[str]:
    """Yield each file's size and modification time (ns), because reading all files of a set would take long."""
    for path in dict.fromkeys(images.path(index) for index in range(len(images))):
        state = path.stat()
        yield f"{state.st_size} {state.st_mtime_ns}"


def alike(images: Images, pictures: Iterator[np.ndarray], height: int | None) -> Iterator[np.ndarray]:
    """Yield the images; without a `height`, as for frames, check that all have the same size.

    Raises:
        InputError: an image differs in size from the first.
    """
    first: tuple[int, ...] = ()
    for key, image in zip(images.keys, pictures, strict=True):
        first = first or image.shape
        if height is None and image.shape != first:
            raise InputError(
                f"{images.folder}/{key}: is {image.shape[1]}x{image.shape[0]}, others {first[1]}x{first[0]}."
            )
        yield image


def picture(images: Images, index: int, height: int | None) -> np.ndarray:
    """Return an image (H, W, 3) uint8, shrunk to `height` if it is not None."""
    return images[index] if height is None else to_height(images[index], height)


def make(folder: Path, recipe: Recipe, number: int) -> None:
    """Compute the features of one group of `PER_FILE` images, and write its two files."""
    torch.set_num_threads(1)
    vgg = load_vgg(Path(recipe.vgg) if recipe.vgg else None, "none")
    images = Images(Path(recipe.images))
    mean, std = torch.tensor(recipe.mean), torch.tensor(recipe.std)
    crops, features = [np.zeros((0, 3), np.int32)], [np.zeros((0, LENGTH), np.float16)]
    for index in range(number * PER_FILE, min((number + 1) * PER_FILE, len(images))):
        # A generator for each image, so that the result does not depend on which process reads it, or when.
        rng = np.random.default_rng((recipe.seed, index))
        found = matching.describe_crops(vgg, picture(images, index, recipe.height), mean, std, rng, recipe.crops)
        if found is not None:
            corners, vectors = found
            crops.append(np.column_stack([np.full(len(corners), index), corners]).astype(np.int32))
            features.append(vectors.astype(np.float16))
    for name, parts in (("features", features), ("crops", crops)):  # crops last: their file shows that both exist
        packed = BytesIO()  # NumPy's own file writing does not say why a disk refuses
        np.save(packed, np.concatenate(parts))
        with replacing(folder / f"{number:05}.{name}.npy") as partial:
            partial.write_bytes(packed.getbuffer())
