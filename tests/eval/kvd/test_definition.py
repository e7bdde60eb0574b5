"""sKVD and KVD of real pictures by a second implementation, in NumPy and double precision, from crops to numbers.

Taken from the program: where crops lie, and their tickets. Everything else is written again here: cells and partners,
VGG16, inner products, scaling, kernel, means. With the published weights where they were fetched, else with random
ones. And what must not matter: files' order and format, batches, memory, threads.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from datasets.labels import write_facts
from eval.kvd.judge import judge
from eval.kvd.settings import SkvdSettings
from eval.kvd.setup import set_up
from eval.records.skvd_record import SkvdRecord
from gbuffer_tools.io.cache import cache_folder

SAMPLES = Path(__file__).parents[3] / "samples"
WIDTH, HEIGHT, SIDE = 192, 108, 50
CROPS, CANDIDATES = 2, 3
KERNEL = 1000 * (1 + 1) ** 3
"""A crop's kernel value with itself, in the record's unit: features are scaled to a mean square of 1."""
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of the convolutions in the published files, block by block."""
WEIGHTS = cache_folder() / "vgg16.safetensors"


def store(picture: Image.Image, folder: Path, labels: Path, name: str) -> None:
    """A picture of the size of the test, and a map of two classes, dark and light, on a coarse grid."""
    small = picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    coarse = np.asarray(small.convert("L").resize((16, 9), Image.Resampling.BOX)) // 128
    for path, image in ((folder, small), (labels, Image.fromarray(coarse.repeat(12, 0).repeat(12, 1)))):
        path.mkdir(parents=True, exist_ok=True)
        image.save(path / f"{name}.png")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered frames and five photographs; the last photograph is a frame that got among them."""
    folder = tmp_path_factory.mktemp("real")
    places = {side: (folder / side, folder / "labels" / side) for side in ("frames", "photos")}
    for path in sorted((SAMPLES / "frames" / "heldout").glob("*.h5")):
        with h5py.File(path) as file:
            frame = Image.fromarray(file["image"][0])
        store(frame, *places["frames"], path.stem)
    store(frame, *places["photos"], "stray")
    for path in sorted((SAMPLES / "photos" / "heldout").glob("*.jpg"))[:4]:
        store(Image.open(path), *places["photos"], path.stem)
    for _, labels in places.values():
        write_facts(labels, {"method": "light", "classes": 2})
    return folder


@pytest.fixture(scope="module")
def given(real: Path, random_vgg: Path) -> SkvdSettings:
    return SkvdSettings(
        methods={"render": real / "frames"},
        real=real / "photos",
        fake_labels=real / "labels" / "frames",
        real_labels=real / "labels" / "photos",
        vgg=WEIGHTS if WEIGHTS.is_file() else random_vgg,
        crops=CROPS,
        candidates=CANDIDATES,
        resamples=20,
    )


def measure(given: SkvdSettings) -> SkvdRecord:
    return judge(given, relative_to=given.real.parent, progress=False)


@pytest.fixture(scope="module")
def plain(given: SkvdSettings) -> SkvdRecord:
    return measure(given)


def values(record: SkvdRecord) -> np.ndarray:
    """(2, 5): sKVD and KVD of each layer."""
    method = record.methods[0]
    return np.array([[found[layer].value for layer in LAYERS] for found in (method.skvd, method.kvd)])


class Crop:
    """Pixels, cells and image of one crop."""

    def __init__(self, folder: Path, labels: Path, crop: object) -> None:
        self.key, self.ticket, top, left = crop.key, crop.ticket, crop.top, crop.left
        image = np.asarray(Image.open(folder / f"{self.key}.png"))
        self.pixels, self.image = image[top : top + SIDE, left : left + SIDE], image.tobytes()
        map_ = np.asarray(Image.open(labels / f"{self.key}.png"))
        centres = [int((i + 0.5) * SIDE / 16) for i in range(16)]
        self.cells = [int(map_[top + row, left + column]) for row in centres for column in centres]


def vgg16(pixels: np.ndarray, weights: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    """The last features of each block, (D,) float64, of (S, S, 3) uint8: Simonyan, Zisserman 2015, column D."""
    x = (pixels / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    for block in BLOCKS:
        for number in block:
            kernel, bias = (weights[f"features.{number}.{name}"].astype(np.float64) for name in ("weight", "bias"))
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
            x = np.maximum(np.tensordot(windows, kernel, ((2, 3, 4), (1, 2, 3))) + bias, 0)
        yield x.ravel()
        height, width = (side // 2 for side in x.shape[:2])
        x = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).max((1, 3))


def partner(crop: Crop, photos: list[Crop]) -> Crop | None:
    """More than half of the cells agree; of equally good ones, the one whose ticket differs last."""
    alike = [sum(a == b for a, b in zip(crop.cells, photo.cells, strict=True)) for photo in photos]
    best = [photo for photo, cells in zip(photos, alike, strict=True) if cells == max(alike)]
    return min(best, key=lambda photo: photo.ticket ^ crop.ticket) if max(alike) > 128 else None


def distance(x: list[Crop], y: list[Crop], kernel: dict[tuple[int, int], float]) -> float:
    """1000 times unbiased MMD² of two lists, in which crops may stand more than once; two of one image are no pair."""

    def mean(one: list[Crop], other: list[Crop]) -> float:
        return float(np.mean([kernel[id(a), id(b)] for a in one for b in other if a.image != b.image]))

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def paired_distance(pairs: list[tuple[Crop, Crop]], kernel: dict[tuple[int, int], float]) -> float:
    """1000 times unbiased MMD² of pairs: of two pairs without an image in common, four kernel values."""

    def k(one: Crop, other: Crop) -> float:
        return kernel[id(one), id(other)]

    apart = [
        (a, b, c, d)
        for a, b in pairs
        for c, d in pairs
        if a.image != c.image and b.image != d.image and a.image != d.image and c.image != b.image
    ]
    return 1000 * float(np.mean([k(a, c) + k(b, d) - k(a, d) - k(c, b) for a, b, c, d in apart]))


def by_definition(given: SkvdSettings) -> tuple[np.ndarray, int]:
    """(2, 5) sKVD and KVD of each layer, and how many crops have partners."""
    scene = set_up(given)
    frames = [Crop(given.methods["render"], given.fake_labels, crop) for crop in scene.fake.crops]
    photos = [Crop(given.real, given.real_labels, crop) for crop in scene.real.crops]
    pairs = [(crop, found) for crop in frames if (found := partner(crop, photos))]
    # As many crops of each photograph as are needed for about as many as there are rendered ones.
    each = min(CANDIDATES, -(-len(frames) // len({crop.key for crop in photos})))
    sample = [crop for i, crop in enumerate(photos) if i % CANDIDATES < each]
    weights = load_file(given.vgg)
    used = {id(crop): crop for crop in [*frames, *sample, *(found for _, found in pairs)]}
    features = {name: list(vgg16(crop.pixels, weights)) for name, crop in used.items()}
    found = []
    for layer in range(len(LAYERS)):
        rows = np.stack([features[name][layer] for name in used])
        gram = rows @ rows.T / rows.shape[1]
        place = {name: index for index, name in enumerate(used)}
        square = np.mean([gram[place[id(crop)], place[id(crop)]] for crop in sample])
        kernel = {(a, b): (gram[place[a], place[b]] / square + 1) ** 3 for a in used for b in used}
        found.append((paired_distance(pairs, kernel), distance(frames, sample, kernel)))
    return np.array(found).T, len(pairs)


def test_every_layer_agrees_with_the_definition(given: SkvdSettings, plain: SkvdRecord) -> None:
    wanted, pairs = by_definition(given)
    assert plain.frames.matched == pairs
    assert plain.photos.partners < pairs, "no photograph serves twice: weights are not tested"
    # Distances are differences of means of up to 8000 (KERNEL); the program's features are float32, whose last place
    # is 6e-8 of that. Measured: 2e-4 with the published weights, 5e-4 with random ones. Values are 14 to 700.
    assert values(plain) == pytest.approx(wanted, rel=0, abs=2.5e-7 * KERNEL)


@pytest.mark.parametrize("change", [{"batch": 1}, {"memory": 8_000_000}, {}], ids=["batches", "memory", "threads"])
def test_how_it_is_computed_does_not_matter(given: SkvdSettings, plain: SkvdRecord, change: dict[str, int]) -> None:
    torch.set_num_threads(1 if change else 2)
    try:
        other = measure(replace(given, **change))
    finally:
        torch.set_num_threads(1)
    # Float32 sums may run in another order, as above. Measured: batches 1.4e-4, memory 2e-5, threads 0.
    assert values(other) == pytest.approx(values(plain), rel=0, abs=2.5e-7 * KERNEL)
    assert other.pairs == plain.pairs


def test_order_and_format_of_files_change_no_bit(given: SkvdSettings, plain: SkvdRecord, tmp_path: Path) -> None:
    """Keys decide: copied backwards, and every second one as lossless WebP."""
    for folder in (*given.methods.values(), given.real):
        for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            target = tmp_path / folder.name / path.name
            target.parent.mkdir(exist_ok=True)
            if number % 2:
                Image.open(path).save(target.with_suffix(".webp"), lossless=True)
            else:
                shutil.copyfile(path, target)
    moved = replace(given, methods={"render": tmp_path / "frames"}, real=tmp_path / "photos")
    assert asdict(measure(moved)) == asdict(plain)
