"""Which draw made which pixel, by one replay: in a copy of the capture every draw leaves its number in the stencil.

Finding out by replaying to each draw in turn, and comparing, takes time that grows with the square of the number of
draws. Here a copy of the capture is written in which, before each draw of the pass with the most of them, a call sets
the stencil test to pass always and to write that draw's number where the depth test passes, too. After the pass the
stencil names, per pixel, the last draw that wrote it. Only what else uses the stencil would notice, so a pass that
touches it is left alone, and the slow way remains.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbuffer_tools import gl_calls, rdc

BLOCK = 255
"""The stencil has eight bits, and 0 means that nothing was drawn: after so many draws it is cleared and counts anew."""
MAX_FRAME_BYTES = 4 * 2**30

# Numbers of recorded calls in the file format, and values of OpenGL's enumerations.
CLEAR, STENCIL_FUNC, STENCIL_OP, DISABLE, ENABLE = 1006, 1015, 1017, 1018, 1022
KINDS = {
    "glClear": CLEAR, "glStencilFunc": STENCIL_FUNC, "glStencilOp": STENCIL_OP, "glDisable": DISABLE,
    "glEnable": ENABLE,
}  # fmt: skip
NO_MESSAGES = 0, 0
"""Number of the driver's messages about a call, in 64 bits, where a call has such."""
STENCIL_TEST, STENCIL_BUFFER_BIT, KEEP, REPLACE, ALWAYS = 0x0B90, 0x0400, 0x1E00, 0x1E01, 0x0207


@dataclass(frozen=True)
class Marked:
    """A copy of a capture whose draws leave marks.

    Attributes:
        path: of the copy.
        draws: indices of the marked draws among the copy's chunks, in order; draw n leaves 1 + n % BLOCK.
    """

    path: Path
    draws: tuple[int, ...]


def mark(rd: Any, path: Path, folder: Path) -> Marked | None:
    """Write the copy, None where the pass with the most draws is not to be marked.

    Args:
        rd: RenderDoc's module, initialised.
        path: of the capture; its outside was checked.
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
        frame = bytes(file.GetSectionContents(section))
    finally:
        file.Shutdown()
    try:
        starts = rdc.chunk_starts(frame)
    except ValueError:
        return None
    if len(starts) != len(chunks):
        return None
    before = marks(draws)
    copy = folder / "marked.rdc"
    rdc.rewrite(path, copy, rdc.with_chunks(frame, starts, before))
    return Marked(copy, moved(draws, before))


def marks(draws: tuple[int, ...]) -> dict[int, list[bytes]]:
    """Index of a chunk -> the calls that precede it in the copy."""
    start = [
        rdc.chunk(ENABLE, STENCIL_TEST),
        rdc.chunk(STENCIL_OP, KEEP, KEEP, REPLACE),
    ]
    before = {draw: [rdc.chunk(STENCIL_FUNC, ALWAYS, 1 + n % BLOCK, 0xFF)] for n, draw in enumerate(draws)}
    for block in blocks(draws):
        before[block[0]].insert(0, rdc.chunk(CLEAR, STENCIL_BUFFER_BIT, *NO_MESSAGES))
    before[draws[0]] = start + before[draws[0]]
    before[draws[-1] + 1] = [rdc.chunk(DISABLE, STENCIL_TEST)]
    return before


def blocks(draws: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The draws between two clearings of the stencil."""
    return (draws[i : i + BLOCK] for i in range(0, len(draws), BLOCK))


def moved(draws: tuple[int, ...], before: dict[int, list[bytes]]) -> tuple[int, ...]:
    """Where the draws' chunks are in the copy."""
    added = 0
    found = []
    for index in sorted(before):
        added += len(before[index])
        if index in draws:
            found.append(index + added)
    return tuple(found)


def largest_pass(chunks: Any) -> tuple[int, ...] | None:
    """Chunks of the draws into the framebuffer that the frame draws most often into; None where marks would disturb."""
    names = [chunk.name for chunk in chunks]
    if gl_calls.BEGIN not in names:
        return None
    known = {name: chunk.metadata.chunkID for name, chunk in zip(names, chunks, strict=True) if name in KINDS}
    if any(KINDS[name] != kind for name, kind in known.items()):
        return None
    passes: dict[int, list[int]] = {}
    target = 0
    first = names.index(gl_calls.BEGIN)
    for index, name in enumerate(names[first:], first):
        if name == "glBindFramebuffer":
            if gl_calls.value(chunks[index], "target") in (gl_calls.FRAMEBUFFER, gl_calls.DRAW_FRAMEBUFFER):
                target = gl_calls.value(chunks[index], "framebuffer")
        elif name in gl_calls.DRAWS:
            passes.setdefault(target, []).append(index)
    draws = max(map(tuple, passes.values()), key=len, default=())
    inside = range(draws[0], draws[-1] + 1) if draws else range(0)
    return draws if draws and not any(_uses_stencil(chunks[i]) for i in inside) else None


def _uses_stencil(chunk: Any) -> bool:
    if chunk.name in ("glEnable", "glDisable"):
        return gl_calls.value(chunk, "cap") == STENCIL_TEST
    return chunk.name.startswith(("glStencil", "glMultiDraw", "glClear", "glBindFramebuffer"))
