"""The AOVs of a made-up render of Mitsuba."""

import numpy as np

from gbuffer_tools import geometry
from tests.gbuffer_tools.cameras import ridge, rotation
from tests.gbuffer_tools.made_exr import grey, layer

SIZE = H, W = 40, 60
PROJECTION = geometry.projection_from_intrinsics((60, 60), (30, 20), (W, H), (0.1, 1000))
TURN, PLACE = rotation(6), np.array([1.0, 2, 3])


def aovs() -> dict[str, np.ndarray]:
    depth, normal = ridge(PROJECTION, SIZE)
    seen = geometry.position(depth, PROJECTION)
    drawn = np.arange(H)[:, None] >= 3
    return (
        grey(SIZE)
        | {"dd.T": np.where(drawn, np.linalg.norm(seen, axis=-1), 0).astype(np.float32)}
        | layer("nn", np.where(drawn[..., None], normal @ TURN, 0))
        | layer("pos", np.where(drawn[..., None], seen @ TURN + PLACE, 0))
        | layer("albedo", np.full((*SIZE, 3), 0.5), "RGB")
        | {"sid.I": np.full(SIZE, 2, np.float32), "uv.U": np.zeros(SIZE, np.float32)}
    )
