"""The passes of a made-up render of Blender."""

import numpy as np

from gbuffer_tools import geometry
from tests.gbuffer_tools.cameras import ridge, rotation
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import layer

SIZE = H, W = 40, 60
PROJECTION = geometry.projection_from_intrinsics((60, 60), (30, 20), (W, H), (0.1, 1000))
TURN, PLACE = rotation(5), np.array([9.0, 8, 7])


def passes(*leave_out: str, view: str = "ViewLayer") -> dict[str, np.ndarray]:
    depth, normal = ridge(PROJECTION, SIZE)
    world = geometry.position(depth, PROJECTION) @ TURN + PLACE
    stored = np.where(np.arange(H)[:, None] < 3, 1e10, depth)
    vector = np.broadcast_to((3.0, 4.0, 5.0, 6.0), (*SIZE, 4))
    ids = np.full(SIZE, name_id("Cube"), np.uint32).view(np.float32)
    ids = np.where(stored < 1e9, ids, 0)
    crypto = np.stack([ids, stored < 1e9, ids * 0, ids * 0], -1)
    found = (
        layer("Combined", np.full((*SIZE, 4), 0.25), "RGBA")
        | {"Depth.Z": stored.astype(np.float32)}
        | layer("Normal", np.where(stored[..., None] < 1e9, normal @ TURN, 0))
        | layer("Position", np.where(stored[..., None] < 1e9, world, 0))
        | layer("Vector", vector, "XYZW")
        | layer("DiffCol", np.full((*SIZE, 3), 0.5), "RGB")
        | layer("Emit", np.full((*SIZE, 3), 3.0), "RGB")
        | layer("DiffDir", np.full((*SIZE, 3), 1.5), "RGB")
        | layer("DiffInd", np.full((*SIZE, 3), 0.25), "RGB")
        | layer("AO", np.full((*SIZE, 3), 0.75), "RGB")
        | {"IndexOB.X": np.full(SIZE, 5, np.float32), "IndexMA.X": np.full(SIZE, 6, np.float32)}
        | layer("CryptoObject00", crypto, "rgba")
    )
    return {f"{view}.{name}": array for name, array in found.items() if name.split(".")[0] not in leave_out}


def attributes(view: str = "ViewLayer") -> dict[str, object]:
    start = "cryptomatte/ab12cd3/"
    return {
        "BlenderMultiChannel": "Blender V2.55.1 and newer",
        f"{start}name": f"{view}.CryptoObject",
        f"{start}hash": "MurmurHash3_32",
        f"{start}conversion": "uint32_to_float32",
        f"{start}manifest": f'{{"Cube": "{name_id("Cube"):08x}"}}',
    }
