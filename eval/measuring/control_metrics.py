"""What eval.control measures in each frame: shared edges, geometry, depth, and colour sums per class.

To add a frame metric, write it in eval/fidelity, add a row to `METRICS`, and its value to `found`.

Shapes: F frames, C classes, H W pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from eval.digests import pixel_digest
from eval.fidelity.colour import class_sums, to_lab
from eval.fidelity.defects import beyond_grading, chroma_kept, corner_lightness, halo
from eval.fidelity.depth import depth_error
from eval.fidelity.edges import Edges, canny, f1, fraction_found, of_geometry
from eval.inputs import RENDER, picture_like
from eval.measuring.class_colours import MIN_PIXELS
from eval.metrics.spectrum import luma, weave
from eval.no_value import value_or_nan
from eval.records.scores_record import Metric
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
DepthEstimator = Callable[[Pixels], Array]
"""A picture (H, W, 3) uint8 -> inverse depth (H, W), of unknown scale and shift."""

MAX_IDS = 256
METRICS = (
    Metric("edges_f1", "edges, F1 to the render", "", "Canny's edges in both pictures, within a pixel"),
    Metric("edges_precision", "edges, precision", "", "share of the picture's edges that the render has, too"),
    Metric("edges_recall", "edges, recall", "", "share of the render's edges that are still there"),
    Metric("geometry_recall", "edges of the geometry, recall", "higher",
           "share of the places where class changes or depth jumps that show an edge"),
    Metric("weave_db", "weave, dB", "lower", "power of the finest pattern over that of frequencies just below"),
    Metric("halo", "halos, grey levels", "lower", "light near jumps of depth that no grade explains, less that beside"),
    Metric("chroma_kept", "chroma kept", "", "of colours that are strong in the render (chroma 40 or more)"),
    Metric("corner_lightness", "corners, L*", "", "change of lightness in the corners, less that in the middle"),
    Metric("depth_si_rmse", "depth, SI-RMSE", "lower", "the frame's depth against the network's estimate"),
)  # fmt: skip


@dataclass(frozen=True)
class FrameBuffers:
    """What a frame file says about a frame.

    Attributes:
        ids: (H, W) classes, as indices into `names`; None if the file has none.
        names: the file's class names.
        depth: (H, W) metres; None if the file has none.
    """

    ids: NDArray[np.uint8] | None = None
    names: tuple[str, ...] = ()
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FrameFacts:
    """Everything that was measured, frame by frame.

    Attributes:
        values: by method and metric of `METRICS`, (F,), NaN where there is none.
        sums: by method, sums of L*, a*, b* over the pixels of each class, (F, C, 3).
        pixels: (F, C) pixel counts of each class.
        classes: names (C,), in the order in which files name them.
        digests: the pictures' digests, by method and key.
    """

    values: dict[str, dict[str, Array]]
    sums: dict[str, Array]
    pixels: Array
    classes: tuple[str, ...]
    digests: dict[str, dict[str, bytes]]


def frame_buffers(frames: Images) -> Iterator[FrameBuffers]:
    """The buffers of each frame, in key order; empty ones if the folder holds plain pictures."""
    opened: tuple[object, Shard | None] = (None, None)
    for number, key in enumerate(frames.keys):
        path = frames.path(number)
        if path.suffix != ".h5":
            yield FrameBuffers()
            continue
        if opened[0] != path:
            if opened[1] is not None:
                opened[1].close()
            opened = (path, Shard(path))
        shard = opened[1]
        assert shard is not None
        index = shard.names.index(key.rpartition("/")[2])
        yield FrameBuffers(
            shard.id("class", index).astype(np.uint8) if "class" in shard.ids else None,
            shard.header.classes,
            shard.buffer("depth", index)[..., 0] if "depth" in shard.buffers else None,
        )
    if opened[1] is not None:
        opened[1].close()


def measure_frames(methods: Mapping[str, Images], estimate: DepthEstimator | None) -> FrameFacts:
    """Measure every frame in every method.

    Args:
        methods: pictures of the same frames, by method name; the render is the folder of frames.
        estimate: a depth network, if there is one.

    Raises:
        InputError: pictures whose size is not the frame's.
    """
    keys = methods[RENDER].keys
    values = {name: {metric.key: np.full(len(keys), np.nan) for metric in METRICS} for name in methods}
    digests: dict[str, dict[str, bytes]] = {name: {} for name in methods}
    sums: dict[str, list[Array]] = {name: [] for name in methods}
    pixels, numbers = list[Array](), dict[str, int]()
    buffers = tqdm(frame_buffers(methods[RENDER]), desc="frames", total=len(keys), unit="frame")
    for index, (key, beside) in enumerate(zip(keys, buffers, strict=True)):
        rendered, ids = methods[RENDER][index], _numbered(beside, numbers, methods[RENDER].path(index))
        of_render = to_lab(rendered)
        pixels.append(np.bincount([] if ids is None else ids.ravel(), minlength=len(numbers)).astype(float))
        before, geometry = canny(rendered), _geometry(beside)
        for name, images in methods.items():
            picture = rendered if name == RENDER else picture_like(images, index, rendered)
            digests[name][key] = pixel_digest(picture)
            lab = of_render if name == RENDER else to_lab(picture)
            found = _edge_values(canny(picture), None if name == RENDER else before, geometry)
            found["weave_db"] = value_or_nan(weave, luma(picture))
            if name != RENDER:
                found |= _defects(picture, rendered, lab, of_render, beside.depth)
            if estimate is not None and beside.depth is not None:
                found["depth_si_rmse"] = value_or_nan(depth_error, estimate(picture), beside.depth)
            for metric, value in found.items():
                values[name][metric][index] = value
            sums[name].append(np.zeros((0, 3)) if ids is None else class_sums(lab, ids, len(numbers)))
    count = len(numbers)
    whole = {name: np.stack([_longer(one, count) for one in found]) for name, found in sums.items()}
    return FrameFacts(values, whole, np.stack([_longer(one, count) for one in pixels]), tuple(numbers), digests)


def _longer(of_classes: Array, count: int) -> Array:
    """Values per class, with zeros for classes that only appear in later frames."""
    return np.concatenate([of_classes, np.zeros((count - len(of_classes), *of_classes.shape[1:]))])


def _numbered(beside: FrameBuffers, numbers: dict[str, int], path: Path) -> NDArray[np.int64] | None:
    """A frame's classes (H, W), with one number per name across all files; new names get the next numbers.

    Raises:
        InputError: the files name too many classes.
    """
    if beside.ids is None:
        return None
    present = np.unique(beside.ids)
    table = np.zeros(MAX_IDS, np.int64)
    for identity in present.tolist():
        name = beside.names[identity] if identity < len(beside.names) else f"class {identity}"
        table[identity] = numbers.setdefault(name, len(numbers))
    if len(numbers) > MAX_IDS:
        raise InputError(f"{path}: with it there are more than {MAX_IDS} classes; name equal things alike.")
    return table[beside.ids]


def _geometry(beside: FrameBuffers) -> Edges | None:
    return None if beside.ids is None and beside.depth is None else of_geometry(beside.ids, beside.depth)


def _edge_values(edges: Edges, before: Edges | None, geometry: Edges | None) -> dict[str, float]:
    """A picture's edge values: against the render's, unless it is the render, and against the geometry's."""
    found = {}
    if before is not None:
        precision, recall = value_or_nan(fraction_found, edges, before), value_or_nan(fraction_found, before, edges)
        found = {"edges_f1": f1(precision, recall), "edges_precision": precision, "edges_recall": recall}
    if geometry is not None:
        found["geometry_recall"] = value_or_nan(fraction_found, geometry, edges)
    return found


def _defects(
    picture: Pixels, rendered: Pixels, lab: Array, of_render: Array, depth: NDArray[np.float32] | None
) -> dict[str, float]:
    """Defects of a picture that its render does not have."""
    found = {
        "chroma_kept": value_or_nan(chroma_kept, lab, of_render),
        "corner_lightness": corner_lightness(lab[..., 0] - of_render[..., 0]),
    }
    if depth is not None:
        found["halo"] = 255 * value_or_nan(halo, beyond_grading(luma(picture), rendered), depth)
    return found


def shown_classes(facts: FrameFacts) -> tuple[str, ...]:
    """The names of the classes that at least one frame shows enough of; "" in place of the others."""
    max_pixels = facts.pixels.max(axis=0, initial=0).tolist()
    return tuple(name if pixels >= MIN_PIXELS else "" for name, pixels in zip(facts.classes, max_pixels, strict=True))
