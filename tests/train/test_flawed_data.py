"""Frames that are not fit to be fed to a network: training goes on, names each once, and its weights stay finite."""

import dataclasses
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.flaws import Flaw
from datasets.frames import Frames, Reading
from datasets.images import Images, write_png
from datasets.matched_pairs import MatchedCrops, MatchedPairs
from datasets.photos import Photos
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.schema import write
from tests.datasets.made import HEADER, scene, write_frames, write_labels, write_matches, write_photos
from tests.train.made import configured
from tests.train.runs import Writer, contents
from train.loop import training
from train.loop.sampler import StepSampler
from train.recipes import epe_run
from train.recipes.epe import EPETrainState, step
from train.recipes.matched_batches import LeftOut, batches

# 1,000 take about a minute, and were run once (see test_training_goes_on).
STEPS = int(os.environ.get("FLAWED_STEPS", "100"))


def changed(name: str, buffer: str, value: float, seed: int) -> Frame:
    """A frame with one buffer that holds one value at every third pixel; everywhere if its name is "flat"."""
    frame = scene(name, seed)
    pixels = np.array(frame.buffers[buffer])
    pixels[... if name == "flat" else slice(None, None, 3)] = value
    return dataclasses.replace(frame, buffers=frame.buffers | {buffer: pixels})


FLAWED = {"a": "channel normal.0 holds NaN", "b": "channel emission.0 is infinite"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good frames; one with NaN, one with inf, one with a constant channel, and a black photograph.

    Each of these four is in a quarter per cent of the samples.
    """
    folder = tmp_path_factory.mktemp("flawed")
    write_frames(folder / "frames")
    bad = [changed("a", "normal", np.nan, 5), changed("b", "emission", np.inf, 6), changed("flat", "albedo", 7, 7)]
    write(folder / "frames" / "zbad.h5", bad, HEADER)
    write_photos(folder / "photos")
    write_png(folder / "photos" / "zblack.png", np.zeros((36, 64, 3), np.uint8))
    write_labels(folder / "labels" / "frames", folder / "frames")
    write_labels(folder / "labels" / "photos", folder / "photos", seed=6)
    frame = np.array([[i % 3, i % 9, 3 * i] for i in range(12)], np.int32)
    photo = frame[:, [0, 2, 1]] % [3, 9, 37]
    frame[:3, 0], photo[3, 0] = (3, 4, 5), 3
    weight = np.array([1.0] * 4 + [396 / 8] * 8, np.float32)
    write_matches(
        folder / "matches.npz", folder / "frames", folder / "photos", frame=frame, photo=photo.astype(np.int32),
        weight=weight,
    )  # fmt: skip
    assert Images(folder / "frames").keys[3:] == ("zbad/a", "zbad/b", "zbad/flat")
    return folder


def test_training_goes_on(
    data: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values that got past the loader would make the weights NaN, or move nothing for a step, which is counted."""
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    lost, seen = [], 0

    def watched(state: EPETrainState, parts: list[MatchedCrops], n: int) -> dict[str, torch.Tensor]:
        nonlocal seen
        seen += len(parts)
        losses = step(state, parts, n)
        lost.extend(name for name, value in losses.items() if not torch.isfinite(value))
        return losses

    monkeypatch.setattr(epe_run, "step", watched)
    config = configured(
        data, vgg_file, tmp_path, features=("normal", "emission", "albedo", "log_depth"), sky_features=None,
        preset="lite-tiny", taps=("relu1_2",), critic_layers=1, critic_width=8, crop=16, batch=1, steps=STEPS,
        penalty_every=4, preview_every=STEPS, save_every=STEPS, log_every=50,
    )  # fmt: skip
    epe_run.train(config, "")
    assert (seen, lost) == (STEPS, [])
    tensors, _ = contents(tmp_path / "checkpoint.safetensors")
    assert [name for name, value in tensors.items() if not torch.isfinite(value).all()] == []
    # Both bad frames are named, where statistics are taken at the latest, once; constant ones are none.
    named = (tmp_path / "left_out.txt").read_text().splitlines()
    assert Counter(line.partition(": ")[0] for line in named) == {
        f"{data}/frames/zbad.h5, frame {name!r}": 1 for name in FLAWED
    }
    assert capsys.readouterr().err.count("left out: ") == len(FLAWED)


class TestSamples:
    def test_a_flawed_draw_is_followed_by_the_next(self, data: Path) -> None:
        """Of 3,000 samples about 15 meet a flawed frame; they are the same each time, all others as they would be."""
        features = ("normal", "emission")
        pairs, again = (flawed_pairs(data, features) for _ in range(2))
        met: dict[int, list[Flaw]] = {}
        for index in range(3000):
            if number_of_frame(pairs, index) in (3, 4):
                sample, flaws = pairs.with_flaws(index)
                met[index] = flaws
                assert torch.isfinite(sample.gbuffers).all()
                assert all(torch.equal(x, y) for x, y in zip(sample, again[index], strict=True))
        assert 4 <= len(met) <= 40
        assert {str(flaw) for flaws in met.values() for flaw in flaws} == {
            f"{data}/frames/zbad.h5, frame {name!r}: {what}" for name, what in FLAWED.items()
        }

    def test_values_far_off(self, data: Path) -> None:
        pairs = flawed_pairs(data, ("normal",), std=(1e-5,) * 3)
        with pytest.raises(InputError, match=r"channel normal\.0 is \S+ deviations .* 100 draws in a row"):
            pairs[0]

    def test_the_reason_is_one_line_out_of_a_worker_too(self, data: Path) -> None:
        pairs = flawed_pairs(data, ("normal",), std=(1e-5,) * 3)
        for workers in (0, 1):
            with pytest.raises(InputError, match="draws in a row") as caught:
                next(batches(pairs, StepSampler(1), workers, lambda _: None, 0))
            assert len(str(caught.value).splitlines()) == 1
            assert str(caught.value).startswith(str(data))


def flawed_pairs(data: Path, features: tuple[str, ...], std: tuple[float, ...] = (1.0,) * 6) -> MatchedPairs:
    count = 3 * len(features)
    frames = Frames(data / "frames", Reading(features, (("*",),), (0.0,) * count, std[:count]))
    return MatchedPairs(
        frames, Photos(data / "photos", 36), data / "matches.npz", frame_labels=data / "labels" / "frames",
        photo_labels=data / "labels" / "photos", size=16, length=3000, seed=3,
    )  # fmt: skip


def number_of_frame(pairs: MatchedPairs, index: int) -> int:
    """The frame of the first draw for a sample."""
    return int(pairs.matches.frame[pairs.matches.draw(np.random.default_rng((pairs.seed, index)))][0])


class TestNames:
    def test_once_also_after_a_restart(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "new" / "left_out.txt"
        first, second = LeftOut(path), LeftOut(path)
        for flaw in (Flaw("a.h5, frame 'x'", "channel p holds NaN"), Flaw("a.h5, frame 'x'", "channel q is infinite")):
            first.note(flaw)
            second.note(flaw)
        second.note(Flaw("a: b.h5, frame 'y'", "channel p holds NaN"))
        LeftOut(path).note(Flaw("a: b.h5, frame 'y'", "channel p holds NaN"))
        wanted = ["a.h5, frame 'x': channel p holds NaN", "a: b.h5, frame 'y': channel p holds NaN"]
        assert path.read_text().splitlines() == wanted
        assert capsys.readouterr().err.splitlines() == [f"left out: {line}" for line in wanted]
