"""What was bound at a draw, read from a capture's list of OpenGL calls: no replay needed.

RenderDoc answers such questions only about the event that it has replayed to, and replays the frame from its start each
time. A frame's calls, and the state before them, are in the capture by name ("structured data"); walking them once
answers them for all draws. Objects are resource ids of the capture.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

TEXTURE_2D = 0x0DE1
TEXTURE0 = 0x84C0
FRAMEBUFFER, DRAW_FRAMEBUFFER = 0x8D40, 0x8CA9

BEGIN = "Internal::Beginning of Capture"
INITIAL = "Internal::Initial Contents"
DRAWS = frozenset((
    "glDrawArrays", "glDrawArraysInstanced", "glDrawArraysInstancedBaseInstance", "glDrawElements",
    "glDrawElementsBaseVertex", "glDrawElementsInstanced", "glDrawElementsInstancedBaseInstance",
    "glDrawElementsInstancedBaseVertex", "glDrawElementsInstancedBaseVertexBaseInstance", "glDrawRangeElements",
    "glDrawRangeElementsBaseVertex",
))  # fmt: skip
"""Calls that are one draw each."""


@dataclass(frozen=True)
class Slot:
    """A vertex buffer as a vertex array reads it: resource, bytes per step, first byte."""

    buffer: int = 0
    stride: int = 0
    offset: int = 0


@dataclass(frozen=True)
class VertexAttribute:
    """One input of the vertex shader: which slot it reads, and how many bytes into a step."""

    slot: int
    offset: int = 0


@dataclass
class VertexArray:
    """Attributes and slots by index."""

    attributes: dict[int, VertexAttribute] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)

    def source(self, attribute: int) -> Slot | None:
        """Where an attribute comes from, None if it has no buffer."""
        found = self.attributes.get(attribute, VertexAttribute(attribute))
        slot = self.slots.get(found.slot)
        return replace(slot, offset=slot.offset + found.offset) if slot and slot.buffer else None


@dataclass(frozen=True)
class Bound:
    """What is bound at a draw.

    Attributes:
        program: 0 for none, or a pipeline of separate ones.
        textures: texture unit -> 2-D texture.
        inputs: attribute -> where it is read from.
        units: location of a sampler of the program -> texture unit, among other integers.
    """

    program: int
    textures: dict[int, int]
    inputs: dict[int, Slot]
    units: dict[int, int]


@dataclass(frozen=True)
class Linked:
    """Names in a linked program.

    Attributes:
        samplers: integer uniform -> location.
        inputs: vertex attribute -> index.
    """

    samplers: dict[str, int]
    inputs: dict[str, int]


def bound_at(chunks: Any, draws: Collection[int]) -> dict[int, Bound]:
    """What is bound at each of these draws.

    Args:
        chunks: those of RenderDoc's structured file (SDFile.chunks).
        draws: indices of the draws' chunks.

    Raises:
        LookupError: a call lacks an argument, as in a capture of another version.
    """
    walk = _Walk()
    found = {}
    for index, chunk in enumerate(chunks):
        name = chunk.name
        if index in draws:
            found[index] = walk.bound()
        elif name in _CALLS:
            _CALLS[name](walk, chunk)
    return found


def attached(chunks: Any) -> Iterator[tuple[int, int]]:
    """Programs and the shaders that they were made from, as far as the calls are in the capture."""
    for chunk in chunks:
        if chunk.name == "glAttachShader":
            yield value(chunk, "program"), value(chunk, "shader")


def linked(chunks: Any) -> dict[int, Linked]:
    """Program -> its names, for programs that existed before the frame."""
    found = {}
    for chunk in chunks:
        if chunk.name == INITIAL and chunk.FindChild("ProgramUniforms") is not None:
            inputs = {
                item.FindChild("Name").AsString(): value(item, "Binding") for item in elements(chunk, "InputBindings")
            }
            samplers = {name: location for name, location, _ in _whole_numbers(chunk)}
            found[value(chunk, "id")] = Linked(samplers, inputs)
    return found


def _whole_numbers(initial: Any) -> Iterator[tuple[str, int, int]]:
    """Names, locations and values of a program's integer uniforms; for arrays, the first entry."""
    for uniform in elements(initial.FindChild("ProgramUniforms"), "ValueUniforms"):
        for entry in islice(elements(uniform, "Values"), 1):
            data = entry.FindChild("data")
            if data is not None and data.NumChildren() and data.GetChild(0).type.name == "int32_t":
                yield uniform.FindChild("Basename").AsString(), value(entry, "Location"), number(data.GetChild(0))


def value(chunk: Any, name: str) -> int:
    """An argument of a call: a number, or a resource id."""
    child = chunk.FindChild(name)
    if child is None:
        raise LookupError(f"{chunk.name} without {name}")
    return number(child)


def number(item: Any) -> int:
    """The number, or resource id, that a structured object holds."""
    return int(item.AsResourceId()) if item.type.name in ("GLResource", "ResourceId") else int(item.AsInt())


def elements(chunk: Any, name: str) -> Iterator[Any]:
    """Entries of an array argument."""
    child = chunk.FindChild(name)
    if child is None:
        raise LookupError(f"{chunk.name} without {name}")
    for i in range(child.NumChildren()):
        yield child.GetChild(i)


