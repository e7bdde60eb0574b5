"""Pairs of renderings: a function of seed and index, cut and mirrored alike, styles from other frames, area means."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.frames import Frames, measure
from datasets.images import Images, write_png
from datasets.pairs.render_pairs import Rendered, RenderPairs, Targets
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import write
from tests.datasets.made import HEADER, scene, write_frames

SIZE = 12
FEATURES = ("normal", "reflection", "log_depth")
STREAMS = (("sky",), ("*",))


def read_frames(folder: Path) -> Frames:
    return Frames(folder, measure(folder, FEATURES, STREAMS))


def write_targets(folder: Path, frames: Path, times: int = 1, *, but: str = "") -> Path:
    """The frames' negatives, each pixel `times` times a side, as pictures."""
    images = Images(frames)
    for key, pixels in zip(images.keys, images, strict=True):
        if key != but:
            write_png(folder / f"{key}.png", 255 - pixels.repeat(times, 0).repeat(times, 1))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("renders")
    write_targets(folder / "good", write_frames(folder / "cheap"))
    return folder


def made(folder: Path, *, size: int = SIZE, length: int = 40, seed: int = 3) -> RenderPairs:
    frames = read_frames(folder / "cheap")
    return RenderPairs(frames, Targets(folder / "good", frames), size=size, length=length, seed=seed)


def equal(a: Rendered, b: Rendered) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


class TestSample:
    def test_shapes(self, folder: Path) -> None:
        samples = made(folder)
        assert len(samples) == 40
        for name, channels in {"image": 3, "gbuffers": 7, "target": 3, "reference": 3}.items():
            values = getattr(samples[0], name)
            assert (values.shape, values.dtype) == ((channels, SIZE, SIZE), torch.float32)
        assert (samples[0].classes.shape, samples[0].classes.dtype) == ((SIZE, SIZE), torch.int64)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_is_a_function_of_seed_and_index(self, folder: Path, workers: int) -> None:
        """Whatever was drawn before, however many there are, and through a loader, whose worker inherits open files."""
        samples, longer = made(folder, length=4), made(folder, length=9)
        backwards = [longer[i] for i in (3, 2, 1, 0)]
        assert all(equal(samples[i], backwards[3 - i]) for i in range(4))
        loaded = list(DataLoader(samples, batch_size=None, num_workers=workers))
        assert all(equal(*both) for both in zip(loaded, backwards[::-1], strict=True))
        assert not equal(samples[0], samples[1])
        assert not equal(samples[0], made(folder, seed=4)[0])

    def test_frame_buffers_and_target_are_cut_and_mirrored_as_one(self, folder: Path) -> None:
        """Each sample is found again by trying all frames, places and mirrors: exactly one fits the image."""
        samples = made(folder)
        frames = [samples.frames[i].image for i in range(3)]
        seen = set()
        for index in range(12):
            found = samples[index]
            fits = [
                (number, down, right, flip)
                for number, image in enumerate(frames)
                for down, right in np.ndindex(36 - SIZE + 1, 64 - SIZE + 1)
                for flip in (False, True)
                if torch.equal(found.image.flip(-1) if flip else found.image,
                               image[:, down : down + SIZE, right : right + SIZE])
            ]  # fmt: skip
            [(number, down, right, flip)] = fits
            rows, cols = slice(down, down + SIZE), slice(right, right + SIZE)
            wanted = samples.frames.read(number, rows, cols, flip=flip)
            assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=False))
            assert torch.equal((255 * found.target).round(), 255 - (255 * found.image).round())
            left, stop = (64 - cols.stop, 64 - cols.start) if flip else (cols.start, cols.stop)
            wanted_box = torch.tensor([rows.start, left, rows.stop, stop]) / torch.tensor([36, 64, 36, 64])
            assert torch.allclose(found.crop_box, wanted_box, atol=1e-6)  # fp32
            seen.add((number, flip))
        assert {number for number, _ in seen} == {0, 1, 2}
        assert {flip for _, flip in seen} == {False, True}

    def test_styles_come_from_every_other_frame(self, tmp_path: Path) -> None:
        write_frames(tmp_path / "cheap")
        for grey, key in enumerate(("one/a", "one/b", "two/a")):
            write_png(tmp_path / "good" / f"{key}.png", np.full((36, 64, 3), grey, np.uint8))
        samples = made(tmp_path, length=90)
        drawn = [
            (round(float(255 * s.target[0, 0, 0])), round(float(255 * s.reference[0, 0, 0])))
            for s in map(samples.__getitem__, range(90))
        ]
        assert set(drawn) == {(a, b) for a in range(3) for b in range(3) if a != b}
        # 90 draws among 6: 15 +- 4 deviations of 3.5.
        assert all(drawn.count(pair) < 30 for pair in set(drawn))

    def test_a_crop_of_the_whole_height(self, folder: Path) -> None:
        assert made(folder, size=36)[0].target.shape == (3, 36, 36)


