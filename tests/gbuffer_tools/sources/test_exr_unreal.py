"""Unreal's Movie Render Queue: miniatures of both layouts, cameras in closed form. No engine ran here."""

import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.sources import exr_unreal
from tests.gbuffer_tools.cameras import ridge
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import extracted, grey, refused, write_exr
from tests.gbuffer_tools.sources.miniatures.exr_unreal import (
    PROJECTION,
    QUEUE,
    SIZE,
    VIEW,
    H,
    W,
    metadata,
    passes,
)

pytest.importorskip("OpenEXR")


def check_frame(found) -> None:
    depth, normal = ridge(PROJECTION, SIZE)
    assert (found.image == 137).all()
    assert np.isinf(found.buffers["depth"][:3]).all()
    assert np.abs(found.buffers["depth"][3:] / depth[3:] - 1).max() < 1e-6
    assert np.abs(found.buffers["normal"][3:] - normal[3:]).max() < 1e-3
    assert np.allclose(found.view, VIEW)
    assert np.allclose(found.projection, PROJECTION)
    assert (found.buffers["roughness"] == 0.25).all()
    assert found.buffers["albedo"][0, 0].tolist() == [0.5] * 3
    assert found.buffers["x_motion_unreal"][0, 0].tolist() == [0.25, 0]
    assert "motion" not in found.buffers
    assert found.ids["object"][5, [0, 59]].tolist() == [name_id(n) for n in ("Floor", "Crate_2")]


def test_a_multilayer_file(tmp_path):
    write_exr(tmp_path / "Shot" / "Shot.0001.exr", passes(), "PIZ", **metadata())
    (tmp_path / "m.yaml").write_text("classes: {names: [sky, other, box], rules: {^Crate: box}}")
    header, frames = extracted(tmp_path, tmp_path / "Shot", "--mapping", tmp_path / "m.yaml")
    assert (header.profile.split(",")[0], header.source) == ("exr_unreal", "Unreal Engine")
    check_frame(frames["Shot/Shot.0001"])
    assert frames["Shot/Shot.0001"].ids["class"][[0, 5, 5], [0, 0, 59]].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("pattern", "frame"),
    [
        ("Shot.{}.0001.exr", "Shot/Shot.0001"),
        ("Shot_{}_0001.exr", "Shot/Shot_0001"),
        ("{}/Shot.0001.exr", "Shot/Shot.0001"),
        ("{}.exr", "Shot/frame"),
        ("Shot.{}.-0001.exr", "Shot/Shot.-0001"),
        ("Shot-{}--0001.exr", "Shot/Shot--0001"),
        ("{}/-0001.exr", "Shot/-0001"),
    ],
)
def test_a_file_for_each_pass(tmp_path, pattern, frame):
    files: dict[str, dict[str, np.ndarray]] = {}
    for name, array in passes().items():
        start, _, component = name.rpartition(".")
        files.setdefault(start or "FinalImage", {})[component] = array
    for start, channels in files.items():
        write_exr(tmp_path / "Shot" / pattern.format(start), channels, **metadata())
    _, frames = extracted(tmp_path, tmp_path / "Shot")
    assert list(frames) == [frame]
    check_frame(frames[frame])


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("-001", "-001"), ("seq.-0001", "seq.-0001"), ("seq-0001", "seq-0001"), ("a/Shot_0001", "a/Shot_0001"),
        ("Shot_-0001.FinalImage", "Shot_-0001"), ("FinalImage.-0001", "-0001"), ("FinalImage-0001", "0001"),
        ("Shot_FinalImage/-0001", "Shot/-0001"), ("Shot.FinalImagePP_WorldDepth.-0001", "Shot.-0001"),
    ],
)  # fmt: skip
def test_a_number_keeps_its_sign(stem, key):
    assert exr_unreal.without_pass(stem)[0] == key


def test_frames_before_the_first_have_names_of_their_own(tmp_path):
    for name in ("seq.-0002", "seq.-0001", "seq.0001", "-001", "001"):
        write_exr(tmp_path / "Shot" / f"{name}.exr", passes(), **metadata())
    _, frames = extracted(tmp_path, tmp_path / "Shot", accepted=False)
    assert set(frames) == {"Shot/seq.-0002", "Shot/seq.-0001", "Shot/seq.0001", "Shot/-001", "Shot/001"}


@pytest.mark.parametrize("start", ["unreal/layerData/rgba", "unreal/beauty/deferred/CineCamera"])
def test_the_camera_of_movie_render_graph(tmp_path, start):
    theirs = {key.replace("unreal/camera", start).replace("/FinalImage/", "/"): v for key, v in metadata().items()}
    other = {f"unreal/layerData/aaa/{key}": "5" for key in ("fov", "curPos/x")}
    write_exr(tmp_path / "Shot" / "Shot.0001.exr", passes(), **theirs, **(other if start.endswith("rgba") else {}))
    _, frames = extracted(tmp_path, tmp_path / "Shot")
    check_frame(frames["Shot/Shot.0001"])


