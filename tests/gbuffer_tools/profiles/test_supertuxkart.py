"""The profile on a scene that is made by hand: a plane, a known light, known fog."""

import math

import numpy as np
import pytest

from gbuffer_tools.profiles import supertuxkart
from gbuffer_tools.profiles.supertuxkart_classes import CLASSES, RULES, classify
from gbuffer_tools.renderdoc.profile import Captured
from gbuffer_tools.schema import BUFFERS

H, W = 18, 32
FAR, NEAR = 1000.0, 1.0
GAME_PROJECTION = np.array(
    [
        [0.67, 0, 0, 0],
        [0, 1.19, 0, 0],
        [0, 0, (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
        [0, 0, 1, 0],
    ]
)
"""The game's: left-handed, +z into the scene."""


def game_encode(n: np.ndarray) -> np.ndarray:
    """data/shaders/utils/encode_normal.frag on (…,3), as bytes."""
    xy = n[..., :2] / np.linalg.norm(n[..., :2], axis=-1, keepdims=True)
    return np.round((0.5 + 0.5 * xy * np.sqrt(0.5 + 0.5 * n[..., 2:])) * 255).astype(np.uint8)


def captured(seed: int = 0) -> Captured:
    rng = np.random.default_rng(seed)
    z = rng.uniform(2, 300, (H, W))
    ndc = (GAME_PROJECTION[2, 2] * z + GAME_PROJECTION[2, 3]) / z
    normal = rng.normal(size=(H, W, 3))
    normal[..., 2] = -np.abs(normal[..., 2]) - 0.5  # visible: against the game's viewing direction
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    drawn = np.ones((H, W), bool)
    drawn[:3] = False
    gloss_metal = rng.integers(0, 256, (H, W, 2), np.uint8)
    return Captured(
        targets={
            "albedo_emission": rng.integers(0, 256, (H, W, 4), np.uint8),
            "normal_gloss_metal": np.concatenate([game_encode(normal), gloss_metal], -1),
        },
        window_depth=np.where(drawn, (ndc + 1) / 2, 1),
        drawn=drawn,
        inputs={
            "diffuse_map": rng.uniform(0, 3, (H, W, 3)).astype(np.float16),
            "specular_map": rng.uniform(0, 3, (H, W, 3)).astype(np.float16),
            "ssao_tex": np.full((H // 2, W // 2, 1), 0.8, np.float16),
            "light_scatter": np.full((H // 2, W // 2, 4), 0.1, np.float16),
        },
        lit=np.zeros((H, W, 3)),
        matrices={"view": np.eye(4), "projection": GAME_PROJECTION},
        constants={"fog_data": np.array([10, 750, 0.7, -0.0025]), "fog_color": np.array([0.2, 0.1, 0.3, 0])},
    )


def slow_combine(c: Captured, row: int, col: int) -> list[float]:
    """combine_diffuse_color.frag for one pixel, in scalars and with the game's own conventions."""
    first, second = c.targets["albedo_emission"][row, col] / 255, c.targets["normal_gloss_metal"][row, col] / 255
    metal, emit, occlusion, scatter = float(second[3]), float(first[3]), float(np.float16(0.8)), float(np.float16(0.1))
    ndc = 2 * c.window_depth[row, col] - 1
    z = GAME_PROJECTION[2, 3] / (ndc - GAME_PROJECTION[2, 2])
    x = ((col + 0.5) / W * 2 - 1) * z / GAME_PROJECTION[0, 0]
    y = (1 - (row + 0.5) / H * 2) * z / GAME_PROJECTION[1, 1]
    fog = 1 - math.exp(-0.0025 * math.sqrt(x * x + y * y + z * z))
    out = []
    for k in range(3):
        albedo = float(first[k])
        diffuse, mirror = float(c.inputs["diffuse_map"][row, col, k]), float(c.inputs["specular_map"][row, col, k])
        lit = diffuse * albedo * (1 - metal) + ((1 - metal) * 0.04 + metal * 4 * albedo) * mirror
        lit = lit * occlusion + emit * (albedo + albedo * albedo * emit * emit * 10)
        lit += float(c.constants["fog_color"][k]) * fog
        out.append(scatter + lit * (1 - scatter))
    return out


def test_relight_agrees_with_the_shader_pixel_by_pixel():
    c = captured()
    relit = supertuxkart.standard(c).relit
    assert relit is not None
    for row, col in ((3, 0), (9, 17), (17, 31), (10, 5)):
        # Stored emission is float16 and occlusion 8 bits: relative errors of 0.0005 and 0.0025.
        assert relit[row, col] == pytest.approx(slow_combine(c, row, col), rel=4e-3)


def test_depth_is_in_metres_and_infinite_in_the_sky():
    c = captured()
    depth = supertuxkart.standard(c).buffers["depth"]
    z = np.random.default_rng(0).uniform(2, 300, (H, W))
    assert depth.dtype == np.float32
    assert np.isinf(depth[:3]).all()
    # 13 mantissa bits: half a step is 2**-14 = 6.1e-5.
    assert np.allclose(depth[3:], z[3:], rtol=6.2e-5)


def test_normals_point_to_the_camera():
    normal = supertuxkart.standard(captured()).buffers["normal"].astype(np.float64)
    assert (normal[3:, :, 2] > 0).mean() > 0.99  # a normal at the limb may tip over in 8 bits
    assert (normal[:3] == 0).all()
    assert np.allclose(np.linalg.norm(normal[3:], axis=-1), 1, atol=0.004)


def test_a_floor_s_normal_is_up():
    c = captured()
    c.targets["normal_gloss_metal"][..., :2] = game_encode(np.array([0.0, 1.0, 0.0]))
    normal = supertuxkart.standard(c).buffers["normal"]
    # One step of 1/255 in the encoding moves z by up to 4 * 0.707 / 255 * 2.
    assert np.allclose(normal[3:].astype(float), (0, 1, 0), atol=0.03)


def test_standard_buffers_are_in_range_and_compact():
    standard = supertuxkart.standard(captured())
    assert set(standard.buffers) <= set(BUFFERS)
    assert {n: str(a.dtype) for n, a in standard.buffers.items()} == {
        "depth": "float32", "normal": "float16", "albedo": "uint8", "roughness": "uint8", "metallic": "uint8",
        "emission": "float16", "irradiance": "float16", "irradiance_specular": "float16", "occlusion": "uint8",
    }  # fmt: skip
    c = captured()
    assert np.array_equal(standard.buffers["roughness"][3:], 255 - c.targets["normal_gloss_metal"][3:, :, 2])
    assert np.array_equal(standard.buffers["irradiance"][3:], c.inputs["diffuse_map"][3:])


def test_cameras_follow_the_format():
    standard = supertuxkart.standard(captured())
    point = np.array([3.0, 4.0, 50.0, 1.0])  # in the game's world; its camera is at the origin
    in_view = standard.view @ point
    assert in_view.tolist() == [3, 4, -50, 1]
    assert np.allclose(standard.projection @ in_view, GAME_PROJECTION @ point)
    assert standard.projection[3].tolist() == [0, 0, -1, 0]


def test_without_ssao_there_is_no_occlusion_buffer():
    c = captured()
    del c.inputs["ssao_tex"]
    assert "occlusion" not in supertuxkart.standard(c).buffers


def test_rounded_keeps_infinity_and_the_bits_it_says():
    values = np.array([np.inf, 1.0, 1 + 2**-17, 1 + 2**-16, 123.456], np.float32)
    found = supertuxkart.rounded(values, 16)
    assert found[:2].tolist() == [np.inf, 1]
    assert found[3] == values[3]
    assert (found.view(np.uint32) % 2**7 == 0).all()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("karts/tux/road.png", "kart"),
        ("textures/stktex_roadTrail_a.png", "road"),
        ("textures/city_asphalt_1.jpg", "road"),
        ("textures/stk_generic_brickA.png", "building"),
        ("tracks/scotland/Mossy_wall.png", "building"),
        ("textures/stk_grassAlpha.png", "terrain"),
        ("textures/stktex_treeBark_b.png", "vegetation"),
        ("tracks/scotland/water_dark.png", "water"),
        ("models/banana.png", "item"),
        ("library/stklib_pineTree_a/diffuse.png", "vegetation"),
        ("textures/stk_generic_borderDarkGreenA.png", "road"),  # a kerb
        ("tracks/black_forest/grass-border.png", "vegetation"),
        ("library/stklib_liana_a/stklib_liana_diff_a.png", "vegetation"),
        ("tracks/scotland/x.png", "unknown"),
    ],
)
def test_classes_by_name(path, wanted):
    assert classify(path) == wanted


def test_every_class_of_the_rules_is_in_the_list():
    assert {name for name, _ in RULES} <= set(CLASSES)
    assert CLASSES[0] == "sky"
