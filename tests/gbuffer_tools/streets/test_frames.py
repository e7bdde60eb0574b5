"""What is made of the channels that Blender wrote, where the answer is known: haze, tones, ids, motion."""

import math

import numpy as np
import pytest

from gbuffer_tools.geometry import linear_to_srgb
from gbuffer_tools.schema import BUFFERS
from gbuffer_tools.streets import frames
from gbuffer_tools.streets.plan import Town, make_town
from gbuffer_tools.streets.things import CLASSES

SIZE = 24, 32


@pytest.fixture(scope="module")
def town() -> Town:
    return make_town(2)


def channels(town: Town, number: int, depth: float, light: float = 0.25) -> tuple[dict, dict]:
    """Picture and buffers of a wall of one part that faces the camera."""
    layer, ones = frames.LAYER, np.ones(SIZE, np.float32)
    back = town.camera(5)[:3, 2]
    drawn = {f"{layer}.Depth.Z": ones * depth, f"{layer}.Object Index.X": ones * number}
    drawn |= {f"{layer}.Normal.{c}": ones * v for c, v in zip("XYZ", back, strict=True)}
    drawn |= {f"{layer}.albedo.{c}": ones * v for c, v in zip("RGB", (0.2, 0.4, 0.6), strict=True)}
    drawn |= {f"{layer}.surface.{c}": ones * v for c, v in zip("RGB", (0.5, 0.25, 2.0), strict=True)}
    picture = {f"{layer}.Combined.{c}": ones * light for c in "RGB"}
    return picture | {f"{layer}.Mist.Z": ones * min(depth / frames.MIST, 1)}, drawn


def test_a_wall_that_faces_the_camera(town: Town) -> None:
    number = next(i for i, thing in enumerate(town.things, 1) if thing.label == "fence")
    frame = frames.to_frame("a", (4, 5), town, *channels(town, number, 10.0))
    assert set(frame.buffers) <= set(BUFFERS)
    assert (frame.ids["class"] == CLASSES.index("fence")).all()
    assert (frame.ids["object"] == town.things[number - 1].owner).all()
    assert (frame.buffers["depth"] == 10).all()
    assert np.abs(frame.buffers["normal"].astype(np.float64) - (0, 0, 1)).max() < 1e-3  # float16
    assert frame.buffers["albedo"][0, 0] == pytest.approx([0.2, 0.4, 0.6], abs=1e-3)
    assert frame.buffers["emission"][0, 0] == pytest.approx([0.4, 0.8, 1.2], abs=2e-3)
    assert (frame.buffers["roughness"] == 0.5).all()
    assert (frame.buffers["metallic"] == 0.25).all()
    assert frame.time == pytest.approx(5 / 30)


def test_the_sky_has_no_surface_and_no_haze(town: Town) -> None:
    frame = frames.to_frame("a", (4, 5), town, *channels(town, 0, 1e10))
    assert np.isinf(frame.buffers["depth"]).all()
    assert not frame.ids["class"].any()
    assert not frame.ids["object"].any()
    assert not any(frame.buffers[name].any() for name in ("normal", "albedo", "roughness", "metallic", "emission"))
    light = 0.25 * town.weather.exposure
    assert light < frames.SHOULDER
    assert (frame.image == round(float(linear_to_srgb(np.array(light))) * 255)).all()


def test_haze_hides_by_beer_s_law(town: Town) -> None:
    picture, drawn = channels(town, 1, 120.0, light=0.1)
    shown = 1 - math.exp(-town.weather.haze * 120)
    light = (0.1 * (1 - shown) + np.array(town.weather.horizon) * shown) * town.weather.exposure
    assert light.max() < frames.SHOULDER
    found = frames.to_frame("a", (4, 5), town, picture, drawn).image[3, 4]
    assert np.abs(found - linear_to_srgb(light) * 255).max() <= 0.51  # rounded; float32 of the mist


def test_tones_rise_smoothly_and_never_reach_1(town: Town) -> None:
    """Below the shoulder the curve is the identity; its slope has no step there."""
    layer = frames.LAYER
    light = np.linspace(0, 3, 3000).reshape(1, -1) / town.weather.exposure
    picture = {f"{layer}.Combined.{c}": light for c in "RGB"} | {f"{layer}.Mist.Z": light * 0}
    tones = frames.developed(picture, np.full(light.shape, np.inf), town)[0, :, 0].astype(int)
    assert (np.diff(tones) >= 0).all()
    assert np.diff(tones).max() <= 4  # sRGB is steep near black
    assert tones[0] == 0
    assert tones[1500] < tones[2999] <= 255


def test_a_share_of_sky_makes_nothing_hazier_than_what_is_there(town: Town) -> None:
    depth = np.full((5, 5), np.inf)
    depth[2, 2] = 30.0
    near = frames.farthest_near(depth)
    assert (near[1:4, 1:4] == 30).all()
    assert near.sum() == 9 * 30


def test_the_sky_moves_with_the_camera_s_turn_alone(town: Town) -> None:
    """Over a turn by an angle a pixel in the middle moves by focal tan(angle), at any speed."""
    tick = max(range(1, 900), key=lambda t: abs(heading(town, t) - heading(town, t - 1)))
    turned = heading(town, tick) - heading(town, tick - 1)
    assert abs(turned) > 0.003
    size = 33, 25
    sky, nothing = np.full((25, 33), np.inf), np.zeros((25, 33), np.int64)
    found = frames.motion(town, (tick - 1, tick), sky, nothing, size)[12, 16]
    focal = 33 / 2 / math.tan(math.radians(town.degrees) / 2)
    # Who turns left saw what is ahead now on the left before. The camera turns about the vertical, not about its y:
    # with a pitch below 0.05, cos(pitch) is within 0.1 % of 1.
    assert found[0] == pytest.approx(-focal * math.tan(turned), rel=0.01)
    assert abs(found[1]) < 0.1


@pytest.mark.parametrize("every", [1, 15, 30])
def test_motion_is_that_since_the_frame_before(town: Town, every: int) -> None:
    """A road 12 m away, through the camera of the frame before; written with a pinhole's rays, not matrices."""
    tick, size, row, column = 300, (33, 25), 20, 9
    focal = 33 / 2 / math.tan(math.radians(town.degrees) / 2)
    road = next(i for i, thing in enumerate(town.things, 1) if thing.label == "road")
    found = frames.motion(town, (tick - every, tick), np.full((25, 33), 12.0), np.full((25, 33), road), size)
    now, before = town.camera(tick), town.camera(tick - every)
    ray = np.array([(column + 0.5 - 33 / 2) / focal, (25 / 2 - row - 0.5) / focal, -1])
    x, y, z = (now[:3, 3] + now[:3, :3] @ ray * 12 - before[:3, 3]) @ before[:3, :3]
    wanted = 33 / 2 - focal * x / z - column - 0.5, 25 / 2 + focal * y / z - row - 0.5
    assert found[row, column] == pytest.approx(wanted, abs=1e-4)  # float32


def heading(town: Town, tick: int) -> float:
    """Of the camera, radians."""
    ahead = -town.camera(tick)[:3, 2]
    return math.atan2(ahead[1], ahead[0])
