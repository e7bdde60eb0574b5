"""The draws of a G-buffer pass: which of them made which pixel, and what each was drawn with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gbuffer_tools.renderdoc import gl_calls, texture_names
from gbuffer_tools.renderdoc.profile import GameProfile
from gbuffer_tools.renderdoc.replay import Pass, Replay, digest, shader_digest, shadows_muted
from gbuffer_tools.renderdoc.stencil_ids import BLOCK, Marked, blocks

MIN_TEXTURE_SIDE = 8
"""Smaller textures are flat fillers that look like any picture of their colour; they get no name."""
MIN_AGREEMENT = 0.999
"""Fraction of pixels where marks and changes by the pass agree; below this, something else writes the stencil."""
WORDS = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8", 16: "V16"}
STENCIL_FORMATS = ("D24S8",)


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
class Drawn:
    """The draws of a pass, and which pixels they made.

    Attributes:
        draw_map: (H,W) 1-based index of the draw that made the pixel, 0 = none.
        draws: in order.
        readings: texture -> readings for naming (`texture_names.readings`); flat fillers are left out.
    """

    draw_map: npt.NDArray[np.uint16]
    draws: tuple[Draw, ...]
    readings: dict[int, texture_names.Signature]


class Textures:
    """Digests and readings of the colour textures, each read once."""

    def __init__(self, capture: Replay) -> None:
        self.capture = capture
        self.digests: dict[int, int] = {}
        self.readings: dict[int, texture_names.Signature] = {}

    def digest(self, texture: int) -> int:
        """The digest of a texture, 0 for none."""
        if texture not in self.capture.textures:
            return 0
        if texture not in self.digests:
            self.digests[texture] = digest(self.capture.raw(texture))
            image = self.capture.pixels(texture)[::-1]  # image files are uploaded top row first
            if min(image.shape[:2]) >= MIN_TEXTURE_SIDE and image.shape[2] >= 3 and image.dtype == np.uint8:
                self.readings[self.digests[texture]] = texture_names.readings(image.astype(np.uint8, copy=False))
        return self.digests[texture]


def of_pass(capture: Replay, found: int, profile: GameProfile, marked: Marked | None) -> Drawn:
    """The draws of pass number `found`: by their marks or, if there are none to trust, by replaying to each.

    Raises:
        ValueError, LookupError: the capture is not as the profile's game makes it.
    """
    gbuffer = capture.passes[found]
    if marked is not None and (drawn := by_marks(capture, gbuffer, profile, marked)):
        return drawn
    with shadows_muted(capture, found):
        return by_replaying(capture, gbuffer, profile)


def chunk_of(draw: Any) -> int:
    """Index of a draw's call among the capture's chunks."""
    return int(draw.events[-1].chunkIndex)


def by_marks(capture: Replay, gbuffer: Pass, profile: GameProfile, marked: Marked) -> Drawn | None:
    """The draws by their marks, one replay for every 255; None if another pass was marked, or pixels disagree."""
    if marked.draws != tuple(chunk_of(draw) for draw in gbuffer.draws):
        return None
    if capture.textures[gbuffer.depth].format.Name() not in STENCIL_FORMATS:
        return None
    capture.controller.SetFrameEvent(gbuffer.draws[0].eventId - 1, True)
    before = colours(capture, named(gbuffer, profile))
    draw_map = np.zeros(before[0].size, np.uint16)
    for number, block in enumerate(blocks(gbuffer.draws)):
        capture.at(block[-1])
        stencil = np.frombuffer(capture.raw(gbuffer.depth), "<u4") & 0xFF
        draw_map = np.where(stencil > 0, number * BLOCK + stencil, draw_map).astype(np.uint16)
    after = colours(capture, named(gbuffer, profile))
    changed = np.any([a != b for a, b in zip(after, before, strict=True)], axis=0)
    if (changed == (draw_map > 0)).mean() < MIN_AGREEMENT:
        return None

    chunks = capture.controller.GetStructuredFile().chunks
    indices = [chunk_of(draw) for draw in gbuffer.draws]
    bound = gl_calls.bound_at(chunks, frozenset(indices))
    programs = Programs(capture, chunks, profile)
    known = Textures(capture)
    draws = []
    for draw, index in zip(gbuffer.draws, indices, strict=True):
        state = bound[index]
        program = programs.at(draw, state)
        texture = known.digest(state.textures.get(program.unit, 0))
        slot = state.inputs.get(program.origin)
        draws.append(Draw(program.shader, texture, capture.instances(slot, draw)))
    size = capture.textures[gbuffer.depth].height, capture.textures[gbuffer.depth].width
    return Drawn(upright(draw_map, size), tuple(draws), known.readings)


@dataclass(frozen=True)
class Program:
    """What a draw uses of its shader program.

    Attributes:
        shader: digest of the fragment shader.
        unit: texture unit of the sampler that names surfaces, -1 for none.
        origin: index of the vertex attribute with an instance's place, -1 for none.
    """

    shader: int
    unit: int
    origin: int


class Programs:
    """A capture's programs, from its calls if they tell, else by replaying to a draw that uses them."""

    def __init__(self, capture: Replay, chunks: Any, profile: GameProfile) -> None:
        self.capture, self.profile = capture, profile
        self.linked = gl_calls.linked(chunks)
        self.shaders = {program: shader_digest(shader) for program, shader in capture.fragment_shaders().items()}
        self.replayed: dict[int, Program] = {}

    def at(self, draw: Any, state: gl_calls.Bound) -> Program:
        """The program of a draw, by what is bound there."""
        linked, shader = self.linked.get(state.program), self.shaders.get(state.program)
        if linked is not None and shader is not None:
            location = linked.samplers.get(self.profile.colour_sampler, -1)
            return Program(shader, state.units.get(location, -1), linked.inputs.get(self.profile.origin_attribute, -1))
        if state.program not in self.replayed:
            self.replayed[state.program] = self._replay(draw)
        return self.replayed[state.program]

    def _replay(self, draw: Any) -> Program:
        state = self.capture.at(draw)
        return Program(
            shader_digest(self.capture.fragment_shader(state)),
            self.capture.units(state).get(self.profile.colour_sampler, -1),
            self.capture.attribute(state, self.profile.origin_attribute),
        )


