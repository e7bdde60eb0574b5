"""SuperTuxKart 1.4 and its deferred OpenGL pipeline.

The G-buffer pass writes two RGBA8 targets and D24S8 (data/shaders/sp_solid.frag and its siblings):

    target 0   rgb albedo in linear light, a emission map
    target 1   rg view-space normal in spheremap encoding, b gloss ("polish"), a metalness

The game's view space is left-handed, +z into the scene; frame files have z towards the camera, so z changes sign in
normals, view matrix and projection. World units are taken as metres. The game has gloss, a smoothness in [0,1];
frame files have roughness = 1 - gloss.

`relight` recomputes what the lighting draw (data/shaders/combine_diffuse_color.frag) adds up.
"""

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.profiles.supertuxkart_classes import CLASSES, classify
from gbuffer_tools.profiles.supertuxkart_launch import DATA, launch
from gbuffer_tools.renderdoc.pixel_formats import sampled
from gbuffer_tools.renderdoc.profile import Captured, DrawPass, Floats, GameProfile, MatrixBlock, Standard

Array = npt.NDArray[np.generic]
Doubles = npt.NDArray[np.float64]
FLIP = np.diag([1.0, 1.0, -1.0, 1.0])
DIELECTRIC = 0.04
EMISSION_GAIN = 10.0
METAL_GAIN = 4.0
NORMAL_STEPS = 256
"""Normals are kept to 1/256: finer than the 8-bit encoding they come from, and half the size on disk."""
DEPTH_BITS = 13
"""Mantissa bits that depth keeps: errors below 6.2e-5 of the depth, half the size on disk."""


def is_gbuffer(found: DrawPass) -> bool:
    """Two RGBA8 targets with depth, drawn by indexed draws: no other pass of the game has two such targets."""
    return found.targets == ("R8G8B8A8_UNORM",) * 2 and found.depth and found.indexed > 0


def is_lighting(samplers: frozenset[str]) -> bool:
    """Whether a draw reads the G-buffer's colours together with the light buffers."""
    return samplers >= {"diffuse_color", "normal_color", "diffuse_map", "specular_map"}


def standard(captured: Captured) -> Standard:
    """Standard buffers, in the dtypes that hold what the game's own targets hold."""
    first, second = (captured.targets[n].astype(np.uint8) for n in ("albedo_emission", "normal_gloss_metal"))
    drawn = captured.drawn[..., None]
    projection = captured.matrices["projection"] @ FLIP
    depth = geometry.depth_from_window(captured.window_depth, projection)
    normal = geometry.decode_spheremap(second[..., :2] / 255) * [1, 1, -1]
    albedo, emit = first[..., :3] / 255, first[..., 3:] / 255
    buffers: dict[str, Array] = {
        "depth": rounded(np.where(captured.drawn, depth, np.inf).astype(np.float32), DEPTH_BITS),
        "normal": np.where(drawn, np.round(normal * NORMAL_STEPS) / NORMAL_STEPS, 0).astype(np.float16),
        "albedo": np.where(drawn, first[..., :3], 0).astype(np.uint8),
        "roughness": np.where(captured.drawn, 255 - second[..., 2], 0).astype(np.uint8),
        "metallic": np.where(captured.drawn, second[..., 3], 0).astype(np.uint8),
        "emission": np.where(drawn, emission(albedo, emit), 0).astype(np.float16),
    }
    size = captured.drawn.shape
    light = {"irradiance": "diffuse_map", "irradiance_specular": "specular_map"}
    for name, sampler in light.items():
        if sampler in captured.inputs:
            buffers[name] = np.where(drawn, sampled(captured.inputs[sampler], size)[..., :3], 0).astype(np.float16)
    if "ssao_tex" in captured.inputs:
        occlusion = sampled(captured.inputs["ssao_tex"], size)[..., 0].clip(0, 1)
        buffers["occlusion"] = np.where(captured.drawn, np.round(occlusion * 255), 0).astype(np.uint8)
    relit = None
    if captured.lit is not None:
        fog = {name: captured.constants.get(name, np.zeros(4)) for name in ("fog_data", "fog_color")}
        scatter = sampled(captured.inputs.get("light_scatter", np.zeros((1, 1, 4), np.float16)), size)
        relit = relight(buffers, projection, fog["fog_data"], fog["fog_color"], scatter)
    return Standard(buffers, FLIP @ captured.matrices["view"], projection, relit)


def rounded(values: npt.NDArray[np.float32], bits: int) -> npt.NDArray[np.float32]:
    """float32 rounded to `bits` mantissa bits (of 23), so it compresses well; inf stays inf."""
    step = np.uint32(1 << (23 - bits))
    return ((values.view(np.uint32) + step // 2) & ~(step - np.uint32(1))).view(np.float32)


def emission(albedo: Doubles, emit: Doubles) -> Doubles:
    """Light that a surface emits, (H,W,3), from albedo (H,W,3) and emission map (H,W,1)."""
    return emit * (albedo + EMISSION_GAIN * (albedo * emit) ** 2)


def relight(
    buffers: dict[str, Array], projection: Doubles, fog_data: Doubles, fog_color: Doubles,
    scatter: Floats,
) -> Doubles:  # fmt: skip
    """The game's lighting from standard buffers, (H,W,3) linear; meaningless where nothing was drawn.

    Args:
        buffers: as stored.
        fog_data: start, end, maximum, density (negative).
        fog_color: rgb and unused.
        scatter: (H,W,4) light scattered in along the way; the last channel is how much of the surface it hides.
    """
    depth = buffers["depth"].astype(np.float64)
    albedo, metal = (buffers[n].astype(np.float64).reshape(*depth.shape, -1) / 255 for n in ("albedo", "metallic"))
    occlusion = buffers["occlusion"].astype(np.float64)[..., None] / 255 if "occlusion" in buffers else 1.0
    diffuse = buffers["irradiance"].astype(np.float64) * albedo * (1 - metal)
    mirror = DIELECTRIC * (1 - metal) + METAL_GAIN * albedo * metal
    specular = buffers["irradiance_specular"].astype(np.float64) * mirror
    lit = (diffuse + specular) * occlusion + buffers["emission"].astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.linalg.norm(geometry.position(depth, projection), axis=-1, keepdims=True)
        lit = lit + fog_color[:3] * (1 - np.exp(fog_data[3] * distance))
    scattered = scatter.astype(np.float64)
    return scattered[..., :3] + lit * (1 - scattered[..., 3:])


PROFILE = GameProfile(
    name="supertuxkart",
    source="SuperTuxKart 1.4",
    licence="GPL-3.0-or-later AND CC-BY-SA-4.0 AND CC-BY-SA-3.0 AND CC-BY-4.0 AND CC-BY-3.0 (SuperTuxKart's artwork)",
    classes=CLASSES,
    unknown="unknown",
    is_gbuffer=is_gbuffer,
    targets=("albedo_emission", "normal_gloss_metal"),
    is_lighting=is_lighting,
    matrices=MatrixBlock("Matrices", {"view": 0, "projection": 64}),
    constants={"SPFogData": (("fog_data", 4), ("fog_color", 4))},
    finished_draw=0,
    colour_sampler="tex_layer_0",
    origin_attribute="i_origin",
    standard=standard,
    image_folders=("tracks", "karts", "library", "models", "textures", "gfx"),
    level_folder="tracks",
    data=DATA,
    classify=classify,
    launch=launch,
)
