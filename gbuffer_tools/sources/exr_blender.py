"""Multilayer EXR files of Blender (Cycles, Eevee): Combined and whatever passes the view layer has.

What the passes hold (Blender manual, Render Layers, Passes; checked in closed form with renders of Cycles 3.4.1, one
part a file, and 5.0.1, one part a pass: tests/gbuffer_tools/sources/test_exr_blender.py; Eevee was not run):

    Combined   scene-linear RGB, before the view transform (Filmic, AgX): the picture is clipped, not tone-mapped
    Depth      metres along the view axis, 1e10 where nothing was drawn (measured: 1.5e-6 m off the Position pass's).
               Cycles of Blender 2.8 wrote distances along rays: say so in a mapping,
               depth: {channel: ViewLayer.Depth.Z, along: ray, beyond: 1.0e+9}, with a camera
    Normal     world space. The file does not hold the camera. With the pass Position it is solved from that; else from
               a mapping's camera; where the camera's pose is not known, the view's rotation is solved from the depth's
               normals. Without all of these normals stay x_world_normal
    Vector     pixels, y up: X and Y to the previous frame, Z and W from the next
    DiffCol, Emit, AO, GlossCol            albedo, emission, occlusion, x_glossy_colour
    DiffDir + DiffInd, GlossDir + GlossInd irradiance, irradiance_specular: light without the surface's colour, so that
               Combined is albedo * irradiance + x_glossy_colour * irradiance_specular + emission, and transmission
    CryptoObject, CryptoMaterial, CryptoAsset, else IndexOB, IndexMA         ids/object, ids/material, ids/asset
"""

from gbuffer_tools.exr import reader
from gbuffer_tools.exr.mapped_source import ExrSource, text
from gbuffer_tools.mapping.channel_names import components, layers, only
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping, Motion, Normal, PinholeCamera
from gbuffer_tools.sources.exr import FAR, crypto_ids

MARK = "BlenderMultiChannel"
COMBINED = ".combined"
# Names up to Blender 4, and from Blender 5.
ALBEDO, EMISSION, OCCLUSION = ("DiffCol", "Diffuse Color"), ("Emit", "Emission"), ("AO", "Ambient Occlusion")
GLOSSY = ("GlossCol", "Glossy Color")
LIGHT = {
    "irradiance": (("DiffDir", "DiffInd"), ("Diffuse Direct", "Diffuse Indirect")),
    "irradiance_specular": (("GlossDir", "GlossInd"), ("Glossy Direct", "Glossy Indirect")),
}
INDEX = {"object": ("IndexOB", "Object Index"), "material": ("IndexMA", "Material Index")}
DEPTH = ("Depth", "Z")


def mapping_of(names: tuple[str, ...], attributes: dict[str, reader.Attribute]) -> Mapping | None:
    """What the view layer with the most channels holds; None where Combined, or Blender's mark, is missing."""
    if MARK not in attributes:
        return None
    view = view_layer(names)
    if view is None:
        return None
    image = components(names, f"{view}.Combined", "RGB")
    depth = next((name for key in DEPTH if (name := only(names, f"{view}.{key}"))), None)
    normal = components(names, f"{view}.Normal", "XYZ")
    vector = components(names, f"{view}.Vector", "XY")
    positions = components(names, f"{view}.Position", "XYZ")
    return Mapping(
        image=Image(image) if image else None,
        depth=Depth(depth, beyond=FAR) if depth else None,
        normal=Normal(normal, "world") if normal else None,
        motion=Motion(vector, (1.0, -1.0)) if vector else None,
        buffers=buffers(names, view),
        ids=ids(names, view, attributes),
        camera=PinholeCamera(positions=positions) if positions else None,
    )


def view_layer(names: tuple[str, ...]) -> str | None:
    """Name of the view layer with the most channels."""
    views = [layer[: -len(COMBINED)] for layer in layers(names) if layer.lower().endswith(COMBINED)]
    return max(views, key=lambda view: sum(name.startswith(f"{view}.") for name in names), default=None)


def buffers(names: tuple[str, ...], view: str) -> dict[str, Buffer]:
    """Colour passes that are standard buffers, and sums of light that are."""
    wanted = {"albedo": ALBEDO, "emission": EMISSION, "occlusion": OCCLUSION, "x_glossy_colour": GLOSSY}
    found = {}
    for name, keys in wanted.items():
        for key in keys:
            channels = components(names, f"{view}.{key}", "RGB")
            if channels:
                found[name] = Buffer(channels[:1] if name == "occlusion" else channels)
    for name, pairs in LIGHT.items():
        for pair in pairs:
            direct, indirect = (components(names, f"{view}.{key}", "RGB") for key in pair)
            if direct and indirect:
                found[name] = Buffer(direct, plus=indirect)
    return found


def ids(names: tuple[str, ...], view: str, attributes: dict[str, reader.Attribute]) -> dict[str, Ids]:
    """Indices, and over them the view layer's cryptomattes."""
    found = {}
    for kind, keys in INDEX.items():
        channel = next((name for key in keys if (name := only(names, f"{view}.{key}"))), None)
        if channel:
            found[kind] = Ids(channel)
    mine = {kind: known for kind, known in crypto_ids(attributes).items() if known.cryptomatte.startswith(f"{view}.")}
    return found | mine


def producer(attributes: dict[str, reader.Attribute]) -> str:
    """Blender, and its version where the file tells it."""
    version = text(attributes, "Software", "software", "Blender")[:100]
    return version if version.startswith("Blender") else f"Blender {version}".strip()


SOURCE = ExrSource(
    name="exr_blender",
    reads="multilayer EXR files of Blender's Cycles and Eevee",
    conventions=(
        "world right-handed, z up; normals in world space; depth along the view axis; scene-linear RGB; vectors in "
        "pixels with y up, to the previous frame"
    ),
    mapping_of=mapping_of,
    producer=producer,
)
