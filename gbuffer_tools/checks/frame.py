"""What can be wrong with the numbers in one frame, and in all frames of a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.frame import BUFFERS, buffer_spec
from gbuffer_tools.schema import Shard

MIN_RELIGHT = 0.999
LENGTH_TOLERANCE = 0.01
"""float16 and rounding to 1/256 leave a length within 0.004 of 1."""
RANGE_TOLERANCE = 1e-3
MAX_NORMAL_ANGLE = 20.0
"""Median degrees between stored normals and those of the depth; normal maps and edges leave 1 to 6 in real frames."""
MIN_FACING = 0.8
"""Fraction of pixels whose normal faces the camera; interpolated normals turn away at silhouettes and in foliage."""
MIN_JUDGED_PIXELS = 100

UNITS = (1.0, 0.01, 0.001)
"""Units, in metres, in which half-float files may have held depth."""
MIN_CONSTANT_PIXELS = 20_000
"""Fewer drawn pixels in a file may well show only one thing, of one colour."""
NEUTRAL: dict[str, tuple[float, ...]] = {
    "roughness": (1,),
    "metallic": (0,),
    "specular": (0, 0.5),
    "emission": (0,),
    "irradiance_specular": (0,),
    "occlusion": (1,),
    "motion": (0,),
}
"""What renderers write if a scene has no such thing; 0.5 is Unreal Engine's default specular."""
NEUTRAL_TOLERANCE = 0.003
"""0.5 in 8 bits is 127/255 or 128/255."""
ANGLE_BINS, HISTOGRAM_BINS = 1800, 36


@dataclass(frozen=True)
class Finding:
    """Something that is wrong or, as a note, worth knowing. `frame` is empty if it concerns the whole file."""

    file: str
    frame: str
    what: str


@dataclass
class ShardStatistics:
    """Statistics over a file's frames that were checked so far.

    Attributes:
        drawn: pixels where something was drawn.
        ranges: buffer -> (2,C) lowest and highest finite value of each channel there.
        classes: lowest and highest class id there; None: no class ids.
        angles: (ANGLE_BINS,) pixels by the angle, 0..180 degrees, between the normal and that of the depth.
    """

    drawn: int = 0
    ranges: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    classes: tuple[int, int] | None = None
    angles: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(ANGLE_BINS, np.int64))


@dataclass(frozen=True)
class NormalAngle:
    """The angle between stored normals and those of the depth, in degrees.

    Attributes:
        median, p90: half and 90 % of the pixels are below these, to 0.1.
        histogram: pixels per 5 degrees.
    """

    median: float
    p90: float
    histogram: tuple[int, ...]


def frame_problems(shard: Shard, i: int, seen: ShardStatistics) -> Iterator[str]:
    """What is wrong with frame `i`, one line each; adds the frame to `seen`."""
    drawn = np.ones((shard.height, shard.width), bool)
    if "depth" in shard.buffers:
        drawn = np.isfinite(shard.buffer("depth", i)[..., 0])
    elif "normal" in shard.buffers:  # where nothing was drawn there is no normal
        drawn = (shard.buffer("normal", i) != 0).any(axis=-1)
    seen.drawn += int(drawn.sum())
    for name in shard.buffers:
        values = shard.buffer(name, i)
        see_range(seen, name, values[drawn])
        yield from value_problems(name, values, drawn)
    if "class" in shard.ids:
        ids = shard.id("class", i)
        highest, count = int(ids.max()), len(shard.header.classes)
        if highest >= count:
            yield f"class id {highest} is not among the {count} classes"
        if drawn.any():
            before = seen.classes or (highest, 0)
            seen.classes = min(before[0], int(ids[drawn].min())), max(before[1], int(ids[drawn].max()))
    relight = shard.number("relight", i)
    if relight is not None and not relight >= MIN_RELIGHT:
        yield f"relight correlation {relight:.5f} is below {MIN_RELIGHT}: buffers and image do not belong together"
    camera = shard.camera(i)
    problem = camera_problem(*camera) if camera else None
    if problem:
        yield problem
    elif camera and {"normal", "depth"} <= set(shard.buffers):
        depth, normal = shard.buffer("depth", i)[..., 0], shard.buffer("normal", i)
        yield from normal_problems(normal.astype(np.float64), depth.astype(np.float64), camera[1], seen)


def see_range(seen: ShardStatistics, name: str, here: npt.NDArray[np.float32]) -> None:
    """Widen a buffer's range by the values (P,C) of drawn pixels."""
    finite = here[np.isfinite(here).all(-1)]
    if len(finite):
        found = np.stack([finite.min(0), finite.max(0)])
        low, high = seen.ranges.get(name, found)
        seen.ranges[name] = np.stack([np.minimum(low, found[0]), np.maximum(high, found[1])])


