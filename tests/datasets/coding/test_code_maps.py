"""Pictures as codes: whole codes, mirrored and moved together with their conditions; windows by seed and index."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.coding.code_maps import CodeMap, CodeWindows, Condition, FirstStageEncoder, encode_pictures, part, tiles
from datasets.coding.conditions import ClassMaps
from datasets.images import read_image
from datasets.photos import Photos
from gbuffer_tools.errors import InputError
from tests.datasets.coding.made import NAMES, write_pictures
from tests.epe.networks.codes.made import Blocks, BlocksSpec

GREY = FirstStageEncoder(Blocks(BlocksSpec(codes=256)), "cpu")


def by_hand(pixels: np.ndarray) -> np.ndarray:
    """Of whole blocks of 4 pixels, by their mean grey."""
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    blocks = pixels[:height, :width, 0].reshape(height // 4, 4, width // 4, 4)
    return np.rint(blocks.mean((1, 3)))


def test_variants_of_a_picture(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", count=2, size=(18, 27))
    photos = Photos(folder, 99)
    found = encode_pictures(photos, GREY, Condition({"light/1": 5}), side=3, variants=6, seed=1)
    for number, maps in enumerate(found):
        pixels = read_image(folder / f"{photos.keys[number]}.png")
        for made, seen in zip(maps[:2], (pixels, pixels[:, ::-1]), strict=True):
            assert np.abs(made.codes - by_hand(seen)).max() <= 1
        moved = [(top, left) for top in range(4) for left in range(4)]
        for i, made in enumerate(maps[2:]):
            turned = pixels[:, ::-1] if i % 2 else pixels
            fits = [at for at in moved if (w := by_hand(turned[at[0] :, at[1] :])).shape == made.codes.shape
                    and np.abs(made.codes - w).max() <= 1]  # fmt: skip
            assert fits
        assert all(made.condition.tolist() == [5 * number] for made in maps)
    again = encode_pictures(photos, GREY, Condition({}), side=3, variants=6, seed=1)
    assert all(
        np.array_equal(a.codes, b.codes) for x, y in zip(found, again, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_a_picture_of_one_window_does_not_move(tmp_path: Path) -> None:
    photos = Photos(write_pictures(tmp_path / "in", count=1, size=(12, 12)), 99)
    (maps,) = encode_pictures(photos, GREY, Condition({}), side=3, variants=4, seed=0)
    assert [made.codes.shape for made in maps] == [(3, 3)] * 4
    assert np.array_equal(maps[0].codes, maps[2].codes)
    with pytest.raises(InputError, match="is 12x12, wanted 16 pixels a side or more"):
        encode_pictures(photos, GREY, Condition({}), side=4, variants=1, seed=0)


def test_maps_follow_their_picture(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", tmp_path / "labels", size=(17, 26))
    encoder = FirstStageEncoder(Blocks(BlocksSpec(2, 2, "classes")), "cpu")
    condition = Condition({}, ClassMaps(tmp_path / "labels", None, NAMES, 2), encoder)
    for maps in encode_pictures(Photos(folder, 99), GREY, condition, side=3, variants=6, seed=2):
        for made in maps[:2]:  # where no block is cut, light pixels are sky
            assert np.array_equal(made.codes >= 140, made.condition == 1)
        assert all(made.codes.shape == made.condition.shape for made in maps)
        assert all(((made.codes > 160) <= (made.condition == 1)).all() for made in maps)


class TestWindows:
    maps = (
        [CodeMap(np.arange(20, dtype=np.int32).reshape(4, 5), np.arange(100, 120, dtype=np.int32).reshape(4, 5))],
        [CodeMap(np.full((3, 3), 50, np.int32), np.full((3, 3), 60, np.int32))],
    )

    def windows(self, **changes: float) -> CodeWindows:
        settings = {"side": 3, "codes": 64, "keep": 1.0, "length": 200, "seed": 0} | changes
        return CodeWindows(self.maps, **settings)  # type: ignore[arg-type]

    def test_codes_with_the_condition_beside_them(self) -> None:
        starts = set()
        for window in map(self.windows().__getitem__, range(200)):
            assert torch.equal(window.codes, window.seen)
            if window.codes[0] != 50:
                starts.add(int(window.codes[0]))
                assert torch.equal(window.condition, window.codes + 100)
                assert (window.codes - window.codes[0]).tolist() == [0, 1, 2, 5, 6, 7, 10, 11, 12]
        assert starts == {0, 1, 2, 5, 6, 7}

    def test_a_function_of_seed_and_index(self) -> None:
        one, again, other = self.windows(keep=0.5), self.windows(keep=0.5), self.windows(keep=0.5, seed=1)
        assert all(torch.equal(a, b) for i in range(9) for a, b in zip(one[i], again[8 - (8 - i)], strict=True))
        assert any(not torch.equal(a, b) for i in range(9) for a, b in zip(one[i], other[i], strict=True))

    def test_a_share_of_the_codes_is_replaced_in_what_is_seen(self) -> None:
        windows = [self.windows(keep=0.75, length=2000)[i] for i in range(2000)]
        changed = torch.stack([window.codes != window.seen for window in windows]).double().mean().item()
        # A quarter, less what is replaced by itself; four standard deviations of 18,000 draws.
        assert changed == pytest.approx(0.25 * 63 / 64, abs=4 * (0.19 / 18_000) ** 0.5)
        assert all((window.seen < 64).all() for window in windows)

    def test_a_label(self) -> None:
        maps = [[CodeMap(np.zeros((3, 4), np.int32), np.array([7], np.int32))]]
        assert CodeWindows(maps, side=3, codes=9, keep=1, length=1, seed=0)[0].condition.tolist() == [7]

    def test_tiles_are_side_by_side(self) -> None:
        big = CodeMap(np.arange(30, dtype=np.int32).reshape(5, 6), np.array([1], np.int32))
        assert [window.codes.tolist() for window in tiles([big], 2)] == [
            [0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11], [12, 13, 18, 19], [14, 15, 20, 21], [16, 17, 22, 23],
        ]  # fmt: skip
        assert len(tiles([self.maps[0][0], self.maps[1][0]], 3)) == 2


def test_parts_are_whole_codes() -> None:
    assert [part(begin, 19, 4) for begin in (0, 3)] == [slice(0, 16), slice(3, 19)]
