"""Channels become frames: closed forms of every conversion that a mapping can ask for."""

import numpy as np
import pytest

from gbuffer_tools import check, geometry
from gbuffer_tools.io import colour
from gbuffer_tools.mapping import apply
from gbuffer_tools.mapping.schema import Buffer, Classes, Depth, Ids, Image, Mapping, Motion, Normal, PinholeCamera
from gbuffer_tools.schema import Header, Shard, write
from gbuffer_tools.source import SourceFrame
from tests.gbuffer_tools.cameras import rotation

SIZE = H, W = 40, 60
RGB = {c: np.full(SIZE, v, np.float32) for c, v in zip("RGB", (0.0, 0.5, 1.0), strict=True)}
IMAGE = Image(("R", "G", "B"))
LENS = PinholeCamera(degrees=60.0)
PROJECTION = geometry.projection_from_intrinsics((30 / np.tan(np.pi / 6),) * 2, (30, 20), (60, 40), (0.1, 1000))


def made(channels: dict[str, np.ndarray], **mapping: object) -> SourceFrame:
    return apply.to_frame("a", RGB | channels, Mapping(image=IMAGE, **mapping), {})


def tilted() -> tuple[np.ndarray, np.ndarray]:
    """Two planes that meet in a ridge: depth (H,W), and unit view normals; n . p = -c on each."""
    rays = geometry.position(np.ones(SIZE), PROJECTION)
    planes = [(np.array([0.6, 0, 0.8]), 4.0), (np.array([-0.48, 0.36, 0.8]), 4.0)]
    depths = np.stack([c / -(rays @ n) for n, c in planes])
    nearest = depths.argmin(0)
    return depths.min(0), np.stack([n for n, _ in planes])[nearest]


