"""Profiles in YAML files: made-up targets through them against closed forms; refusals, one line each."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame, check_frame
from gbuffer_tools.io import yaml
from gbuffer_tools.profiles import PROFILES, load, names
from gbuffer_tools.profiles.yaml_profile import read_profile
from gbuffer_tools.renderdoc.capture_to_frame import bytes_of
from gbuffer_tools.renderdoc.profile import Captured, DrawPass, GameProfile, MatrixBlock, Standard
from tests.gbuffer_tools.profiles.profile_text import TEXT

H, W = 18, 32
NEAR, FAR = 0.1, 200.0
PROJECTION = geometry.projection_from_intrinsics((20.0, 20.0), (W / 2, H / 2), (W, H), (NEAR, FAR))
POSE = np.array([[0.8, 0, 0.6, 3], [0, 1, 0, 1.5], [-0.6, 0, 0.8, -7], [0, 0, 0, 1]])
VIEW = geometry.view_from_pose(POSE)
DRAWN = np.arange(H)[:, None] * np.ones(W) >= 4  # sky above


def profile(folder: Path, text: str = TEXT) -> GameProfile:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return read_profile(folder / "mine.yaml")


def window(depth: np.ndarray) -> np.ndarray:
    """Depth in metres to 0..1 as OpenGL stores it."""
    clip = PROJECTION @ np.stack([0 * depth, 0 * depth, -depth, np.ones_like(depth)]).reshape(4, -1)
    return (clip[2] / clip[3] / 2 + 0.5).reshape(depth.shape)


DEPTH = 2 + np.arange(H * W).reshape(H, W) / 50
NORMAL = np.random.default_rng(0).normal(size=(H, W, 3))
NORMAL /= np.linalg.norm(NORMAL, axis=-1, keepdims=True)
ALBEDO = np.random.default_rng(1).integers(0, 256, (H, W, 4)).astype(np.uint8)


def captured(**changed: object) -> Captured:
    """A made-up capture of `TEXT`'s game."""
    wet = np.full((H, W, 1), 0.25)
    parts: dict[str, object] = {
        "targets": {"albedo": ALBEDO, "normal": np.concatenate([NORMAL, wet], -1).astype(np.float16)},
        "window_depth": np.where(DRAWN, window(DEPTH), 1.0),
        "drawn": DRAWN,
        "inputs": {"ssao": np.full((H // 2, W // 2, 1), 102, np.uint8), "lit": np.zeros((H, W, 3), np.float16)},
        "lit": None,
        "matrices": {"view": VIEW, "projection": PROJECTION},
        "constants": {},
    }
    return Captured(**(parts | changed))  # type: ignore[arg-type]


def made(found: GameProfile, **changed: object) -> Standard:
    standard = found.standard(captured(**changed))
    check_frame(Frame("f", np.zeros((H, W, 3), np.uint8), standard.buffers, {}, standard.view, standard.projection))
    return standard


def test_targets_become_standard_buffers(tmp_path: Path) -> None:
    standard = made(profile(tmp_path))
    depth = standard.buffers["depth"]
    assert np.array_equal(np.isfinite(depth), DRAWN)
    assert np.allclose(depth[DRAWN], DEPTH[DRAWN], rtol=1e-6)  # float32
    seen = NORMAL @ VIEW[:3, :3].T
    assert np.abs(standard.buffers["normal"] - seen)[DRAWN].max() < 2e-3  # float16 twice, 2^-11 each
    assert np.abs(standard.buffers["albedo"] - ALBEDO[..., :3] / 255)[DRAWN].max() <= 2**-11  # float16
    assert np.abs(standard.buffers["roughness"] - (1 - ALBEDO[..., 3] / 255))[DRAWN].max() <= 2**-11
    assert np.allclose(standard.buffers["occlusion"][DRAWN], 0.4, atol=2**-11)
    assert (standard.buffers["x_wet"][DRAWN] == 0.125).all()
    for name in standard.buffers.keys() - {"depth"}:
        assert not standard.buffers[name][~DRAWN].any()
    assert np.array_equal(standard.view, VIEW)
    assert np.array_equal(standard.projection, PROJECTION)
    assert standard.note == "no metal"
    assert standard.relit is None


def test_without_the_later_draw_its_buffers_are_absent_and_that_is_told(tmp_path: Path) -> None:
    standard = made(profile(tmp_path), inputs={})
    assert "occlusion" not in standard.buffers
    assert "albedo" in standard.buffers
    assert standard.note == "no draw that makes occlusion; no metal"


@pytest.mark.parametrize(
    ("place", "stored"),
    [
        ("{name: pose, inverse: true}", POSE),
        ("{name: view, rows: true}", VIEW.T),
        ("{byte: 0, rows: true, inverse: true}", POSE.T),
    ],
)
def test_matrices_are_turned_round(tmp_path: Path, place: str, stored: np.ndarray) -> None:
    found = profile(tmp_path, TEXT.replace("{name: world_to_view}", place))
    standard = made(found, matrices={"view": stored, "projection": PROJECTION})
    assert np.allclose(standard.view, VIEW, atol=1e-12)


def test_a_camera_that_looks_along_plus_z(tmp_path: Path) -> None:
    """The game's view space has z into the scene; normals are stored in it."""
    flip = np.diag([1.0, 1, -1, 1])
    text = TEXT.replace("block: Camera,", 'block: Camera, forward: "+z",').replace("space: world", "axes: [x, y, -z]")
    stored = np.concatenate([NORMAL @ VIEW[:3, :3].T * [1, 1, -1], np.zeros((H, W, 1))], -1)
    targets = {"albedo": ALBEDO, "normal": stored}
    standard = made(
        profile(tmp_path, text), targets=targets, matrices={"view": flip @ VIEW, "projection": PROJECTION @ flip}
    )
    assert np.allclose(standard.view, VIEW)
    assert np.allclose(standard.projection, PROJECTION)
    assert np.allclose(standard.buffers["depth"][DRAWN], DEPTH[DRAWN], rtol=1e-6)
    assert np.abs(standard.buffers["normal"] - NORMAL @ VIEW[:3, :3].T)[DRAWN].max() < 1e-3  # float16


@pytest.mark.parametrize(
    ("matrices", "problem"),
    [
        ({"view": PROJECTION, "projection": PROJECTION}, "camera.view is no rotation"),
        ({"view": VIEW.T, "projection": PROJECTION}, "camera.view is no rotation"),
        ({"view": VIEW, "projection": PROJECTION.T}, "camera.projection is no perspective"),
        ({"view": VIEW, "projection": np.eye(4)}, "camera.projection is no perspective"),
        ({"view": VIEW * np.nan, "projection": PROJECTION}, "world_to_view has values that are no numbers"),
    ],
)
def test_matrices_that_are_no_cameras_are_refused(tmp_path: Path, matrices: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        profile(tmp_path).standard(captured(matrices=matrices))


def test_the_pass_is_told_by_its_first_targets(tmp_path: Path) -> None:
    found = profile(tmp_path)
    formats = ("R8G8B8A8_UNORM", "R16G16B16A16_FLOAT")
    assert found.is_gbuffer(DrawPass(formats, True, 9, 9))
    assert found.is_gbuffer(DrawPass((*formats, "R8_UNORM"), True, 9, 0))
    assert not found.is_gbuffer(DrawPass(formats, False, 9, 9))
    assert not found.is_gbuffer(DrawPass(formats[::-1], True, 9, 9))
    assert not found.is_gbuffer(DrawPass(formats[:1], True, 9, 9))
    assert not found.is_gbuffer(DrawPass((), True, 9, 9))


def test_what_replaying_needs_to_know(tmp_path: Path) -> None:
    found = profile(tmp_path)
    assert found.matrices == MatrixBlock("Camera", {"view": "world_to_view", "projection": 64})
    assert found.targets == ("albedo", "normal")
    assert (found.finished_draw, found.finished_samplers) == (2, {"hdr"})
    assert found.is_lighting is not None
    assert found.is_lighting(frozenset({"lit", "ssao", "more"}))
    assert not found.is_lighting(frozenset({"lit"}))
    assert found.colour_sampler == "albedo_map"
    assert found.data == tmp_path / "pictures"
    assert found.launch is None
    assert found.level_folder == ""
    assert profile(tmp_path, TEXT.replace("pictures}", "pictures, levels: scenes}")).level_folder == "scenes"


def test_classes_are_told_by_names_of_image_files(tmp_path: Path) -> None:
    found = profile(tmp_path)
    assert found.classes == ("sky", "other", "road")
    assert found.unknown == "other"
    assert found.class_of("town/asphalt_2.png") == "road"
    assert found.class_of("town/wood.png") == "other"
    assert found.class_of(None) == "other"


def test_the_least_that_a_profile_needs(tmp_path: Path) -> None:
    camera = "{block: B, view: {byte: 0}, projection: {byte: 64}}"
    found = profile(tmp_path, f"{{name: m, source: M, targets: {{c: R8G8B8A8_UNORM}}, camera: {camera}}}")
    standard = made(found, targets={"c": ALBEDO}, inputs={})
    assert standard.buffers.keys() == {"depth"}
    assert found.is_lighting is None
    assert found.class_of("any.png") == found.unknown == "unknown"
    assert found.image_folders == ()


@pytest.mark.parametrize(
    ("found", "put", "problem"),
    [
        ("name: mine", "nam: mine", "nam: unknown key, wanted name, source"),
        ("name: mine\n", "", "name: missing"),
        ("name: mine", "name: 7", "name: 7, wanted text"),
        ("{block: Camera, ", "{", "camera.block: missing"),
        ("{byte: 64}", "{byte: 64, name: p}", "camera.projection: wanted one of name and byte"),
        ("{byte: 64}", "{}", "camera.projection: wanted one of name and byte"),
        ("{byte: 64}", "{byte: 70}", "camera.projection: byte: 70, wanted a multiple of 16"),
        ("{byte: 64}", "{byte: 6.4}", "camera.projection.byte: 6.4, wanted a whole number"),
        ("{byte: 64}", "{byte: true}", "camera.projection.byte: True, wanted a whole number"),
        ("{byte: 64}", "{byte: 64, rows: 1}", "camera.projection.rows: 1, wanted true or false"),
        ("block: Camera,", "block: Camera, forward: y,", "camera: forward: 'y', wanted -z or +z"),
        ("R8G8B8A8_UNORM", "RGBA8", "targets.albedo: 'RGBA8' is not known, wanted one of R8_UNORM"),
        ("{albedo: R8G8B8A8_UNORM, normal: R16G16B16A16_FLOAT}", "{}", "targets: 0 entries, wanted 1..8"),
        ("channels: [normal.A]", "channels: [gloss.A]", "buffers.x_wet: 'gloss.A' is of no target, wanted albedo"),
        ("channels: [normal.A]", "channels: [normal.W]", "'normal.W' has no such component, wanted R, G, B, A"),
        ("channels: [normal.A]", "channels: [normal]", "'normal' is of no target"),
        ("normal: R16G16B16A16_FLOAT", "normal: R16G16B16_FLOAT", "'normal.A' has no such component, wanted R, G, B"),
        ("  x_wet:", "  wet:", "buffer 'wet' is not standard"),
        ("channels: [ssao.R]", "channels: [ssao.R, ssao.G]", "occlusion has 2 channels, wanted 1"),
        ("[ssao, lit]", "[ssao, albedo]", "later.samplers: 'albedo' is the name of a target"),
        ('{"asphalt": road}', '{"asphalt": raod}', "classes: 'raod' is not among the names"),
        ('{"asphalt": road}', '{"(": road}', "classes: rules: '(' is no regular expression"),
        ("  rules:", "  of: texture\n  rules:", "classes: has of or numbers"),
        ("draw: 2", "draw: -1", "finished: draw: -1, wanted 0 or more"),
        ("space: world", "space: tangent", "normal: space: 'tangent', wanted view or world"),
        ("note: no metal", "note: [", "no YAML"),
        ("note: no metal", "launch: {program: g, arguments: ['{level}']}", "launch: '{level}' asks for {level}"),
    ],
)  # fmt: skip
def test_bad_profiles_are_one_line(tmp_path: Path, found: str, put: str, problem: str) -> None:
    assert found in TEXT
    with pytest.raises(InputError) as caught:
        profile(tmp_path, TEXT.replace(found, put))
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert "\n" not in str(caught.value)


def test_large_empty_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted at most"):
        profile(tmp_path, "#" * (yaml.MAX_BYTES + 1))
    with pytest.raises(InputError, match="name: missing"):
        profile(tmp_path, "")
    with pytest.raises(InputError, match="cannot be read"):
        read_profile(tmp_path / "absent.yaml")


def test_profiles_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    assert set(names()) >= {"supertuxkart", "godot3"}
    for name in names():
        assert load(name).name == name
    assert load("supertuxkart") is PROFILES["supertuxkart"]
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert load(str(path)).source == "My Game 1"
    with pytest.raises(InputError, match="--profile nosuch: no such profile; wanted godot3, supertuxkart, or a file"):
        load("nosuch")


def test_profiles_travel_to_other_processes(tmp_path: Path) -> None:
    """A command loads its profile once; the processes that replay captures get it from there."""
    passes = (DrawPass(("R8G8B8A8_UNORM", "R16G16B16A16_FLOAT"), True, 9, 9), DrawPass((), True, 9, 9))
    samplers = (frozenset({"lit", "ssao"}), frozenset({"lit"}))
    for found in (profile(tmp_path), load("godot3"), load("supertuxkart")):
        there = pickle.loads(pickle.dumps(found))
        assert (there.name, there.data, there.classes) == (found.name, found.data, found.classes)
        assert [there.is_gbuffer(p) for p in passes] == [found.is_gbuffer(p) for p in passes]
        assert [there.is_lighting(s) for s in samplers] == [found.is_lighting(s) for s in samplers]
        assert there.class_of("town/asphalt_2.png") == found.class_of("town/asphalt_2.png") == "road"
    there = pickle.loads(pickle.dumps(profile(tmp_path)))
    assert np.array_equal(made(there).buffers["albedo"], made(profile(tmp_path)).buffers["albedo"])


def test_the_godot_profile_on_made_up_targets() -> None:
    """A wall that the camera looks at squarely, 4 m away, and a sky."""
    godot = load("godot3")
    half = np.float16
    packed = np.broadcast_to(np.array([128, 128, 255, 51], np.uint8), (H, W, 4))  # facing the camera, roughness 0.2
    standard = made(
        godot,
        targets={
            "diffuse": np.full((H, W, 4), 0.5, half),
            "specular": np.broadcast_to(np.array([2, 3, 4, 1], half), (H, W, 4)),
            "normal_roughness": packed,
        },
        window_depth=np.where(DRAWN, window(np.full((H, W), 4.0)), 1.0),
        inputs={"source_ssao": np.full((H, W, 1), 255, np.uint8)},
    )
    expected = {
        "depth": 4.0, "roughness": 0.2, "metallic": 1.0, "occlusion": 1.0, "normal": [0, 0, 1],
        "x_diffuse": [0.5, 0.5, 0.5], "x_specular": [2, 3, 4],
    }  # fmt: skip
    assert standard.buffers.keys() == expected.keys()
    for name, value in expected.items():
        # 8 bits have no 0 in -1..1; the nearest is 1/255 off.
        assert np.allclose(standard.buffers[name][DRAWN], value, atol=1 / 255 + 1e-4), name
    assert "no albedo" in standard.note
    assert (godot.data / "asphalt.ppm").is_file()


def test_a_finished_frame_of_floats_becomes_bytes() -> None:
    floats = np.array([[[0, 0.5, 1], [-1, 2, np.nan]]], np.float16)
    assert bytes_of(floats).tolist() == [[[0, 128, 255], [0, 255, 0]]]
    assert bytes_of(np.array([[[1, 2, 3]]], np.uint8)).tolist() == [[[1, 2, 3]]]
