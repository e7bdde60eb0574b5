"""Solves a camera from its picture: where it was and where it looked, from its pixels' world positions or normals.

Renderers rarely store their camera with their passes, but many can store each pixel's world position.
"""

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry

Floats = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.float64]

SAMPLES = 6000
ROUNDS = 5
MIN_SAMPLES = 60
FLAT = 1e-3
"""Smallest spread of the points across their best-fit plane, relative to their spread in it; flatter points do not
determine a camera."""
MAX_PIXELS = 1.0
MAX_SKEW, MAX_CONDITION = 0.01, 1e6
"""A pinhole camera's rows are far apart; the third row of a parallel projection vanishes or is noise."""
STEPS, NUDGE = 8, 1e-6
AS_GOOD = 1.01
MIN_SPREAD = 1e-3
MAX_DEGREES = 20.0


def camera_from_positions(
    positions: Floats, drawn: npt.NDArray[np.bool_], planes: tuple[float, float]
) -> tuple[Matrix, Matrix] | None:
    """The pinhole camera that saw these points, by direct linear transformation.

    The projection (3,4) that takes points to pixel centres is the null vector of the points' equations (Hartley and
    Zisserman, Multiple View Geometry, 2nd ed., 7.1, with their normalisation); an RQ decomposition splits it into lens
    and pose. Points that miss their pixel by more than three times the median, as on antialiased edges, are left out
    and the rest is solved again. The result is refined by least squares on the errors in pixels, once with square
    pixels and the centre in the middle, once without; the former is used unless its error is larger, as renderers
    sample anywhere in a pixel, and that noise alone would shift the centre and tilt the camera to compensate.

    Args:
        positions: (H,W,3) world.
        drawn: (H,W), where there are positions.
        planes: near and far planes of the projection.

    Returns:
        (view, projection), each (4,4); None if the points are too few, all in one plane, or do not fit a pinhole camera
        without skew (the median point misses its pixel by more than one pixel).
    """
    try:
        with np.errstate(all="ignore"):
            found = _solved(positions, drawn, planes)
    except np.linalg.LinAlgError:  # numbers near the largest float
        return None
    return found if found is not None and all(np.isfinite(matrix).all() for matrix in found) else None


def _solved(
    positions: Floats, drawn: npt.NDArray[np.bool_], planes: tuple[float, float]
) -> tuple[Matrix, Matrix] | None:
    height, width = drawn.shape
    rows, cols = np.nonzero(drawn & np.isfinite(positions).all(-1))
    if len(rows) < MIN_SAMPLES:
        return None
    some = np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int)
    rows, cols = rows[some], cols[some]
    points = positions[rows, cols].astype(np.float64)
    pixels = np.stack([cols + 0.5, rows + 0.5], -1)
    kept = np.ones(len(points), bool)
    matrix, median = np.zeros((3, 4)), np.inf
    for _ in range(ROUNDS):
        if kept.sum() < MIN_SAMPLES or not _has_depth(points[kept]):
            return None
        matrix = _direct(points[kept], pixels[kept])
        errors = _misses(matrix, points, pixels)
        median = float(np.median(errors[kept]))
        kept = errors <= max(3 * median, 1e-9)
    if median > MAX_PIXELS:
        return None
    if np.linalg.cond(matrix[:, :3] / np.linalg.norm(matrix[:, :3], axis=1, keepdims=True)) > MAX_CONDITION:
        return None
    lens, turn, place = _parted(matrix, points[kept])
    if abs(lens[0, 1]) > MAX_SKEW * lens[0, 0]:
        return None
    refined = _refined(points[kept], pixels[kept], (lens, turn, place), (width / 2, height / 2))
    if refined is None:
        return None
    lens, turn, place = refined
    flip = np.diag([1.0, -1.0, -1.0])  # pixel rows grow downwards, and cameras of this kind look along +z
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = flip @ turn, -flip @ turn @ place
    focal, centre = (lens[0, 0], lens[1, 1]), (lens[0, 2], lens[1, 2])
    return view, geometry.projection_from_intrinsics(focal, centre, (width, height), planes)


def rotation_from_normals(world: Floats, view: Floats, drawn: npt.NDArray[np.bool_]) -> Matrix | None:
    """The rotation (3,3) that turns world normals into view normals, by least squares over pairs (Kabsch 1976).

    Args:
        world: (H,W,3) unit normals.
        view: (H,W,3) unit normals of the same pixels, such as the depth's; nan where unknown.
        drawn: (H,W).

    Returns:
        None if there are fewer than two directions, or the median pair is more than 20 degrees apart.
    """
    use = drawn & np.isfinite(view).all(-1) & (np.linalg.norm(world, axis=-1) > 0.5)
    if use.sum() < MIN_SAMPLES:
        return None
    a, b = world[use].astype(np.float64), view[use].astype(np.float64)
    kept, turn, cosines = np.ones(len(a), bool), np.eye(3), np.zeros(len(a))
    for _ in range(ROUNDS):
        u, spread, v = np.linalg.svd(b[kept].T @ a[kept] / kept.sum())
        if spread[1] < MIN_SPREAD:  # a single direction leaves rotation about itself free
            return None
        turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
        cosines = (b * (a @ turn.T)).sum(-1)
        kept = cosines >= np.cos(3 * np.arccos(np.clip(np.median(cosines), 0.5, 1)) + 1e-6)
    return turn if np.median(cosines) > np.cos(np.radians(MAX_DEGREES)) else None


