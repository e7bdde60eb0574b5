"""What Blender draws of a town is what the plan says: rays, ids, motion and bytes (marked `blender`)."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import town as command
from gbuffer_tools.frame import Frame
from gbuffer_tools.schema import Shard
from gbuffer_tools.streets.plan import make_town
from gbuffer_tools.streets.shapes.mesh import Mesh
from gbuffer_tools.streets.things import CLASSES, Still

PYTHON = Path(os.environ.get("BLENDER_PYTHON", Path(__file__).parents[3] / ".venv-blender/bin/python"))
pytestmark = [
    pytest.mark.blender,
    pytest.mark.timeout(900),  # a worker makes all meshes of a town first: 15 s of a processor
    pytest.mark.skipif(not PYTHON.exists(), reason="needs bpy: make .venv-blender/installed, or BLENDER_PYTHON"),
]
SEED, WIDTH, HEIGHT, FRAMES = 6, 64, 48, 3
JITTER = 0.01
"""Pixels: how far from a pixel's middle Cycles' narrowest filter sends its ray."""


def render(out: Path, frames: int) -> Path:
    """The frame file of the first ticks of a town."""
    line = ["--out", out, "--seed", SEED, "--frames", frames, "--per-town", 3, "--every", 1, "--blender", PYTHON]
    argv = [str(word) for word in [*line, "--size", f"{WIDTH}x{HEIGHT}", "--samples", 2]]
    assert command.run(command.main, command.build_parser(), argv) == 0
    return out / f"town-{SEED:04d}.h5"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("whole"), FRAMES)


@pytest.fixture(scope="module")
def frames(path: Path) -> list[Frame]:
    with Shard(path) as shard:
        return [shard.frame(i) for i in range(len(shard.names))]


def rays(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """World-space place of the camera (3,), and directions (H,W,3) that reach a depth of 1, by the pinhole camera."""
    pose = np.linalg.inv(frame.view)
    focal = WIDTH / 2 / math.tan(math.radians(make_town(SEED).degrees) / 2)
    x = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / focal
    y = (HEIGHT / 2 - np.arange(HEIGHT) - 0.5) / focal
    local = np.stack(np.broadcast_arrays(x[None], y[:, None], -1.0), -1)
    return pose[:3, 3], local @ pose[:3, :3].T


def test_a_stopped_run_goes_on_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    """Also: the same seed gives the same bytes in another process."""
    again = render(tmp_path, 1)
    with Shard(again) as shard:
        assert shard.names == (f"{SEED:04d}-0000",)
    render(tmp_path, FRAMES)
    assert again.read_bytes() == path.read_bytes()


def test_all_buffers_are_there(frames: list[Frame]) -> None:
    wanted = {"depth", "normal", "albedo", "roughness", "metallic", "emission", "motion"}
    for tick, frame in enumerate(frames):
        assert set(frame.buffers) == wanted
        assert set(frame.ids) == {"class", "object"}
        assert frame.time == pytest.approx(tick / 30)
        sky = np.isinf(frame.buffers["depth"])
        assert np.array_equal(sky, frame.ids["class"] == 0)
        assert np.array_equal(sky, frame.ids["object"] == 0)
        assert frame.image.std() > 20


def test_the_road_is_the_plane_z_0(frames: list[Frame]) -> None:
    """Depth of the asphalt in closed form: camera height over how steeply the ray falls. Its normal is z."""
    for frame in frames:
        origin, direction = rays(frame)
        asphalt = frame.ids["object"] == 1
        assert asphalt.sum() > 300
        falls = -direction[..., 2][asphalt]
        exact = origin[2] / falls
        # A ray that is JITTER pixels off falls by JITTER / focal more or less; 1e-5: float32 of metres in the hundreds.
        off = JITTER / (WIDTH / 2) / falls + 1e-5
        assert (np.abs(frame.buffers["depth"][asphalt] / exact - 1) < off).all()
        normal = frame.buffers["normal"][asphalt].astype(np.float64) @ frame.view[:3, :3]
        assert np.abs(normal - (0, 0, 1)).max() < 2e-3  # float16


def hits(mesh: Mesh, pose: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(n, 4): parameter along the ray and world normal of a mesh's triangles that a ray meets.

    Moller and Trumbore, "Fast, Minimum Storage Ray/Triangle Intersection", 1997; polygons as fans of triangles.
    """
    points = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    starts = np.concatenate([[0], np.cumsum(mesh.sizes)[:-1]])
    fans = [
        np.stack([mesh.loops[starts[mine]], mesh.loops[starts[mine] + k], mesh.loops[starts[mine] + k + 1]], 1)
        for k in range(1, int(mesh.sizes.max()) - 1)
        for mine in [mesh.sizes > k + 1]
    ]
    a, b, c = np.moveaxis(points[np.concatenate(fans)], 1, 0)
    p = np.cross(direction, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / ((b - a) * p).sum(1)
        u = ((origin - a) * p).sum(1) * inverse
        q = np.cross(origin - a, b - a)
        v = (q @ direction) * inverse
        t = ((c - a) * q).sum(1) * inverse
        met = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0.05)
    normal = np.cross(b - a, c - a)[met]
    return np.column_stack([t[met], normal / np.linalg.norm(normal, axis=1, keepdims=True)])


