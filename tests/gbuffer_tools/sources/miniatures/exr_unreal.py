"""The passes and metadata of a made-up render of Unreal."""

import math

import numpy as np

from gbuffer_tools import geometry
from gbuffer_tools.sources import exr_unreal
from tests.gbuffer_tools.cameras import ridge
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import grey, layer

SIZE = H, W = 40, 60
FOCAL = W / 2 / math.tan(math.radians(30))
PROJECTION = geometry.projection_from_intrinsics((FOCAL, FOCAL), (30, 20), (W, H), (0.1, 1000))
QUEUE = "FinalImageMovieRenderQueue_"


def metadata() -> dict[str, object]:
    ids = {name: name_id(name) for name in ("Floor", "Crate_2")}
    found = {"curPos/x": "100.0", "curPos/y": "-250", "curPos/z": "175.5"}
    found |= {"curRot/pitch": "-12.5", "curRot/yaw": "40", "curRot/roll": "5", "FinalImage/fov": "60.0"}
    return {f"unreal/camera/{key}": value for key, value in found.items()} | {
        "cryptomatte/2cb4/name": "ActorHitProxyMask",
        "cryptomatte/2cb4/hash": "MurmurHash3_32",
        "cryptomatte/2cb4/conversion": "uint32_to_float32",
        "cryptomatte/2cb4/manifest": "{" + ", ".join(f'"{k}": "{v:08x}"' for k, v in ids.items()) + "}",
    }


VIEW = exr_unreal.view_matrix(np.array([1.0, -2.5, 1.755]), *np.radians([-12.5, 40, 5]))


def passes() -> dict[str, np.ndarray]:
    depth, normal = ridge(PROJECTION, SIZE)
    stored = np.where(np.arange(H)[:, None] < 3, 65504, depth * 100)
    world = normal @ VIEW[:3, :3]  # to Unreal's axes
    ids = np.full(SIZE, name_id("Floor"), np.uint32)
    ids[:, 30:] = name_id("Crate_2")
    crypto = np.stack([ids.view(np.float32), np.ones(SIZE), np.zeros(SIZE), np.zeros(SIZE)], -1)
    return (
        grey(SIZE)
        | layer(f"{QUEUE}WorldDepth", np.stack([stored] * 3, -1), "RGB")
        | layer("FinalImagePP_WorldNormal", world * 0.5 + 0.5, "RGB")
        | layer("FinalImagePP_BaseColor", np.full((*SIZE, 3), 0.5), "RGB")
        | layer("FinalImagePP_Roughness", np.full((*SIZE, 3), 0.25), "RGB")
        | layer(f"{QUEUE}MotionVectors", np.full((*SIZE, 3), (0.75, 0.5, 0.0)), "RGB")
        | layer("ActorHitProxyMask00", crypto, "RGBA")
    )
