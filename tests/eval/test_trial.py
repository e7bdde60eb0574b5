"""The command over folders: what is known is found, a second run computes nothing, bad input is one line."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images
from eval import trial
from eval.features.vgg_features import LAYERS
from eval.records import trial_record
from eval.trials.degradations import DEGRADATIONS
from eval.trials.frame_scorer import FrameScorer
from eval.trials.pictures import degraded, read_pictures
from eval.trials.set_scorer import SetScorer
from gbuffer_tools import command
from tests.eval.made.scenes import changed, write_scenes


def run(*argv: object) -> int:
    return command.run(trial.main, trial.build_parser(), [str(part) for part in argv])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, others like them, and these with much noise; label maps of all."""
    folder = tmp_path_factory.mktemp("trial")
    write_scenes(folder / "photos", folder / "labels" / "photos", count=8, seed=1)
    write_scenes(folder / "others", folder / "labels" / "others", count=5, seed=2)
    changed(folder / "others", folder / "noisy", lambda image, rng: image + rng.normal(0, 60, image.shape))
    return folder


@pytest.fixture
def words(scenes: Path, random_vgg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "none"))  # no fetched weights: the same metrics everywhere
    labels = [f"{scenes / name}={scenes / 'labels' / of}" for name, of in
              (("photos", "photos"), ("others", "others"), ("noisy", "others"))]  # fmt: skip
    return [
        "--photos", scenes / "photos", "--vgg", random_vgg, "--resamples", 20, "--subsets", 10, "--crops", 2,
        "--height", 80, "--candidates", 4, *(part for text in labels for part in ("--labels", text)),
    ]  # fmt: skip


def test_a_trial_finds_what_is_known(words, scenes, tmp_path, capsys, monkeypatch) -> None:
    order = ["--order", f"clean={scenes / 'others'} > noisy={scenes / 'noisy'}"]
    rest = ["--degrade", scenes / "others", "--degradations", "noise", "blur", "--cache", tmp_path / "cache", *order]
    assert run(*words, *rest, "--out", tmp_path / "a.json") == 0
    found = trial_record.read(tmp_path / "a.json")
    assert "sKVD relu1_2" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("a.*")} == {"a.json", "a.md", "a.html"}
    keys = {metric.key for metric in found.metrics}
    assert {f"{name}_{layer}" for name in ("skvd", "kvd", "gram_mmd") for layer in LAYERS} <= keys
    assert {"frechet_vgg16", "kernel_vgg16", "gaussian_vgg16", "spectral", "truth_psnr"} <= keys
    noise, blur = found.degradations
    assert noise.strengths[0] == 0
    assert len(noise.strengths) == 6
    for key in ("truth_psnr", "truth_ssim"):
        assert noise.spearman[key].value == blur.spearman[key].value == pytest.approx(1)
        assert noise.kendall[key] == pytest.approx(1)
    assert noise.values["truth_psnr"][0].value == 100
    assert noise.values["spectral"][-1].value > noise.values["spectral"][0].value + 2
    assert noise.differences["spectral"][0].value == 0
    # The sign of the excess tells noise from blur; it is no distance, so nothing is said of trust.
    excess = [kind.values["spectral_excess"][-1].value for kind in (noise, blur)]
    assert excess[0] > 3
    assert excess[1] < -3
    assert "spectral_excess" not in noise.spearman
    assert noise.frames["truth_psnr"] == 2
    (kept,) = found.orders
    assert kept.paired
    assert kept.difference["spectral"].low > 0
    assert kept.difference["kvd_relu1_2"].value > 0
    assert kept.difference["precision_vgg16"].value == pytest.approx(
        kept.better["precision_vgg16"].value - kept.worse["precision_vgg16"].value
    )
    assert found.spaces[0].effective_rank <= 7
    # Once more, from the cache: nothing is computed, and the record is the same to the bit.
    for kind in (SetScorer, FrameScorer):
        monkeypatch.setattr(kind, "measure", lambda *_: pytest.fail("computed again"))
    assert run(*words, *rest, "--out", tmp_path / "b.json") == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_half_of_the_photographs_can_be_degraded(words, scenes, tmp_path) -> None:
    assert run(*words, "--degradations", "saturate", "--out", tmp_path / "a.json") == 0
    found = trial_record.read(tmp_path / "a.json")
    assert found.degraded is not None
    assert found.photographs.images == found.degraded.images == 4
    assert found.photographs.digest != found.degraded.digest
    assert "every second photograph" in found.protocol["pictures"]
    assert found.orders == ()


def test_orders_alone_of_other_frames_have_no_pairs(words, scenes, tmp_path) -> None:
    fewer = tmp_path / "fewer"
    changed(scenes / "noisy", fewer, lambda image, _: image)
    next(fewer.rglob("*.png")).unlink()
    order = ["--order", f"a={scenes / 'others'} > b={fewer}", "--degradations"]
    assert run(*words, *order, "--max-photos", 5, "--out", tmp_path / "a.json") == 0
    found = trial_record.read(tmp_path / "a.json")
    assert found.degraded is None
    assert found.degradations == ()
    assert not found.orders[0].paired
    assert found.orders[0].worse_pictures.images == len(Images(fewer)) == 4
    assert found.photographs.images == 5
    assert "80 lines" in found.protocol["height"]
    # The folder without label maps has KVD alone.
    assert "kvd_relu3_3" in found.orders[0].difference
    assert "skvd_relu3_3" not in found.orders[0].difference


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--degradations", "rain"], "--degradations: got 'rain', wanted some of blur, sharpen"),
        (["--degradations"], "--degradations: none, and no --order"),
        (["--height", "10"], "--height: got 10, wanted 80 or more"),
        (["--max-photos", "3"], "--max-photos: got 3, wanted 4 or more"),
        (["--order", "a=b"], "--order 'a=b': got 1 sides"),
        (["--labels", "a"], "--labels 'a': wanted DIR=LABELS"),
        (["--degrade", "elsewhere"], "elsewhere: no such folder"),
        (["--out", "a.txt"], "wanted a name that ends in .json"),
    ],
)
def test_senseless_options_are_one_line(words, tmp_path, capsys, options, message) -> None:
    assert run(*words, "--out", tmp_path / "a.json", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()


def test_too_few_photographs(words, scenes, tmp_path, capsys) -> None:
    assert run(*words, "--max-photos", 6, "--out", tmp_path / "a.json") == 2
    assert "too few photographs for two halves" in capsys.readouterr().err


def test_the_trial_that_ships_is_of_the_photographs_that_ship() -> None:
    root = Path(__file__).parents[2] / "samples"
    found = trial_record.read(root / "trial.json")
    assert (root / found.photographs.folder).resolve() == (root / "photos" / "train").resolve()
    photos = root / "photos" / "train"
    assert read_pictures(photos, 192, None, Images(photos).keys).digest == found.photographs.digest
    assert [(kind.name, kind.strengths[1:]) for kind in found.degradations] == [
        (kind.name, kind.strengths) for kind in DEGRADATIONS
    ]


def test_the_same_seed_gives_the_same_noise(scenes) -> None:
    noise = next(kind for kind in DEGRADATIONS if kind.name == "noise")
    pictures = read_pictures(scenes / "others", 96, None, Images(scenes / "others").keys)
    first, again, other = (degraded(pictures, noise, 8, seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    # Another set of pictures does not change the noise of each.
    part = read_pictures(scenes / "others", 96, None, Images(scenes / "others").keys[2:])
    assert np.array_equal(degraded(part, noise, 8, 0).pixels[0], first.pixels[2])
