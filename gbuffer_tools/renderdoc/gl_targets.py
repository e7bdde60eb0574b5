"""Which framebuffer each draw goes to and which of its colour attachments it writes, from a capture's list of calls.

RenderDoc tells what is attached. An engine may attach four textures once, and choose with glDrawBuffers which of them a
draw writes: none for a depth-only pass, three for surfaces, one for the sky.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gbuffer_tools.renderdoc import gl_calls
from gbuffer_tools.renderdoc.gl_calls import elements, number, value

COLOUR0, COLOURS = 0x8CE0, 8
ATTACHING = frozenset((
    "glFramebufferRenderbuffer", "glFramebufferTexture", "glFramebufferTexture1D", "glFramebufferTexture2D",
    "glFramebufferTexture3D", "glFramebufferTextureLayer",
))  # fmt: skip
DRAW_BINDING = "GL_DRAW_FRAMEBUFFER_BINDING"


@dataclass(frozen=True)
class Into:
    """The target of a draw.

    Attributes:
        framebuffer: resource id.
        slots: indices of the colour attachments that are written, by shader output; None: not known, so all.
        empty: nothing is attached to any of them.
    """

    framebuffer: int
    slots: tuple[int, ...] | None = None
    empty: bool = False


@dataclass
class _Framebuffer:
    slots: tuple[int, ...] | None = None
    attached: set[int] | None = None  # None: not known

    def into(self, name: int) -> Into:
        written = set(range(COLOURS) if self.slots is None else self.slots)
        return Into(name, self.slots, not written or (self.attached is not None and not self.attached & written))


def targets(chunks: Any) -> dict[int, Into]:
    """Index of a draw's chunk -> where it goes; draws before the frame's beginning are left out.

    Raises:
        LookupError: a call lacks an argument, as in a capture of another version.
    """
    known: dict[int, _Framebuffer] = {}
    bound, begun = 0, False
    found = {}
    for index, chunk in enumerate(chunks):
        name = chunk.name
        if name == gl_calls.BEGIN:
            state = chunk.FindChild("state")
            bound = value(state, DRAW_BINDING) if state is not None and state.FindChild(DRAW_BINDING) else 0
            begun = True
        elif name == gl_calls.INITIAL:
            _initial(known, chunk)
        elif begun and name == "glBindFramebuffer":
            if value(chunk, "target") in (gl_calls.FRAMEBUFFER, gl_calls.DRAW_FRAMEBUFFER):
                bound = value(chunk, "framebuffer")
        elif name in ATTACHING:
            _attach(known.setdefault(value(chunk, "framebuffer"), _Framebuffer()), chunk)
        elif name == "glDrawBuffers":
            known.setdefault(value(chunk, "framebuffer"), _Framebuffer()).slots = _slots(elements(chunk, "bufs"))
        elif begun and name in gl_calls.DRAWS:
            found[index] = known.get(bound, _Framebuffer()).into(bound)
    return found


def depth_attachment(chunk: Any) -> int:
    """Resource id of a framebuffer's depth attachment, from the framebuffer's initial state; 0 for none."""
    state = chunk.FindChild("FramebufferState")
    attached = list(elements(state, "Attachments")) if state is not None else []
    return value(attached[COLOURS], "obj") if len(attached) > COLOURS else 0


def _attach(framebuffer: _Framebuffer, chunk: Any) -> None:
    framebuffer.attached = framebuffer.attached or set()
    slot = value(chunk, "attachment") - COLOUR0
    what = value(chunk, "renderbuffer" if chunk.name == "glFramebufferRenderbuffer" else "texture")
    (framebuffer.attached.add if what else framebuffer.attached.discard)(slot)


def _initial(known: dict[int, _Framebuffer], chunk: Any) -> None:
    state = chunk.FindChild("FramebufferState")
    if state is None or not value(state, "valid"):
        return
    attached = [value(item, "obj") for item in elements(state, "Attachments")][:COLOURS]
    slots = _slots(elements(state, "DrawBuffers"))
    known[value(chunk, "id")] = _Framebuffer(slots, {i for i, resource in enumerate(attached) if resource})


def _slots(buffers: Iterator[Any]) -> tuple[int, ...] | None:
    """Indices of attachments by OpenGL's names; None if these name something else, such as the window's back buffer."""
    names = [number(item) for item in buffers]
    slots = tuple(name - COLOUR0 for name in names if name)
    return slots if all(0 <= slot < COLOURS for slot in slots) else None