def _has_depth(points: Matrix) -> bool:
    """Whether the points are not all in one plane."""
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return bool(spread[2] > FLAT * spread[0])


def _direct(points: Matrix, pixels: Matrix) -> Matrix:
    to_unit, to_square = _normaliser(points), _normaliser(pixels)
    x = np.concatenate([points, np.ones((len(points), 1))], 1) @ to_unit.T
    u = np.concatenate([pixels, np.ones((len(pixels), 1))], 1) @ to_square.T
    none = np.zeros_like(x)
    equations = np.concatenate(
        [np.concatenate([x, none, -u[:, :1] * x], 1), np.concatenate([none, x, -u[:, 1:2] * x], 1)]
    )
    _, vectors = np.linalg.eigh(equations.T @ equations)
    matrix: Matrix = np.linalg.inv(to_square) @ vectors[:, 0].reshape(3, 4) @ to_unit
    return matrix


def _normaliser(points: Matrix) -> Matrix:
    """Moves the mean to 0 and scales the mean distance to the square root of the number of axes."""
    axes = points.shape[1]
    middle = points.mean(0)
    scale = np.sqrt(axes) / max(float(np.linalg.norm(points - middle, axis=1).mean()), 1e-12)
    found = np.diag([*[scale] * axes, 1.0])
    found[:axes, axes] = -scale * middle
    return found


def _misses(matrix: Matrix, points: Matrix, pixels: Matrix) -> Matrix:
    seen = points @ matrix[:, :3].T + matrix[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = np.linalg.norm(seen[:, :2] / seen[:, 2:] - pixels, axis=1)
    return np.where(np.isfinite(missed), missed, np.inf)


def _refined(
    points: Matrix, pixels: Matrix, start: tuple[Matrix, Matrix, Matrix], middle: tuple[float, float]
) -> tuple[Matrix, Matrix, Matrix] | None:
    """Lens, rotation and position with the least squared error: Gauss-Newton over these, focal lengths and centre.

    None if it diverges: the points are nearly in one plane, and off their pixel centres.
    """
    lens, turn, place = start

    def camera(change: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        central = len(change) == 7
        focal = np.sqrt(lens[0, 0] * lens[1, 1]) if central else np.diag(lens)[:2]
        focal = focal * np.exp(change[6:7] if central else change[6:8])
        centre = middle if central else lens[:2, 2] + change[8:]
        found = np.diag([*np.broadcast_to(focal, 2), 1.0])
        found[:2, 2] = centre
        return found, np.asarray(_turned(change[:3]) @ turn), np.asarray(place + change[3:6])

    def misses(change: Matrix) -> Matrix:
        found, turned, placed = camera(change)
        seen = (points - placed) @ (found @ turned).T
        return np.asarray((seen[:, :2] / seen[:, 2:] - pixels).ravel())

    best = []
    for count in (7, 10):
        change, missed = np.zeros(count), misses(np.zeros(count))
        for _ in range(STEPS):
            slopes = [misses(change + step) - misses(change - step) for step in np.eye(count) * NUDGE]
            if not np.isfinite([*slopes, missed]).all():  # LAPACK would print a message
                break
            change -= np.linalg.lstsq(np.stack(slopes, 1) / (2 * NUDGE), missed, rcond=None)[0]
            missed = misses(change)
        found = np.median(np.linalg.norm(missed.reshape(-1, 2), axis=1)) <= MAX_PIXELS
        best.append((float(np.sqrt((missed**2).mean())) if found else np.inf, camera(change)))
    (simple, central), (free, other) = best
    if min(simple, free) == np.inf:
        return None
    return central if simple <= free * AS_GOOD + 1e-6 else other


def _turned(by: Matrix) -> Matrix:
    """The rotation (3,3) about an axis by the axis's length, radians (Rodrigues)."""
    angle = float(np.linalg.norm(by))
    x, y, z = by / max(angle, 1e-30)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _parted(matrix: Matrix, points: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Lens (3,3), upper triangular with last entry 1; rotation (3,3); camera position (3,)."""
    if (points @ matrix[2, :3] + matrix[2, 3] < 0).mean() > 0.5:
        matrix = -matrix  # points are in front
    turned, upper = np.linalg.qr(np.linalg.inv(matrix[:, :3]))
    lens, turn = np.linalg.inv(upper), turned.T
    signs = np.diag(np.sign(np.diag(lens)))
    lens, turn = lens @ signs, signs @ turn
    place = np.asarray(-np.linalg.solve(matrix[:, :3], matrix[:, 3]), np.float64)
    return lens / lens[2, 2], turn, place