def xyz(layer: str, vectors: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{layer}.{c}": vectors[..., i].astype(np.float32) for i, c in enumerate("XYZ")}


def channels_of(layer: str) -> tuple[str, ...]:
    return tuple(f"{layer}.{c}" for c in "XYZ")


def test_linear_light_becomes_srgb_bytes_and_what_is_above_1_is_told():
    found = made({"R": np.full(SIZE, 3.0)})
    assert found.frame.image.dtype == np.uint8
    # 0.5 linear is 0.7353569 in sRGB (IEC 61966-2-1): 187.5 of 255.
    assert found.frame.image[0, 0].tolist() == [255, 188, 255]
    assert "100.0% of the image above 1 clipped" in found.note


def test_srgb_and_grey_images_are_taken_as_they_are():
    channels = {"Y": np.linspace(0, 1, H * W).reshape(SIZE)}
    frame = apply.to_frame("a", channels, Mapping(image=Image(("Y",), "srgb")), {}).frame
    assert np.array_equal(frame.image[..., 1], np.round(channels["Y"] * 255))
    assert np.array_equal(frame.image[..., 0], frame.image[..., 2])


def test_an_image_without_numbers_is_black_and_that_is_told():
    green = np.full(SIZE, 0.5)
    green[0, :3] = np.nan, np.inf, -np.inf
    found = made({"G": green})
    assert found.frame.image[0, :4].tolist() == [[0, 0, 255], [0, 255, 255], [0, 0, 255], [0, 188, 255]]
    assert "image has 1 pixel that is not a number, now black;" in found.note
    assert "image has 2 pixels that are infinite, now black or white" in found.note


def test_depth_along_the_axis_is_scaled_and_what_means_nothing_is_infinite():
    stored = np.full(SIZE, 250.0, np.float32)
    stored[0, :7] = 0, -1, 65504, np.inf, 1e10, 77, 300
    made_of = made({"Z": stored}, depth=Depth("Z", metres=0.01, nothing=(77.0,), beyond=300))
    found = made_of.frame.buffers["depth"]
    assert found.dtype == np.float32
    assert np.isinf(found[0, :7]).all()
    assert (found[1:] == 2.5).all()
    assert "0.0% of the depth are 65504, where half floats end: sky, or too far for them" in made_of.note


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_largest_half_float_is_sky_in_any_float_and_unit(dtype):
    stored = np.full(SIZE, 60000, dtype)
    stored[:4] = 65504
    for metres in (1.0, 0.01):
        found = made({"Z": stored}, depth=Depth("Z", metres=metres))
        assert np.isinf(found.frame.buffers["depth"][:4]).all()
        assert np.isfinite(found.frame.buffers["depth"][4:]).all()
        assert "10.0% of the depth are 65504" in found.note


def test_whole_numbers_were_no_half_floats():
    stored = np.full(SIZE, 65504, np.uint32)
    stored[0] = 0
    found = made({"Z": stored}, depth=Depth("Z", metres=0.001)).frame.buffers["depth"]
    assert np.isinf(found[0]).all()
    assert np.abs(found[1:] - 65.504).max() < 1e-5


def test_depth_that_is_no_number_stays_for_check_to_find(tmp_path):
    stored = np.full(SIZE, 3, np.float32)
    stored[0, :5] = np.nan
    found = made({"Z": stored}, depth=Depth("Z"))
    assert np.isnan(found.frame.buffers["depth"][0, :5]).all()
    assert "depth has 5 pixels that are not a number" in found.note
    write(tmp_path / "a.h5", [found.frame], Header("test", "test", (), "CC0-1.0", "tests"))
    assert "depth has 5 pixels that are not a number" in [line.what for line in check.check(tmp_path / "a.h5")[1]]
    sky = made({"Z": stored}, depth=Depth("Z", nothing=(np.nan,)))
    assert np.isinf(sky.frame.buffers["depth"][0, :5]).all()
    assert "not a number" not in sky.note


def test_distances_along_rays_of_a_tilted_plane_become_its_depth():
    depth, _ = tilted()
    distance = np.linalg.norm(geometry.position(depth, PROJECTION), axis=-1).astype(np.float32)
    frame = made({"d": distance}, depth=Depth("d", "ray"), camera=LENS).frame
    # float32 keeps 7 digits.
    assert np.abs(frame.buffers["depth"] / depth - 1).max() < 1e-6
    assert np.array_equal(frame.projection, PROJECTION)


def test_distances_without_a_camera_stay_distances():
    distance = np.full(SIZE, 3, np.float32)
    distance[0, 0] = -1
    found = made({"d": distance}, depth=Depth("d", "ray"))
    assert set(found.frame.buffers) == {"x_distance"}
    assert np.array_equal(found.frame.buffers["x_distance"], np.maximum(distance, 0))
    assert "depth needs a camera" in found.note


@pytest.mark.parametrize(
    ("encoding", "stated"), [("signed", "signed"), ("unit", "unit"), ("one", "either"), ("unit", "either")]
)
def test_view_normals_with_other_axes(encoding, stated):
    depth, normal = tilted()
    theirs = normal * (1, -1, -1)  # y down, z forward
    stored = {"unit": theirs * 0.5 + 0.5, "signed": theirs * 3, "one": theirs}[encoding]
    meaning = Normal(channels_of("n"), axes=("x", "-y", "-z"), encoding=stated)
    frame = made({"Z": depth} | xyz("n", stored), depth=Depth("Z"), normal=meaning).frame
    assert frame.buffers["normal"].dtype == np.float16
    assert np.abs(frame.buffers["normal"] - normal).max() < 1e-3


def test_world_normals_turn_with_the_camera():
    depth, normal = tilted()
    turn = rotation(3)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn.T, (5, 6, 7)
    camera = PinholeCamera(degrees=60.0, pose=tuple(map(tuple, pose.tolist())))
    channels = {"Z": depth} | xyz("n", normal @ turn)
    frame = made(channels, depth=Depth("Z"), normal=Normal(channels_of("n"), "world"), camera=camera).frame
    assert np.abs(frame.buffers["normal"] - normal).max() < 1e-3
    assert np.allclose(frame.view @ (5, 6, 7, 1), (0, 0, 0, 1))


def test_world_normals_without_a_pose_are_turned_to_agree_with_the_depth():
    depth, normal = tilted()
    turn = rotation(4)
    channels = {"Z": depth} | xyz("n", normal @ turn)
    found = made(channels, depth=Depth("Z"), normal=Normal(channels_of("n"), "world"), camera=LENS)
    # Two planes, exact but at the ridge.
    assert np.abs(found.frame.view[:3, :3] - turn).max() < 1e-3
    assert np.abs(found.frame.buffers["normal"] - normal).max() < 3e-3
    assert "rotation solved from normals" in found.note


def test_a_wall_does_not_fix_how_the_camera_is_turned():
    wall = np.tile((0.0, 0, 1), (*SIZE, 1))
    found = made(
        {"Z": np.full(SIZE, 4.0)} | xyz("n", wall @ rotation(4)),
        depth=Depth("Z"), normal=Normal(channels_of("n"), "world"), camera=LENS,
    )  # fmt: skip
    assert "x_world_normal" in found.frame.buffers
    assert found.lacks == "its normals do not fix how the camera is turned"


def test_world_normals_without_a_camera_stay_world_normals():
    found = made(xyz("n", np.ones((*SIZE, 3))), normal=Normal(channels_of("n"), "world"))
    assert np.abs(found.frame.buffers["x_world_normal"] - 1 / np.sqrt(3)).max() < 1e-3
    assert "view space needs a camera" in found.note


def test_world_normals_are_0_where_nothing_was_drawn():
    depth = np.full(SIZE, 5.0)
    depth[:3] = 0
    meaning = Normal(channels_of("n"), "world")
    found = made({"Z": depth} | xyz("n", np.ones((*SIZE, 3))), depth=Depth("Z"), normal=meaning).frame.buffers
    assert not found["x_world_normal"][:3].any()
    assert found["x_world_normal"][3:].all()


def test_a_lens_whose_centre_is_outside_of_the_picture():
    """A tile of a large picture: distances along rays of a plane at 7 m; cx and cy below 0."""
    camera = PinholeCamera(focal=(80.0, 90.0), centre=(-40.0, -25.0))
    x, y = np.meshgrid(np.arange(W) + 0.5 + 40, np.arange(H) + 0.5 + 25)
    distance = 7 * np.sqrt((x / 80) ** 2 + (y / 90) ** 2 + 1)
    frame = made({"d": distance}, depth=Depth("d", "ray"), camera=camera).frame
    assert np.abs(frame.buffers["depth"] - 7).max() < 1e-5
    assert np.allclose(
        geometry.position(frame.buffers["depth"], frame.projection)[0, 0], (40.5 / 80 * 7, -25.5 / 90 * 7, -7)
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 1), (3, 3)])
def test_tiny_pictures(size, tmp_path):
    rng = np.random.default_rng(0)
    channels = {c: rng.random(size, np.float32) for c in ("R", "G", "B", "Z", "n.X", "n.Y", "n.Z", "p.X", "p.Y", "p.Z")}
    channels |= {"C00.R": np.full(size, 7, np.uint32).view(np.float32), "C00.G": np.ones(size, np.float32)}
    mapping = Mapping(
        IMAGE, Depth("Z", "ray"), Normal(channels_of("n"), "world"), Motion(("R", "G")), {"x_a": Buffer(("B",))},
        {"object": Ids(cryptomatte="C")}, Classes(("sky", "thing")), PinholeCamera(positions=channels_of("p")),
    )  # fmt: skip
    found = apply.to_frame("a", channels, mapping, {})
    assert found.frame.image.shape == (*size, 3)
    assert found.frame.buffers["x_a"].shape == size
    assert (found.frame.ids["class"] == 1).all()
    path = tmp_path / "a.h5"
    write(path, [found.frame], Header("test", "test", ("sky", "thing"), "CC0-1.0", "tests"))
    assert check.check(path)[1] == []


