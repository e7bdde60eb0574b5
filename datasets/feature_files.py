"""VGG16 features of all crops of an image set in files: more than memory holds, by several processes, resumed.

    DIR/set.json            what they were made of; a folder that was made of anything else is refused
    DIR/00012.crops.npy     (n, 3) int32: image, top and left of each crop of the 13th 64 images
    DIR/00012.features.npy  (n, 512) float16, unit length

A process makes the files that are missing, so that a run that was stopped goes on, and runs on several machines that
share the folder help each other (they may make a file twice, which does no harm).
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Recipe:
    """What features are made of.

    Attributes:
        images: folder of the pictures.
        keys: digest of their names.
        height: they are shrunk to, pixels; None: as they are.
        vgg: file of the weights; None: the fetched ones.
        seed: places the grids of crops.
        mean, std: of the colours of the set.
    """

    images: str
    keys: str
    height: int | None
    vgg: str | None
    seed: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Stored:
    """Features in files, as if they were one array (M, 512) of float16.

    Attributes:
        crops: image, top, left of each row.
        shape: (M, 512).

    Raises:
        InputError: a damaged file.
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
        """The rows, file by file, (n, 512) float32."""
        for part in self._features:
            yield np.asarray(part, np.float32)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), 512) float32."""
        result = np.empty((len(rows), LENGTH), np.float32)
        files = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(files):
            here = files == number
            result[here] = self._features[number][rows[here] - self._starts[number]]
        return result


def load(path: Path, dtype: type, width: int) -> np.ndarray:
    """An array (n, width) that stays in its file.

    Raises:
        InputError: it is something else.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it, and run again.") from error
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape[1:] != (width,):
        raise InputError(f"{path}: wanted (n, {width}) {np.dtype(dtype)}; delete it, and run again.")
    return array


def store(folder: Path, images: Path, height: int | None, vgg: Path | None, seed: int, jobs: int) -> Stored:
    """The features of all pictures of a folder; only what is missing is made.

    Args:
        folder: for the files.
        images, height, vgg, seed: as of `Recipe`.
        jobs: processes.

    Raises:
        InputError: the folder holds features of something else; no picture is large enough.
    """
    recipe = recall_or_measure(folder, images, height, vgg, seed)
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


def recall_or_measure(folder: Path, images: Path, height: int | None, vgg: Path | None, seed: int) -> Recipe:
    """The recipe that the folder was begun with, or a new one, for which every picture is read once."""
    found = Images(images)
    keys = hashlib.sha256("\n".join(found.keys).encode()).hexdigest()
    path = folder / "set.json"
    facts = {"images": str(images), "keys": keys, "height": height, "vgg": str(vgg) if vgg else None, "seed": seed}
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            recipe = Recipe(**(stored | {name: tuple(map(float, stored[name])) for name in ("mean", "std")}))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path}: damaged ({error}); delete the folder.") from error
        for name, value in facts.items():
            if getattr(recipe, name) != value:
                raise InputError(f"{path}: made with {name} {getattr(recipe, name)}, now {value}; give another folder.")
        return recipe
    progress = tqdm(range(len(found)), desc=f"colours of {images}", unit="image")
    mean, std = matching.moments(alike(found, (picture(found, i, height) for i in progress), height))
    recipe = Recipe(**facts, mean=tuple(mean.tolist()), std=tuple(std.tolist()))  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(recipe), indent=1) + "\n")
    return recipe


def alike(images: Images, pictures: Iterator[np.ndarray], height: int | None) -> Iterator[np.ndarray]:
    """The pictures; frames, which are not shrunk, must be of one size."""
    first: tuple[int, ...] = ()
    for key, image in zip(images.keys, pictures, strict=True):
        first = first or image.shape
        if height is None and image.shape != first:
            raise InputError(
                f"{images.folder}/{key}: is {image.shape[1]}x{image.shape[0]}, others {first[1]}x{first[0]}."
            )
        yield image


def picture(images: Images, index: int, height: int | None) -> np.ndarray:
    """(H, W, 3) uint8, at most `height` high."""
    return images[index] if height is None else to_height(images[index], height)


def make(folder: Path, recipe: Recipe, number: int) -> None:
    """Two files, of `PER_FILE` pictures."""
    torch.set_num_threads(1)
    vgg = load_vgg(Path(recipe.vgg) if recipe.vgg else None, "none")
    images = Images(Path(recipe.images))
    mean, std = torch.tensor(recipe.mean), torch.tensor(recipe.std)
    crops, features = [np.zeros((0, 3), np.int32)], [np.zeros((0, LENGTH), np.float16)]
    for index in range(number * PER_FILE, min((number + 1) * PER_FILE, len(images))):
        # A generator for each picture: no matter which process takes it, or when.
        rng = np.random.default_rng((recipe.seed, index))
        found = matching.describe_grid(vgg, picture(images, index, recipe.height), mean, std, rng)
        if found is not None:
            corners, vectors = found
            crops.append(np.column_stack([np.full(len(corners), index), corners]).astype(np.int32))
            features.append(vectors.astype(np.float16))
    for name, parts in (("features", features), ("crops", crops)):  # crops last: they tell that both are there
        with replacing(folder / f"{number:05}.{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, np.concatenate(parts))