class TestTargets:
    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_larger_ones_are_area_means(self, folder: Path, tmp_path: Path, times: int) -> None:
        rng = np.random.default_rng(times)
        frames = read_frames(folder / "cheap")
        large = rng.integers(0, 256, (3, 36 * times, 64 * times, 3), np.uint8)
        for key, pixels in zip(frames.keys, large, strict=True):
            write_png(tmp_path / f"{key}.png", pixels)
        targets = Targets(tmp_path, frames)
        assert len(targets) == 3
        for index in range(3):
            found, mean = targets[index], large[index].reshape(36, times, 64, times, 3).mean((1, 3))
            assert found.dtype == np.uint8
            # 0.5: whole numbers; the rest is float32's.
            assert np.abs(found - mean).max() <= 0.5 + 1e-4

    def test_frame_files_serve_as_well(self, folder: Path) -> None:
        frames = read_frames(folder / "cheap")
        targets = Targets(folder / "cheap", frames)
        assert np.array_equal(targets[2], Images(folder / "cheap")[2])

    def test_go_by_name_and_may_be_more(self, folder: Path, tmp_path: Path) -> None:
        write_targets(tmp_path, folder / "cheap")
        write_png(tmp_path / "aaa.png", np.zeros((9, 9, 3), np.uint8))
        frames = read_frames(folder / "cheap")
        targets = Targets(tmp_path, frames)
        assert len(targets) == 3
        assert np.array_equal(targets[1], 255 - Images(folder / "cheap")[1])


class TestRefused:
    def refused(self, folder: Path, says: str, *, size: int = SIZE) -> None:
        with pytest.raises(InputError, match=says) as caught:
            made(folder, size=size)
        assert "\n" not in str(caught.value)

    def test_a_frame_without_a_target(self, tmp_path: Path) -> None:
        write_targets(tmp_path / "good", write_frames(tmp_path / "cheap"), but="one/b")
        self.refused(tmp_path, "good: has no 'one/b', but .*cheap has; render the same frames")

    @pytest.mark.parametrize("shape", [(36, 63), (35, 64), (36, 128), (72, 64), (54, 96), (18, 32), (35, 63)])
    def test_a_target_of_another_shape(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        write_targets(tmp_path / "good", write_frames(tmp_path / "cheap"))
        write_png(tmp_path / "good" / "two" / "a.png", np.zeros((*shape, 3), np.uint8))
        self.refused(tmp_path, rf"good/two/a: is {shape[1]}x{shape[0]}; wanted 64x36, or a multiple of it")

    def test_a_single_frame(self, tmp_path: Path) -> None:
        (tmp_path / "cheap").mkdir()
        write(tmp_path / "cheap" / "one.h5", [scene()], HEADER)
        write_targets(tmp_path / "good", tmp_path / "cheap")
        self.refused(tmp_path, "cheap: has 1 frame, wanted 2 or more")

    def test_frames_smaller_than_a_crop(self, folder: Path) -> None:
        self.refused(folder, "cheap/one/a: is 64x36, wanted 37 pixels a side or more", size=37)

    def test_a_frame_with_nan_when_it_is_drawn(self, tmp_path: Path) -> None:
        frames = write_frames(tmp_path / "cheap")
        reading = measure(frames, FEATURES, STREAMS)
        broken = scene("a", 2)
        broken.buffers["normal"][...] = np.nan
        write(frames / "two.h5", [broken], HEADER)
        targets = write_targets(tmp_path / "good", frames)
        loaded = Frames(frames, reading)
        samples = RenderPairs(loaded, Targets(targets, loaded), size=SIZE, length=20, seed=0)
        caught = []
        for index in range(20):
            try:
                samples[index]
            except InputError as error:
                caught.append(str(error))
        assert 0 < len(caught) < 20
        assert all("two.h5, frame 'a': channel normal.0 holds NaN" in line and "\n" not in line for line in caught)
