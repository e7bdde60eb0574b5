"""Images with label maps: the layouts of data sets, numbers and colours, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.classes.taxonomies import CAMVID, CAMVID_ORIGINAL, CITYSCAPES, VIPER
from gbuffer_tools.sources.labelled import find, to_frame
from tests.gbuffer_tools.pictures import palette_png, picture
from tests.gbuffer_tools.sources.commands import extracted, refused

SIZE = (6, 8)


def numbers(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, SIZE, np.uint8)


def only(paths: list[Path]) -> Path:
    assert len(paths) == 1
    return paths[0]


def test_playing_for_data_with_palettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(2):
        write_png(tmp_path / "pfd" / "images" / f"0000{i}.png", picture(i, SIZE))
        (tmp_path / "pfd" / "labels").mkdir(exist_ok=True)
        (tmp_path / "pfd" / "labels" / f"0000{i}.png").write_bytes(palette_png(numbers(i, 34)))
    for given in (tmp_path / "pfd", tmp_path / "pfd" / "images", tmp_path):
        out = tmp_path / f"out-{given.name}"
        with Shard(only(extracted(given, out, "--source", "labelled"))) as shard:
            assert shard.names == ("00000", "00001")
            assert shard.header.source == "playing-for-data"
            assert shard.header.classes == CITYSCAPES.classes
            assert np.array_equal(shard.image(1), picture(1, SIZE))
            assert np.array_equal(shard.id("class", 1), numbers(1, 34))
    monkeypatch.chdir(tmp_path / "pfd" / "images")
    for here in (Path(), Path("../images"), Path("..")):
        assert [job.frame for job in find(named(here))] == ["00000", "00001"]


def test_viper_with_colours(tmp_path: Path) -> None:
    root, ids = tmp_path / "viper", numbers(0, 32)
    ids[ids == 29] = 25  # they share a colour
    write_png(root / "train" / "img" / "001" / "001_00001.png", picture(0, SIZE))
    write_png(root / "train" / "cls" / "001" / "001_00001.png", np.array(VIPER.colours, np.uint8)[ids])
    path = only(extracted(root, tmp_path / "out"))
    assert path.name == "train-001-8x6.h5"
    with Shard(path) as shard:
        assert shard.header.source == "viper"
        assert shard.header.classes == VIPER.classes
        assert np.array_equal(shard.id("class", 0), ids)


def test_cityscapes(tmp_path: Path) -> None:
    root = tmp_path / "cs"
    write_png(root / "leftImg8bit" / "bonn" / "bonn_0_leftImg8bit.png", picture(0, SIZE))
    write_png(root / "gtFine" / "bonn" / "bonn_0_gtFine_labelIds.png", numbers(0, 34))
    write_png(root / "gtFine" / "bonn" / "bonn_0_gtFine_instanceIds.png", numbers(1, 34))
    with Shard(only(extracted(root, tmp_path / "out"))) as shard:
        assert shard.names == ("bonn_0",)
        assert np.array_equal(shard.id("class", 0), numbers(0, 34))


def test_cityscapes_by_split(tmp_path: Path) -> None:
    root = tmp_path / "cs"
    for split, town in (("train", "aachen"), ("train", "bonn"), ("val", "frankfurt")):
        write_png(root / "leftImg8bit" / split / town / f"{town}_0_leftImg8bit.png", picture(0, SIZE))
        write_png(root / "gtFine" / split / town / f"{town}_0_gtFine_labelIds.png", numbers(0, 34))
    for given in (root, root / "leftImg8bit"):
        out = tmp_path / f"out-{given.name}"
        made = [path.relative_to(out).as_posix() for path in extracted(given, out)]
        assert made == ["train/aachen-8x6.h5", "train/bonn-8x6.h5", "val/frankfurt-8x6.h5"]


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two sequences in train, one of them also in test, and a label map that means "not labelled" by 255."""
    root = tmp_path / "camvid"
    names = {"train": ("0016E5_00450", "0001TP_006690", "0016E5_00390"), "test": ("0001TP_008550", "Seq05VD_f00000")}
    for split, stems in names.items():
        for i, stem in enumerate(stems):
            write_png(root / split / f"{stem}.png", picture(i, SIZE))
            label = numbers(i, 12)
            label[0, 0] = 255
            write_png(root / f"{split}annot" / f"{stem}.png", label)
    return root


