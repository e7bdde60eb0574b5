"""The whole grade: it leaves equal sets as they are, and finds what was done to a copy of a set."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.degradations.steps import as_pixels
from datasets.images import Images, write_png
from eval import baselines
from eval.transfers import idt
from eval.transfers.grading import grade, grain, lut, sharpness, tone_curve, vignette
from gbuffer_tools import command

PHOTOS = Path(__file__).parents[4] / "samples/photos/train"
HEIGHT, WIDTH = 180, 240
Change = Callable[[np.ndarray, str], np.ndarray]


@pytest.fixture(autouse=True)
def fewer_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idt, "SAMPLES", 30_000)


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    """Ten sample photographs, in small, with values in [0, 1]."""
    photos = Images(PHOTOS)
    return {
        f"set/{i}": cv2.resize(photos[i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) / 255 for i in range(0, 38, 4)
    }


def written(folder: Path, pictures: dict[str, np.ndarray], change: Change = lambda image, _: image) -> Images:
    for key, image in pictures.items():
        write_png(folder / f"{key}.png", as_pixels(change(image, key)))
    return Images(folder)


def paler(image: np.ndarray, _: str) -> np.ndarray:
    grey = tone_curve.luma(image)[..., None]
    return grey + 0.6 * (image - grey)


def lifted(image: np.ndarray, _: str) -> np.ndarray:
    return image ** (1 / 1.4)


def blurred(image: np.ndarray, _: str) -> np.ndarray:
    return sharpness.apply(image, -0.8)


def sharpened(image: np.ndarray, _: str) -> np.ndarray:
    return sharpness.apply(image, 0.3)


def noisy(image: np.ndarray, key: str) -> np.ndarray:
    return grain.apply(image, 4 / 255, key, 9)


def darker_outside(image: np.ndarray, _: str) -> np.ndarray:
    return image * (1 - 0.5 * vignette.radius_squared(HEIGHT, WIDTH))[..., None]


def all_of_it(image: np.ndarray, key: str) -> np.ndarray:
    return noisy(blurred(np.clip(paler(image, key), 0, 1) ** 1.2, key), key)


def error(one: Images, other: Images, change: Change = lambda image, _: image / 255) -> float:
    """Mean absolute difference in grey levels."""
    seen = [np.clip(change(image, key), 0, 1) for key, image in zip(one.keys, one, strict=True)]
    return float(np.mean([np.abs(255 * a - b).mean() for a, b in zip(seen, other, strict=True)]))


def test_equal_sets_stay_as_they_are(pictures: dict[str, np.ndarray], tmp_path: Path) -> None:
    own = written(tmp_path / "own", pictures)
    found = grade.fit(own, own, 0)
    assert np.abs(found.table - lut.nodes(lut.WRITTEN)).max() < 1 / 255
    assert (found.vignette, found.sharpness, found.grain) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "below", "strength", "deviation"),
    [
        # Measured, with a half more: 1.6 of 26, 2.1 of 6.3. What remains is that the table is smooth.
        (lifted, 2.4, (-0.05, 0.05), (0, 0.6)),
        (paler, 3.1, (-0.05, 0.05), (0, 0.3)),
        # Rounding to 8 bits and clipping move the strength by 1 to 4 %.
        (blurred, 2.9, (-0.85, -0.75), (0, 0)),
        (sharpened, np.inf, (0.28, 0.32), (0, 0.3)),
        # Some of ten small photographs have no flat blocks: medians over them are uncertain by a tenth. Other noise
        # brings no picture nearer.
        (noisy, np.inf, (-0.05, 0.05), (3.6, 4.4)),
        (all_of_it, 7.7, (-0.9, -0.7), (3.6, 4.4)),
    ],
)
def test_finds_what_was_done(
    change: Change,
    below: float,
    strength: tuple[float, float],
    deviation: tuple[float, float],
    pictures: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    own, target = written(tmp_path / "own", pictures), written(tmp_path / "target", pictures, change)
    found = grade.fit(own, target, 0)
    assert strength[0] <= found.sharpness <= strength[1]
    assert deviation[0] <= 255 * found.grain <= deviation[1]
    assert found.vignette == 0
    assert error(own, target, found) < below


def test_finds_a_vignette(tmp_path: Path) -> None:
    """In pictures that are alike from left to right; in others it has to be stronger than chance."""
    rng, height = np.random.default_rng(0), np.linspace(0, 1, HEIGHT)[:, None]
    made = {
        f"{i}": np.clip((0.7 - 0.4 * height)[..., None] + rng.normal(0, 0.1, (HEIGHT, WIDTH, 3)), 0, 1)
        for i in range(6)
    }
    own, target = written(tmp_path / "own", made), written(tmp_path / "target", made, darker_outside)
    found = grade.fit(own, target, 0)
    # The curve takes some of it, as the corners are at the dark end of what each row shows.
    assert -0.6 < found.vignette < -0.3
    assert error(own, target, found) < 0.5 * error(own, target)


class TestTheCommand:
    @pytest.fixture
    def folders(self, pictures: dict[str, np.ndarray], tmp_path: Path) -> Path:
        few = dict(list(pictures.items())[:4])
        written(tmp_path / "frames", few)
        written(tmp_path / "photos", few, all_of_it)
        return tmp_path

    def run(self, folders: Path, out: str, *more: str) -> int:
        words = ["grade", "--source", folders / "frames", "--target", folders / "photos", "--out", folders / out, *more]
        return command.run(baselines.main, baselines.build_parser(), [str(word) for word in words])

    def test_the_seed_decides(self, folders: Path) -> None:
        for out, seed in (("a", "3"), ("again", "3"), ("b", "4")):
            assert self.run(folders, out, "--seed", seed) == 0
        files = ["grade.cube", "grade.json", *(f"{key}.png" for key in Images(folders / "frames").keys)]
        for name in files:
            assert (folders / "a" / name).read_bytes() == (folders / "again" / name).read_bytes()
        assert (folders / "a" / files[-1]).read_bytes() != (folders / "b" / files[-1]).read_bytes()

    def test_says_what_was_fitted(self, folders: Path) -> None:
        assert self.run(folders, "out") == 0
        facts = json.loads((folders / "out" / "grade.json").read_text())
        assert facts["colours and tone"] == {"file": "grade.cube", "nodes per axis": 33}
        assert facts["unsharp mask"]["amount"] == 0
        assert 0.5 < facts["Gaussian blur"]["radius in pixels"] < 1.1
        assert 3 < facts["grain"]["deviation in grey levels"] < 5
        assert Images(folders / "out").keys == Images(folders / "frames").keys

    def test_small_pictures_are_one_line(self, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
        key = Images(folders / "frames").keys[0]
        write_png(folders / "photos" / f"{key}.png", np.zeros((40, 300, 3), np.uint8))
        assert self.run(folders, "out") == 2
        assert "300x40 pixels at the frames' height, wanted 64 or more a side" in capsys.readouterr().err
        assert not (folders / "out").exists()
