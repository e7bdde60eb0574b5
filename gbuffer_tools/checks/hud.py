"""A HUD left in the image: pixels that stay the same while the scene behind them moves.

Much else stays the same: a sky where nothing was drawn, the bonnet of the car that carries the camera, black bars, a
surface of one flat colour, blown-out snow. So a pixel counts if its colour is the same in all frames and its depth is
not. An area of such pixels counts if it stands out: across its border, the colour changes abruptly in nearly every
frame. The border of what many frames happen to share (snow, the flat road) is a border in only one of the frames.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from gbuffer_tools.schema import Shard

MIN_FRAMES = 4
MIN_PIXELS = 16
MAX_AREAS = 50
REACH = 9
"""Pixels; what is closer together, such as the letters of a word, is one area."""
STEP = 2
"""Pixels across the border: the first may be a blend of both sides."""
CONTRAST = 10
"""Levels of 255."""
CONTRAST_FRAMES = 0.75

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Overlay:
    """A HUD: pixels of the image that do not belong to the scene.

    Attributes:
        fraction: fraction of the image's pixels; `check --json` prints it under this name.
        boxes: (x, y, width, height) of the areas in pixels, largest first.
    """

    fraction: float
    boxes: tuple[tuple[int, int, int, int], ...]


@dataclass
class StillPixels:
    """Which pixels are the same in all frames so far. Frames that show the same as another count once.

    Attributes:
        frames: indices of those that count.
        same: (H,W) whether the colour is the first frame's.
        moved: (H,W) whether the depth is not.
    """

    frames: list[int] = field(default_factory=list)
    same: Mask | None = None
    moved: Mask | None = None
    _first: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None] | None = None
    _views: set[bytes] = field(default_factory=set)

    def add(self, shard: Shard, i: int) -> None:
        """Take frame `i` into account. Without camera and depth it does not count, as it does not show what moves."""
        camera = shard.camera(i)
        if camera is None and "depth" not in shard.buffers:
            return
        if camera is not None:
            view = camera[0].tobytes()
            if view in self._views:
                return
            self._views.add(view)
        image = shard.image(i)
        depth = shard.buffer("depth", i)[..., 0] if "depth" in shard.buffers else None
        if self._first is None or self.same is None or self.moved is None:
            self._first = image, depth
            self.same, self.moved = np.ones(image.shape[:2], bool), np.full(image.shape[:2], depth is None)
        else:
            same = (image == self._first[0]).all(-1)
            if same.all():
                return
            self.same &= same
            if depth is not None and self._first[1] is not None:
                self.moved |= depth != self._first[1]
        self.frames.append(i)


def overlay(shard: Shard, still: StillPixels) -> Overlay | None:
    """A file's HUD; None if there is none or if fewer than `MIN_FRAMES` frames can tell."""
    if len(still.frames) < MIN_FRAMES or still.same is None or still.moved is None:
        return None
    image = shard.image(still.frames[0])
    mask = still.same & still.moved & ~bars(image)
    if mask.sum() < MIN_PIXELS:
        return None
    areas, sizes = group(mask)
    standing = np.zeros(len(sizes))
    for i in still.frames:
        standing += contrast(shard.image(i), mask, areas, len(sizes)) >= CONTRAST
    standing_out = standing >= CONTRAST_FRAMES * len(still.frames)
    found = [area for area in np.argsort(-sizes, kind="stable") if sizes[area] and standing_out[area]]
    if not found:
        return None
    return Overlay(float(sizes[found].sum() / mask.size), tuple(box(areas == area) for area in found))


def group(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Connected areas of a mask: (H,W) area numbers, 0 elsewhere; and the areas' sizes, 0 for those left out."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((REACH, REACH), np.uint8))
    labels = np.where(mask, cv2.connectedComponents(near)[1], 0).astype(np.int32)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = sizes >= max(MIN_PIXELS, int(np.sort(sizes)[-MAX_AREAS:][0]))
    return np.where(kept[labels], labels, 0).astype(np.int32), np.where(kept, sizes, 0)


def contrast(
    image: npt.NDArray[np.uint8], mask: Mask, areas: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.float64]:
    """(count,) median colour change across each area's border, in levels of 255."""
    pixels, owners, changes = image.astype(np.int16), [], []
    for inner, outer in (
        ((slice(STEP, None), slice(None)), (slice(None, -STEP), slice(None))),
        ((slice(None, -STEP), slice(None)), (slice(STEP, None), slice(None))),
        ((slice(None), slice(STEP, None)), (slice(None), slice(None, -STEP))),
        ((slice(None), slice(None, -STEP)), (slice(None), slice(STEP, None))),
    ):
        across = mask[inner] & ~mask[outer]
        owners.append(areas[inner][across])
        changes.append(np.abs(pixels[inner][across] - pixels[outer][across]).max(-1))
    owner, change = np.concatenate(owners), np.concatenate(changes)
    found = np.zeros(count)
    for area in np.unique(owner):
        found[area] = np.median(change[owner == area])
    return found


def bars(image: npt.NDArray[np.uint8]) -> Mask:
    """(H,W) mask of rows and columns of one flat colour at the edges, which pad a picture of another aspect ratio."""
    found = np.zeros(image.shape[:2], bool)
    for colour in (image[0, 0], image[-1, -1]):
        flat = (image == colour).all(-1)
        for axis in (0, 1):
            full = flat.all(1 - axis)
            for edge in (np.logical_and.accumulate(full), np.logical_and.accumulate(full[::-1])[::-1]):
                found |= np.expand_dims(edge, 1 - axis)
    return found


def box(area: Mask) -> tuple[int, int, int, int]:
    """(x, y, width, height) of an area that has pixels."""
    ys, xs = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    return int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)
