"""Frame geometry and colour, in plain NumPy.

View space: x right, y up, z towards the camera. Depth is the distance along the view axis (metres, inf = nothing
drawn). Projections are OpenGL's, 4 x 4, for column vectors. Row 0 is the top of an image.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

ALL = slice(None)
HALF_MAX = 65504.0
"""The largest finite half float: larger values become this, or infinite, in half float files."""
NO_DEPTH_FROM = 1e9
"""Blender writes 1e10 where nothing was drawn, other renderers 1e30 or the largest float."""

RIGID_TOLERANCE = 1e-3
"""How far the products of a rotation's rows may be from 1 and 0. Rounding to four decimals, as scripts print them,
leaves up to 2e-4, and half floats up to 1e-3; a scale of 0.1 %, which is not rounding, gives 2e-3."""


def nothing_drawn(stored: Floats) -> npt.NDArray[np.bool_]:
    """Where stored depths or distances, in the file's own unit, say that nothing was drawn; nan does not say so.

    0, negative numbers and infinities say so, and values too large to be meant: 1e9 and more, and exactly 65504, to
    which half floats are clipped, even if they are later stored as other floats. In Unreal's centimetres that is
    655.04 m: sky, or something further away than a half float can express.
    """
    depth = stored.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return (depth <= 0) | (depth >= NO_DEPTH_FROM) | (depth == HALF_MAX)


def depth_from_window(window: Floats, projection: Floats) -> npt.NDArray[np.float64]:
    """Depth along the view axis from window-space depth in [0,1] (OpenGL's default depth range).

    clip.z / clip.w = 2 window - 1, with clip.w = depth and view z = -depth.

    Args:
        window: any shape.
        projection: (4,4), perspective.
    """
    ndc = 2 * window.astype(np.float64) - 1
    return projection[2, 3] / (ndc + projection[2, 2])


def is_perspective(projection: Floats) -> bool:
    """Whether a projection (4,4) is an OpenGL pinhole camera that looks along -z, without shear.

    `rays` and what builds on it are only correct for such projections. The centre may be outside the picture.
    """
    pinhole = np.isfinite(projection).all() and (projection[3] == (0, 0, -1, 0)).all()
    sheared = projection[[0, 1, 0, 1, 2, 2], [1, 0, 3, 3, 0, 1]].any()
    return bool(pinhole and not sheared and min(projection[0, 0], projection[1, 1]) > 0)


def rays(
    projection: Floats, size: tuple[int, int], rows: slice = ALL, cols: slice = ALL
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """View-space x (w,) and y (h,) of the rays through pixel centres at depth 1.

    Args:
        projection: (4,4), perspective.
        size: height and width of the whole frame, pixels.
        rows, cols: the crop.
    """
    height, width = size
    x = (np.arange(width)[cols] + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height)[rows] + 0.5) / height * 2
    # clip = P (x, y, -depth): the off-centre terms P[:, 2] shift the rays of stereo or jittered cameras.
    return (x + projection[0, 2]) / projection[0, 0], (y + projection[1, 2]) / projection[1, 1]


def position(depth: Floats, projection: Floats) -> npt.NDArray[np.float64]:
    """View-space positions (H,W,3) of pixel centres at depths (H,W); inf or nan where the depth is inf."""
    z = depth.astype(np.float64)
    x, y = rays(projection, (depth.shape[0], depth.shape[1]))
    return np.stack([x[None] * z, y[:, None] * z, -z], -1)


def view_vector(
    projection: Floats, size: tuple[int, int], rows: slice = ALL, cols: slice = ALL
) -> npt.NDArray[np.float64]:
    """View-space unit vectors (h,w,3) from each pixel's surface to the camera; arguments as for `rays`."""
    x, y = rays(projection, size, rows, cols)
    towards = np.stack(np.broadcast_arrays(-x[None], -y[:, None], 1.0), axis=-1)
    return towards / np.linalg.norm(towards, axis=-1, keepdims=True)


def depth_from_distance(distance: Floats, projection: Floats) -> npt.NDArray[np.float64]:
    """Depth along the view axis (H,W) from distances to the camera's centre along each pixel's ray; inf stays inf."""
    lengths = np.linalg.norm(position(np.ones(distance.shape), projection), axis=-1)
    return distance.astype(np.float64) / lengths


def uv_rays(degrees: float, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The matrix (3,3) that takes (u, v, 1), u to the right and v up from -1 to 1, to a ray (x, y, z) in view space.

    Args:
        degrees: horizontal field of view of a pinhole camera.
        size: height and width, pixels.
    """
    half = np.tan(np.radians(degrees) / 2)
    return np.diag([half, half * size[0] / size[1], -1.0])


def depth_from_uv_rays(distance: Floats, matrix: Floats) -> npt.NDArray[np.float64]:
    """Depth along the view axis (H,W) from distances to the camera's centre along the rays of a `uv_rays` matrix (3,3).

    It is inf where nothing was drawn, the distance is not a number, or the ray does not point forward.
    """
    height, width = distance.shape
    u, v = (np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2
    along = np.stack(np.broadcast_arrays(u[None], v[:, None], 1.0), -1) @ matrix.astype(np.float64).T
    forward = -along[..., 2] / np.maximum(np.linalg.norm(along, axis=-1), 1e-12)
    there = ~(np.isnan(distance) | nothing_drawn(distance)) & (forward > 0)
    return np.where(there, np.where(there, distance, 1).astype(np.float64) * forward, np.inf)


def projection_from_uv_rays(matrix: Floats, planes: tuple[float, float]) -> npt.NDArray[np.float64] | None:
    """The OpenGL projection (4,4) of a `uv_rays` matrix; None for a tilted lens, which is not a pinhole camera.

    Args:
        matrix: (3,3).
        planes: (near, far), metres.
    """
    tilted = np.abs(matrix[[0, 1, 2, 2], [1, 0, 0, 1]]).max() > 1e-6
    if tilted or min(matrix[0, 0], matrix[1, 1], -matrix[2, 2]) <= 1e-6:
        return None
    scaled = matrix / -matrix[2, 2]
    projection = projection_from_intrinsics((1, 1), (1, 1), (2, 2), planes)
    for axis in (0, 1):
        projection[axis, axis], projection[axis, 2] = 1 / scaled[axis, axis], scaled[axis, 2] / scaled[axis, axis]
    return projection


def projection_from_intrinsics(
    focal: tuple[float, float], centre: tuple[float, float], size: tuple[int, int], planes: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """The OpenGL projection (4,4) of a pinhole camera.

    Args:
        focal: (fx, fy), pixels.
        centre: (cx, cy), pixels from the top left corner of the image; pixel centres are at column + 0.5, row + 0.5.
        size: (width, height), pixels.
        planes: (near, far), metres.
    """
    (fx, fy), (cx, cy), (width, height), (near, far) = focal, centre, size, planes
    return np.array([
        [2 * fx / width, 0, 1 - 2 * cx / width, 0],
        [0, 2 * fy / height, 2 * cy / height - 1, 0],
        [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
        [0, 0, -1, 0],
    ])  # fmt: skip


def is_rigid(matrix: Floats) -> bool:
    """Whether a matrix (4,4), for column vectors, is a rotation or reflection with a translation, without scale.

    Poses and view matrices are rigid; a matrix that is not finite is not.
    """
    rotation = matrix[:3, :3].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(rotation @ rotation.T - np.eye(3)).max(), np.abs(matrix[3] - (0, 0, 0, 1)).max()
    return bool(np.isfinite(matrix).all() and max(off) <= RIGID_TOLERANCE)


def view_from_pose(pose: Floats) -> npt.NDArray[np.float64]:
    """World to view (4,4) from the camera's rigid pose in the world (4,4); the camera looks along its -z, y is up."""
    turned = pose[:3, :3].astype(np.float64).T
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turned, -turned @ pose[:3, 3]
    return view


def turn(vectors: Floats, matrix: Floats) -> npt.NDArray[np.float64]:
    """Directions (...,3) rotated by the upper left 3x3 of a matrix; the view matrix turns world to view normals."""
    return vectors.astype(np.float64) @ matrix[:3, :3].astype(np.float64).T


def normal_from_depth(depth: Floats, projection: Floats) -> npt.NDArray[np.float64]:
    """Unit normals (H,W,3) from central differences of positions; nan at the border and next to the sky."""
    found = np.full((*depth.shape, 3), np.nan)
    with np.errstate(invalid="ignore"):
        at = position(depth, projection)
        right = at[1:-1, 2:] - at[1:-1, :-2]
        up = at[:-2, 1:-1] - at[2:, 1:-1]
        normal = np.cross(right, up)
        found[1:-1, 1:-1] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    return found


def decode_spheremap(encoded: Floats) -> npt.NDArray[np.float64]:
    """Unit normals (...,3) from the two-channel spheremap encoding (...,2) in [0,1].

    The encoding is e = 0.5 + 0.5 normalize(n.xy) sqrt(0.5 + 0.5 n.z); Mittring, "A bit more deferred: CryEngine 3",
    Triangle Game Conference 2009. z has the source's own direction. At e = 0.5 the decoding gives (0, 0, -1).
    """
    e = 2 * encoded.astype(np.float64) - 1
    squared = (e * e).sum(-1, keepdims=True)
    z = np.clip(2 * squared - 1, -1, 1)
    xy = e / np.sqrt(np.maximum(squared, 1e-12)) * np.sqrt(1 - z * z)
    normal = np.concatenate([xy, z], -1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def srgb_to_linear(srgb: Floats) -> Floats:
    """sRGB in [0,1] to linear light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Floats) -> Floats:
    """Linear light in [0,1] to sRGB (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


_LINEAR16 = np.round(srgb_to_linear(np.arange(256) / 255) * 65535).astype(np.uint16)


def linear16(srgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """8-bit sRGB as linear light, 0..65535 for 0..1: exact to 1/131070, and different colours stay different."""
    found: npt.NDArray[np.uint16] = _LINEAR16[srgb]
    return found
