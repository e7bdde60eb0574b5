"""A HUD is told from all else that stays the same in an image."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.checks.hud import Overlay, StillPixels, bars, overlay
from gbuffer_tools.schema import Frame, Shard, shards, write
from tests.gbuffer_tools.made import HEADER

SAMPLES = Path(__file__).parents[3] / "samples" / "frames"
H, W = 96, 160
WALK = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1.002, -2.002], [0, 0, -1, 0]])
Paint = Callable[[np.ndarray, np.ndarray, int], object]


def scene(i: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured ground that goes by under a sky of one colour: image and depth."""
    rng = np.random.default_rng(i)
    image = cv2.resize(rng.integers(40, 220, (24, 40, 3), np.uint8), (W, H))
    depth = np.repeat(np.linspace(50, 2, H)[:, None], W, 1) + i
    image[:20], depth[:20] = (120, 180, 250), np.inf
    return image, depth


def found(path: Path, paint: Paint, frames: int = 6, cameras: bool = True, depths: bool = True) -> Overlay | None:
    """What is found in a file of frames that something was painted into."""
    made = []
    for i in range(frames):
        image, depth = scene(i)
        paint(image, depth, i)
        view = np.eye(4)
        view[2, 3] = i
        buffers = {"depth": depth.astype(np.float32)} if depths else {}
        made.append(
            Frame(f"{i}", image, buffers, view=view, projection=WALK) if cameras else Frame(f"{i}", image, buffers)
        )
    write(path, made, HEADER)
    return look(path)


def look(path: Path) -> Overlay | None:
    still = StillPixels()
    with Shard(path) as shard:
        for i in range(len(shard)):
            still.add(shard, i)
        return overlay(shard, still)


def panel(image: np.ndarray, *_: object) -> None:
    image[30:50, 100:140] = (10, 20, 90)


def text(image: np.ndarray, *_: object) -> None:
    cv2.putText(image, "LAP1", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)


def bonnet(image: np.ndarray, depth: np.ndarray, _: int) -> None:
    image[70:, 40:120], depth[70:, 40:120] = (90, 0, 0), 1.5


def letterbox(image: np.ndarray, *_: object) -> None:
    image[:30] = image[-10:] = 0


def road(image: np.ndarray, _: np.ndarray, i: int) -> None:
    """Flat grey, as wide as the camera's place makes it."""
    for row in range(40, H):
        left, right = 70 - (row - 40) + 3 * i % 16, 90 + (row - 40) - 5 * i % 17
        image[row, max(left, 0) : right] = 99


def snow(image: np.ndarray, _: np.ndarray, i: int) -> None:
    image[60 + 2 * i :] = 255


@pytest.mark.parametrize("cameras", [True, False])
def test_a_panel_is_found_to_the_pixel(tmp_path, cameras):
    assert found(tmp_path / "a.h5", panel, cameras=cameras) == Overlay(20 * 40 / (H * W), ((100, 30, 40, 20),))


def test_letters_are_one_area(tmp_path):
    hud = found(tmp_path / "a.h5", text)
    assert hud is not None
    (x, y, width, height), *more = hud.boxes
    assert not more
    assert (20 <= x < 26, 40 <= y < 48, 50 < width < 80, 14 < height < 22) == (True,) * 4


def test_areas_are_sorted_by_size(tmp_path):
    hud = found(tmp_path / "a.h5", lambda *a: (panel(*a), text(*a)))
    assert hud is not None
    assert hud.boxes[0] == (100, 30, 40, 20)
    assert len(hud.boxes) == 2


@pytest.mark.parametrize("paint", [lambda *_: None, bonnet, letterbox, road, snow])
def test_what_else_stays_the_same_is_none(tmp_path, paint):
    assert found(tmp_path / "a.h5", paint) is None


def test_a_bonnet_without_depth_cannot_be_told_from_a_hud(tmp_path):
    assert found(tmp_path / "a.h5", bonnet, depths=False) is not None


def test_too_few_frames_cannot_tell(tmp_path):
    assert found(tmp_path / "a.h5", panel, frames=3) is None


def test_neither_can_frames_that_show_nothing_else(tmp_path):
    """Of one camera, of one image, or with nothing that tells whether they move."""
    frames = [Frame(str(i), scene(i)[0], {}, view=np.eye(4), projection=WALK) for i in range(5)]
    for frame in frames:
        panel(frame.image)
    write(tmp_path / "a.h5", frames, HEADER)
    assert look(tmp_path / "a.h5") is None
    image, depth = scene(0)
    panel(image)
    same = [Frame(str(i), image, {"depth": (depth + i).astype(np.float32)}) for i in range(5)]
    write(tmp_path / "b.h5", same, HEADER)
    assert look(tmp_path / "b.h5") is None
    write(tmp_path / "c.h5", [Frame(str(i), scene(i)[0]) for i in range(5)], HEADER)
    assert look(tmp_path / "c.h5") is None


def test_bars():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    assert not bars(image).any()
    image[:3] = image[-2:] = 7
    image[8] = 7
    wanted = np.zeros((20, 30), bool)
    wanted[:3] = wanted[-2:] = True
    assert (bars(image) == wanted).all()
    assert (bars(image.transpose(1, 0, 2)) == wanted.T).all()


@pytest.mark.parametrize(
    "path", [p for p in shards(SAMPLES / "train") if p.stem in ("scotland", "sandtrack")], ids=lambda p: p.stem
)
def test_a_hud_painted_into_real_frames_is_found_and_nothing_without(tmp_path, path):
    assert look(path) is None
    with Shard(path) as shard:
        frames = [shard.frame(i) for i in range(len(shard))]
        header = shard.header
    painted = []
    for frame in frames[:4]:
        image = frame.image.copy()
        cv2.putText(image, "00:12:31", (350, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        image[200:260, 20:80] = image[200:260, 20:80] // 2 + 20  # a map on glass
        cv2.circle(image, (50, 230), 20, (200, 30, 30), 3, cv2.LINE_AA)
        painted.append(replace(frame, image=image, buffers={"depth": frame.buffers["depth"]}, ids={}))
    write(tmp_path / "hud.h5", painted, header)
    hud = look(tmp_path / "hud.h5")
    assert hud is not None
    (x, y, width, height), letters = hud.boxes
    assert (26 <= x <= 30, 206 <= y <= 210, 40 <= width <= 47, 40 <= height <= 47) == (True,) * 4
    assert (345 <= letters[0] <= 355, 185 <= letters[1] <= 195) == (True,) * 2