def test_surfaces_without_a_normal_face_the_camera_and_the_sky_has_none():
    depth = np.full(SIZE, 5.0)
    depth[0] = 0
    found = made({"Z": depth} | xyz("n", np.zeros((*SIZE, 3))), depth=Depth("Z"), normal=Normal(channels_of("n")))
    assert (found.frame.buffers["normal"][1:] == (0, 0, 1)).all()
    assert not found.frame.buffers["normal"][0].any()
    assert "97.50% drawn without a normal" in found.note


def test_a_camera_is_solved_from_positions():
    depth, normal = tilted()
    turn, place = rotation(5), np.array([9.0, 8, 7])
    world = geometry.position(depth, PROJECTION) @ turn + place
    camera = PinholeCamera(positions=channels_of("p"))
    channels = {"Z": depth} | xyz("p", world) | xyz("n", normal @ turn)
    frame = made(channels, depth=Depth("Z"), normal=Normal(channels_of("n"), "world"), camera=camera).frame
    assert np.abs(frame.view[:3, :3] - turn).max() < 1e-4
    assert np.abs(frame.projection - PROJECTION).max() < 1e-4
    assert np.abs(frame.buffers["normal"] - normal).max() < 1e-3


def test_a_flat_scene_fixes_no_camera():
    world = geometry.position(np.full(SIZE, 5.0), PROJECTION)
    found = made(xyz("p", world), camera=PinholeCamera(positions=channels_of("p")))
    assert found.frame.view is None
    assert found.lacks == "its positions do not fix a pinhole camera"
    assert "positions do not fix a pinhole camera" in found.note


