"""A real capture of Godot 3 against closed forms: the scene is ours (tests/gbuffer_tools/street.py)."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import geometry, profiles
from gbuffer_tools.check import check
from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles import load
from gbuffer_tools.renderdoc import draw_ids, module
from gbuffer_tools.renderdoc.child_process import in_child
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.profile import gbuffer_pass
from gbuffer_tools.renderdoc.replay import initialised, opened
from gbuffer_tools.renderdoc.stencil_ids import mark
from gbuffer_tools.schema import Shard
from tests.gbuffer_tools import street
from tests.gbuffer_tools.games import check_same, command

pytestmark = [pytest.mark.game, pytest.mark.timeout(900)]
WIDTH, HEIGHT, NUMBER = 320, 180, 60
DEPTH_STEPS = 16
"""Of 24-bit depth. One is rounding; the rasteriser's float32 has steps of that size, and takes some to interpolate."""
EIGHT_BITS = 0.4
"""Degrees: half a step of 2 / 255 in each of three components."""
HALVES = 0.05
"""Degrees: float16 in frame files, half a step of 2^-11 in each of three components."""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        module.load()
    except InputError as error:
        pytest.skip(str(error))
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb")
    if not shutil.which("godot3-runner"):
        pytest.skip("needs Godot 3: apt-get install godot3-runner")
    out = tmp_path_factory.mktemp("captures")
    asked = ("--first", NUMBER, "--count", 1, "--size", f"{WIDTH}x{HEIGHT}")
    done = command("capture", "--profile", "godot3", "--track", "street", "--out", out, *asked)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in out.iterdir()] == [f"street_frame{NUMBER}.rdc"]  # no game's home is left
    return out / f"street_frame{NUMBER}.rdc"


