"""Pictures of buffers: a colour map for each kind, and a labelled sheet of everything in a frame."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.schema import Shard

Picture = npt.NDArray[np.uint8]

TILE_WIDTH = 400
MAX_TILE_HEIGHT = 4 * TILE_WIDTH
"""Without it, a picture one pixel wide would become a wall."""
COLUMNS = 3
LABEL_HEIGHT = 26
LEGEND_ROW = 22
BACKGROUND = (30, 30, 30)
INK = (235, 235, 235)
BRIGHT_PERCENTILE = 99.0


def values_picture(name: str, values: npt.NDArray[np.float32]) -> tuple[Picture, str]:
    """A buffer (H,W,C) as RGB, and the text of its colour map."""
    finite: npt.NDArray[np.bool_] = np.all(np.isfinite(values), axis=-1)
    shown = np.where(finite[..., None], values, 0)
    if name == "depth":
        return _depth_picture(shown[..., 0], finite)
    if name == "normal":
        return _bytes(shown * 0.5 + 0.5), "x red, y green, z blue, -1..1 = dark..bright"
    if values.shape[2] == 1:
        low, high = float(shown.min()), float(shown.max())
        scaled = (shown[..., 0] - low) / max(high - low, 1e-12)
        return _mapped(scaled, cv2.COLORMAP_VIRIDIS), f"{low:.3g} violet .. {high:.3g} yellow"
    # Standard colours are never meant to be below 0, though a renderer's sums may slip below it.
    if name == "motion" or (name.startswith("x_") and shown.min() < 0):
        return _signed_picture(shown)
    rgb = np.concatenate([shown, np.zeros_like(shown[..., :1])], -1)[..., :3]
    top = max(float(np.percentile(rgb, BRIGHT_PERCENTILE)), 1e-6) if name != "albedo" else 1.0
    return _bytes(geometry.linear_to_srgb(np.clip(rgb / top, 0, 1))), f"white = {top:.3g}"


def _depth_picture(depth: npt.NDArray[np.float32], finite: npt.NDArray[np.bool_]) -> tuple[Picture, str]:
    if not finite.any():
        return _mapped(np.zeros_like(depth), cv2.COLORMAP_TURBO), "nothing drawn"
    near, far = float(depth[finite].min()), float(depth[finite].max())
    scaled = np.log(np.maximum(depth, near) / near) / max(np.log(far / near), 1e-12)
    picture = _mapped(1 - scaled, cv2.COLORMAP_TURBO)
    picture[~finite] = 0
    return picture, f"{near:.3g} m red .. {far:.3g} m blue, log; black: nothing"


def _signed_picture(values: npt.NDArray[np.float32]) -> tuple[Picture, str]:
    """Values (H,W,C) of either sign, the first three channels as red, green and blue; 0 is grey."""
    top = max(float(np.percentile(np.abs(values), BRIGHT_PERCENTILE)), 1e-6)
    rgb = np.concatenate([values, np.zeros_like(values[..., :1])], -1)[..., :3]
    return _bytes(rgb / top * 0.5 + 0.5), f"-{top:.3g} dark .. 0 grey .. {top:.3g} bright"


def ids_picture(ids: npt.NDArray[np.generic]) -> Picture:
    """An id map (H,W) as RGB: each id has one colour, the same in every frame; 0 is black."""
    wide = ids.astype(np.uint64)
    mixed = wide * np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash, 2^64 / golden ratio
    channels = np.stack([mixed >> np.uint64(s) for s in (40, 48, 56)], -1) & np.uint64(0xFF)
    picture = 50 + channels * np.uint64(205) // np.uint64(255)
    return np.where(wide[..., None] > 0, picture, 0).astype(np.uint8)


def class_colours(count: int) -> Picture:
    """(count,3) RGB colours; hues start at blue and are a golden angle apart, so neighbours in the list differ."""
    hue = (210 + np.arange(count) * 137.508) % 360 / 2
    hsv = np.stack([hue, 150 + 80 * (np.arange(count) % 2), 255 - 60 * (np.arange(count) % 3)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0].astype(np.uint8)


def sheet(shard: Shard, i: int) -> Picture:
    """Everything in a frame as one RGB picture: image, buffers, ids, and a legend of the classes."""
    tiles = [_tile(picture, label) for picture, label in pictures(shard, i)]
    if "class" in shard.ids:
        tiles.append(_legend(shard, i, tiles[0].shape[0]))
    blank = np.full_like(tiles[0], BACKGROUND)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    return np.vstack([np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)])


def pictures(shard: Shard, i: int) -> Iterator[tuple[Picture, str]]:
    """The image, every buffer and every id map of a frame as RGB, each with a line of text; the image comes first."""
    yield shard.image(i), f"image: {shard.path.stem}/{shard.names[i]}"
    for name in shard.buffers:
        picture, scale = values_picture(name, shard.buffer(name, i))
        yield picture, f"{name}: {scale}"
    for name in shard.ids:
        ids = shard.id(name, i)
        if name == "class":
            colours = class_colours(256)
            yield colours[ids], "ids/class: see the legend"
        else:
            yield ids_picture(ids), f"ids/{name}: {len(np.unique(ids))} values"


def _tile(picture: Picture, label: str) -> Picture:
    height = min(max(round(TILE_WIDTH * picture.shape[0] / picture.shape[1]), 1), MAX_TILE_HEIGHT)
    smaller = picture.shape[1] > TILE_WIDTH
    resized = cv2.resize(picture, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST)
    strip = np.full((LABEL_HEIGHT, TILE_WIDTH, 3), BACKGROUND, np.uint8)
    _write(strip, label, (5, 18))
    return np.vstack([strip, resized.astype(np.uint8)])


def _legend(shard: Shard, i: int, height: int) -> Picture:
    """Colour, name and fraction of each class in the frame, largest first."""
    tile = np.full((height, TILE_WIDTH, 3), BACKGROUND, np.uint8)
    found, counts = np.unique(shard.id("class", i), return_counts=True)
    colours = class_colours(256)
    _write(tile, "classes, fraction of the frame", (5, 18))
    rows = max(1, (height - LABEL_HEIGHT) // LEGEND_ROW)
    for place, k in enumerate(np.argsort(-counts, kind="stable")[: 2 * rows]):
        x, y = (place // rows) * TILE_WIDTH // 2 + 8, LABEL_HEIGHT + (place % rows) * LEGEND_ROW
        name = shard.header.classes[found[k]] if found[k] < len(shard.header.classes) else f"? {found[k]}"
        tile[y + 3 : y + 17, x : x + 22] = colours[found[k]]
        _write(tile, f"{name} {counts[k] / counts.sum():.1%}", (x + 30, y + 15))
    return tile


def _write(picture: Picture, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)


def _mapped(scaled: npt.NDArray[np.floating], colours: int) -> Picture:
    return cv2.applyColorMap(_bytes(scaled), colours)[..., ::-1].astype(np.uint8)


def _bytes(values: npt.NDArray[np.floating]) -> Picture:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