def test_motion_is_in_pixels_and_points_to_the_previous_frame():
    channels = {"v.X": np.full(SIZE, 0.75, np.float32), "v.Y": np.full(SIZE, 0.5, np.float32)}
    channels["v.Y"][0, 0] = np.nan
    result = made(channels, motion=Motion(("v.X", "v.Y"), (-60.0, 40.0), 0.5))
    found = result.frame.buffers["motion"]
    assert found[1, 1].tolist() == [-15, 0]
    assert np.isnan(found[0, 0, 1])
    assert np.isfinite(found).sum() == found.size - 1
    assert "motion has 1 pixel that is not a number" in result.note


def test_buffers_keep_what_is_no_number_or_infinite_and_the_line_counts_it():
    odd = np.full(SIZE, 0.5, np.float32)
    odd[0, :3] = np.nan, np.inf, -np.inf
    found = made(
        {"a": odd}, buffers={"albedo": Buffer(("a", "G", "B")), "x_a": Buffer(("a",)), "roughness": Buffer(("a",))}
    )
    assert np.array_equal(found.frame.buffers["albedo"][0, :4, 0], [np.nan, np.inf, -np.inf, 0.5], equal_nan=True)
    assert np.array_equal(found.frame.buffers["x_a"][0, :4], [np.nan, np.inf, -np.inf, 0.5], equal_nan=True)
    for name in ("albedo", "x_a", "roughness"):
        assert f"{name} has 1 pixel that is not a number; {name} has 2 pixels that are infinite" in found.note
    assert "cut" not in found.note


def test_normals_that_are_no_numbers_stay_so_where_something_was_drawn():
    depth, normal = tilted()
    stored = normal.copy()
    stored[5, :4] = np.nan
    depth[0], stored[0] = np.inf, np.nan
    found = made({"Z": depth} | xyz("n", stored), depth=Depth("Z"), normal=Normal(channels_of("n"), encoding="either"))
    kept = found.frame.buffers["normal"]
    assert np.isnan(kept[5, :4]).all()
    assert not kept[0].any()
    assert np.abs(kept[6:] - normal[6:]).max() < 1e-3
    assert "normal has 4 pixels that are not a number" in found.note


