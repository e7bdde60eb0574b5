"""Which framebuffer and which of its attachments draws go to, from lists of calls."""

from gbuffer_tools.renderdoc import gl_calls, gl_targets
from gbuffer_tools.renderdoc.gl_targets import Into
from tests.gbuffer_tools.calls import Call, call

COLOUR, DEPTH = 0x8CE0, 0x8D00
DRAW = call("glDrawElements")
BEGIN = call(gl_calls.BEGIN, state={gl_targets.DRAW_BINDING: 4})


def into(framebuffer: int) -> Call:
    return call("glBindFramebuffer", target=gl_calls.FRAMEBUFFER, framebuffer=framebuffer)


def choose(framebuffer: int, *slots: int) -> Call:
    bufs = [COLOUR + slot if slot >= 0 else 0 for slot in slots]
    return call("glDrawBuffers", framebuffer=framebuffer, n=len(bufs), bufs=bufs)


def initial(framebuffer: int, colours: list[int], depth: int, *names: int) -> Call:
    resources = [*colours, *[0] * (8 - len(colours)), depth, 0]
    state = {"valid": 1, "Attachments": [{"obj": r} for r in resources], "DrawBuffers": list(names)}
    return call(gl_calls.INITIAL, id=framebuffer, FramebufferState=state)


def at_the_draws(*calls: Call) -> list[Into]:
    return list(gl_targets.targets(calls).values())


def test_an_engine_chooses_among_what_is_attached():
    """Depth in advance, surfaces, sky: one framebuffer."""
    found = at_the_draws(
        initial(4, [21, 22, 23, 24], 25, COLOUR), BEGIN,
        choose(4), DRAW, choose(4, 0, 1, 2), DRAW, DRAW, choose(4, 0), DRAW, choose(4, -1, 3), DRAW,
    )  # fmt: skip
    assert found == [Into(4, (), True), *[Into(4, (0, 1, 2))] * 2, Into(4, (0,)), Into(4, (3,))]


def test_the_state_before_the_frame_holds_until_it_is_changed():
    first = initial(4, [21], 25, COLOUR, 0)
    assert at_the_draws(first, BEGIN, DRAW, into(5), DRAW) == [Into(4, (0,)), Into(5)]
    assert at_the_draws(call(gl_calls.BEGIN), DRAW) == [Into(0)]


def test_the_windows_buffers_have_no_slots():
    back = initial(9, [21], 0, 0x0405)
    assert at_the_draws(back, BEGIN, into(9), DRAW) == [Into(9)]


def test_a_shadow_map_is_empty_of_colours():
    attach = call("glFramebufferTexture2D", framebuffer=7, attachment=DEPTH, textarget=0x0DE1, texture=30, level=0)
    assert at_the_draws(attach, BEGIN, into(7), DRAW) == [Into(7, None, True)]
    colour = call("glFramebufferTexture2D", framebuffer=7, attachment=COLOUR, textarget=0x0DE1, texture=31, level=0)
    gone = call("glFramebufferTexture2D", framebuffer=7, attachment=COLOUR, textarget=0x0DE1, texture=0, level=0)
    found = at_the_draws(attach, BEGIN, into(7), colour, DRAW, gone, DRAW)
    assert found == [Into(7), Into(7, None, True)]
    assert at_the_draws(initial(8, [], 30, COLOUR), BEGIN, into(8), DRAW) == [Into(8, (0,), True)]


def test_only_draws_of_the_frame_count_and_framebuffers_for_reading_do_not():
    read = call("glBindFramebuffer", target=0x8CA8, framebuffer=5)
    found = gl_targets.targets([DRAW, into(6), BEGIN, read, DRAW])
    assert found == {4: Into(4)}


def test_what_a_framebuffer_has_for_depth():
    assert gl_targets.depth_attachment(initial(4, [21], 25, COLOUR)) == 25
    assert gl_targets.depth_attachment(initial(4, [21], 0, COLOUR)) == 0
    assert gl_targets.depth_attachment(call(gl_calls.INITIAL, id=4)) == 0
