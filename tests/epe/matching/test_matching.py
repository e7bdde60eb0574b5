"""Matching: one pass equals crop by crop, exact neighbours, weights as defined, the threshold."""

import numpy as np
import pytest
import torch

from epe.matching.matching import CROP, STRIDE, CropPairs, Crops, coverage_weights, describe, nearest, pair
from epe.networks.backbones.vgg import VGG16, frozen

MEAN, STD = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.1])


@pytest.fixture(scope="module")
def vgg() -> VGG16:
    torch.manual_seed(0)
    return frozen(VGG16("none"))


def unit_rows(count: int, seed: int, length: int = 16) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, length))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class TestDescribe:
    def test_equals_every_crop_alone(self, vgg: VGG16) -> None:
        image = torch.rand(3, 228, 244, generator=torch.Generator().manual_seed(1))
        grid = describe(vgg, image, MEAN, STD)
        assert grid.shape == (3, 4, 512)
        # The corners and one inside; all twelve would show no more and take three times as long.
        for i, j in ((0, 0), (0, 3), (1, 2), (2, 3)):
            top, left = STRIDE * i, STRIDE * j
            alone = describe(vgg, image[:, top : top + CROP, left : left + CROP], MEAN, STD)
            assert alone.shape == (1, 1, 512)
            # 1e-4: fp32 through 13 convolutions, other blocking of the same sums; entries are about 0.05.
            assert torch.allclose(alone[0, 0], grid[i, j], atol=1e-4)
        assert (grid[0, 0] - grid[2, 3]).norm() > 1e-2
        assert torch.allclose(grid.norm(dim=-1), torch.ones(3, 4), atol=1e-5)

    def test_sees_exactly_its_crop(self, vgg: VGG16) -> None:
        image = torch.rand(3, 196, 212, generator=torch.Generator().manual_seed(2))
        changed = image.clone()
        changed[:, :, 196:] = 0  # outside the first crop, inside the second
        before, after = describe(vgg, image, MEAN, STD), describe(vgg, changed, MEAN, STD)
        assert torch.allclose(before[0, 0], after[0, 0], atol=1e-5)
        assert (before[0, 1] - after[0, 1]).abs().max() > 1e-3

    def test_whitening_takes_out_a_domains_colours(self, vgg: VGG16) -> None:
        image = torch.rand(3, 196, 196, generator=torch.Generator().manual_seed(3))
        gain, offset = torch.tensor([0.5, 0.7, 0.9]), torch.tensor([0.2, 0.1, 0.0])
        other = image * gain.view(3, 1, 1) + offset.view(3, 1, 1)
        same = describe(vgg, image, MEAN, STD)
        assert torch.allclose(same, describe(vgg, other, MEAN * gain + offset, STD * gain), atol=1e-4)
        assert not torch.allclose(same, describe(vgg, other, MEAN, STD), atol=1e-3)

    def test_is_computed_where_the_network_is(self) -> None:
        image = torch.rand(3, CROP, CROP)
        assert describe(frozen(VGG16("none")).to("meta"), image, MEAN, STD).device.type == "meta"

    def test_refuses_small_images(self, vgg: VGG16) -> None:
        with pytest.raises(ValueError, match=r"196.*\(195, 300\)"):
            describe(vgg, torch.rand(3, 195, 300), MEAN, STD)

    def test_refuses_a_network_that_pads(self) -> None:
        with pytest.raises(ValueError, match="pad"):
            describe(frozen(VGG16("zeros")), torch.rand(3, 196, 196), MEAN, STD)


