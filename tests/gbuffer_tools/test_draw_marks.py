"""Where marks are put, and where they are not."""

import struct
from itertools import pairwise

import pytest

from gbuffer_tools import draw_marks, gl_calls, rdc
from gbuffer_tools.draw_marks import BLOCK
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
    found = draw_marks.largest_pass(frame(into(1), DRAW, into(2), DRAW, call("glUseProgram"), DRAW, into(0), DRAW))
    assert found == (5, 7)
    read = call("glBindFramebuffer", target=0x8CA8, framebuffer=9)  # for reading: draws go on to 2
    assert draw_marks.largest_pass(frame(into(1), DRAW, into(2), DRAW, read, into(3))) == (3,)


@pytest.mark.parametrize(
    "between",
    [
        call("glStencilFunc", draw_marks.STENCIL_FUNC),
        call("glEnable", draw_marks.ENABLE, cap=draw_marks.STENCIL_TEST),
        call("glClear", draw_marks.CLEAR),
        call("glMultiDrawElementsIndirect"),
        into(7),
    ],
    ids=lambda c: c.name,
)
def test_a_pass_that_marks_would_disturb_is_left_alone(between: Call):
    assert draw_marks.largest_pass(frame(into(2), DRAW, between, into(2), DRAW)) is None


def test_a_pass_that_others_interrupt_in_its_own_framebuffer_is_left_alone():
    colour = call("glDrawBuffers", framebuffer=2, n=1, bufs=[0x8CE0])
    none = call("glDrawBuffers", framebuffer=2, n=0, bufs=[])
    assert draw_marks.largest_pass(frame(into(2), colour, DRAW, none, DRAW, colour, DRAW)) is None


def test_nothing_to_mark_and_calls_of_another_numbering():
    assert draw_marks.largest_pass(frame()) is None
    assert draw_marks.largest_pass([call("glDrawElements")]) is None
    assert draw_marks.largest_pass(frame(call("glClear", 77), DRAW)) is None
    assert draw_marks.largest_pass(frame(call("glEnable", draw_marks.ENABLE, cap=1), DRAW)) == (3,)


def test_every_draw_gets_its_number_and_the_stencil_is_cleared_when_they_run_out():
    draws = tuple(range(10, 10 + 2 * (2 * BLOCK + 3), 2))
    before = draw_marks.marks(draws)
    numbers = [words(before[draw][-1]) for draw in draws]
    assert numbers == [(1015, 519, 1 + n % BLOCK, 255) for n in range(len(draws))]
    cleared = [n for n, draw in enumerate(draws) if (1006, 0x400, 0, 0) in map(words, before[draw])]
    assert cleared == [0, BLOCK, 2 * BLOCK]
    assert [words(c) for c in before[draws[0]]][:2] == [(1022, 0x0B90), (1017, 0x1E00, 0x1E00, 0x1E01)]
    assert [words(c) for c in before[draws[-1] + 1]] == [(1018, 0x0B90)]
    assert [len(block) for block in draw_marks.blocks(draws)] == [BLOCK, BLOCK, 3]


def test_draws_are_found_again_in_the_copy():
    draws = (2, 4, 5)
    before = draw_marks.marks(draws)
    plain = [rdc.chunk(100 + i) for i in range(8)]
    copy = b"".join(rdc.with_chunks(b"".join(plain), [64 * i for i in range(8)], before))
    kinds = [words(copy[at : at + 64])[0] for at in rdc.chunk_starts(copy)]
    moved = draw_marks.moved(draws, before)
    assert [kinds[i] for i in moved] == [102, 104, 105]
    assert all(a < b for a, b in pairwise(moved))
    assert [kinds[i - 1] for i in moved] == [draw_marks.STENCIL_FUNC] * 3


def test_shadow_maps_and_depth_in_advance_are_not_marked_however_many_draws_they_have():
    depth = call("glFramebufferTexture2D", framebuffer=1, attachment=0x8D00, textarget=0x0DE1, texture=30, level=0)
    none = call("glDrawBuffers", framebuffer=2, n=0, bufs=[])
    three = call("glDrawBuffers", framebuffer=2, n=1, bufs=[0x8CE0])
    calls = [depth, *frame(into(1), DRAW, DRAW, DRAW, into(2), none, DRAW, DRAW, three, DRAW)]
    assert draw_marks.largest_pass(calls) == (len(calls) - 1,)


def storage(renderbuffer: int, internalformat: int) -> Call:
    return call("glRenderbufferStorage", renderbuffer=renderbuffer, internalformat=internalformat, width=4, height=4)


def framebuffer(name: int, depth: int) -> Call:
    attached = [{"obj": resource} for resource in [21, *[0] * 7, depth, 0]]
    return call(gl_calls.INITIAL, id=name, FramebufferState={"valid": 1, "Attachments": attached, "DrawBuffers": []})


def test_a_depth_renderbuffer_without_stencil_is_found():
    calls = [storage(30, 0x88F0), storage(31, draw_marks.DEPTH24), framebuffer(2, 31), framebuffer(3, 30), *frame()]
    assert draw_marks.without_stencil(calls, 2) == draw_marks.Depthbuffer(2, 31, 1)
    assert draw_marks.without_stencil(calls, 3) is None  # has a stencil
    assert draw_marks.without_stencil(calls, 4) is None


def test_it_gets_a_stencil_in_the_copy():
    head = struct.pack("<IQqQI", 1428 | rdc.THREAD | rdc.DURATION | rdc.TIME, 1, 2, 3, 20)
    body = struct.pack("<QIii", 31, draw_marks.DEPTH24, 640, 360)
    whole = bytearray(bytes(64) + head + body)
    assert draw_marks.deepen(whole, 64)
    assert whole[64:].endswith(struct.pack("<QIii", 31, draw_marks.DEPTH24_STENCIL8, 640, 360))
    assert not draw_marks.deepen(whole, 64)  # another format by now
    attached = draw_marks.attach(draw_marks.Depthbuffer(2, 31 + 2**32, 1))
    assert words(attached) == (1418, 2, 0, draw_marks.DEPTH_STENCIL_ATTACHMENT, draw_marks.RENDERBUFFER, 31, 1)
