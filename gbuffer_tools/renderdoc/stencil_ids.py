"""Which draw made which pixel, with one replay: in a copy of the capture, every draw leaves its number in the stencil.

Replaying to each draw in turn and comparing takes time that grows with the square of the number of draws. Instead, this
module copies the capture and inserts a call before each draw of the pass with the most draws: the stencil test then
always passes, and writes that draw's number where the depth test passes too. After the pass, the stencil names the last
draw that wrote each pixel. Only other users of the stencil would notice, so a pass that touches it is left alone, and
the slow way remains. A depth buffer without stencil gets one in the copy, if it is a renderbuffer of 24 bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbuffer_tools.renderdoc import capture_file, gl_calls, gl_targets

BLOCK = 255
"""The stencil has eight bits, and 0 means that nothing was drawn: after this many draws it is cleared and restarted."""
MAX_FRAME_BYTES = 4 * 2**30

# Numbers of recorded calls in the file format, and values of OpenGL's enumerations.
CLEAR, STENCIL_FUNC, STENCIL_OP, DISABLE, ENABLE, ATTACH = 1006, 1015, 1017, 1018, 1022, 1418
KINDS = {
    "glClear": CLEAR, "glStencilFunc": STENCIL_FUNC, "glStencilOp": STENCIL_OP, "glDisable": DISABLE,
    "glEnable": ENABLE, "glFramebufferRenderbuffer": ATTACH,
}  # fmt: skip
NO_MESSAGES = 0, 0
"""Number of the driver's messages about a call, in 64 bits, for calls that have them."""
DEPTH24, DEPTH24_STENCIL8, DEPTH_STENCIL_ATTACHMENT, RENDERBUFFER = 0x81A6, 0x88F0, 0x821A, 0x8D41
STENCIL_TEST, STENCIL_BUFFER_BIT, KEEP, REPLACE, ALWAYS = 0x0B90, 0x0400, 0x1E00, 0x1E01, 0x0207


@dataclass(frozen=True)
class Marked:
    """A copy of a capture whose draws leave marks.

    Attributes:
        path: the copy.
        draws: indices of the marked draws among the copy's chunks, in order; draw n leaves 1 + n % BLOCK.
        deepened: the copy's depth buffer has another format, and copying depth elsewhere may fail with it: read
            nothing but draw ids from the copy.
    """

    path: Path
    draws: tuple[int, ...]
    deepened: bool = False


@dataclass(frozen=True)
class Depthbuffer:
    """A framebuffer's depth renderbuffer without stencil, and the chunk that gives it its format."""

    framebuffer: int
    renderbuffer: int
    storage: int


def mark(rd: Any, path: Path, folder: Path) -> Marked | None:
    """Write the copy, None if the pass with the most draws must not be marked.

    Args:
        rd: RenderDoc's module, initialised.
        path: the capture; its outside was checked.
        folder: for the copy.
    """
    file = rd.OpenCaptureFile()
    try:
        if file.OpenFile(str(path), "", None) != rd.ResultCode.Succeeded:
            return None
        section = file.FindSectionByType(rd.SectionType.FrameCapture)
        if section < 0 or file.GetSectionProperties(section).uncompressedSize > MAX_FRAME_BYTES:
            return None
        chunks = file.GetStructuredData().chunks
        draws = largest_pass(chunks)
        if draws is None:
            return None
        lacking = without_stencil(chunks, gl_targets.targets(chunks)[draws[0]].framebuffer)
        beginning = next(i for i, chunk in enumerate(chunks) if chunk.name == gl_calls.BEGIN)
        frame = bytearray(file.GetSectionContents(section))
    finally:
        file.Shutdown()
    try:
        starts = capture_file.chunk_starts(frame)
    except ValueError:
        return None
    if len(starts) != len(chunks):
        return None
    before = marks(draws)
    if lacking is not None:
        before = {beginning + 1: [attach(lacking)]} | before
        if not deepen(frame, starts[lacking.storage]):
            return None
    copy = folder / "marked.rdc"
    capture_file.rewrite(path, copy, capture_file.with_chunks(frame, starts, before))
    return Marked(copy, moved(draws, before), lacking is not None)