class TestNearest:
    @pytest.mark.parametrize(("photographs", "neighbours"), [(8, 5), (3, 5), (1, 1)])
    def test_agrees_with_numpy(self, photographs: int, neighbours: int) -> None:
        a, b = unit_rows(25, 0), unit_rows(40, 1)
        image = np.random.default_rng(2).permutation(np.arange(40) % photographs)
        found, cosines = nearest(a, b, image, neighbours)
        k = min(neighbours, photographs)
        assert found.shape == cosines.shape == (25, k)
        every = a.astype(np.float64) @ b.astype(np.float64).T
        for row in range(25):
            best = [max(np.flatnonzero(image == number), key=lambda i: every[row, i]) for number in range(photographs)]
            wanted = sorted(best, key=lambda i: -every[row, i])[:k]
            assert found[row].tolist() == wanted
            np.testing.assert_allclose(cosines[row], every[row, wanted], atol=1e-6)  # fp32 sums of 16

    def test_finds_itself(self) -> None:
        a = unit_rows(30, 2)
        found, cosines = nearest(a, a, np.arange(30), 1)
        assert found[:, 0].tolist() == list(range(30))
        np.testing.assert_allclose(cosines, 1, atol=1e-6)

    def test_takes_each_photograph_once(self) -> None:
        a, image = unit_rows(6, 3), np.repeat(np.arange(4), 10)
        found, _ = nearest(a, unit_rows(40, 4), image, 4)
        assert all(sorted(image[row]) == [0, 1, 2, 3] for row in found)


def slow_weights(crops: Crops, crop: int, size: tuple[int, int]) -> np.ndarray:
    """The definition, written out."""
    density = np.zeros(size)
    for top, left in zip(crops.top, crops.left, strict=True):
        density[top : top + crop, left : left + crop] += 1
    return np.array(
        [density.max() / density[t : t + crop, x : x + crop].mean() for t, x in zip(crops.top, crops.left, strict=True)]
    )


class TestCoverageWeights:
    def test_agrees_with_the_definition(self) -> None:
        rng = np.random.default_rng(0)
        crops = Crops(np.zeros(50, np.int64), rng.integers(0, 13, 50), rng.integers(0, 23, 50))
        weights = coverage_weights(crops, 8, (20, 30))
        np.testing.assert_allclose(weights, slow_weights(crops, 8, (20, 30)), rtol=1e-12)  # sums of small integers
        assert weights.min() >= 1

    def test_one_place_weighs_one_and_a_lonely_crop_as_often_as_the_others_are_many(self) -> None:
        same = Crops(np.zeros(3, np.int64), np.array([2, 2, 2]), np.array([1, 1, 1]))
        assert coverage_weights(same, 4, (10, 10)).tolist() == [1, 1, 1]
        lonely = Crops(np.zeros(4, np.int64), np.array([0, 0, 0, 6]), np.array([0, 0, 0, 6]))
        assert coverage_weights(lonely, 4, (10, 10)).tolist() == [1, 1, 1, 3]


class TestPair:
    crops = Crops(np.array([0, 0, 1]), np.array([0, 5, 6]), np.array([0, 5, 6]))
    photos = Crops(np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2]), np.zeros(10, np.int64), np.zeros(10, np.int64))
    found = np.array([[7, 3], [2, 9], [4, 1]])
    cosines = np.array([[0.9, 0.5], [0.6, 0.51], [0.4, 0.3]], np.float32)

    def paired(self, cosines: np.ndarray, balance: float) -> CropPairs:
        return pair(
            self.crops, self.photos, self.found, cosines, min_cosine=0.5, balance=balance, crop=4, size=(10, 10)
        )  # fmt: skip

    def test_keeps_what_is_above_the_threshold(self) -> None:
        pairs = self.paired(self.cosines, balance=0)
        assert pairs.frame.tolist() == [0, 1, 1]
        assert pairs.photo.tolist() == [7, 2, 9]
        assert pairs.cosine.tolist() == pytest.approx([0.9, 0.6, 0.51])
        # The second crop counts twice over its place: it is paired twice.
        assert pairs.weight.tolist() == [2, 1, 1]

    @pytest.mark.parametrize("balance", [0.5, 1.0])
    def test_sought_after_photographs_weigh_less(self, balance: float) -> None:
        # Photo crops 7 and 9 are of photograph 2, crop 2 of photograph 0.
        assert self.paired(self.cosines, balance).weight.tolist() == pytest.approx([2 / 2**balance, 1, 1 / 2**balance])

    def test_nothing_alike_gives_no_pairs(self) -> None:
        pairs = self.paired(np.zeros((3, 2), np.float32), balance=0.5)
        assert len(pairs.frame) == len(pairs.photo) == len(pairs.cosine) == len(pairs.weight) == 0
