"""datasets.degrade: pairs of pictures that other commands take, the same each time, and all of them after a stop."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import degrade
from datasets.degradations.degradations import DEGRADATIONS
from datasets.images import Images
from datasets.pairs.upscaler_crops import LargePictures, UpscalerCrops
from gbuffer_tools.command import run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    for number, (height, width) in enumerate([(41, 62), (32, 48), (36, 36)]):
        path = folder / "sub" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return folder


def degraded(photos: Path, out: Path, *more: str) -> int:
    return run(degrade.main, degrade.build_parser(), [str(photos), "--out", str(out), *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_pairs_are_those_that_training_validates_on(photos: Path, tmp_path: Path, kind: str) -> None:
    assert degraded(photos, tmp_path / "pairs", "--degradation", kind, "--seed", "3") == 0
    large, small = Images(tmp_path / "pairs/large"), Images(tmp_path / "pairs/small")
    pictures = LargePictures(photos, 4)
    crops = UpscalerCrops(pictures, None, DEGRADATIONS[kind], scale=4, size=32, sharpen=False, length=1, seed=3)
    assert large.keys == small.keys == tuple(pictures.keys)
    for number in range(len(pictures)):
        wanted = crops.whole(number)
        assert np.array_equal(large[number], np.round(wanted.large.movedim(0, -1).numpy() * 255))
        # Half of an 8-bit step, as files are rounded.
        assert np.abs(small[number] / 255 - wanted.small.movedim(0, -1).numpy()).max() < 0.501 / 255


def test_a_stopped_run_goes_on_to_the_same_files(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert degraded(photos, tmp_path / "whole") == 0
    assert degraded(photos, tmp_path / "part") == 0
    (tmp_path / "part/small/sub/1.png").unlink()
    assert degraded(photos, tmp_path / "part") == 2
    assert "--resume" in capsys.readouterr().err
    assert degraded(photos, tmp_path / "part", "--resume") == 0
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
    assert degraded(photos, tmp_path / "other", "--seed", "5") == 0
    assert contents(tmp_path / "other/large") == contents(tmp_path / "whole/large")
    assert contents(tmp_path / "other/small") != contents(tmp_path / "whole/small")


@pytest.mark.parametrize(
    ("more", "was"),
    [(("--seed", "5"), "0"), (("--scale", "2"), "4"), (("--degradation", "second_order"), "resampled")],
)
@pytest.mark.parametrize("whole", [True, False])
def test_pictures_of_other_settings_are_not_taken_for_these(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], was: str, whole: bool
) -> None:
    out = tmp_path / "pairs"
    assert degraded(photos, out) == 0
    if not whole:
        (out / "small/sub/1.png").unlink()
    before = contents(out)
    assert degraded(photos, out, "--resume", *more) == 2
    line = f"{more[0]} {more[1]}: the pictures of {out / 'degrade.json'} were made with {was}; go on with that"
    assert line in capsys.readouterr().err
    assert contents(out) == before
    assert degraded(photos, out, "--overwrite", *more) == 0
    assert degraded(photos, out, "--resume", *more) == 0


def test_pictures_without_record_are_not_completed(photos: Path, tmp_path: Path, capsys) -> None:
    assert degraded(photos, tmp_path / "pairs") == 0
    (tmp_path / "pairs/degrade.json").unlink()
    assert degraded(photos, tmp_path / "pairs", "--resume") == 2
    assert "degrade.json: is not there to tell how the pictures were made" in capsys.readouterr().err


def test_overwriting_that_is_stopped_leaves_nothing_of_other_settings(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    assert degraded(photos, tmp_path / "wanted", "--seed", "5", "--degradation", "render") == 0
    assert degraded(photos, tmp_path / "pairs", "--degradation", "render") == 0
    with monkeypatch.context() as stopped:
        stopped.setattr(degrade, "cut_to_multiple", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert degraded(photos, tmp_path / "pairs", "--overwrite", "--seed", "5", "--degradation", "render") == 130
    assert degraded(photos, tmp_path / "pairs", "--resume", "--seed", "5", "--degradation", "render") == 0
    assert contents(tmp_path / "pairs") == contents(tmp_path / "wanted")


@pytest.mark.parametrize(("more", "reason"), [(("--seed", "-1"), "--seed -1"), (("--out", "IN/x"), "lies in")])
def test_refused(photos: Path, tmp_path: Path, capsys, more: tuple[str, ...], reason: str) -> None:
    assert degraded(photos, tmp_path / "out", *(text.replace("IN", str(photos)) for text in more)) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_pairs(photos: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "out").write_text("a file")
    assert degraded(photos, tmp_path / "out") == 2
    assert f"{tmp_path}/out: is a file; wanted a folder, there or not" in capsys.readouterr().err


def test_pictures_that_are_too_small_are_named_before_anything_is_written(photos: Path, tmp_path: Path, capsys) -> None:
    Image.new("RGB", (40, 3)).save(photos / "thin.png")
    assert degraded(photos, tmp_path / "out") == 2
    assert "thin: is 40x3, wanted 4 pixels a side" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
