"""Finding the G-buffer pass among passes."""

from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.renderdoc.profile import DrawPass, gbuffer_pass

RGBA8 = "R8G8B8A8_UNORM"
SHADOW = DrawPass((), True, 211, 211)
GBUFFER = DrawPass((RGBA8, RGBA8), True, 120, 120)
LIGHTS = DrawPass(("R11G11B10_FLOAT",) * 2, True, 3, 1)
GLOW = DrawPass((RGBA8,), True, 4, 4)
HUD = DrawPass(("R8G8B8_UNORM",), True, 19, 19)
STK = PROFILES["supertuxkart"]


def test_the_gbuffer_pass_is_found_in_a_full_frame():
    assert gbuffer_pass([SHADOW, GBUFFER, LIGHTS, GLOW, HUD], STK.is_gbuffer) == 1


def test_of_several_the_one_with_most_draws_wins():
    few = DrawPass((RGBA8, RGBA8), True, 2, 2)
    assert gbuffer_pass([few, LIGHTS, GBUFFER, few], STK.is_gbuffer) == 2


def test_none_fits_in_a_menu():
    assert gbuffer_pass([HUD, GLOW, SHADOW, LIGHTS], STK.is_gbuffer) is None
    assert gbuffer_pass([], STK.is_gbuffer) is None


def test_lookalikes_are_not_taken():
    for other in (
        DrawPass((RGBA8, RGBA8), False, 50, 50),
        DrawPass((RGBA8, RGBA8), True, 50, 0),
        DrawPass((RGBA8, RGBA8, RGBA8), True, 50, 50),
    ):
        assert not STK.is_gbuffer(other)


def test_the_lighting_draw_is_told_by_its_samplers():
    combine = {"diffuse_map", "specular_map", "ssao_tex", "normal_color", "diffuse_color", "depth_stencil"}
    assert STK.is_lighting(frozenset(combine))
    assert not STK.is_lighting(frozenset({"diffuse_color", "normal_color"}))
    assert not STK.is_lighting(frozenset())
