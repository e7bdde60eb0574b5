"""Structured chunks as RenderDoc's module gives them, made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace


@dataclass
class Item:
    """An SDObject: a number, a resource, a struct or an array."""

    name: str
    held: int = 0
    kind: str = "int32_t"
    children: list[Item] = field(default_factory=list)
    text: str = ""

    @property
    def type(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.kind)

    def AsInt(self) -> int:  # noqa: N802 - RenderDoc's name
        assert self.kind != "GLResource"
        return self.held

    def AsResourceId(self) -> int:  # noqa: N802
        assert self.kind == "GLResource"
        return self.held

    def AsString(self) -> str:  # noqa: N802
        assert self.kind == "string"
        return self.text

    def FindChild(self, name: str) -> Item | None:  # noqa: N802
        return next((child for child in self.children if child.name == name), None)

    def NumChildren(self) -> int:  # noqa: N802
        return len(self.children)

    def GetChild(self, index: int) -> Item:  # noqa: N802
        return self.children[index]


@dataclass
class Call(Item):
    """An SDChunk."""

    metadata: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(chunkID=0))


RESOURCES = {
    "program", "Program", "shader", "texture", "vaobj", "buffer", "framebuffer", "id", "Buffer", "GL_CURRENT_PROGRAM",
    "GL_VERTEX_ARRAY_BINDING", "GL_DRAW_FRAMEBUFFER_BINDING", "renderbuffer", "obj",
}  # fmt: skip


def item(name: str, value: object) -> Item:
    """An argument: numbers by name become resources, lists arrays, dicts structs."""
    if isinstance(value, dict):
        return Item(name, kind="struct", children=[item(key, inner) for key, inner in value.items()])
    if isinstance(value, list):
        resources = name in ("GL_TEXTURE_BINDING_2D", "textures")
        return Item(
            name,
            kind="array",
            children=[
                Item("$el", inner, "GLResource" if resources else "int32_t")
                if isinstance(inner, int)
                else item("$el", inner)
                for inner in value
            ],
        )
    if isinstance(value, str):
        return Item(name, kind="string", text=value)
    if isinstance(value, float):
        return Item(name, kind="float")
    assert isinstance(value, int)
    return Item(name, value, "GLResource" if name in RESOURCES else "int32_t")


def call(function: str, number: int = 0, **arguments: object) -> Call:
    """A recorded call; `number` is its kind in the file."""
    children = [item(name, value) for name, value in arguments.items()]
    return Call(function, kind="Chunk", children=children, metadata=SimpleNamespace(chunkID=number))