def test_camvid_by_split_and_sequence(camvid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = [path.relative_to(out).as_posix() for path in extracted(camvid, out)]
    test, train = ["test/0001TP-8x6.h5", "test/Seq05VD-8x6.h5"], ["train/0001TP-8x6.h5", "train/0016E5-8x6.h5"]
    assert made == [*test, *train]
    with Shard(out / "train" / "0016E5-8x6.h5") as shard:
        assert shard.names == ("0016E5_00390", "0016E5_00450")  # in the order of time
        assert shard.header.source == "camvid"
        assert shard.header.classes == CAMVID.classes
        assert shard.header.classes[-1] == "unlabelled"
        wanted = numbers(2, 12)
        wanted[0, 0] = 11
        assert np.array_equal(shard.id("class", 0), wanted)
        assert np.array_equal(shard.image(0), picture(2, SIZE))


def test_a_split_of_camvid_that_is_named_alone(camvid: Path, tmp_path: Path) -> None:
    made = extracted(camvid / "test", tmp_path / "out")
    assert [path.name for path in made] == ["0001TP-8x6.h5", "Seq05VD-8x6.h5"]
    assert {path.parent for path in made} == {tmp_path / "out"}


def test_camvids_original_release(tmp_path: Path) -> None:
    root = tmp_path / "original"
    for name in ("0006R0_f00930", "Seq05VD_f00000"):
        ids = numbers(len(name), 32)
        write_png(root / "701_StillsRaw_full" / f"{name}.png", picture(0, SIZE))
        colours = np.array(CAMVID_ORIGINAL.colours, np.uint8)[ids]
        write_png(root / "LabeledApproved_full" / f"{name}_L.png", colours)
    first, second = extracted(root, tmp_path / "out")
    assert (first.name, second.name) == ("0006R0-8x6.h5", "Seq05VD-8x6.h5")
    with Shard(second) as shard:
        assert shard.names == ("Seq05VD_f00000",)
        assert shard.header.classes == CAMVID_ORIGINAL.classes
        assert np.array_equal(shard.id("class", 0), numbers(14, 32))


def test_a_frame_of_plain_arrays() -> None:
    frame = to_frame("a", picture(0, SIZE), numbers(0, 34), CITYSCAPES)
    assert np.array_equal(frame.ids["class"], numbers(0, 34))
    assert frame.buffers == {}


class TestRefusals:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "in"
        write_png(root / "images" / "a.png", picture(0, SIZE))
        write_png(root / "labels" / "a.png", numbers(0, 34))
        return root

    def test_no_labels_at_all(self, root: Path) -> None:
        (root / "labels" / "a.png").unlink()
        assert find(named(root)) == find(named(root / "images" / "a.png")) == []

    def test_an_image_without_label(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(root / "images" / "b.png", picture(0, SIZE))
        assert "b.png: has no label map" in refused(root, tmp_path / "out", capsys, made=["in-8x6/a"])

    def test_a_label_of_another_size(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(root / "labels" / "a.png", numbers(0, 34)[:3])
        assert "labels/a.png: is 8 x 3, its image a.png 8 x 6" in refused(root, tmp_path / "out", capsys)

    def test_unknown_numbers_and_colours(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(root / "labels" / "a.png", np.full(SIZE, 77, np.uint8))
        assert "48 pixels have a number that Cityscapes does not" in refused(root, tmp_path / "out", capsys)
        write_png(root / "labels" / "a.png", np.full((*SIZE, 3), 77, np.uint8))
        assert "the first is (77, 77, 77)" in refused(root, tmp_path / "out", capsys)

    def test_a_label_that_is_no_image(self, root: Path, tmp_path: Path, capsys) -> None:
        (root / "labels" / "a.png").write_bytes(b"x")
        assert "labels/a.png: not a readable image" in refused(root, tmp_path / "out", capsys)