@pytest.fixture(scope="module")
def extracted(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("frames")
    done = command("extract", capture, "--profile", "godot3", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "no albedo" in done.stdout
    return out / "street.h5"


@pytest.fixture(scope="module")
def shard(extracted: Path) -> Shard:
    with Shard(extracted) as found:
        yield found


@pytest.fixture(scope="module")
def seen(shard: Shard) -> street.Seen:
    """What is to be seen from where the capture says that its camera was, which is a picture of the path."""
    view, projection = shard.camera(0)
    facts = street.STREET["camera"]
    number = round(np.linalg.inv(view)[2, 3] / facts["step"][2])
    assert abs(number - NUMBER) <= 2  # the engine counts pictures from its first step, RenderDoc from its first swap
    assert np.allclose(view, street.view(number), atol=1e-5)  # float32 at places up to 30 m
    assert np.allclose(projection, street.projection(WIDTH, HEIGHT), atol=1e-6)
    return street.look(number, WIDTH, HEIGHT)


def inner(things: np.ndarray) -> np.ndarray:
    """Pixels all of whose neighbours show the same thing: at edges the rasteriser's rounding decides."""
    padded = np.pad(things, 1, mode="edge")
    shifted = [padded[y : y + things.shape[0], x : x + things.shape[1]] for y in range(3) for x in range(3)]
    return np.all([other == things for other in shifted], axis=0)


def of_shape(seen: street.Seen, *shapes: str) -> np.ndarray:
    wanted = [i for i, thing in enumerate(street.THINGS) if thing["shape"] in shapes]
    found = inner(seen.thing) & np.isin(seen.thing, wanted)
    assert found.sum() > 100
    return found


def depth_of(shard: Shard) -> np.ndarray:
    return shard.buffer("depth", 0).astype(np.float64).reshape(HEIGHT, WIDTH)


def step(depth: np.ndarray) -> np.ndarray:
    """Metres of one step of 24-bit depth: d depth / d window = depth^2 (far - near) / (far near)."""
    near, far = street.STREET["camera"]["near"], street.STREET["camera"]["far"]
    return depth**2 * (far - near) / (far * near) / 2**24


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees; of sines, since a cosine near 1 has no digits left."""
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.degrees(np.arcsin(np.clip(np.linalg.norm(np.cross(a, b), axis=-1) / length, 0, 1)))


def test_nothing_is_found(extracted: Path) -> None:
    _, findings = check(extracted)
    assert findings == []


def test_what_is_drawn_is_drawn_and_the_sky_is_not(shard: Shard, seen: street.Seen) -> None:
    sure = inner(seen.thing)
    drawn = np.isfinite(depth_of(shard))
    assert (drawn == (seen.thing >= 0))[sure].all()
    assert ((shard.id("object", 0) > 0) == drawn).all()


def test_depth_and_normals_of_planes_and_boxes(shard: Shard, seen: street.Seen) -> None:
    where = of_shape(seen, "plane", "box")
    depth = depth_of(shard)[where]
    wanted = seen.depth[where]
    assert (np.abs(depth - wanted) <= DEPTH_STEPS * step(wanted)).all()
    normal = shard.buffer("normal", 0).astype(np.float64)[where]
    assert angle(normal, seen.normal[where]).max() <= EIGHT_BITS + HALVES
    assert (normal * seen.normal[where]).sum(-1).min() > 0.99


def test_depth_and_normals_of_spheres(shard: Shard, seen: street.Seen) -> None:
    """Positions lie on the sphere, but for its facets: 128 around, 65 from pole to pole."""
    where = of_shape(seen, "sphere")
    view, projection = shard.camera(0)
    depth = depth_of(shard)
    at = (geometry.position(np.where(np.isfinite(depth), depth, 1), projection) - view[:3, 3])[where] @ view[:3, :3]
    things = [street.THINGS[i] for i in seen.thing[where]]
    outward = at - np.array([thing["at"] for thing in things])
    radius = np.array([thing["radius"] for thing in things])
    facets = 2 - np.cos(np.pi / 128) - np.cos(np.pi / 130)
    off = np.linalg.norm(outward, axis=-1) - radius
    rays = np.linalg.norm(geometry.position(np.ones(depth.shape), projection), axis=-1)  # metres for one of depth
    room = (DEPTH_STEPS * step(depth) * rays)[where]
    assert (off <= room).all()
    assert (off >= -radius * facets - room).all()
    # Godot keeps normals of vertices in 8 bits, too; what interpolation over a facet adds is of third order.
    normal = shard.buffer("normal", 0).astype(np.float64)[where] @ view[:3, :3]
    assert angle(normal, outward).max() <= 2 * EIGHT_BITS + HALVES


def test_each_thing_is_an_object_of_its_material(shard: Shard, seen: street.Seen) -> None:
    """Also of two that touch, and of two of one material."""
    sure = inner(seen.thing) & (seen.thing >= 0)
    objects, classes = shard.id("object", 0), shard.id("class", 0)
    pairs = {(int(a), int(b)) for a, b in zip(seen.thing[sure], objects[sure], strict=True)}
    assert len(pairs) == len({thing for thing, _ in pairs}) == len({found for _, found in pairs}) > 30
    profile = load("godot3")
    for index in {thing for thing, _ in pairs}:
        where = sure & (seen.thing == index)
        name = street.THINGS[index]["material"]
        facts = street.STREET["materials"][name]
        assert {profile.classes[i] for i in np.unique(classes[where])} == {profile.class_of(f"{facts['texture']}.ppm")}
        # 8 bits, then float16.
        for buffer, room in (("roughness", 0.5 / 255 + 2**-11), ("metallic", 2**-11)):
            stored = shard.buffer(buffer, 0).astype(np.float64).reshape(HEIGHT, WIDTH)[where]
            assert np.abs(stored - facts[buffer]).max() <= room


def both_ways(path: Path, folder: Path) -> tuple[draw_ids.Drawn, draw_ids.Drawn]:
    """The draws by marks and by replaying to each; in a process of its own."""
    profile = load("godot3")
    rd = module.load()
    found = []
    with initialised(rd):
        marked = mark(rd, path, folder)
        assert marked is not None
        assert marked.deepened  # Godot's depth buffer has no stencil
        for file in (marked.path, path):
            with opened(rd, file) as replay:
                number = gbuffer_pass([replay.describe(p) for p in replay.passes], profile.is_gbuffer)
                assert number is not None
                if file == path:
                    with draw_ids.shadows_muted(replay, number):
                        found.append(draw_ids.by_replaying(replay, replay.passes[number], profile))
                else:
                    found.append(draw_ids.by_marks(replay, replay.passes[number], profile, marked))
    return found[0], found[1]


def test_marks_tell_the_same_as_replaying_to_every_draw(capture: Path, tmp_path: Path) -> None:
    with some_display():
        fast, slow = in_child(both_ways, capture, tmp_path, seconds=600, what=str(capture))
    check_same(fast, slow, more_than=30)


def test_explain_points_at_the_g_buffer_and_its_camera(capture: Path) -> None:
    done = command("extract", capture, "--explain")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    [start] = [i for i, line in enumerate(lines) if line.endswith("looks like the G-buffer")]
    assert "unit vectors" in lines[start + 3]
    assert any("camera_inverse_matrix" in line for line in lines[start : start + 20])


def test_the_wrong_game_is_one_line(capture: Path, tmp_path: Path) -> None:
    done = command("extract", capture, "--profile", "supertuxkart", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no G-buffer pass of SuperTuxKart" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*.h5"))


@pytest.mark.parametrize(
    ("found", "put", "problem"),
    [
        ("name: camera_inverse_matrix", "name: projection_matrix", "camera.view is no rotation and place"),
        ("name: camera_inverse_matrix", "byte: 4096", "SceneData has no matrix at byte 4096"),
        ("name: camera_inverse_matrix", "name: view", "SceneData has no view"),
        ("block: SceneData", "block: Camera", "no constant block Camera"),
        ("samplers: [source]", "samplers: [sauce]", "reads sauce"),
    ],
)  # fmt: skip
def test_a_profile_that_does_not_fit_is_one_line(
    capture: Path, tmp_path: Path, found: str, put: str, problem: str
) -> None:
    text = Path(profiles.__file__).with_name("godot3.yaml").read_text(encoding="utf-8")
    assert text.count(found) == 1
    (tmp_path / "mine.yaml").write_text(text.replace(found, put), encoding="utf-8")
    done = command("extract", capture, "--profile", tmp_path / "mine.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert problem in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_capture_with_a_dead_middle_is_one_line(capture: Path, tmp_path: Path) -> None:
    data = bytearray(capture.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 4096] = np.random.default_rng(0).bytes(4096)
    (tmp_path / "bad.rdc").write_bytes(data)
    done = command("extract", tmp_path / "bad.rdc", "--profile", "godot3", "--out", tmp_path / "out")
    if done.returncode == 0:
        pytest.skip("the damage hit pixels of a texture")
    assert done.returncode == 2
    assert "bad.rdc" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
