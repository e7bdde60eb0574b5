"""Crops without matches: functions of seed and index, from where they say, mirrored with their labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.crops import LabelledCrops, UnpairedCrops
from datasets.images import Images, write_png
from datasets.labels import read_label, write_facts, write_label
from datasets.matched_pairs import crop_label
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_frames, write_labels, write_photos

SIZE = 16


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_frames(tmp_path / "frames")
    write_photos(tmp_path / "photos")
    write_labels(tmp_path / "labels", tmp_path / "photos")
    return tmp_path


def unpaired(data: Path, **changes: int) -> UnpairedCrops:
    return UnpairedCrops(data / "frames", data / "photos", **({"size": SIZE, "length": 40, "seed": 3} | changes))


def labelled(data: Path, **changes: int) -> LabelledCrops:
    settings = {"size": SIZE, "length": 40, "seed": 3, "height": 100} | changes
    return LabelledCrops(data / "photos", data / "labels", **settings)


def found_in(crop: torch.Tensor, images: Images) -> set[tuple[str, int, int, bool]]:
    """Where a crop is from: key, top, left, whether it is mirrored."""
    pixels = (crop.movedim(0, -1) * 255).round().byte().numpy()
    places = set()
    for key, image in zip(images.keys, images, strict=True):
        for flip in (False, True):
            wanted = pixels[:, ::-1] if flip else pixels
            windows = np.lib.stride_tricks.sliding_window_view(image, wanted.shape)[:, :, 0]
            hits = np.argwhere((windows == wanted).all(axis=(2, 3, 4)))
            places |= {(key, int(top), int(left), flip) for top, left in hits}
    return places


def test_crops_are_pieces_of_both_sides_drawn_apart(data: Path) -> None:
    crops = unpaired(data, length=20)
    frames, photos = set(), set()
    for index in range(len(crops)):
        sample = crops[index]
        assert sample.image.shape == sample.photo.shape == (3, SIZE, SIZE)
        ((frame, *_, mirrored),) = found_in(sample.image, Images(data / "frames"))
        ((photo, *_, other),) = found_in(sample.photo, Images(data / "photos"))
        frames.add((frame, mirrored, other))
        photos.add(photo)
    assert {key for key, _, _ in frames} == set(Images(data / "frames").keys)
    assert {(a, b) for _, a, b in frames} == {(a, b) for a in (False, True) for b in (False, True)}
    assert photos == set(Images(data / "photos").keys)


def test_a_sample_is_a_function_of_seed_and_index(data: Path) -> None:
    a, b = unpaired(data), unpaired(data, length=7)
    for index in (6, 0):
        assert all(torch.equal(x, y) for x, y in zip(a[index], b[index], strict=True))
    assert not torch.equal(a[0].photo, unpaired(data, seed=4)[0].photo)
    assert not torch.equal(a[0].image, a[1].image)


def test_photographs_are_shrunk_to_the_frames(data: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "large", size=(72, 128))
    crops = UnpairedCrops(data / "frames", tmp_path / "large", size=36, length=1, seed=0)
    assert crops.photos.height == 36
    assert crops.photos[0].shape == (36, 64, 3)


def test_labels_are_cropped_and_mirrored_with_their_photograph(data: Path) -> None:
    crops, photos = labelled(data), Images(data / "photos")
    seen = set()
    for index in range(6):
        sample = crops[index]
        ((key, top, left, flip),) = found_in(sample.photo, photos)
        rows, cols = slice(top, top + SIZE), slice(left, left + SIZE)
        wanted = crop_label(read_label(data / "labels", key), photos[photos.keys.index(key)].shape[:2], rows, cols)
        assert np.array_equal(sample.labels, wanted[:, ::-1] if flip else wanted)
        seen.add(flip)
    assert seen == {False, True}
    assert crops.classes == 4
    assert labelled(data, height=18)[0].photo.shape == (3, SIZE, SIZE)


def test_too_small(data: Path) -> None:
    with pytest.raises(InputError, match=r"frames/one/a: is 64x36, wanted 37 pixels a side"):
        unpaired(data, size=37)
    with pytest.raises(InputError, match=r"photos/town/00: is 21x12, wanted 16 .* lower --crop"):
        labelled(data, height=12)
    write_png(data / "mixed" / "a.png", np.zeros((36, 64, 3), np.uint8))
    write_png(data / "mixed" / "b.png", np.zeros((9, 64, 3), np.uint8))
    crops = UnpairedCrops(data / "mixed", data / "photos", size=SIZE, length=40, seed=0)
    with pytest.raises(InputError, match=r"mixed/b: is 64x9"):
        list(crops[index] for index in range(len(crops)))


def test_labels_that_do_not_fit(data: Path) -> None:
    write_label(data / "labels", "town/01", np.full((12, 22), 9, np.uint8))
    with pytest.raises(InputError, match=r"town/01\.png: has the id 9, labels\.json has 4"):
        labelled(data)
    (data / "labels" / "town" / "01.png").unlink()
    with pytest.raises(InputError, match="no label map for image 'town/01'"):
        labelled(data)
    write_facts(data / "labels", {"method": "made"})
    with pytest.raises(InputError, match=r"labels\.json: lacks the number"):
        labelled(data)