def test_colours_and_buffers_of_colours_are_converted_to_rec709():
    theirs = colour.to_rec709(colour.SPACES["ACEScg (AP1)"])
    wanted = np.array([0.1, 0.5, 0.9])
    stored = np.linalg.inv(theirs) @ wanted
    channels = {f"{layer}.{c}": np.full(SIZE, v) for layer in "ae" for c, v in zip("RGB", stored, strict=True)}
    mapping = Mapping(
        Image(("a.R", "a.G", "a.B")),
        buffers={"albedo": Buffer(("a.R", "a.G", "a.B")), "x_own": Buffer(("e.R", "e.G", "e.B"))},
    )
    found = apply.to_frame("a", channels, mapping, {}, image_to_rec709=theirs, buffers_to_rec709=theirs).frame
    assert found.image[0, 0].tolist() == np.round(geometry.linear_to_srgb(wanted) * 255).tolist()
    assert np.abs(found.buffers["albedo"][0, 0] - wanted).max() < 1e-3
    assert np.abs(found.buffers["x_own"][0, 0] - stored).max() < 1e-6
    srgb = Mapping(Image(("a.R", "a.G", "a.B"), "srgb"))
    kept = apply.to_frame("a", channels, srgb, {}, image_to_rec709=theirs).frame
    assert kept.image[0, 0].tolist() == np.round(stored * 255).tolist()


def test_other_buffers_are_scaled_and_kept_in_range():
    wet = np.full(SIZE, 70000, np.float32)
    result = made(
        {"w": wet, "r": np.full(SIZE, 1.5, np.float32), "u": wet.astype(np.uint32)},
        buffers={
            "x_wet": Buffer(("w",), 0.5, 1),
            "roughness": Buffer(("r",)),
            "emission": Buffer(("w", "w", "r")),
            "x_count": Buffer(("u",)),
            "x_sum": Buffer(("r",), 2, 1, plus=("G",)),
        },
    )
    assert "100.00% of roughness beyond 0..1 cut; 100.00% of emission beyond 0..65504 cut" in result.note
    found = result.frame.buffers
    assert found["x_wet"].dtype == np.float32
    assert (found["x_wet"] == 35001).all()
    assert found["roughness"].dtype == np.float16
    assert (found["roughness"] == 1).all()
    assert found["emission"][0, 0].tolist() == [65504, 65504, 1.5]
    assert found["x_count"].dtype == np.float32
    assert (found["x_count"] == 70000).all()
    assert (found["x_sum"] == 5).all()  # (1.5 + 0.5) 2 + 1


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"depth": Depth("nope")}, "lacks the channel 'nope'"),
        ({"ids": {"object": Ids("nope")}}, "lacks the channel 'nope' of ids.object"),
        ({"ids": {"object": Ids(cryptomatte="nope")}}, "lacks the layer nope00"),
        ({"ids": {"class": Ids("R")}}, "needs the section classes"),
        ({"classes": Classes(("a",))}, "classes.of is 'object'"),
    ],
)
def test_what_is_missing_is_named(mapping, message):
    with pytest.raises(ValueError, match=message):
        made({}, **mapping)
    with pytest.raises(ValueError, match="has no image"):
        apply.to_frame("a", RGB, Mapping(), {})


def test_a_frame_of_everything_is_accepted_by_check(tmp_path):
    depth, normal = tilted()
    channels = {"Z": depth.astype(np.float32)} | xyz("n", normal)
    frame = made(channels, depth=Depth("Z"), normal=Normal(channels_of("n")), camera=LENS).frame
    path = tmp_path / "a.h5"
    write(path, [frame], Header("test", "test", (), "CC0-1.0", "tests"))
    assert check.check(path)[1] == []
    with Shard(path) as shard:
        assert np.array_equal(shard.buffer("depth", 0)[..., 0], depth.astype(np.float32))
