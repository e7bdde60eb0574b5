"""Crops for a segmenter: seeded, labels move with their pixels, colours change within limits."""

from typing import Any

import numpy as np
import pytest
import torch

from datasets.labelling.crops import SegmenterCrops, jittered
from datasets.labelling.labelled_images import LabelledImages
from datasets.labelling.taxonomy import NONE
from tests.datasets.labelling.made import COLOURS, street, write_streets


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return LabelledImages(write_streets(tmp_path_factory.mktemp("streets")), None, None, 48)


def crops(pictures: LabelledImages, **changes: Any) -> SegmenterCrops:
    return SegmenterCrops(pictures, **({"size": 24, "zoom": 1.5, "jitter": 0.2, "length": 40, "seed": 3} | changes))


def test_a_sample_is_a_function_of_seed_and_index(pictures: LabelledImages) -> None:
    first, again, other = crops(pictures), crops(pictures), crops(pictures, seed=4)
    for index in (5, 0, 39):
        assert all(torch.equal(a, b) for a, b in zip(first[index], again[index], strict=True))
        assert not torch.equal(first[index].image, other[index].image)
    assert first[0].image.shape == (3, 24, 24)
    assert first[0].labels.shape == (24, 24)
    assert (first[0].image.dtype, first[0].labels.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("zoom", [1.0, 2.0])
def test_labels_move_with_their_pixels(pictures: LabelledImages, zoom: float) -> None:
    """The colour of a pixel is that of its class; what was scaled may be mixed at edges."""
    colours = torch.from_numpy(COLOURS[[2, 1, 0]].astype(np.float32) / 255)  # car, road, sky
    right = counted = 0
    flipped = set()
    for index in range(40):
        image, labels = crops(pictures, zoom=zoom, jitter=0)[index]
        found = (image.movedim(0, -1)[:, :, None] - colours).square().sum(-1).argmin(-1)
        known = labels != NONE
        right += int((found == labels)[known].sum())
        counted += int(known.sum())
        # The strip without labels is on the right, unless it was mirrored.
        flipped |= {bool(strip) for strip in (~known).any(0).nonzero()[:1, 0] < 12 if zoom == 1}
    assert right / counted > (0.999 if zoom == 1 else 0.97)
    assert zoom > 1 or flipped == {True, False}


def test_without_changes_it_is_a_part_of_the_picture(pictures: LabelledImages) -> None:
    image, labels = crops(pictures, size=48, zoom=1, jitter=0)[0]
    pixels = (image.movedim(0, -1) * 255).round().byte().numpy()
    windows = [
        street(i).image[:, left : left + 48][:, ::step] for i in range(4) for left in range(17) for step in (1, -1)
    ]
    assert any(np.array_equal(pixels, window) for window in windows)
    assert set(labels.unique().tolist()) <= {NONE, 0, 1, 2}


def test_beyond_a_small_picture_there_is_no_class(pictures: LabelledImages) -> None:
    image, labels = crops(pictures, size=80, zoom=1, jitter=0)[0]
    assert (labels[48:] == NONE).all()
    assert not image[:, 48:].any()
    assert (labels[:48] != NONE).any()


class TestJitter:
    def image(self) -> np.ndarray:
        return np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)

    def test_none(self) -> None:
        # 1e-6: fp32, taken apart and put together.
        assert np.allclose(jittered(self.image(), np.random.default_rng(1), 0), self.image(), atol=1e-6)

    def test_stays_in_range_and_changes_means(self) -> None:
        found = [jittered(self.image(), np.random.default_rng(seed), 0.2) for seed in range(50)]
        assert all(0 <= x.min() <= x.max() <= 1 and x.dtype == np.float32 for x in found)
        means = np.array([x.mean((0, 1)) for x in found])
        assert 0.05 < means.mean(1).std() < 0.3  # brightness
        assert 0.01 < (means[:, 0] - means[:, 2]).std() < 0.1  # white balance