def value_problems(name: str, values: npt.NDArray[np.float32], drawn: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Lines about values that are nan, infinite or out of range where something was drawn."""
    if np.isnan(values).any():
        yield f"{name} has {np.isnan(values).any(-1).sum()} pixels that are not a number"
    here = values[drawn]
    if np.isinf(here).any():
        yield f"{name} has {np.isinf(here).any(-1).sum()} infinite pixels where something was drawn"
    low, high = buffer_spec(name, values.shape[2]).range
    finite = here[np.isfinite(here)]
    if finite.size and (finite.min() < low - RANGE_TOLERANCE or finite.max() > high + RANGE_TOLERANCE):
        yield f"{name} is in {finite.min():g}..{finite.max():g}, wanted {low:g}..{high:g}"
    if name == "depth":
        yield from depth_problems(values)
    if name == "normal" and finite.size:
        off = np.abs(np.linalg.norm(here.astype(np.float64), axis=-1) - 1) > LENGTH_TOLERANCE
        if off.any():
            yield f"normal is not of unit length in {off.mean():.2%} of the drawn pixels"


def depth_problems(values: npt.NDArray[np.float32]) -> Iterator[str]:
    """Lines about depths (H,W,1) that are not distances, or that half floats have cut off."""
    if (values <= 0).any():
        yield f"depth reaches {values[values <= 0].min():g}, wanted above 0"
    furthest = values[np.isfinite(values)].max(initial=0)
    for metres in UNITS:
        # If depths go beyond the limit, they were not cut off there: a surface happens to be that far away.
        limit = geometry.HALF_MAX * metres
        cut = np.isclose(values, limit, rtol=1e-6, atol=0)
        if cut.any() and np.isclose(furthest, limit, rtol=1e-6, atol=0):
            found = f"{cut.mean():.2%} of the depth are {limit:g} m"
            yield f"{found}, where half floats end: sky, or too far; wanted inf there"


def camera_problem(view: npt.NDArray[np.float64], projection: npt.NDArray[np.float64]) -> str | None:
    """Why view and projection (4,4) are not a camera in the format's convention; None if they are."""
    if not (np.isfinite(view).all() and np.isfinite(projection).all()):
        return "camera has numbers that are not finite"
    if not geometry.is_rigid(view):
        return "camera/view is not a rotation or reflection with a translation"
    if not geometry.is_perspective(projection):
        return "camera/projection is not an OpenGL perspective that looks along -z, or it is sheared"
    return None


def normal_problems(
    normal: npt.NDArray[np.float64],
    depth: npt.NDArray[np.float64],
    projection: npt.NDArray[np.float64],
    seen: ShardStatistics,
) -> Iterator[str]:
    """Lines about normals (H,W,3) whose space or sign is not the format's; depth is (H,W)."""
    from_depth = geometry.normal_from_depth(depth, projection)
    judged = np.isfinite(from_depth).all(-1) & np.isfinite(normal).all(-1)
    if judged.sum() < MIN_JUDGED_PIXELS:
        return
    towards = geometry.view_vector(projection, (depth.shape[0], depth.shape[1]))
    facing = ((normal * towards).sum(-1)[judged] > 0).mean()
    if facing < MIN_FACING:
        yield f"normal faces the camera in only {facing:.1%} of the pixels; its z should point towards the camera"
    angles = np.degrees(np.arccos(np.clip((normal * from_depth).sum(-1)[judged], -1, 1)))
    seen.angles += np.histogram(angles, ANGLE_BINS, (0, 180))[0]
    angle = float(np.median(angles))
    if angle > MAX_NORMAL_ANGLE:
        yield f"normal is {angle:.0f} degrees off the depth's in the median, wanted at most {MAX_NORMAL_ANGLE:g}"


def constants(seen: ShardStatistics, classes: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Buffers with one value in every drawn pixel of a file: for each, whether that is normal, and a line.

    It is normal for buffers of things that a scene may lack (`NEUTRAL`), for `x_` buffers, about which nothing is
    known, and for class ids: a scene may be all road.
    """
    if seen.drawn < MIN_CONSTANT_PIXELS:
        return
    for name, (low, high) in seen.ranges.items():
        still = np.flatnonzero(low == high)
        if not len(still):
            continue
        which = name if len(still) == len(low) else f"{name}, channel {' and '.join(map(str, still))},"
        values = " ".join(f"{low[c]:g}" for c in still)
        neutral = any(np.abs(low[still] - value).max() <= NEUTRAL_TOLERANCE for value in NEUTRAL.get(name, ()))
        yield neutral or name not in BUFFERS, f"{which} is {values} in every drawn pixel"
    if seen.classes and seen.classes[0] == seen.classes[1] and 1 < len(classes) > seen.classes[0]:
        yield True, f"ids/class is {classes[seen.classes[0]]!r} in every drawn pixel"


def normal_angle(seen: ShardStatistics) -> NormalAngle | None:
    """The angle between stored normals and those of the depth; None if no pixel has both."""
    if not seen.angles.any():
        return None
    histogram = tuple(int(n) for n in seen.angles.reshape(HISTOGRAM_BINS, -1).sum(1))
    return NormalAngle(angle_at(seen.angles, 0.5), angle_at(seen.angles, 0.9), histogram)


def angle_at(angles: npt.NDArray[np.int64], fraction: float) -> float:
    """The angle in degrees, to 0.1, below which a fraction of the pixels in `ShardStatistics.angles` is."""
    reached = np.searchsorted(np.cumsum(angles), fraction * angles.sum())
    return round(float(reached + 1) * 180 / ANGLE_BINS, 1)
