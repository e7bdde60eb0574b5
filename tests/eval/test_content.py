"""The command over folders: what it measures, without weights and with them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.images import Images, write_png
from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import VGG16, frozen
from eval import content
from eval.digests import folder_digest, pixel_digest
from eval.measuring.frame_values import means
from eval.metrics.lpips import LPIPS, MIN_SIDE, lpips
from eval.metrics.psnr_ssim import psnr, ssim
from eval.records import scores_record
from gbuffer_tools import command


def run(*argv: object) -> int:
    return command.run(content.main, content.build_parser(), [str(part) for part in argv])


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "nothing"))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(6):
        image = rng.integers(20, 230, (48, 64, 3), dtype=np.uint8)
        write_png(tmp_path / "render" / f"{i}.png", image)
        write_png(tmp_path / "little" / f"{i}.png", image + 2)
        write_png(
            tmp_path / "much" / f"{i}.png", np.clip(image + rng.normal(0, 9 + i, image.shape), 0, 255).astype(np.uint8)
        )
    return tmp_path


def fakes(folder: Path, *names: str) -> list[object]:
    return [word for name in names for word in ("--fake", folder / name)]


def test_values_are_means_of_frames(folders: Path) -> None:
    out = folders / "content.json"
    assert run(*fakes(folders, "render", "little", "much"), "--out", out, "--resamples", 50) == 0
    found = scores_record.read(out)
    assert [metric.key for metric in found.metrics] == ["psnr", "ssim"]  # no weights were fetched
    render, little, much = found.methods
    assert render.values == {}
    wanted = [
        [measure(a, b) for a, b in zip(Images(folders / "much"), Images(folders / "render"), strict=True)]
        for measure in (psnr, ssim)
    ]
    assert much.frames["psnr"] == pytest.approx(wanted[0])
    assert much.values["ssim"].value == pytest.approx(np.mean(wanted[1]))
    assert much.values["psnr"].low < much.values["psnr"].value < much.values["psnr"].high
    assert little.values["psnr"].value == pytest.approx(20 * np.log10(255 / 2))


def test_against_the_truth_every_method_has_a_value_and_a_better_side(folders: Path) -> None:
    out = folders / "truth.json"
    arguments = (*fakes(folders, "much", "little"), "--truth", folders / "render", "--out", out, "--resamples", 50)
    assert run(*arguments) == 0
    found = scores_record.read(out)
    assert [(m.key, m.name, m.better) for m in found.metrics] == [
        ("truth_psnr", "PSNR (dB) to the truth", "higher"),
        ("truth_ssim", "SSIM to the truth", "higher"),
        ("truth_edge_psnr", "edge PSNR (dB) to the truth", "higher"),
    ]
    of_truth = dict(zip(found.keys, Images(folders / "render"), strict=True))
    much, little = found.methods
    wanted = [psnr(a, b) for a, b in zip(Images(folders / "much"), Images(folders / "render"), strict=True)]
    assert much.frames["truth_psnr"] == pytest.approx(wanted)
    assert little.differences["truth_psnr"].low > 0  # of the same resamples: better than the first method
    truth = folder_digest({key: pixel_digest(image) for key, image in of_truth.items()})
    assert found.protocol["compared with"].startswith(f"the truth (render, sha256 {truth})")
    (folders / "render" / "3.png").unlink()
    assert run(*arguments) == 2


def test_one_frame_makes_no_interval(folders: Path) -> None:
    for i in range(1, 6):
        (folders / "render" / f"{i}.png").unlink()
        (folders / "much" / f"{i}.png").unlink()
    assert run(*fakes(folders, "render", "much"), "--out", folders / "a.json", "--resamples", 11, "--seed", 3) == 0
    for value in scores_record.read(folders / "a.json").methods[1].values.values():
        assert value.low is value.high is None


def test_of_a_frame_that_a_method_lacks_the_others_do_not_count_either() -> None:
    nan = np.nan
    frames = {
        "cheap": {"niqe": np.array([5.0, nan, 6.0, 7.0]), "psnr": np.full(4, nan), "ssim": np.full(4, nan)},
        "worse": {
            "niqe": np.array([6.0, 1.0, nan, 8.0]),
            "psnr": np.array([1.0, nan, nan, nan]),
            "ssim": np.full(4, nan),
        },
    }
    found = means(frames, np.array([[1.0, 1, 1, 1], [0, 4, 0, 0], [2, 0, 0, 1]]))
    assert found["cheap"].keys() == {"niqe"}
    np.testing.assert_allclose(found["cheap"]["niqe"], [6, nan, 17 / 3])
    np.testing.assert_allclose(found["worse"]["niqe"], [7, nan, 20 / 3])
    np.testing.assert_allclose(found["worse"]["psnr"], [1])  # one frame: no resamples


def test_equal_pictures_have_the_highest_psnr(folders: Path) -> None:
    assert run(*fakes(folders, "render"), "--fake", f"same={folders / 'render'}", "--out", folders / "a.json") == 0
    same = scores_record.read(folders / "a.json").methods[1]
    assert same.values["psnr"].value == 100
    assert same.frames["psnr"] == (100.0,) * 6
    assert same.values["ssim"].value == 1


def test_learned_distances_are_those_of_the_arithmetic(folders: Path) -> None:
    torch.manual_seed(0)
    vgg = frozen(VGG16())
    weights = {name: torch.rand(width) for name, width in zip(LAYERS, (64, 128, 256, 512, 512), strict=True)}
    distance = LPIPS(vgg, weights, torch.device("cpu"))
    a, b, c = (Images(folders / name)[0] for name in ("render", "little", "much"))
    maps = [vgg(torch.from_numpy(x).permute(2, 0, 1)[None] / 255, LAYERS) for x in (a, b, c)]
    assert distance(b, a) == pytest.approx(float(lpips(maps[1], maps[0], weights)))
    assert distance(c, a) == pytest.approx(float(lpips(maps[2], maps[0], weights)))
    assert distance(a, c) == pytest.approx(distance(c, a), rel=1e-5)
    assert distance(a, a) == 0


def test_the_smallest_pictures(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    weights = {name: torch.rand(width) for name, width in zip(LAYERS, (64, 128, 256, 512, 512), strict=True)}
    smallest = np.random.default_rng(0).integers(0, 256, (2, MIN_SIDE, 40, 3), dtype=np.uint8)
    for pooling in ("max", "blurred"):  # LPIPS, ST-LPIPS
        distance = LPIPS(frozen(VGG16("zeros", pooling)), weights, torch.device("cpu"))
        assert distance(*smallest) > 0
    for name in ("render", "much"):
        write_png(folders / name / "3.png", smallest[0, :-1])
    assert run(*fakes(folders, "render", "much"), "--out", folders / "a.json") == 2
    assert "render/3.png: 40x17 pixels, wanted 18 or more a side" in capsys.readouterr().err


def test_other_sizes_are_one_line(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(folders / "much" / "3.png", np.zeros((48, 60, 3), np.uint8))
    assert run(*fakes(folders, "render", "much"), "--out", folders / "a.json") == 2
    assert "3.png: 60x48 pixels, wanted 64x48 as render has" in capsys.readouterr().err
    assert not (folders / "a.json").exists()
