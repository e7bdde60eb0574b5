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
from datasets.runtime.device import full_precision
from datasets.runtime.weights import asset, load_vgg
from epe import models
from epe.matching import matching
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing, write_text

CPU = torch.device("cpu")
PER_FILE = 64
LENGTH = 512
STATISTICS = {"pixels": matching.moments, "images": matching.image_moments}
"""Colour statistics of a set, by name."""


@dataclass(frozen=True)
class CropSettings:
    """Which crops of an image set are described, and how its colours are measured.

    Attributes:
        crops: number of random crops per image; None: all of a 16 px grid.
        statistics: key of `STATISTICS`.
    """

    crops: int | None = None
    statistics: str = "pixels"


DEFAULT = CropSettings()


@dataclass(frozen=True)
class FeatureSetRecord:
    """Everything that the features of an image set depend on, as written to set.json.

    Attributes:
        images: folder of the images.
        keys: digest of their names.
        files: digest of their files' sizes and modification times.
        height: height in pixels that images are shrunk to; None: not shrunk.
        vgg: SHA-256 of the file of VGG16 weights.
        seed: seed of the crops' positions.
        mean, std: colour statistics of the set, (3,) each, in [0, 1].
        crops, statistics: as in `CropSettings`.
    """

    images: str
    keys: str
    height: int | None
    vgg: str
    seed: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crops: int | None = None
    statistics: str = "pixels"
    files: str = ""


class FeatureFiles:
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


def write_groups(
    folder: Path,
    images: Path,
    height: int | None,
    vgg: Path | None,
    seed: int,
    jobs: int,
    settings: CropSettings = DEFAULT,
    device: torch.device = CPU,
) -> FeatureFiles:
    """Compute the features of all images in a folder, and write the files of each group that has none yet.

    Args:
        folder: folder for the files.
        images, height, seed: as in `FeatureSetRecord`.
        vgg: file of VGG16 weights; None: those that app.assets fetched.
        jobs: number of processes.
        settings: which crops are described.
        device: where VGG16 computes. It is not on record: what it changes is below the rounding to float16.

    Raises:
        InputError: the folder holds features of something else, no image is large enough, or VGG16 is missing.
    """
    weights = vgg or asset("vgg16")
    record = load_or_create_record(folder, images, height, weights, seed, settings)
    groups = range(-(-len(Images(images)) // PER_FILE))
    todo = [number for number in groups if not (folder / f"{number:05}.crops.npy").exists()]
    progress = tqdm(total=len(groups), initial=len(groups) - len(todo), desc=f"features of {images}", unit="file")
    with progress as bar:
        if jobs == 1:
            for number in todo:
                write_group(folder, record, weights, number, device)
                bar.update()
        else:
            given = [(folder, record, weights, number, device) for number in todo]
            with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
                for _ in pool.map(write_group, *zip(*given, strict=True)):
                    bar.update()
    found = FeatureFiles(folder, len(groups))
    if not len(found.crops):
        raise InputError(f"{images}: every image is smaller than {matching.CROP} px; use larger ones.")
    return found


def load_or_create_record(
    folder: Path, images: Path, height: int | None, vgg: Path, seed: int, settings: CropSettings
) -> FeatureSetRecord:
    """Return the record in the folder; if there is none, measure the colours of all images, and write one.

    Args:
        folder, images, height, seed, settings: as in `write_groups`.
        vgg: file of VGG16 weights.

    Raises:
        InputError: the record is damaged or differs from the arguments, the weights are not a VGG16's, or frames differ
            in size.
    """
    found = Images(images)
    path = folder / "set.json"
    facts = {
        "images": str(images), "keys": digest(found.keys), "files": digest(file_states(found)), "height": height,
        "vgg": models.digest(vgg), "seed": seed, **asdict(settings),
    }  # fmt: skip
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            record = FeatureSetRecord(**(stored | {name: tuple(map(float, stored[name])) for name in ("mean", "std")}))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path}: damaged ({error}); delete the folder.") from error
        for name, value in facts.items():
            there = getattr(record, name)
            if there == value:
                continue
            if name in ("keys", "files"):
                raise InputError(f"{path}: made before files in {images} were changed; give another folder.")
            if name == "vgg":
                raise InputError(
                    f"{path}: made with other VGG16 weights than {vgg} (SHA-256 {there}, now {value}); give another "
                    "folder, or those weights as --vgg."
                )
            raise InputError(f"{path}: made with {name} {there}, now {value}; give another folder.")
        return record
    # Refuse any other file before its digest is on record. Its header would not tell whether its values are finite.
    load_vgg(vgg, "none")
    progress = tqdm(range(len(found)), desc=f"colours of {images}", unit="image")
    pictures = same_size(found, (picture(found, i, height) for i in progress), height)
    mean, std = STATISTICS[settings.statistics](pictures)
    record = FeatureSetRecord(**facts, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(record), indent=1) + "\n")
    return record