def test_names_that_linux_has_garbled(tmp_path, capsys):
    channels = {name: array for name, array in passes().items() if not name.startswith(f"{QUEUE}WorldDepth")}
    depth = passes()[f"{QUEUE}WorldDepth.R"]
    channels |= {f"{QUEUE}WorldDepth.\u5200\u4d00": depth, f"{QUEUE}WorldDepth.\u4700": depth * 0}
    write_exr(tmp_path / "Shot" / "Shot.0001.exr", channels, **metadata())
    _, frames = extracted(tmp_path, tmp_path / "Shot")
    check_frame(frames["Shot/Shot.0001"])
    assert "garbled names taken for R, G, B, A: FinalImageMovieRenderQueue_WorldDepth." in capsys.readouterr().out


def test_what_is_not_read_is_said(tmp_path, capsys):
    channels = passes() | grey(SIZE, "FinalImageDepth.") | grey(SIZE, f"{QUEUE}CustomStencil.")
    write_exr(tmp_path / "Shot" / "Shot.0001.exr", channels, **metadata() | {"unreal/camera/overscanPercentage": "0.1"})
    extracted(tmp_path, tmp_path / "Shot", accepted=False)
    line = capsys.readouterr().out
    assert "7.5% of the depth are 65504, where half floats end" in line
    assert "CustomStencil holds colours of a palette, no ids; render Object Ids instead" in line
    assert "no camera, as the picture has an overscan" in line
    assert f"not used: FinalImageDepth.R G B, {QUEUE}CustomStencil.R G B (a --mapping" in line


def test_files_of_one_pass_that_would_be_one_frame_are_refused(tmp_path, capsys):
    for name in ("Shot.FinalImage.0001", "Shot.0001"):
        write_exr(tmp_path / "Shot" / f"{name}.exr", passes(), **metadata())
    line = refused(tmp_path, capsys, tmp_path / "Shot")
    assert "Shot.FinalImage.0001.exr: would become the frame Shot/Shot.0001, as " in line
    assert "Shot/Shot.0001.exr does; rename one" in line


def test_a_mapping_tells_the_signs_of_motion(tmp_path):
    write_exr(tmp_path / "Shot" / "Shot.0001.exr", passes(), **metadata())
    (tmp_path / "m.yaml").write_text(
        f"motion: {{channels: [{QUEUE}MotionVectors.R, {QUEUE}MotionVectors.G], pixels: [-{W}, {H}], rest: 0.5}}"
    )
    _, frames = extracted(tmp_path, tmp_path / "Shot", "--mapping", tmp_path / "m.yaml")
    assert frames["Shot/Shot.0001"].buffers["motion"][0, 0].tolist() == [-15, 0]


@pytest.mark.parametrize(
    ("turns", "point", "seen"),
    [
        ((0, 0, 0), (7, 2, 3), (2, 3, -7)),  # ahead is x, right is y, up is z
        ((0, 90, 0), (-2, 7, 3), (2, 3, -7)),  # yaw looks along y, right is -x
        ((90, 0, 0), (-3, 2, 7), (2, 3, -7)),  # pitch looks up, its up is -x
        ((0, 0, 90), (7, 3, -2), (2, 3, -7)),  # roll leans to the right: up is y, right is -z
    ],
)
def test_rotators_in_closed_form(turns, point, seen):
    view = exr_unreal.view_matrix(np.zeros(3), *np.radians(turns))
    assert np.allclose(view[:3, :3] @ point, seen)
    assert np.linalg.det(view[:3, :3]) == pytest.approx(-1)


def test_a_camera_that_is_not_told_whole_is_not_made_up():
    whole = {key: value for key, value in metadata().items() if key.startswith("unreal/camera")}
    assert exr_unreal.camera(whole).view != ()
    without = {key: value for key, value in whole.items() if "yaw" not in key}
    assert exr_unreal.camera(without).view == ()
    assert exr_unreal.camera(without).degrees == 60
    assert exr_unreal.camera({}) is None
    lens = {key: value for key, value in whole.items() if "fov" not in key}
    assert exr_unreal.camera(lens) is None
    # 30 mm before 34.641 mm of sensor are 60 degrees.
    lens |= {"unreal/camera/FinalImage/focalLength": "30", "unreal/camera/FinalImage/sensorWidth": "34.6410162"}
    assert exr_unreal.camera(lens).degrees == pytest.approx(60)
    assert exr_unreal.camera(lens).view == exr_unreal.camera(whole).view
    assert exr_unreal.camera(whole | {"unreal/camera/FinalImage/fov": "wide"}) is None
    assert exr_unreal.camera(whole | {"unreal/camera/overscanPercentage": "0.1"}) is None


def test_passes_of_other_sizes_are_refused(tmp_path, capsys):
    write_exr(tmp_path / "s" / "a.FinalImage.0001.exr", grey(SIZE))
    write_exr(tmp_path / "s" / f"a.{QUEUE}WorldDepth.0001.exr", grey((8, 8)))
    assert "is (8, 8), a.FinalImage.0001.exr is (40, 60)" in refused(tmp_path, capsys, tmp_path / "s")


def test_other_files_are_not_claimed(tmp_path):
    write_exr(tmp_path / "a" / "a.exr", grey(SIZE))
    (tmp_path / "a" / "b.exr").write_bytes(b"no")
    assert exr_unreal.SOURCE.find(named(tmp_path / "a")) == []
    assert exr_unreal.SOURCE.find(named(tmp_path / "a" / "a.exr")) == []
