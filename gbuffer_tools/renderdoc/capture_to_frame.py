"""Makes a frame from a capture: replays it in a child process, makes standard buffers, names its surfaces."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.renderdoc import draw_ids, gl_calls, module, texture_names
from gbuffer_tools.renderdoc.child_process import in_child
from gbuffer_tools.renderdoc.draw_ids import Drawn
from gbuffer_tools.renderdoc.profile import Captured, GameProfile, gbuffer_pass
from gbuffer_tools.renderdoc.replay import Pass, Replay, initialised, opened
from gbuffer_tools.renderdoc.stencil_ids import Marked, mark

PIXEL_BLOCK = 65536


@dataclass(frozen=True)
class Replayed:
    """What the child process brings back.

    Attributes:
        captured: for the profile.
        image: (H,W,3) uint8, the finished frame without HUD.
        drawn: the G-buffer pass, draw by draw.
    """

    captured: Captured
    image: npt.NDArray[np.uint8]
    drawn: Drawn


@dataclass(frozen=True)
class Extracted:
    """A frame, the names of its textures, and how the extraction went."""

    frame: Frame
    names: dict[int, texture_names.TextureMatch]
    unknown: float
    draws: int
    seconds: float
    note: str = ""


def extract(
    path: Path, name: str, level: str, profile: GameProfile, index: texture_names.ImageIndex, *, patience: float
) -> Extracted:
    """Make a frame from a capture.

    Args:
        path: the .rdc file.
        name: the frame's.
        level: name of the game's level, which helps to name textures if the profile has a `level_folder`.
        index: the game's images.
        patience: seconds after which replaying is given up.

    Raises:
        InputError: the capture is damaged, from another game, or cannot be replayed here.
    """
    began = time.monotonic()
    module.check_capture(path)
    # The folder is ours, not the child's: a child that hangs is killed.
    with tempfile.TemporaryDirectory() as folder:
        got = in_child(replay, path, profile, Path(folder), seconds=patience, what=str(path))
    try:
        standard = profile.standard(got.captured)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise InputError(f"{path}: not as profile {profile.name} says ({error})") from error
    names = {
        texture: texture_names.match(r, index, profile.level_folder, level) for texture, r in got.drawn.readings.items()
    }
    ids = {
        "class": class_map(got, profile, names),
        "object": object_map(got, standard.buffers["depth"], standard.view, standard.projection),
        "texture": by_draw([d.texture for d in got.drawn.draws], got.drawn.draw_map, np.uint32),
        "shader": by_draw([d.shader for d in got.drawn.draws], got.drawn.draw_map, np.uint32),
    }
    relight = None
    if standard.relit is not None and got.captured.lit is not None:
        relight = correlation(standard.relit, got.captured.lit, got.captured.drawn)
    frame = Frame(name, got.image, standard.buffers, ids, standard.view, standard.projection, relight=relight)
    unknown = float((ids["class"] == profile.classes.index(profile.unknown)).mean())
    return Extracted(frame, names, unknown, len(got.drawn.draws), time.monotonic() - began, standard.note)


def replay(path: Path, profile: GameProfile, folder: Path) -> Replayed:
    """The native half of `extract`; run it in a process of its own. `folder` is for a copy of the capture."""
    rd = module.load()
    with initialised(rd):
        try:
            return _replayed(rd, path, profile, mark(rd, path, folder))
        except (ValueError, LookupError) as error:
            raise InputError(f"{path}: not as {profile.source} makes it ({error})") from error


def _replayed(rd: Any, path: Path, profile: GameProfile, marked: Marked | None) -> Replayed:
    drawn = None
    if marked is not None and marked.deepened:
        with opened(rd, marked.path, path) as capture:
            drawn = draw_ids.by_marks(capture, capture.passes[_gbuffer(capture, profile, path)], profile, marked)
        marked = None
    with opened(rd, marked.path if marked else path, path) as capture:
        found = _gbuffer(capture, profile, path)
        return _replay(capture, found, profile, drawn or draw_ids.of_pass(capture, found, profile, marked))


def _gbuffer(capture: Replay, profile: GameProfile, path: Path) -> int:
    found = gbuffer_pass([capture.describe(p) for p in capture.passes], profile.is_gbuffer)
    if found is None:
        raise InputError(f"{path}: no G-buffer pass of {profile.source}; capture during play, or name its --profile")
    return found


def _replay(capture: Replay, found: int, profile: GameProfile, drawn: Drawn) -> Replayed:
    gbuffer = capture.passes[found]
    state = capture.at(gbuffer.draws[-1])
    # Outputs beyond those that the profile names are not read.
    targets = dict(zip(profile.targets, capture.colour_outputs(), strict=False))
    if len(targets) < len(profile.targets):
        raise ValueError(f"the G-buffer pass has {len(targets)} targets, wanted {', '.join(profile.targets)}")
    matrices = {name: capture.matrix(state, profile.matrices.block, at) for name, at in profile.matrices.at.items()}
    arrays = {name: capture.pixels(texture) for name, texture in targets.items()}
    window_depth = capture.pixels(gbuffer.depth)[..., 0].astype(np.float64)
    inputs, lit, constants = _lighting(capture, capture.passes[found + 1 :], profile)
    image = _finished(capture, profile)
    if image.shape[:2] != drawn.draw_map.shape:
        raise ValueError(f"the finished frame has {image.shape[:2]} pixels, its G-buffer {drawn.draw_map.shape}")
    captured = Captured(arrays, window_depth, drawn.draw_map > 0, inputs, lit, matrices, constants)
    return Replayed(captured, image, drawn)


def _finished(capture: Replay, profile: GameProfile) -> npt.NDArray[np.uint8]:
    """The frame (H,W,3) as shown, without HUD."""
    for found in reversed([p for p in capture.passes if p.targets and len(p.draws) > profile.finished_draw]):
        state = capture.at(found.draws[profile.finished_draw])
        if profile.finished_samplers <= capture.samplers(state).keys():
            return bytes_of(capture.pixels(found.targets[0])[..., :3])
    raise ValueError(f"no draw {profile.finished_draw} of a pass reads {', '.join(sorted(profile.finished_samplers))}")


def bytes_of(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """An image as 8 bits: integers stay, floats 0..1 are rounded as a copy to the screen does."""
    if image.dtype.kind == "f":
        image = np.round(np.nan_to_num(image.astype(np.float64)).clip(0, 1) * 255)
    return np.ascontiguousarray(image.astype(np.uint8))


def _lighting(
    capture: Replay, passes: list[Pass], profile: GameProfile
) -> tuple[dict[str, npt.NDArray[np.generic]], npt.NDArray[np.float64] | None, dict[str, npt.NDArray[np.float64]]]:
    """Inputs, result and constants of the draw that lights the scene; nothing if the frame has none."""
    if profile.is_lighting is None:
        return {}, None, {}
    known = {p: frozenset(r.name for r in s.readOnlyResources) for p, s in capture.fragment_shaders().items()}
    indices = frozenset(draw_ids.chunk_of(draw) for found in passes for draw in found.draws)
    bound = gl_calls.bound_at(capture.controller.GetStructuredFile().chunks, indices)
    for found in passes:
        for draw in found.draws:
            names = known.get(bound[draw_ids.chunk_of(draw)].program)
            if names is not None and not profile.is_lighting(names):
                continue
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


def class_map(
    got: Replayed, profile: GameProfile, names: dict[int, texture_names.TextureMatch]
) -> npt.NDArray[np.generic]:
    """Class ids (H,W) by the names of colour textures."""

    def of(texture: int) -> int:
        return profile.classes.index(profile.class_of(names[texture].file if texture in names else None))

    return by_draw([of(d.texture) for d in got.drawn.draws], got.drawn.draw_map, np.uint8)


def object_map(
    got: Replayed, depth: npt.NDArray[np.generic], view: npt.NDArray[np.float64], projection: npt.NDArray[np.float64]
) -> npt.NDArray[np.generic]:
    """Object ids (H,W): the draw or, if it draws several instances, the instance whose origin is nearest.

    Numbered in the order of draws and instances, counting only those that are seen.
    """
    flat = got.drawn.draw_map.reshape(-1)
    objects = np.zeros(flat.size, np.uint16)
    seen = np.flatnonzero(flat)
    at = geometry.position(np.where(got.drawn.draw_map > 0, depth.astype(np.float64), 1), projection).reshape(-1, 3)
    world = (at - view[:3, 3]) @ np.linalg.inv(view[:3, :3]).T
    order = seen[np.argsort(flat[seen], kind="stable")]
    numbers, starts = np.unique(flat[order], return_index=True)
    count = 0
    for number, where in zip(numbers, np.split(order, starts[1:]), strict=True):
        instance = nearest(world[where], got.drawn.draws[number - 1].origins.astype(np.float64))
        present, inverse = np.unique(instance, return_inverse=True)
        objects[where] = count + 1 + inverse
        count += len(present)
    if count > np.iinfo(objects.dtype).max:
        raise InputError(f"{count} objects in one frame, at most {np.iinfo(objects.dtype).max} have an id")
    return objects.reshape(got.drawn.draw_map.shape)


def nearest(points: npt.NDArray[np.float64], origins: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """For each point (P,3) the index of the nearest origin (K,3); all 0 if there are fewer than two."""
    if len(origins) < 2:
        return np.zeros(len(points), np.intp)
    half = (origins**2).sum(1) / 2
    blocks = np.split(points, range(PIXEL_BLOCK // 16, len(points), PIXEL_BLOCK // 16))
    return np.concatenate([np.argmax(block @ origins.T - half, axis=1) for block in blocks])


def correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating], where: npt.NDArray[np.bool_]) -> float:
    """Pearson's correlation of two images (H,W,C) over some pixels; 0 if one of them is constant."""
    x, y = a[where].ravel().astype(np.float64), b[where].ravel().astype(np.float64)
    if not x.size or not x.std() or not y.std():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