def digest(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts, in hex."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def file_states(images: Images) -> Iterator[str]:
    """Yield each file's size and modification time (ns), because reading all files of a set would take long."""
    for path in dict.fromkeys(images.path(index) for index in range(len(images))):
        state = path.stat()
        yield f"{state.st_size} {state.st_mtime_ns}"


def same_size(images: Images, pictures: Iterator[np.ndarray], height: int | None) -> Iterator[np.ndarray]:
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


def image_generator(seed: int, index: int) -> np.random.Generator:
    """Return one image's generator of crop positions, so that no other image, process or order changes them."""
    return np.random.default_rng((seed, index))


@full_precision()
def describe_image(
    vgg: VGG16,
    image: np.ndarray,
    index: int,
    mean: torch.Tensor,
    std: torch.Tensor,
    rng: np.random.Generator,
    settings: CropSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Describe the crops of one image of a set.

    Args:
        vgg: a VGG16 with padding "none".
        image: (H, W, 3) uint8, sRGB.
        index: its place in the set.
        mean, std: (3,) colour statistics of the set.
        rng: random generator for the crops' positions.
        settings: which crops.

    Returns:
        Image, top and left of the crops (n, 3) int32, and their features (n, 512) float32, unit length; n is 0 if the
        image is smaller than a crop.
    """
    found = matching.describe_crops(vgg, image, mean, std, rng, settings.crops)
    if found is None:
        return np.zeros((0, 3), np.int32), np.zeros((0, LENGTH), np.float32)
    corners, features = found
    return np.column_stack([np.full(len(corners), index), corners]).astype(np.int32), features


def write_group(folder: Path, record: FeatureSetRecord, vgg: Path, number: int, device: torch.device) -> None:
    """Compute the features of one group of `PER_FILE` images, and write its two files.

    Args:
        folder: folder of the files.
        record: what the features are made from.
        vgg: the file of VGG16 weights whose digest is in `record`.
        number: number of the group, from 0.
        device: where VGG16 computes.
    """
    torch.set_num_threads(1)
    network = load_vgg(vgg, "none").to(device)
    images = Images(Path(record.images))
    mean, std = torch.tensor(record.mean), torch.tensor(record.std)
    settings = CropSettings(record.crops, record.statistics)
    crops, features = [], []
    for index in range(number * PER_FILE, min((number + 1) * PER_FILE, len(images))):
        image, rng = picture(images, index, record.height), image_generator(record.seed, index)
        table, vectors = describe_image(network, image, index, mean, std, rng, settings)
        crops.append(table)
        features.append(vectors.astype(np.float16))
    for name, parts in (("features", features), ("crops", crops)):  # crops last: their file shows that both exist
        packed = BytesIO()  # NumPy's own file writing does not say why a disk refuses
        np.save(packed, np.concatenate(parts))
        with replacing(folder / f"{number:05}.{name}.npy") as partial:
            partial.write_bytes(packed.getbuffer())
