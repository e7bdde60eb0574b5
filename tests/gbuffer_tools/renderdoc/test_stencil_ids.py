"""Where marks are put, and where they are not."""

import struct
from itertools import pairwise

import pytest

from gbuffer_tools.renderdoc import capture_file, gl_calls, stencil_ids
from gbuffer_tools.renderdoc.stencil_ids import BLOCK
from tests.gbuffer_tools.calls import Call, call


def words(chunk: bytes) -> tuple[int, ...]:
    kind, length = struct.unpack_from("<II", chunk)
    return kind, *struct.unpack_from(f"<{length // 4}I", chunk, 8)


def frame(*calls: Call) -> list[Call]:
    return [call("glGenBuffers"), call(gl_calls.BEGIN), *calls]


def into(framebuffer: int) -> Call:
    return call("glBindFramebuffer", target=gl_calls.FRAMEBUFFER, framebuffer=framebuffer)


DRAW = call("glDrawElements")


def test_the_pass_with_the_most_draws_is_marked():
    found = stencil_ids.largest_pass(frame(into(1), DRAW, into(2), DRAW, call("glUseProgram"), DRAW, into(0), DRAW))
    assert found == (5, 7)
    read = call("glBindFramebuffer", target=0x8CA8, framebuffer=9)  # for reading: draws go on to 2
    assert stencil_ids.largest_pass(frame(into(1), DRAW, into(2), DRAW, read, into(3))) == (3,)


@pytest.mark.parametrize(
    "between",
    [
        call("glStencilFunc", stencil_ids.STENCIL_FUNC),
        call("glEnable", stencil_ids.ENABLE, cap=stencil_ids.STENCIL_TEST),
        call("glClear", stencil_ids.CLEAR),
        call("glMultiDrawElementsIndirect"),
        into(7),
    ],
    ids=lambda c: c.name,
)
def test_a_pass_that_marks_would_disturb_is_left_alone(between: Call):
    assert stencil_ids.largest_pass(frame(into(2), DRAW, between, into(2), DRAW)) is None


def test_a_pass_that_others_interrupt_in_its_own_framebuffer_is_left_alone():
    colour = call("glDrawBuffers", framebuffer=2, n=1, bufs=[0x8CE0])
    none = call("glDrawBuffers", framebuffer=2, n=0, bufs=[])
    assert stencil_ids.largest_pass(frame(into(2), colour, DRAW, none, DRAW, colour, DRAW)) is None


def test_nothing_to_mark_and_calls_of_another_numbering():
    assert stencil_ids.largest_pass(frame()) is None
    assert stencil_ids.largest_pass([call("glDrawElements")]) is None
    assert stencil_ids.largest_pass(frame(call("glClear", 77), DRAW)) is None
    assert stencil_ids.largest_pass(frame(call("glEnable", stencil_ids.ENABLE, cap=1), DRAW)) == (3,)


def test_every_draw_gets_its_number_and_the_stencil_is_cleared_when_they_run_out():
    draws = tuple(range(10, 10 + 2 * (2 * BLOCK + 3), 2))
    before = stencil_ids.marks(draws)
    numbers = [words(before[draw][-1]) for draw in draws]
    assert numbers == [(1015, 519, 1 + n % BLOCK, 255) for n in range(len(draws))]
    cleared = [n for n, draw in enumerate(draws) if (1006, 0x400, 0, 0) in map(words, before[draw])]
    assert cleared == [0, BLOCK, 2 * BLOCK]
    assert [words(c) for c in before[draws[0]]][:2] == [(1022, 0x0B90), (1017, 0x1E00, 0x1E00, 0x1E01)]
    assert [words(c) for c in before[draws[-1] + 1]] == [(1018, 0x0B90)]
    assert [len(block) for block in stencil_ids.blocks(draws)] == [BLOCK, BLOCK, 3]


def test_draws_are_found_again_in_the_copy():
    draws = (2, 4, 5)
    before = stencil_ids.marks(draws)
    plain = [capture_file.chunk(100 + i) for i in range(8)]
    copy = b"".join(capture_file.with_chunks(b"".join(plain), [64 * i for i in range(8)], before))
    kinds = [words(copy[at : at + 64])[0] for at in capture_file.chunk_starts(copy)]
    moved = stencil_ids.moved(draws, before)
    assert [kinds[i] for i in moved] == [102, 104, 105]
    assert all(a < b for a, b in pairwise(moved))
    assert [kinds[i - 1] for i in moved] == [stencil_ids.STENCIL_FUNC] * 3


def test_shadow_maps_and_depth_in_advance_are_not_marked_however_many_draws_they_have():
    depth = call("glFramebufferTexture2D", framebuffer=1, attachment=0x8D00, textarget=0x0DE1, texture=30, level=0)
    none = call("glDrawBuffers", framebuffer=2, n=0, bufs=[])
    three = call("glDrawBuffers", framebuffer=2, n=1, bufs=[0x8CE0])
    calls = [depth, *frame(into(1), DRAW, DRAW, DRAW, into(2), none, DRAW, DRAW, three, DRAW)]
    assert stencil_ids.largest_pass(calls) == (len(calls) - 1,)


def storage(renderbuffer: int, internalformat: int) -> Call:
    return call("glRenderbufferStorage", renderbuffer=renderbuffer, internalformat=internalformat, width=4, height=4)


def framebuffer(name: int, depth: int) -> Call:
    attached = [{"obj": resource} for resource in [21, *[0] * 7, depth, 0]]
    return call(gl_calls.INITIAL, id=name, FramebufferState={"valid": 1, "Attachments": attached, "DrawBuffers": []})


def test_a_depth_renderbuffer_without_stencil_is_found():
    calls = [storage(30, 0x88F0), storage(31, stencil_ids.DEPTH24), framebuffer(2, 31), framebuffer(3, 30), *frame()]
    assert stencil_ids.without_stencil(calls, 2) == stencil_ids.Depthbuffer(2, 31, 1)
    assert stencil_ids.without_stencil(calls, 3) is None  # has a stencil
    assert stencil_ids.without_stencil(calls, 4) is None


def test_it_gets_a_stencil_in_the_copy():
    head = struct.pack("<IQqQI", 1428 | capture_file.THREAD | capture_file.DURATION | capture_file.TIME, 1, 2, 3, 20)
    body = struct.pack("<QIii", 31, stencil_ids.DEPTH24, 640, 360)
    whole = bytearray(bytes(64) + head + body)
    assert stencil_ids.deepen(whole, 64)
    assert whole[64:].endswith(struct.pack("<QIii", 31, stencil_ids.DEPTH24_STENCIL8, 640, 360))
    assert not stencil_ids.deepen(whole, 64)  # another format by now
    attached = stencil_ids.attach(stencil_ids.Depthbuffer(2, 31 + 2**32, 1))
    assert words(attached) == (1418, 2, 0, stencil_ids.DEPTH_STENCIL_ATTACHMENT, stencil_ids.RENDERBUFFER, 31, 1)
