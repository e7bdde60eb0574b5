"""Label maps: written and read, cropped at any resolution, refused where they are something else."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.labels import read_facts, read_label, write_facts, write_label
from datasets.matched_pairs import crop_label
from gbuffer_tools.errors import InputError
from tests.gbuffer_tools.pictures import palette_png


def label(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


class TestFiles:
    def test_round_trip(self, tmp_path: Path) -> None:
        write_label(tmp_path, "shard/frame", label((6, 9)))
        assert np.array_equal(read_label(tmp_path, "shard/frame"), label((6, 9)))
        assert (tmp_path / "shard" / "frame.png").is_file()

    def test_none_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"a\.png: no label map for image 'a'"):
            read_label(tmp_path, "a")

    @pytest.mark.parametrize("shape", [(4, 4, 3), (4, 4, 4)])
    def test_refuses_colours(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        assert cv2.imwrite(str(tmp_path / "a.png"), np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
        with pytest.raises(InputError, match="write ids, not colours"):
            read_label(tmp_path, "a")

    def test_grey_rgb_holds_ids(self, tmp_path: Path) -> None:
        assert cv2.imwrite(str(tmp_path / "a.png"), np.dstack([label((6, 9))] * 3))
        assert np.array_equal(read_label(tmp_path, "a"), label((6, 9)))

    def test_numbers_of_a_palette_are_ids(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(palette_png(label((6, 9))))
        assert np.array_equal(read_label(tmp_path, "a"), label((6, 9)))

    def test_refuses_what_is_damaged_in_silence(self, tmp_path: Path, capfd) -> None:
        write_label(tmp_path, "a", label((6, 9)))
        raw = bytearray((tmp_path / "a.png").read_bytes())
        raw[45] ^= 1
        (tmp_path / "a.png").write_bytes(raw)
        with pytest.raises(InputError, match=r"a\.png: not a readable image"):
            read_label(tmp_path, "a")
        assert capfd.readouterr() == ("", "")

    def test_refuses_16_bit(self, tmp_path: Path) -> None:
        assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint16))
        with pytest.raises(InputError, match="8-bit"):
            read_label(tmp_path, "a")

    def test_facts(self, tmp_path: Path) -> None:
        write_facts(tmp_path / "new", {"classes": 12, "method": "clusters"})
        assert read_facts(tmp_path / "new") == {"classes": 12, "method": "clusters"}
        assert [p.name for p in (tmp_path / "new").iterdir()] == ["labels.json"]

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"classes": "12"}', '{"classes": true}', '{"classes": 1e9}', '{"classes": 0}', "\xff"]
    )
    def test_refuses_facts_without_a_number_of_classes(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "labels.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match=r"labels\.json"):
            read_facts(tmp_path)


class TestCropLabel:
    @pytest.mark.parametrize("resolution", [(36, 64), (12, 21), (72, 128), (5, 7), (1, 1), (50, 40)])
    def test_agrees_with_opencvs_exact_nearest(self, resolution: tuple[int, int]) -> None:
        size, values = (36, 64), label(resolution)
        whole = cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        crop = crop_label(values, size, slice(3, 30), slice(11, 64))
        assert crop.dtype == np.int64
        assert crop.shape == (27, 53)
        assert np.array_equal(crop, whole[3:30, 11:64])

    def test_agrees_with_the_definition(self) -> None:
        """The label cell that the middle of a pixel lies in."""
        values, size = label((7, 9)), (40, 50)
        crop = crop_label(values, size, slice(0, 40), slice(0, 50))
        for y in range(40):
            for x in range(50):
                assert crop[y, x] == values[int((y + 0.5) / 40 * 7), int((x + 0.5) / 50 * 9)]

    def test_at_the_images_own_resolution_is_a_slice(self) -> None:
        values = label((20, 30))
        assert np.array_equal(crop_label(values, (20, 30), slice(2, 9), slice(4, 30)), values[2:9, 4:30])
