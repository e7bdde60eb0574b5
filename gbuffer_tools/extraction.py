"""One capture to one frame: replay it in a child process, make standard buffers of it, name its surfaces."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry, renderdoc, textures
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.isolate import in_child
from gbuffer_tools.profile import Captured, GameProfile, gbuffer_pass
from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.replay import Pass, Replay, digest, opened, shadows_muted

MIN_TEXTURE_SIDE = 8
"""Smaller textures are flat fillers that look like any picture of their colour; they get no name."""
PIXEL_BLOCK = 65536


@dataclass(frozen=True)
class Draw:
    """One draw of the G-buffer pass.

    Attributes:
        shader, texture: first 32 bits of the digest of the fragment shader and of the colour texture, 0 = none.
        origins: (instances,3) places in the world.
    """

    shader: int
    texture: int
    origins: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Replayed:
    """What the child process brings back.

    Attributes:
        captured: for the profile.
        image: (H,W,3) uint8, the finished frame without HUD.
        draw_map: (H,W) 1-based index of the draw that made the pixel, 0 = none.
        draws: of the G-buffer pass, in order.
        readings: texture -> readings for naming (`textures.readings`); flat fillers are left out.
    """

    captured: Captured
    image: npt.NDArray[np.uint8]
    draw_map: npt.NDArray[np.uint16]
    draws: tuple[Draw, ...]
    readings: dict[int, textures.Signature]


@dataclass(frozen=True)
class Extracted:
    """A frame, what its textures are called, and how the extraction went."""

    frame: Frame
    names: dict[int, textures.Match]
    unknown: float
    draws: int
    seconds: float


def extract(
    path: Path, name: str, level: str, profile: GameProfile, index: textures.ImageIndex, *, patience: float
) -> Extracted:
    """Make a frame of a capture.

    Args:
        path: the .rdc file.
        name: of the frame.
        level: name of the game's level, which helps in naming textures.
        index: the game's images.
        patience: seconds after which replaying is given up.

    Raises:
        InputError: the capture is damaged, from another game, or cannot be replayed here.
    """
    began = time.monotonic()
    renderdoc.check_capture(path)
    got = in_child(replay, path, profile.name, seconds=patience, what=str(path))
    standard = profile.standard(got.captured)
    names = {texture: textures.match(r, index, level) for texture, r in got.readings.items()}
    ids = {
        "class": class_map(got, profile, names),
        "object": object_map(got, standard.buffers["depth"], standard.view, standard.projection),
        "texture": by_draw([d.texture for d in got.draws], got.draw_map, np.uint32),
        "shader": by_draw([d.shader for d in got.draws], got.draw_map, np.uint32),
    }
    relight = None
    if standard.relit is not None and got.captured.lit is not None:
        relight = correlation(standard.relit, got.captured.lit, got.captured.drawn)
    frame = Frame(name, got.image, standard.buffers, ids, standard.view, standard.projection, relight=relight)
    unknown = float((ids["class"] == profile.classes.index(profile.unknown)).mean())
    return Extracted(frame, names, unknown, len(got.draws), time.monotonic() - began)


def replay(path: Path, profile_name: str) -> Replayed:
    """The native half of `extract`; run it in a process of its own."""
    profile = PROFILES[profile_name]
    with opened(renderdoc.load(), path) as capture:
        found = gbuffer_pass([capture.describe(p) for p in capture.passes], profile.is_gbuffer)
        if found is None:
            raise InputError(f"{path}: no G-buffer pass of {profile.source}; capture during a race, or name --profile")
        try:
            return _replay(capture, found, profile)
        except (ValueError, LookupError) as error:
            raise InputError(f"{path}: not as {profile.source} makes it ({error})") from error


def _replay(capture: Replay, found: int, profile: GameProfile) -> Replayed:
    gbuffer = capture.passes[found]
    state = capture.at(gbuffer.draws[-1])
    targets = dict(zip(profile.targets, capture.colour_outputs(), strict=True))
    block, names = profile.matrices
    floats = capture.constants(state, block, capture.rd.ShaderStage.Vertex)
    if floats is None or floats.size < 16 * len(names):
        raise ValueError(f"the G-buffer pass has no constant block {block}")
    # std140 stores matrices column by column.
    stored = floats[: 16 * len(names)].astype(np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
    with shadows_muted(capture, found):
        draw_map, draws, readings = _draws(capture, gbuffer, profile)
    capture.at(gbuffer.draws[-1])
    arrays = {name: capture.pixels(texture) for name, texture in targets.items()}
    window_depth = capture.pixels(gbuffer.depth)[..., 0].astype(np.float64)
    inputs, lit, constants = _lighting(capture, capture.passes[found + 1 :], profile)
    last = [p for p in capture.passes if p.targets][-1]
    capture.at(last.draws[profile.finished_draw])
    image = np.ascontiguousarray(capture.pixels(last.targets[0])[..., :3].astype(np.uint8))
    matrices = dict(zip(names, stored, strict=True))
    captured = Captured(arrays, window_depth, draw_map > 0, inputs, lit, matrices, constants)
    return Replayed(captured, image, draw_map, draws, readings)


def _draws(
    capture: Replay, gbuffer: Pass, profile: GameProfile
) -> tuple[npt.NDArray[np.uint16], tuple[Draw, ...], dict[int, textures.Signature]]:
    """Which draw made which pixel: a pixel belongs to the last draw after which any of its targets had changed."""
    watched = (*gbuffer.targets, gbuffer.depth)
    size = capture.textures[gbuffer.depth].height, capture.textures[gbuffer.depth].width
    capture.controller.SetFrameEvent(gbuffer.draws[0].eventId - 1, True)
    before = [np.frombuffer(capture.raw(t), "<u4") for t in watched]
    draw_map = np.zeros(size[0] * size[1], np.uint16)
    draws: list[Draw] = []
    readings: dict[int, textures.Signature] = {}
    digests: dict[int, int] = {}
    for number, action in enumerate(gbuffer.draws, 1):
        state = capture.at(action)
        after = [np.frombuffer(capture.raw(t), "<u4") for t in watched]
        draw_map[np.any([a != b for a, b in zip(after, before, strict=True)], axis=0)] = number
        before = after
        texture = capture.samplers(state).get(profile.colour_sampler, 0)
        if texture and texture not in digests:
            digests[texture] = digest(capture.raw(texture))
            image = capture.pixels(texture)[::-1]  # image files are uploaded top row first
            if min(image.shape[:2]) >= MIN_TEXTURE_SIDE and image.shape[2] >= 3 and image.dtype == np.uint8:
                readings[digests[texture]] = textures.readings(image.astype(np.uint8, copy=False))
        origins = capture.origins(state, action, profile.origin_attribute)
        draws.append(Draw(capture.shader_digest(state), digests.get(texture, 0), origins))
    return np.ascontiguousarray(draw_map.reshape(size)[::-1]), tuple(draws), readings


def _lighting(
    capture: Replay, passes: list[Pass], profile: GameProfile
) -> tuple[dict[str, npt.NDArray[np.generic]], npt.NDArray[np.float64] | None, dict[str, npt.NDArray[np.float64]]]:
    """Inputs, result and constants of the draw that lights the scene; nothing where the frame has none."""
    for found in passes:
        for draw in found.draws:
            state = capture.at(draw)
            samplers = capture.samplers(state)
            if not found.targets or not profile.is_lighting(frozenset(samplers)):
                continue
            inputs = {name: capture.pixels(texture) for name, texture in samplers.items() if "depth" not in name}
            constants: dict[str, npt.NDArray[np.float64]] = {}
            for block, vectors in profile.constants.items():
                floats = capture.constants(state, block, capture.rd.ShaderStage.Fragment)
                ends = np.cumsum([length for _, length in vectors])
                if floats is not None and floats.size >= ends[-1]:
                    parts = np.split(floats[: ends[-1]].astype(np.float64), ends[:-1])
                    constants |= {name: part for (name, _), part in zip(vectors, parts, strict=True)}
            return inputs, capture.pixels(found.targets[0])[..., :3].astype(np.float64), constants
    return {}, None, {}


def by_draw(
    values: list[int], draw_map: npt.NDArray[np.uint16], dtype: type[np.unsignedinteger]
) -> npt.NDArray[np.generic]:
    """A value per draw, spread over its pixels; 0 where nothing was drawn."""
    return np.array([0, *values], dtype)[draw_map]


def class_map(got: Replayed, profile: GameProfile, names: dict[int, textures.Match]) -> npt.NDArray[np.generic]:
    """Class ids by the names of colour textures."""

    def of(texture: int) -> int:
        file = names[texture].file if texture in names else None
        return profile.classes.index(profile.classify(file) if file else profile.unknown)

    return by_draw([of(d.texture) for d in got.draws], got.draw_map, np.uint8)


def object_map(
    got: Replayed, depth: npt.NDArray[np.generic], view: npt.NDArray[np.float64], projection: npt.NDArray[np.float64]
) -> npt.NDArray[np.generic]:
    """Object ids: a draw, or, where it draws several instances, the instance whose origin is nearest.

    Numbered in the order of draws and instances, counting those that are seen.
    """
    flat = got.draw_map.reshape(-1)
    objects = np.zeros(flat.size, np.uint16)
    seen = np.flatnonzero(flat)
    at = geometry.position(np.where(got.draw_map > 0, depth.astype(np.float64), 1), projection).reshape(-1, 3)
    world = (at - view[:3, 3]) @ np.linalg.inv(view[:3, :3]).T
    order = seen[np.argsort(flat[seen], kind="stable")]
    numbers, starts = np.unique(flat[order], return_index=True)
    count = 0
    for number, where in zip(numbers, np.split(order, starts[1:]), strict=True):
        instance = nearest(world[where], got.draws[number - 1].origins.astype(np.float64))
        present, inverse = np.unique(instance, return_inverse=True)
        objects[where] = count + 1 + inverse
        count += len(present)
    if count > np.iinfo(objects.dtype).max:
        raise InputError(f"{count} objects in one frame, at most {np.iinfo(objects.dtype).max} have an id")
    return objects.reshape(got.draw_map.shape)


def nearest(points: npt.NDArray[np.float64], origins: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """For each point (P,3) the index of the nearest origin (K,3); all 0 where there are fewer than two."""
    if len(origins) < 2:
        return np.zeros(len(points), np.intp)
    half = (origins**2).sum(1) / 2
    blocks = np.split(points, range(PIXEL_BLOCK // 16, len(points), PIXEL_BLOCK // 16))
    return np.concatenate([np.argmax(block @ origins.T - half, axis=1) for block in blocks])


def correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating], where: npt.NDArray[np.bool_]) -> float:
    """Pearson's correlation of two images (H,W,C) over some pixels; 0 where one of them is constant."""
    x, y = a[where].ravel().astype(np.float64), b[where].ravel().astype(np.float64)
    if not x.size or not x.std() or not y.std():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
