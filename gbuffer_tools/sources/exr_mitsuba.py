"""EXR files from Mitsuba 3 with AOVs (the `aov` integrator), whose names the user chose.

An AOV `name:kind` becomes the layer `name`; its components mostly tell the kind: R, G, B are an albedo, T a distance
along the ray, I an index. X, Y, Z are positions or normals; their names tell which: pos, position, p; n, nn, normal,
sh_normal, geo_normal. All are in world space; the file does not hold the camera, which is solved from positions or
given by a mapping. Render ids with one sample per pixel and a box filter: Mitsuba averages all AOVs, even indices.
"""

import re

from gbuffer_tools.exr.mapped_source import Attributes, ExrSource
from gbuffer_tools.exr.reading import ChannelReading
from gbuffer_tools.mapping.channel_names import components, layers, only, split
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping, Normal, PinholeCamera

PROGRAM = "mitsuba"
POSITIONS = re.compile(r"(?i)p|pos|posn|.*position.*")
NORMALS = re.compile(r"(?i)n|nn|ns|ng|.*norm.*")
SHAPES = re.compile(r"(?i)id|ids|sid|.*(shape|object|instance).*")
ALBEDOS = re.compile(r"(?i)a|alb|.*(albedo|reflectance|base_?colou?r).*")


def reading_of(names: tuple[str, ...], attributes: Attributes, layer: str) -> ChannelReading | None:
    """What the AOVs hold, by their components and names; None if neither the header nor a distance `.T` shows that
    Mitsuba wrote them.
    """
    distances = [layer for layer in layers(names) if layer and split(only(names, layer) or "")[1] == "T"]
    program = any(isinstance(value, str) and PROGRAM in value.lower() for value in attributes.values())
    image = components(names, "", "RGB")
    if not image or not (program or distances):
        return None
    if layer:
        raise ValueError("Mitsuba's files have no view layers; leave --layer out")
    normal = _first(names, NORMALS, "XYZ")
    positions = _first(names, POSITIONS, "XYZ")
    albedo = _first(names, ALBEDOS, "RGB")
    shape = _first(names, SHAPES, "I")
    distance = only(names, distances[0]) if distances else None
    mapping = Mapping(
        image=Image(image),
        depth=Depth(distance, "ray") if distance else None,
        normal=Normal(normal, "world") if normal else None,
        buffers={"albedo": Buffer(albedo)} if albedo else {},
        ids={"object": Ids(shape[0])} if shape else {},
        camera=PinholeCamera(positions=positions) if positions else None,
    )
    return ChannelReading(mapping)


def _first(names: tuple[str, ...], pattern: re.Pattern[str], letters: str) -> tuple[str, ...] | None:
    """The first layer whose name matches and that has these components."""
    found = (components(names, layer, letters) for layer in layers(names) if pattern.fullmatch(layer))
    return next((channels for channels in found if channels), None)


def producer(attributes: Attributes) -> str:
    """Mitsuba, as the header names it."""
    texts = (value for value in attributes.values() if isinstance(value, str))
    return next((value[:200] for value in texts if PROGRAM in value.lower()), "Mitsuba")


SOURCE = ExrSource(
    name="exr_mitsuba",
    reads="EXR files of Mitsuba 3 with AOVs",
    conventions="world right-handed; normals in world space; distances along rays; scene-linear RGB",
    reading_of=reading_of,
    producer=producer,
)
