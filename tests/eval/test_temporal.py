"""The steadiness of a sequence whose motion is known, of one that flickers, and what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images, write_png
from eval import temporal
from eval.digests import folder_digest, pixel_digest
from eval.measuring.warping_metrics import order_of
from eval.records import scores_record
from gbuffer_tools import command, schema
from gbuffer_tools.frame import Frame
from tests.eval.made.moving_camera import HEIGHT, PROJECTION, WIDTH, camera, texture
from tests.gbuffer_tools.made import HEADER

STEP = 0.25  # metres; 60 px of focal length over 5 m make that 3 px


def sequence(cameras: bool = True) -> list[Frame]:
    """Four frames along a wall of 5 m distance, 3 px a frame to the right."""
    rng_wall = np.concatenate([texture(0), texture(1)], axis=1)
    frames = []
    for i in range(4):
        image = np.ascontiguousarray(rng_wall[:, 3 * i : 3 * i + WIDTH])
        view, projection = camera(STEP * i) if cameras else (None, None)
        buffers = {"depth": np.full((HEIGHT, WIDTH), 5, np.float32)} if cameras else {}
        ids = {"class": np.zeros((HEIGHT, WIDTH), np.uint8)}
        frames.append(Frame(f"f{i}", image, buffers, ids, view, projection if cameras else None))
    return frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = sequence()
    assert np.array_equal(frames[0].projection, PROJECTION)
    schema.write(tmp_path / "frames" / "walk.h5", frames, HEADER)
    for i, frame in enumerate(frames):
        write_png(tmp_path / "same" / "walk" / f"{frame.name}.png", frame.image)
        flicker = np.clip(frame.image.astype(int) + (10 if i % 2 else -10), 0, 255).astype(np.uint8)
        write_png(tmp_path / "flicker" / "walk" / f"{frame.name}.png", flicker)
    return tmp_path


def run(folder: Path, *more: str) -> int:
    words = ["--frames", str(folder / "frames"), "--out", str(folder / "t.json"), *more]
    return command.run(temporal.main, temporal.build_parser(), words)


def fake(folder: Path, *names: str) -> list[str]:
    return [word for name in names for word in ("--fake", f"{name}={folder / name}")]


def test_what_moves_with_the_scene_is_steady_and_what_flickers_is_not(folder: Path) -> None:
    assert run(folder, *fake(folder, "same", "flicker")) == 0
    found = scores_record.read(folder / "t.json")
    assert found.keys == ("walk/f0 → walk/f1", "walk/f1 → walk/f2", "walk/f2 → walk/f3")
    assert found.protocol["motion"] == "depth and cameras"
    # All but the 3 columns that leave the picture, and what is beside them.
    assert 90 < int(found.protocol["seen again"].partition("%")[0]) <= 100 * 61 / 64
    render, same, flicker = found.methods
    assert [method.name for method in found.methods] == ["render", "same", "flicker"]
    assert render.values["warping"].value == pytest.approx(0, abs=1e-9)
    assert (same.digest, same.frames["warping"]) == (render.digest, render.frames["warping"])
    error = flicker.values["warping"]
    assert error.value == pytest.approx(20, abs=0.7)  # where nothing is cut at white or black
    assert error.low <= error.value <= error.high
    assert flicker.differences["warping"].value == pytest.approx(error.value)
    assert "warping_ratio" not in flicker.values  # the render does not change at all


def test_one_step_makes_no_interval(folder: Path) -> None:
    schema.write(folder / "frames" / "walk.h5", sequence(cameras=False)[:2], HEADER)
    for name in ("f2", "f3"):
        (folder / "flicker" / "walk" / f"{name}.png").unlink()
    assert run(folder, *fake(folder, "flicker")) == 0
    _, flicker = scores_record.read(folder / "t.json").methods
    assert set(flicker.values) == {"warping", "warping_ratio"}
    assert all(found.low is found.high is None for found in (*flicker.values.values(), *flicker.differences.values()))
    assert flicker.frames["warping_ratio"] == pytest.approx((flicker.values["warping_ratio"].value,))


def test_without_cameras_the_motion_is_looked_for(folder: Path) -> None:
    schema.write(folder / "frames" / "walk.h5", sequence(cameras=False), HEADER)
    assert run(folder, *fake(folder, "flicker"), "--motion", "cameras") == 2
    assert run(folder, *fake(folder, "flicker")) == 0
    found = scores_record.read(folder / "t.json")
    assert found.protocol["motion"] == "flow of the renders"
    render, flicker = found.methods
    assert render.values["warping"].value < 6
    assert flicker.values["warping_ratio"].value > 10


@pytest.mark.parametrize("matrix", ["singular", "not finite", "orthographic"])
def test_cameras_that_are_none_are_not_used(folder: Path, matrix: str, capsys: pytest.CaptureFixture[str]) -> None:
    view, projection = np.eye(4), PROJECTION
    if matrix == "orthographic":
        projection = np.diag([0.1, 0.1, -0.01, 1.0])
    else:
        view[0, 0] = {"singular": 0.0, "not finite": np.nan}[matrix]
    frames = sequence()
    frames[1] = dataclasses.replace(frames[1], view=view, projection=projection)
    schema.write(folder / "frames" / "walk.h5", frames, HEADER)
    assert run(folder, *fake(folder, "flicker")) == 0
    assert scores_record.read(folder / "t.json").protocol["motion"] == "depth and cameras and flow of the renders"
    assert run(folder, *fake(folder, "flicker"), "--motion", "cameras") == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "walk.h5: f1: camera" in complaint
    assert "wanted depth and cameras for --motion cameras" in complaint


def test_frames_too_small_for_flow_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [
        Frame(frame.name, np.ascontiguousarray(frame.image[:11, :11]), {}, {"class": frame.ids["class"][:11, :11]})
        for frame in sequence()
    ]
    schema.write(folder / "frames" / "walk.h5", small, HEADER)
    for frame in small:
        write_png(folder / "same" / "walk" / f"{frame.name}.png", frame.image)
    assert run(folder, *fake(folder, "same")) == 2
    assert "walk.h5: frames of 11x11, wanted sides of 16 or more" in capsys.readouterr().err


def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "flicker" / "walk" / "f2.png").unlink()
    write_png(folder / "same" / "walk" / "f1.png", np.zeros((9, 9, 3), np.uint8))
    for i in range(5):
        write_png(folder / "surplus" / "walk" / f"f{i}.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    cases = {
        "flicker lacks 1 frames, such as 'walk/f2'": fake(folder, "flicker"),
        "surplus has in addition 1 frames, such as 'walk/f4'": fake(folder, "surplus"),
        f"f1.png: 9x9 pixels, wanted {WIDTH}x{HEIGHT} as the frame has": fake(folder, "same"),
        "other names": ["--fake", f"render={folder / 'same'}"],
    }
    for words, arguments in cases.items():
        assert run(folder, *arguments) == 2
        assert words in capsys.readouterr().err
        assert not (folder / "t.json").exists()


def test_a_file_of_one_frame_has_no_steps_but_a_digest(folder: Path) -> None:
    alone = sequence()[0]
    schema.write(folder / "frames" / "alone.h5", [alone], HEADER)
    for name in ("same", "flicker"):
        write_png(folder / name / "alone" / "f0.png", alone.image)
    assert run(folder, *fake(folder, "same", "flicker")) == 0
    found = scores_record.read(folder / "t.json")
    assert found.keys == ("walk/f0 → walk/f1", "walk/f1 → walk/f2", "walk/f2 → walk/f3")
    for method, name in zip(found.methods, ("frames", "same", "flicker"), strict=True):
        images = Images(folder / name)
        assert len(images) == 5
        wanted = folder_digest({key: pixel_digest(image) for key, image in zip(images.keys, images, strict=True)})
        assert method.digest == wanted


def test_every_picture_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    taken = Images.__getitem__

    def noted(images: Images, index: int) -> np.ndarray:
        read.append(f"{images.folder.name} {images.keys[index]}")
        return taken(images, index)

    monkeypatch.setattr(Images, "__getitem__", noted)
    assert run(folder, *fake(folder, "same")) == 0
    assert sorted(read) == [f"{name} walk/f{i}" for name in ("frames", "same") for i in range(4)]


def test_frames_that_have_nothing_in_common(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apart = [dataclasses.replace(frame, view=camera(100.0 * i)[0]) for i, frame in enumerate(sequence())]
    schema.write(folder / "frames" / "walk.h5", apart, HEADER)
    assert run(folder, *fake(folder, "flicker")) == 2
    assert "none of 3 steps shows 25% of a frame again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((None, None, None, None), "their places in the frame files; none of them states times"),
        ((0.0, 0.5, 0.5, 2.0), "their places in the frame files, which their times confirm"),
        (
            (0.0, 2.0, 1.5, 3.0),
            "their places in the frame files, against their times: walk/f2 at 1.5 s stands",
        ),
    ],
)
def test_says_from_where_it_takes_the_order(times, words, folder, capsys):
    frames = [dataclasses.replace(frame, time=time) for frame, time in zip(sequence(), times, strict=True)]
    schema.write(folder / "frames" / "walk.h5", frames, HEADER)
    assert run(folder, *fake(folder, "same")) == 0
    assert f"order of frames: {words}" in capsys.readouterr().out
    assert scores_record.read(folder / "t.json").protocol["order"].startswith(words)


def test_not_all_files_state_times(folder):
    timed = [dataclasses.replace(frame, time=float(i)) for i, frame in enumerate(sequence())]
    schema.write(folder / "frames" / "timed.h5", timed, HEADER)
    assert order_of(folder / "frames").endswith("; not all of them state times")
