"""Materials and the sky as shader nodes: all textures are computed, no picture is loaded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bpy

from gbuffer_tools.streets.shapes.mesh import SURFACES
from gbuffer_tools.streets.weather import Weather

COLOUR = "colour"
"""The face attribute that holds the colour."""
ALBEDO, SURFACE = "albedo", "surface"
"""Names of the outputs: base colour; roughness, metallic and strength of emission as R, G, B."""
GLOW = 2.5
"""Radiance of lights, relative to their colour."""


@dataclass(frozen=True)
class Finish:
    """How a surface reflects.

    Attributes:
        roughness, metallic: of the principled shader.
        grain: (scale per metre, strength) of noises that multiply the colour.
        pattern: "", "bricks", "slabs", "tiles", "cracks" or "dirt".
        coat: weight of a clear coat.
    """

    roughness: float
    metallic: float = 0.0
    grain: tuple[tuple[float, float], ...] = ()
    pattern: str = ""
    coat: float = 0.0


FINISHES = {
    "asphalt": Finish(0.85, grain=((45, 0.5), (6, 0.16), (0.35, 0.3)), pattern="cracks"),
    "marking": Finish(0.6, grain=((9, 0.35), (1.1, 0.25))),
    "paving": Finish(0.85, grain=((14, 0.2), (0.8, 0.2)), pattern="slabs"),
    "kerb": Finish(0.8, grain=((10, 0.25), (0.7, 0.2))),
    "brick": Finish(0.9, grain=((1.2, 0.25), (9, 0.2)), pattern="bricks"),
    "plaster": Finish(0.85, grain=((0.7, 0.14), (6, 0.08)), pattern="dirt"),
    "roof": Finish(0.75, grain=((1.0, 0.25), (7, 0.2)), pattern="tiles"),
    "glass": Finish(0.04),
    "paint": Finish(0.4, grain=((0.9, 0.05),), coat=0.7),
    "wood": Finish(0.5, grain=((3, 0.15),)),
    "metal": Finish(0.45, 0.6, grain=((4, 0.15),)),
    "rubber": Finish(0.8, grain=((9, 0.2),)),
    "cloth": Finish(0.9, grain=((14, 0.25), (3, 0.15))),
    "skin": Finish(0.55),
    "bark": Finish(0.95, grain=((9, 0.45),)),
    "leaf": Finish(0.6, grain=((2.5, 0.35),)),
    "grass": Finish(0.95, grain=((40, 0.5), (4, 0.35), (0.5, 0.3))),
    "light": Finish(0.4),
    "plastic": Finish(0.45, grain=((4, 0.05),)),
}


class Nodes:
    """Makes a tree's nodes in few words."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        tree.nodes.clear()

    def add(self, kind: str, inputs: Mapping[Any, object] | None = None, **settings: object) -> bpy.types.Node:
        """A node with settings; inputs are values, or the sockets that they are linked to."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node

    def math(self, operation: str, *values: object) -> bpy.types.NodeSocket:
        """The result of an operation on numbers."""
        return self.add("Math", dict(enumerate(values)), operation=operation).outputs[0]

    def scaled(self, colour: bpy.types.NodeSocket, factor: object) -> bpy.types.NodeSocket:
        """A colour times a number."""
        return self.add("VectorMath", {0: colour, "Scale": factor}, operation="SCALE").outputs[0]

    def mixed(self, fraction: object, first: object, second: object) -> bpy.types.NodeSocket:
        """A mix of two colours."""
        return self.add("Mix", {0: fraction, 6: first, 7: second}, data_type="RGBA").outputs[2]


def materials() -> dict[str, bpy.types.Material]:
    """The material of each surface."""
    return {name: _material(name, FINISHES[name]) for name in SURFACES}


def _material(name: str, finish: Finish) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = Nodes(material.node_tree)
    colour = nodes.add("Attribute", attribute_name=COLOUR).outputs["Color"]
    # Things that move carry their grain along; those that stand have theirs in world space, so neighbours differ.
    place = nodes.add("NewGeometry").outputs["Position"]
    own = nodes.add("TexCoord").outputs["Object"]
    where = own if name in ("paint", "cloth", "rubber", "skin", "plastic", "glass", "light", "metal") else place
    for scale, strength in finish.grain:
        noise = nodes.add("TexNoise", {"Vector": where, "Scale": scale, "Detail": 2.0}).outputs[0]
        bright = nodes.math("MULTIPLY_ADD", noise, 3.2 * strength, 1 - 1.6 * strength)
        colour = nodes.scaled(colour, nodes.math("MAXIMUM", bright, 0.15))
    if finish.pattern:
        colour = _patterned(nodes, finish.pattern, colour, own, place)
    output = nodes.add("OutputMaterial")
    if name == "light":
        shader = nodes.add("Emission", {"Color": colour, "Strength": GLOW}).outputs[0]
    else:
        settings = {"Base Color": colour, "Roughness": finish.roughness, "Metallic": finish.metallic}
        node = nodes.add("BsdfPrincipled", settings | {"Coat Weight": finish.coat, "Coat Roughness": 0.06})
        shader = node.outputs[0]
        if name == "leaf":
            through = nodes.add("BsdfTranslucent", {"Color": nodes.scaled(colour, 1.3)}).outputs[0]
            shader = nodes.add("MixShader", {0: 0.35, 1: shader, 2: through}).outputs[0]
        # Scattered light needs no texture; Cycles skips the nodes of a shader that has no share.
        plain = nodes.add("BsdfDiffuse", {"Color": nodes.add("Attribute", attribute_name=COLOUR).outputs["Color"]})
        scattered = nodes.add("LightPath").outputs["Is Diffuse Ray"]
        shader = nodes.add("MixShader", {0: scattered, 1: shader, 2: plain.outputs[0]}).outputs[0]
    nodes.tree.links.new(shader, output.inputs["Surface"])
    nodes.add("OutputAOV", {"Color": colour}, aov_name=ALBEDO)
    values = nodes.add("CombineXYZ", {0: finish.roughness, 1: finish.metallic, 2: GLOW * (name == "light")})
    nodes.add("OutputAOV", {"Color": values.outputs[0]}, aov_name=SURFACE)
    return material


def _patterned(
    nodes: Nodes, pattern: str, colour: bpy.types.NodeSocket, own: bpy.types.NodeSocket, place: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """A colour with bricks, slabs, tiles, cracks, or dirt near the ground."""
    if pattern == "cracks":
        wavy = nodes.add("TexNoise", {"Vector": place, "Scale": 0.9}).outputs["Color"]
        bent = nodes.add("VectorMath", {0: place, 1: wavy}, operation="ADD").outputs[0]
        edge = nodes.add("TexVoronoi", {"Vector": bent, "Scale": 0.22}, feature="DISTANCE_TO_EDGE").outputs["Distance"]
        mask = nodes.add("TexNoise", {"Vector": place, "Scale": 0.07}).outputs[0]
        thin = nodes.math("LESS_THAN", edge, nodes.math("MULTIPLY_ADD", mask, 0.013, -0.0055))
        return nodes.scaled(colour, nodes.math("MULTIPLY_ADD", thin, -0.35, 1.0))
    if pattern == "dirt":
        height = nodes.add("SeparateXYZ", {0: place}).outputs[2]
        low = nodes.add("MapRange", {0: height, 1: 0.0, 2: 0.9, 3: 0.78, 4: 1.0}).outputs[0]
        return nodes.scaled(colour, low)
    if pattern == "slabs":
        vector = place
        width, tall, mortar, shade, squash = 0.62, 0.62, 0.012, 0.55, 0.08
    else:
        # Along the wall and up: walls run along x or y of a thing's own space.
        normal = nodes.add("TexCoord").outputs["Normal"]
        parts, at = nodes.add("SeparateXYZ", {0: normal}), nodes.add("SeparateXYZ", {0: own})
        sideways = nodes.math("GREATER_THAN", nodes.math("ABSOLUTE", parts.outputs[0]), 0.6)
        along = nodes.math(
            "ADD",
            nodes.math("MULTIPLY", at.outputs[1], sideways),
            nodes.math("MULTIPLY", at.outputs[0], nodes.math("SUBTRACT", 1.0, sideways)),
        )
        vector = nodes.add("CombineXYZ", {0: along, 1: at.outputs[2]}).outputs[0]
        bricks = pattern == "bricks"
        width, tall, mortar, shade, squash = (
            (0.225, 0.075, 0.006, 1.25, 0.25) if bricks else (0.3, 0.2, 0.014, 0.5, 0.2)
        )
    settings = {
        "Vector": vector, "Scale": 1.0, "Mortar Size": mortar, "Brick Width": width, "Row Height": tall, "Bias": 0.0,
        "Color1": (1 - squash, 1 - squash, 1 - squash, 1), "Color2": (1 + squash,) * 3 + (1,),
        "Mortar": (shade, shade, shade * 0.97, 1),
    }  # fmt: skip
    tiles = nodes.add("TexBrick", settings).outputs["Color"]
    return nodes.add("VectorMath", {0: colour, 1: tiles}, operation="MULTIPLY").outputs[0]


def sky(weather: Weather) -> bpy.types.World:
    """The world: a gradient, clouds, a glow around the sun."""
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    nodes = Nodes(world.node_tree)
    direction = nodes.add("TexCoord").outputs["Generated"]
    height = nodes.math("MAXIMUM", nodes.add("SeparateXYZ", {0: direction}).outputs[2], 0.0)
    rise = nodes.math("POWER", nodes.math("SUBTRACT", 1.0, height), 4.0)
    colour = nodes.mixed(rise, (*weather.zenith, 1), (*weather.horizon, 1))
    toward = (
        math.cos(weather.elevation) * math.cos(weather.azimuth),
        math.cos(weather.elevation) * math.sin(weather.azimuth),
        math.sin(weather.elevation),
    )
    near = nodes.add("VectorMath", {0: direction, 1: toward}, operation="DOT_PRODUCT").outputs["Value"]
    glow = nodes.math("POWER", nodes.math("MAXIMUM", near, 0.0), 12.0)
    strength = 0.35 * weather.sun / 3
    shine = nodes.scaled(nodes.add("RGB").outputs[0], nodes.math("MULTIPLY", glow, strength))
    nodes.tree.nodes[-1].inputs[0]
    for node in nodes.tree.nodes:
        if node.bl_idname == "ShaderNodeRGB":
            node.outputs[0].default_value = (*weather.sun_colour, 1)
    colour = nodes.add("VectorMath", {0: colour, 1: shine}, operation="ADD").outputs[0]
    flat = nodes.add("VectorMath", {0: direction, "Scale": nodes.math("DIVIDE", 1.0, nodes.math("ADD", height, 0.12))},
                     operation="SCALE").outputs[0]  # fmt: skip
    puffs = nodes.add("TexNoise", {"Vector": flat, "Scale": 0.9, "Detail": 6.0, "Roughness": 0.6}).outputs[0]
    edge = 0.72 - 0.5 * weather.clouds
    cover = nodes.add("MapRange", {0: puffs, 1: edge - 0.06, 2: edge + 0.16}).outputs[0]
    shade = nodes.add("MapRange", {0: puffs, 1: edge, 2: edge + 0.35, 3: 1.0, 4: 0.62}).outputs[0]
    white = [0.75 * h + 0.3 * max(weather.horizon) for h in weather.horizon]
    cloud = nodes.scaled(nodes.mixed(0.0, (*white, 1), (*white, 1)), shade)
    colour = nodes.mixed(nodes.math("MULTIPLY", cover, 0.9), colour, cloud)
    background = nodes.add("Background", {"Color": colour})
    nodes.tree.links.new(background.outputs[0], nodes.add("OutputWorld").inputs["Surface"])
    return world