def by_replaying(capture: Replay, gbuffer: Pass, profile: GameProfile) -> Drawn:
    """The draws, with one replay for each: a pixel belongs to the last draw that changed any of its targets."""
    watched = (*named(gbuffer, profile), gbuffer.depth)
    size = capture.textures[gbuffer.depth].height, capture.textures[gbuffer.depth].width
    capture.controller.SetFrameEvent(gbuffer.draws[0].eventId - 1, True)
    before = colours(capture, watched)
    draw_map = np.zeros(size[0] * size[1], np.uint16)
    draws: list[Draw] = []
    known = Textures(capture)
    for number, action in enumerate(gbuffer.draws, 1):
        state = capture.at(action)
        after = colours(capture, watched)
        draw_map[np.any([a != b for a, b in zip(after, before, strict=True)], axis=0)] = number
        before = after
        texture = known.digest(capture.samplers(state).get(profile.colour_sampler, 0))
        origins = capture.origins(state, action, profile.origin_attribute)
        draws.append(Draw(shader_digest(capture.fragment_shader(state)), texture, origins))
    return Drawn(upright(draw_map, size), tuple(draws), known.readings)


def named(gbuffer: Pass, profile: GameProfile) -> tuple[int, ...]:
    """The targets that the profile names. Shaders need not write the others, which then change at random."""
    return gbuffer.targets[: len(profile.targets)]


def colours(capture: Replay, watched: Sequence[int]) -> list[npt.NDArray[np.generic]]:
    """The targets as they are now, (H W,) each: one word per pixel, whatever it means."""
    return [words(capture.raw(t), capture.textures[t].width * capture.textures[t].height) for t in watched]


def words(raw: bytes, pixels: int) -> npt.NDArray[np.generic]:
    """The bytes of a texture as one word per pixel, for comparison.

    Raises:
        ValueError: pixels are not of 1, 2, 4, 8 or 16 bytes.
    """
    size = len(raw) // max(pixels, 1)
    if size not in WORDS or size * pixels != len(raw):
        raise ValueError(f"{len(raw):,} bytes for {pixels:,} pixels, wanted {', '.join(map(str, WORDS))} for each")
    return np.frombuffer(raw, WORDS[size])


def upright(draw_map: npt.NDArray[np.uint16], size: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """A map (H W,) with its bottom row first, as OpenGL has it, as (H,W) with its top row first."""
    return np.ascontiguousarray(draw_map.reshape(size)[::-1])