def test_walls_cars_and_people_are_where_rays_meet_the_plan_s_polygons(frames: list[Frame]) -> None:
    """A ray caster of our own through all that stands within 45 m, at pixels whose neighbours show the same object."""
    town, frame = make_town(SEED), frames[1]
    origin, direction = rays(frame)
    ids, depth = frame.ids["object"].astype(int), frame.buffers["depth"]
    solid = np.isin(frame.ids["class"], [CLASSES.index(n) for n in ("building", "car", "pavement", "pedestrian")])
    rows, columns = np.nonzero(inner(frame) & solid & (depth < 40))
    chosen = np.random.default_rng(1).permutation(len(rows))[:60]
    near = []
    for thing in town.things:
        pose = thing.track.pose(1)
        flat = thing.label in ("road", "pavement") and isinstance(thing.track, Still) and not pose[:2, 3].any()
        if thing.track.seen(1) and (flat or np.linalg.norm(pose[:2, 3] - origin[:2]) < 45):
            near.append((thing, pose, thing.build()))
    assert len(chosen) > 30
    seen = set()
    for i in chosen:
        row, column = rows[i], columns[i]
        found = [(hits(mesh, pose, origin, direction[row, column]), thing) for thing, pose, mesh in near]
        first, thing = min(((h[h[:, 0].argmin()], thing) for h, thing in found if len(h)), key=lambda pair: pair[0][0])
        assert ids[row, column] == thing.owner
        assert CLASSES[frame.ids["class"][row, column]] == thing.label
        # Jitter, as above, on a surface seen at this angle; 1e-4 m: float32.
        facing = abs(first[1:] @ direction[row, column])
        off = JITTER / (WIDTH / 2) * first[0] * np.linalg.norm(direction[row, column]) / max(facing, 0.02) + 1e-4
        assert depth[row, column] == pytest.approx(first[0], abs=off)
        if thing.label in ("building", "pavement"):
            normal = frame.buffers["normal"][row, column].astype(np.float64) @ frame.view[:3, :3]
            assert abs(normal @ first[1:]) > 0.999  # flat faces; either side may be met
        seen.add(thing.label)
    assert {"building", "car", "pavement"} <= seen