class _Walk:
    """OpenGL's bindings, as far as they tell draws apart."""

    def __init__(self) -> None:
        self.program, self.active, self.array = 0, 0, 0
        self.textures: dict[int, int] = {}
        self.arrays: dict[int, VertexArray] = {}
        self.units: dict[int, dict[int, int]] = {}  # by program

    def bound(self) -> Bound:
        array = self.at(self.array)
        inputs = {i: array.source(i) for i in {*array.attributes, *array.slots}}
        read = {i: slot for i, slot in inputs.items() if slot}
        return Bound(self.program, dict(self.textures), read, dict(self.units.get(self.program, {})))

    def at(self, array: int) -> VertexArray:
        return self.arrays.setdefault(array, VertexArray())


def _begin(walk: _Walk, chunk: Any) -> None:
    state = chunk.FindChild("state")
    if state is None:
        raise LookupError(f"{chunk.name} without state")
    walk.program = value(state, "GL_CURRENT_PROGRAM")
    walk.array = value(state, "GL_VERTEX_ARRAY_BINDING")
    walk.active = value(state, "GL_ACTIVE_TEXTURE") - TEXTURE0
    walk.textures = {unit: number(item) for unit, item in enumerate(elements(state, "GL_TEXTURE_BINDING_2D"))}


def _initial(walk: _Walk, chunk: Any) -> None:
    if chunk.FindChild("ProgramUniforms") is not None:
        walk.units[value(chunk, "id")] = {location: unit for _, location, unit in _whole_numbers(chunk)}
    state = chunk.FindChild("VAOState")
    if state is None or not value(state, "valid"):
        return
    array = VertexArray()
    for i, item in enumerate(elements(state, "VertexAttribs")):
        array.attributes[i] = VertexAttribute(value(item, "vbslot"), value(item, "offset"))
    for i, item in enumerate(elements(state, "VertexBuffers")):
        array.slots[i] = Slot(value(item, "Buffer"), value(item, "Stride"), value(item, "Offset"))
    walk.arrays[value(chunk, "id")] = array


def _pointer(walk: _Walk, chunk: Any) -> None:
    index, array = value(chunk, "index"), walk.at(value(chunk, "vaobj"))
    array.attributes[index] = VertexAttribute(index)
    # A stride of 0 means tightly packed; such attributes advance by vertex, and origins do not.
    array.slots[index] = Slot(value(chunk, "buffer"), value(chunk, "stride"), value(chunk, "offset"))


def _binding(walk: _Walk, chunk: Any) -> None:
    array, index = walk.at(value(chunk, "vaobj")), value(chunk, "attribindex")
    before = array.attributes.get(index, VertexAttribute(index))
    array.attributes[index] = replace(before, slot=value(chunk, "bindingindex"))


def _format(walk: _Walk, chunk: Any) -> None:
    array, index = walk.at(value(chunk, "vaobj")), value(chunk, "attribindex")
    before = array.attributes.get(index, VertexAttribute(index))
    array.attributes[index] = replace(before, offset=value(chunk, "relativeoffset"))


def _vertex_buffer(walk: _Walk, chunk: Any) -> None:
    slot = Slot(value(chunk, "buffer"), value(chunk, "stride"), value(chunk, "offset"))
    walk.at(value(chunk, "vaobj")).slots[value(chunk, "bindingindex")] = slot


def _texture(walk: _Walk, chunk: Any) -> None:
    if value(chunk, "target") == TEXTURE_2D:
        walk.textures[walk.active] = value(chunk, "texture")


def _texture_unit(walk: _Walk, chunk: Any) -> None:
    walk.textures[value(chunk, "unit")] = value(chunk, "texture")


def _textures(walk: _Walk, chunk: Any) -> None:
    first = value(chunk, "first")
    walk.textures |= {first + i: number(item) for i, item in enumerate(elements(chunk, "textures"))}


def _active(walk: _Walk, chunk: Any) -> None:
    walk.active = value(chunk, "texture") - TEXTURE0


def _program(walk: _Walk, chunk: Any) -> None:
    walk.program = value(chunk, "program")


def _uniform(walk: _Walk, chunk: Any) -> None:
    values = list(elements(chunk, "values"))
    walk.units.setdefault(value(chunk, "Program"), {})[value(chunk, "location")] = number(values[0])


def _array(walk: _Walk, chunk: Any) -> None:
    walk.array = value(chunk, "vaobj")


_CALLS = {
    BEGIN: _begin, INITIAL: _initial, "glActiveTexture": _active, "glBindTexture": _texture,
    "glBindTextureUnit": _texture_unit, "glBindTextures": _textures, "glUseProgram": _program,
    "glBindVertexArray": _array, "glVertexAttribPointer": _pointer, "glVertexAttribIPointer": _pointer,
    "glVertexAttribBinding": _binding, "glVertexAttribFormat": _format, "glVertexAttribIFormat": _format,
    "glBindVertexBuffer": _vertex_buffer, "glUniform1i": _uniform, "glUniform1iv": _uniform,
    "glProgramUniform1i": _uniform, "glProgramUniform1iv": _uniform,
}  # fmt: skip
