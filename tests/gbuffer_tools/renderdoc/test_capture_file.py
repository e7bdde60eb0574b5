"""Chunks and sections of captures that are made up here."""

import struct
from pathlib import Path

import pytest

from gbuffer_tools.renderdoc import capture_file
from gbuffer_tools.renderdoc.module import check_capture


def full_chunk(
    kind: int,
    body: bytes,
    flags: int = capture_file.THREAD | capture_file.DURATION | capture_file.TIME,
    frames: int = 0,
) -> bytes:
    """A chunk as RenderDoc writes it, with all that flags announce."""
    if frames:
        flags |= capture_file.CALL_STACK
    head = struct.pack("<I", kind | flags)
    if frames:
        head += struct.pack(f"<I{frames}Q", frames, *range(frames))
    head += bytes(8) * sum(bool(flags & f) for f in (capture_file.THREAD, capture_file.DURATION, capture_file.TIME))
    found = head + struct.pack("<Q" if flags & capture_file.LONG else "<I", len(body)) + body
    return found + bytes(-len(found) % capture_file.ALIGNMENT)


CHUNKS = [
    full_chunk(1, b"x" * 70),
    full_chunk(1015, b"y" * 12),
    full_chunk(9, b"", flags=0),
    full_chunk(1016, b"z" * 200, flags=capture_file.LONG | capture_file.TIME),
    full_chunk(1000, b"w", frames=3),
]


def test_chunks_are_found_by_their_lengths():
    frame = b"".join(CHUNKS)
    wanted = [sum(map(len, CHUNKS[:i])) for i in range(len(CHUNKS))]
    assert capture_file.chunk_starts(frame) == wanted


@pytest.mark.parametrize("cut", [1, 63, 65, 100])
def test_a_frame_that_was_cut_is_refused(cut: int):
    with pytest.raises(ValueError, match="chunk at byte"):
        capture_file.chunk_starts(b"".join(CHUNKS)[:-cut])


def test_added_chunks_stand_before_the_ones_they_were_added_to():
    frame = b"".join(CHUNKS)
    new = [capture_file.chunk(7, n) for n in range(4)]
    pieces = capture_file.with_chunks(
        frame, capture_file.chunk_starts(frame), {0: [new[0]], 3: [new[1], new[2]], 4: [new[3]]}
    )
    whole = b"".join(pieces)
    assert whole == b"".join([new[0], *CHUNKS[:3], new[1], new[2], CHUNKS[3], new[3], CHUNKS[4]])
    kinds = [struct.unpack_from("<I", whole, at)[0] & 0xFFFF for at in capture_file.chunk_starts(whole)]
    assert kinds == [7, 1, 1015, 9, 7, 7, 1016, 7, 1000]


def test_a_chunk_of_words():
    found = capture_file.chunk(1015, 519, 3, 255)
    assert len(found) == 64
    assert struct.unpack_from("<5I", found) == (1015, 12, 519, 3, 255)


def test_a_rewritten_capture_keeps_its_other_sections(tmp_path: Path):
    thumb, packed = b"jpeg", b"packed frame"
    sections = [
        capture_file.SECTION.pack(0, capture_file.FRAME_CAPTURE, len(packed), 999, 35, 2, 6) + b"frame\0" + packed,
        capture_file.SECTION.pack(0, 7, len(thumb), len(thumb), 1, 0, 6) + b"thumb\0" + thumb,
    ]
    extra = b"thumbnail in the header"
    head = capture_file.HEADER.pack(b"RDOC\0\0\0\0", 0x102, capture_file.HEADER.size + len(extra), b"v1.24")
    source, target = tmp_path / "a.rdc", tmp_path / "b.rdc"
    source.write_bytes(head + extra + b"".join(sections))
    check_capture(source)
    capture_file.rewrite(source, target, [b"one", b"two"])
    check_capture(target)
    frame = capture_file.SECTION.pack(0, capture_file.FRAME_CAPTURE, 6, 6, 35, 0, 6) + b"frame\0onetwo"
    assert target.read_bytes() == head + extra + frame + sections[1]


def test_where_arguments_start():
    frame = b"".join(CHUNKS)
    starts = capture_file.chunk_starts(frame)
    for start, first in zip(starts, (b"x", b"y", None, b"z", b"w"), strict=True):
        at = capture_file.arguments(frame, start)
        assert first is None or (frame[at : at + 1] == first and frame[at - 1 : at] != first)
