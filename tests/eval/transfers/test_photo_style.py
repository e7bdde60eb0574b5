"""Each frame gets its photograph, by labels or by features; the command writes what the functions make."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.images import Images, read_image, write_png
from datasets.labels import write_facts, write_label
from epe import models
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.wct2 import PARTS, WCT2, part_names
from eval import baselines
from eval.transfers import photo_style
from eval.transfers.photo_style import Stylist, label_fractions, load_network
from gbuffer_tools.command import run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def wct2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "wct2.safetensors"
    models.save(
        models.Model(WCT2(unpooling="sum"), "wct2", {"trunk": "vgg16", "unpooling": "sum"}, multiple_of=8), path
    )
    return path


def write(folder: Path, key: str, left: int, right: int, *, height: int = 18, label: tuple[int, int] = (0, 1)) -> None:
    """A picture of two grey halves with some grain, and its label map at half its size."""
    rng = np.random.default_rng(left)
    pixels = np.full((height, 48, 3), left, np.int64)
    pixels[:, 24:] = right
    write_png(folder / f"{key}.png", (pixels + rng.integers(0, 9, pixels.shape)).astype(np.uint8))
    labels = np.full((height // 2, 24), label[0], np.uint8)
    labels[:, 12:] = label[1]
    write_label(folder.with_name(f"{folder.name}-labels"), key, labels)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Frames `dark` and `light`; photographs of one tone each, the label maps of which are the other way round."""
    write(tmp_path / "frames", "dark", 10, 30, label=(2, 3))
    write(tmp_path / "frames", "light", 200, 230, label=(0, 1))
    write(tmp_path / "photos", "a/black", 12, 28, height=36, label=(0, 1))
    write(tmp_path / "photos", "b/white", 205, 225, height=36, label=(2, 3))
    for side in ("frames", "photos"):
        write_facts(tmp_path / f"{side}-labels", {"method": "made", "classes": 4})
    return tmp_path


def test_the_nearest_photograph(folders: Path, wct2: Path) -> None:
    frames, photos = Images(folders / "frames"), Images(folders / "photos")
    network = load_network(wct2, "wct2")
    plain = Stylist(network, photos, None, PARTS, CPU)
    assert [plain.nearest(frame, None, "f") for frame in frames] == [0, 1]
    labelled = Stylist(network, photos, (folders / "frames-labels", folders / "photos-labels"), PARTS, CPU)
    labels = [np.array([[2, 3]], np.uint8), np.array([[0, 1, 1]], np.uint8), np.array([[7]], np.uint8)]
    # The last label_fractions no label with any: the first of equals.
    assert [labelled.nearest(frames[0], label, "f") for label in labels] == [1, 0, 0]


def test_few_styles_are_kept_of_the_places_that_are_changed(
    folders: Path, wct2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_style, "CACHED_STYLES", 2)
    stylist = Stylist(load_network(wct2, "wct2"), Images(folders / "photos"), None, ["skip"], CPU)
    with torch.inference_mode():
        first, second = stylist.style(0, 18), stylist.style(1, 18)
        assert first.keys() == part_names(["skip"])
        assert stylist.style(0, 18) is first
        third = stylist.style(1, 24)
        # Of the two that were kept, the one that was asked for longest ago had to go.
        assert stylist.style(0, 18) is first
        assert stylist.style(1, 24) is third
        assert stylist.style(1, 18) is not second


def test_shares_are_of_pixels() -> None:
    found = label_fractions(np.array([[0, 0, 9], [9, 0, 255]], np.uint8))
    assert (found[[0, 9, 255]] == np.array([3, 2, 1]) / 6).all()
    assert found.sum() == pytest.approx(1)


def command(folders: Path, method: str, model: Path, *more: str) -> int:
    words = [method, "--model", str(model), "--source", str(folders / "frames"), "--target", str(folders / "photos")]
    return run(baselines.main, baselines.build_parser(), [*words, "--out", str(folders / "out"), *more])


def test_the_command_writes_a_picture_for_each_frame_and_the_same_again(folders: Path, wct2: Path) -> None:
    labels = ["--source-labels", str(folders / "frames-labels"), "--target-labels", str(folders / "photos-labels")]
    assert command(folders, "wct2", wct2) == 0
    first = Images(folders / "out")
    assert first.keys == ("dark", "light")
    assert first[0].shape == (18, 48, 3)
    bytes_before = (folders / "out" / "dark.png").read_bytes()
    assert command(folders, "wct2", wct2, "--overwrite") == 0
    assert (folders / "out" / "dark.png").read_bytes() == bytes_before
    assert command(folders, "wct2", wct2, "--overwrite", *labels, "--at", "skip") == 0
    assert (folders / "out" / "dark.png").read_bytes() != bytes_before


def test_photo_wct_too(folders: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "p.safetensors"
    models.save(models.Model(PhotoWCT(), "photowct", {"trunk": "vgg16"}, multiple_of=8), path)
    assert command(folders, "photowct", path) == 0
    assert read_image(folders / "out" / "light.png").shape == (18, 48, 3)


def test_bad_input_is_one_line(folders: Path, wct2: Path, vgg_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_facts(folders / "other-labels", {"method": "other", "classes": 4})
    theirs = ["--target-labels", str(folders / "other-labels")]
    for method, model, more, words in (
        ("wct2", folders / "none", [], "no such file"),
        ("wct2", vgg_file, [], "is a 'vgg16', wanted a 'wct2'"),
        ("photowct", wct2, [], "is a 'wct2', wanted a 'photowct'"),
        ("wct2", wct2, theirs, "wanted both or none"),
        ("wct2", wct2, ["--source-labels", str(folders / "frames-labels"), *theirs], "method of the labels is 'other'"),
        ("wct2", wct2, ["--device", "tpu"], "--device tpu: cannot be used"),
    ):
        assert command(folders, method, model, *more) == 2
        complaint = capsys.readouterr().err
        assert words in complaint
        assert complaint.count("\n") == 1
    assert not (folders / "out").exists()
    write(folders / "frames", "small", 5, 6, height=14)
    assert command(folders, "wct2", wct2) == 2
    assert "small is 48x14, wanted sides of 16 or more" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("side", ["frames", "photos"])
def test_a_narrow_picture_is_named(folders: Path, wct2: Path, side: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wide enough as it is; what is left of it at 192 rows is not."""
    write_png(folders / side / "narrow.png", np.zeros((400, 16, 3), np.uint8))
    assert command(folders, "wct2", wct2) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "narrow" in complaint
    assert "192 pixels high, is 8x192, wanted sides of 16 or more" in complaint