def test_cars_are_where_the_plan_puts_them(frames: list[Frame]) -> None:
    """A car's middle is hidden by nothing but itself, or by something nearer."""
    town, frame = make_town(SEED), frames[2]
    hidden = shown = 0
    for thing in town.things:
        if thing.label != "car":
            continue
        middle = frame.view @ thing.track.pose(2) @ (0, 0, 0.7, 1)
        clip = frame.projection @ middle
        x, y = (clip[:2] / clip[3] * (0.5, -0.5) + 0.5) * (WIDTH, HEIGHT)
        if 2 < -middle[2] < 60 and 0 <= x < WIDTH and 0 <= y < HEIGHT:
            pixel = int(y), int(x)
            if frame.ids["object"][pixel] == thing.owner:
                shown += 1
                assert frame.ids["class"][pixel] == CLASSES.index("car")
                assert abs(frame.buffers["depth"][pixel] + middle[2]) < 6.0  # half of the longest vehicle
            else:
                hidden += 1
                assert frame.buffers["depth"][pixel] < -middle[2]
    assert shown > 0


def test_motion_of_what_stands_still_is_that_of_the_two_cameras(frames: list[Frame]) -> None:
    """A wall's point, from its depth, through the camera a tick before; written with angles, not matrices."""
    town, frame = make_town(SEED), frames[2]
    origin, direction = rays(frame)
    before = np.linalg.inv(town_view(town, 1))
    focal = WIDTH / 2 / math.tan(math.radians(town.degrees) / 2)
    walls = frame.ids["class"] == CLASSES.index("building")
    points = origin + direction[walls] * frame.buffers["depth"][walls][:, None].astype(np.float64)
    offset = points - before[:3, 3]
    right, up, back = before[:3, 0], before[:3, 1], before[:3, 2]
    ahead = -(offset @ back)
    column = WIDTH / 2 + focal * (offset @ right) / ahead
    row = HEIGHT / 2 - focal * (offset @ up) / ahead
    here = np.argwhere(walls) + 0.5
    exact = np.stack([column - here[:, 1], row - here[:, 0]], 1)
    # float32 of depth and of the vector.
    assert np.abs(frame.buffers["motion"][walls] - exact).max() < 1e-3


def town_view(town, tick: int) -> np.ndarray:
    """World to view, by the drive alone."""
    x, y = town.route.path.at(town.route.start + 8.0 * tick / 30)
    heading = town.route.path.heading(town.route.start + 8.0 * tick / 30, over=2.4)
    ahead = np.array([
        math.cos(heading) * math.cos(town.pitch), math.sin(heading) * math.cos(town.pitch), math.sin(town.pitch)
    ])  # fmt: skip
    right = np.array([math.sin(heading), -math.cos(heading), 0])
    turn = np.stack([right, np.cross(right, ahead), -ahead])
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turn, -turn @ (x, y, town.height)
    return view


def test_motion_leads_to_the_same_surface_in_the_frame_before(frames: list[Frame]) -> None:
    """Vehicles and people: where motion points to, the frame before shows the same object, edges aside."""
    before, frame = frames[1], frames[2]
    rows, columns = np.indices(frame.ids["object"].shape)
    x = np.floor(columns + 0.5 + frame.buffers["motion"][..., 0]).astype(int)
    y = np.floor(rows + 0.5 + frame.buffers["motion"][..., 1]).astype(int)
    rides = np.isin(frame.ids["class"], [CLASSES.index(name) for name in ("car", "pedestrian", "bicyclist")])
    within = inner(frame) & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT) & rides
    assert within.sum() > 50
    same = before.ids["object"][y[within], x[within]] == frame.ids["object"][within]
    still = before.ids["object"][within] == frame.ids["object"][within]
    assert same.mean() > 0.98
    assert same.mean() > still.mean()  # no motion at all would do worse


def inner(frame: Frame) -> np.ndarray:
    """(H,W): pixels whose four neighbours show the same object."""
    ids = frame.ids["object"]
    around = [np.roll(ids, shift, (0, 1)) for shift in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    found = np.zeros(ids.shape, bool)
    found[1:-1, 1:-1] = np.all([near == ids for near in around], axis=0)[1:-1, 1:-1]
    return found
