"""What is bound at draws, from lists of calls."""

import pytest

from gbuffer_tools.renderdoc import gl_calls
from gbuffer_tools.renderdoc.gl_calls import Slot, bound_at
from tests.gbuffer_tools.calls import Call, call

UNIT = gl_calls.TEXTURE0
BEGIN = call(
    gl_calls.BEGIN,
    state={
        "GL_CURRENT_PROGRAM": 5, "GL_VERTEX_ARRAY_BINDING": 70, "GL_ACTIVE_TEXTURE": UNIT + 1,
        "GL_TEXTURE_BINDING_2D": [11, 12, 0],
    },
)  # fmt: skip
INITIAL = call(
    gl_calls.INITIAL,
    id=70,
    Type=3,
    VAOState={
        "valid": 1,
        "VertexAttribs": [{"vbslot": 0, "offset": 0}, {"vbslot": 1, "offset": 4}],
        "VertexBuffers": [
            {"Buffer": 90, "Stride": 24, "Offset": 0, "Divisor": 0},
            {"Buffer": 91, "Stride": 40, "Offset": 400, "Divisor": 1},
        ],
    },
)
DRAW = call("glDrawElementsInstanced")


def at_the_draws(*calls: Call) -> list[gl_calls.Bound]:
    chunks = [INITIAL, BEGIN, *calls]
    draws = [i for i, chunk in enumerate(chunks) if chunk is DRAW]
    found = bound_at(chunks, draws)
    return [found[i] for i in draws]


def test_the_state_before_the_frame():
    [found] = at_the_draws(DRAW)
    assert found.program == 5
    assert found.textures == {0: 11, 1: 12, 2: 0}
    assert found.inputs == {0: Slot(90, 24, 0), 1: Slot(91, 40, 404)}


def test_textures_are_bound_to_the_active_unit_and_only_those_of_two_dimensions():
    first, second, third = at_the_draws(
        call("glBindTexture", target=gl_calls.TEXTURE_2D, texture=20), DRAW,
        call("glActiveTexture", texture=UNIT + 4),
        call("glBindTexture", target=0x8513, texture=21),
        call("glBindTexture", target=gl_calls.TEXTURE_2D, texture=22), DRAW,
        call("glBindTextureUnit", unit=0, texture=23),
        call("glBindTextures", first=1, count=2, textures=[24, 25]), DRAW,
    )  # fmt: skip
    assert first.textures == {0: 11, 1: 20, 2: 0}
    assert second.textures == {0: 11, 1: 20, 2: 0, 4: 22}
    assert third.textures == {0: 23, 1: 24, 2: 25, 4: 22}


def test_programs_and_vertex_arrays():
    pointer = call("glVertexAttribPointer", vaobj=71, buffer=92, index=8, size=3, stride=44, offset=16)
    first, second, third = at_the_draws(
        call("glUseProgram", program=6), call("glBindVertexArray", vaobj=71), pointer, DRAW,
        call("glBindVertexArray", vaobj=70), DRAW,
        call("glVertexAttribFormat", vaobj=70, attribindex=1, relativeoffset=8),
        call("glVertexAttribBinding", vaobj=70, attribindex=1, bindingindex=3),
        call("glBindVertexBuffer", vaobj=70, bindingindex=3, buffer=93, offset=100, stride=12), DRAW,
    )  # fmt: skip
    assert (first.program, first.inputs) == (6, {8: Slot(92, 44, 16)})
    assert (second.program, second.inputs) == (6, {0: Slot(90, 24, 0), 1: Slot(91, 40, 404)})
    assert third.inputs[1] == Slot(93, 12, 108)


def uniform(name: str, location: int, *data: float) -> dict[str, object]:
    return {"Basename": name, "IsArray": 0, "Values": [{"Type": 35678, "Location": location, "data": list(data)}]}


PROGRAM = call(
    gl_calls.INITIAL,
    id=5,
    InputBindings=[{"Name": "Position", "Binding": 0}, {"Name": "i_origin", "Binding": 8}],
    ProgramUniforms={"ValueUniforms": [uniform("tex_layer_0", 42, 3), uniform("wind", 43, 0.5), uniform("empty", 44)]},
)


def test_names_in_programs():
    found = gl_calls.linked([PROGRAM, INITIAL, BEGIN])
    assert found == {5: gl_calls.Linked({"tex_layer_0": 42}, {"Position": 0, "i_origin": 8})}


def test_units_of_samplers_are_the_programs_own_and_change_in_the_frame():
    first, second, third, fourth = at_the_draws(
        PROGRAM, DRAW,
        call("glUniform1i", Program=5, location=42, values=[1]), DRAW,
        call("glUseProgram", program=6), DRAW,
        call("glProgramUniform1i", Program=6, location=42, values=[7]), call("glUseProgram", program=5), DRAW,
    )  # fmt: skip
    assert [found.units for found in (first, second, third, fourth)] == [{42: 3}, {42: 1}, {}, {42: 1}]


def test_shaders_of_programs():
    calls = [call("glAttachShader", program=5, shader=50), DRAW, call("glAttachShader", program=5, shader=51)]
    assert list(gl_calls.attached(calls)) == [(5, 50), (5, 51)]


def test_a_call_of_another_version_is_named():
    with pytest.raises(LookupError, match="glBindTexture without texture"):
        at_the_draws(call("glBindTexture", target=gl_calls.TEXTURE_2D), DRAW)
