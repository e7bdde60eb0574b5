"""Unreal's screenshots with buffers: names, what each becomes, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.geometry import linear16
from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources import SOURCES
from gbuffer_tools.sources.unreal import buffer_name, find, to_buffers
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, made_of, refused
from tests.gbuffer_tools.sources.miniatures.unreal import (
    COLOURS,
    FLOATS,
    GREYS,
    NORMAL,
    SHOTS,
    SIZE,
    write,
    write_hdr,
)


def assert_whole(path: Path, i: int, seed: int) -> None:
    with Shard(path) as shard:
        frame = shard.frame(i)
        assert shard.header.source == "Unreal Engine screenshots"
    assert np.array_equal(frame.image, picture(seed, SIZE))
    assert np.array_equal(frame.buffers["albedo"], linear16(COLOURS["BaseColor"]))
    for name, buffer in {"Metallic": "metallic", "Specular": "specular", "Roughness": "roughness",
                         "AmbientOcclusion": "occlusion", "SceneDepth": "x_scene_depth"}.items():  # fmt: skip
        assert np.array_equal(frame.buffers[buffer], GREYS[name])
    for name, buffer in {"WorldNormal": "x_world_normal", "CustomStencil": "x_custom_stencil",
                         "PPMI_Segmentation": "x_ppmi_segmentation"}.items():  # fmt: skip
        assert np.array_equal(frame.buffers[buffer], COLOURS[name])
    assert len(frame.buffers) == 9


def test_screenshots_numbered_and_dated(tmp_path: Path, capsys) -> None:
    for i, shot in enumerate(SHOTS):
        write(tmp_path / "Windows", shot, i)
    (path,) = extracted(tmp_path / "Windows", tmp_path / "out")
    assert path.name == "Windows.h5"
    with Shard(path) as shard:
        assert set(shard.names) == set(SHOTS)
    assert_whole(path, 0, 0)
    assert "without standard meaning: x_custom_stencil, x_ppmi_segmentation, x_scene_depth" in capsys.readouterr().out


@pytest.mark.parametrize(("shot", "ending"), [("town", ""), ("12", ""), ("HighresScreenshot00001", "_FinalImage")])
def test_names_of_a_user_s_and_the_final_image(tmp_path: Path, shot: str, ending: str) -> None:
    write(tmp_path / "shots", shot, 5, ending)
    if ending == "" and not shot.startswith("Highres"):  # only a name of Unreal's tells others apart from pictures
        (tmp_path / "shots" / f"{shot}_PPMI_Segmentation.png").unlink()
    assert next(name for name, source in SOURCES.items() if source.find(named(tmp_path / "shots"))) == "unreal"
    (path,) = extracted(tmp_path / "shots", tmp_path / "out")
    with Shard(path) as shard:
        assert shard.names == (shot,)
        assert {"albedo", "roughness", "x_world_normal"} <= set(shard.buffers)
        assert np.array_equal(shard.image(0), picture(5, SIZE))


def test_high_dynamic_range(tmp_path: Path) -> None:
    write_hdr(tmp_path / "hdr", SHOTS[0])
    with Shard(extracted(tmp_path / "hdr", tmp_path / "out")[0]) as shard:
        frame = shard.frame(0)
    assert set(frame.buffers) == {"x_base_color", "roughness", "x_scene_depth", "x_world_normal"}
    assert np.array_equal(frame.buffers["x_base_color"], FLOATS.astype(np.float32))
    assert np.array_equal(frame.buffers["x_scene_depth"], FLOATS[..., 0].astype(np.float32))
    assert np.array_equal(frame.buffers["roughness"], FLOATS[..., 0])
    assert np.abs(frame.buffers["x_world_normal"] - NORMAL).max() < 0.002
    signed = to_buffers({"WorldNormal": NORMAL.astype(np.float32)})["x_world_normal"]
    assert np.abs(signed - NORMAL).max() < 0.001


def test_an_exr_goes_before_a_png_of_the_same_buffer(tmp_path: Path) -> None:
    write(tmp_path / "in", SHOTS[0])
    write_hdr(tmp_path / "hdr", SHOTS[0])
    name = f"{SHOTS[0]}_Roughness.exr"
    (tmp_path / "hdr" / name).rename(tmp_path / "in" / name)
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.buffer("roughness", 0)[..., 0], FLOATS[..., 0])


def test_without_pictures(tmp_path: Path, capsys) -> None:
    for shot in SHOTS[:2]:
        write(tmp_path / "in", shot)
    (tmp_path / "in" / f"{SHOTS[0]}.png").unlink()
    line = refused(tmp_path / "in", tmp_path / "one", capsys, made=[f"in/{SHOTS[1]}"])
    assert f"{SHOTS[0]}.png: is not there, but buffers of this screenshot are" in line
    (tmp_path / "in" / f"{SHOTS[1]}.png").unlink()
    with Shard(made_of(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert not shard.image(0).any()
    assert "there is no picture" in capsys.readouterr().out


def test_textures_and_pictures_are_none_of_its(tmp_path: Path) -> None:
    for name in (
        "wood_BaseColor",
        "wood_Roughness",
        "wood",
        "HighresScreenshot00003",
        "town_FinalImage",
        "brick_WorldNormal",
    ):
        write_png(tmp_path / f"{name}.png", picture(0, SIZE))
    assert find(named(tmp_path)) == find(named(tmp_path / "wood.png")) == []


def test_several_in_a_second(tmp_path: Path) -> None:
    for name in (SHOTS[1], f"{SHOTS[1]}_00001"):
        write(tmp_path / "in", name)
    assert [job.frame for job in find(named(tmp_path / "in"))] == [SHOTS[1], f"{SHOTS[1]}_00001"]


def test_names_of_buffers() -> None:
    names = ("SceneDepthWorldUnits", "PreTonemapHDRColor", "PPMI_Segmentation", "MaterialAO", "雪", "A" * 90)
    assert [buffer_name(name) for name in names] == [
        "x_scene_depth_world_units", "x_pre_tonemap_hdr_color", "x_ppmi_segmentation", "x_material_ao", "x_buffer",
        "x_" + "a" * 40,
    ]  # fmt: skip


def test_damage_and_other_sizes(tmp_path: Path, capsys) -> None:
    write(tmp_path / "in", SHOTS[0])
    write_png(tmp_path / "in" / f"{SHOTS[0]}_Roughness.png", np.zeros((3, 3), np.uint8))
    assert "_Roughness.png: is (3, 3)" in refused(tmp_path / "in", tmp_path / "out", capsys)
    (tmp_path / "in" / f"{SHOTS[0]}_Roughness.png").write_bytes(b"x")
    assert "_Roughness.png: not a readable image" in refused(tmp_path / "in", tmp_path / "out", capsys)
    (tmp_path / "in" / f"{SHOTS[0]}_Roughness.exr").write_bytes(b"x")
    assert "_Roughness.exr:" in refused(tmp_path / "in", tmp_path / "out", capsys)