def marks(draws: tuple[int, ...]) -> dict[int, list[bytes]]:
    """Index of a chunk -> the calls that precede it in the copy."""
    start = [
        capture_file.chunk(ENABLE, STENCIL_TEST),
        capture_file.chunk(STENCIL_OP, KEEP, KEEP, REPLACE),
    ]
    before = {draw: [capture_file.chunk(STENCIL_FUNC, ALWAYS, 1 + n % BLOCK, 0xFF)] for n, draw in enumerate(draws)}
    for block in blocks(draws):
        before[block[0]].insert(0, capture_file.chunk(CLEAR, STENCIL_BUFFER_BIT, *NO_MESSAGES))
    before[draws[0]] = start + before[draws[0]]
    before[draws[-1] + 1] = [capture_file.chunk(DISABLE, STENCIL_TEST)]
    return before


def blocks(draws: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The draws between two clears of the stencil."""
    return (draws[i : i + BLOCK] for i in range(0, len(draws), BLOCK))


def moved(draws: tuple[int, ...], before: dict[int, list[bytes]]) -> tuple[int, ...]:
    """Indices of the draws' chunks in the copy."""
    added = 0
    found = []
    for index in sorted(before):
        added += len(before[index])
        if index in draws:
            found.append(index + added)
    return tuple(found)


def largest_pass(chunks: Any) -> tuple[int, ...] | None:
    """Chunks of the draws into the framebuffer that the frame draws into most often; None if marks would interfere."""
    names = [chunk.name for chunk in chunks]
    if gl_calls.BEGIN not in names:
        return None
    known = {name: chunk.metadata.chunkID for name, chunk in zip(names, chunks, strict=True) if name in KINDS}
    if any(KINDS[name] != kind for name, kind in known.items()):
        return None
    passes: dict[gl_targets.Into, list[int]] = {}
    for index, into in gl_targets.targets(chunks).items():
        if not into.empty:  # no shadow maps, no depth prepass
            passes.setdefault(into, []).append(index)
    draws = max(map(tuple, passes.values()), key=len, default=())
    inside = range(draws[0], draws[-1] + 1) if draws else range(0)
    return draws if draws and not any(_uses_stencil(chunks[i]) for i in inside) else None


def _uses_stencil(chunk: Any) -> bool:
    if chunk.name in ("glEnable", "glDisable"):
        return gl_calls.value(chunk, "cap") == STENCIL_TEST
    return chunk.name.startswith(("glStencil", "glMultiDraw", "glClear", "glBindFramebuffer", "glDrawBuffer"))


def without_stencil(chunks: Any, framebuffer: int) -> Depthbuffer | None:
    """A framebuffer's depth buffer, by its initial state, if it is a renderbuffer of only 24 bits of depth."""
    depth = 0
    storage: dict[int, int] = {}
    for index, chunk in enumerate(chunks):
        if chunk.name == "glRenderbufferStorage" and gl_calls.value(chunk, "internalformat") == DEPTH24:
            storage[gl_calls.value(chunk, "renderbuffer")] = index
        elif chunk.name == gl_calls.INITIAL and gl_calls.value(chunk, "id") == framebuffer:
            depth = gl_targets.depth_attachment(chunk)
        elif chunk.name == gl_calls.BEGIN:
            break
    return Depthbuffer(framebuffer, depth, storage[depth]) if depth in storage else None


def attach(found: Depthbuffer) -> bytes:
    """The call that attaches a renderbuffer as depth and stencil."""
    ends = [half for name in (found.framebuffer, found.renderbuffer) for half in (name & 0xFFFFFFFF, name >> 32)]
    return capture_file.chunk(ATTACH, *ends[:2], DEPTH_STENCIL_ATTACHMENT, RENDERBUFFER, *ends[2:])


def deepen(frame: bytearray, start: int) -> bool:
    """Make a renderbuffer's storage, whose call starts there, hold a stencil; False if it is another call."""
    at = capture_file.arguments(frame, start) + 8  # after the renderbuffer's id
    if frame[at : at + 4] != DEPTH24.to_bytes(4, "little"):
        return False
    frame[at : at + 4] = DEPTH24_STENCIL8.to_bytes(4, "little")
    return True
