"""Multilayer EXR files from Blender (Cycles, Eevee): Combined and whatever passes the view layer has.

What the passes hold (Blender manual, Render Layers, Passes; checked in closed form with renders by Cycles 3.4.1, one
part per file, and 5.0.1, one part per pass: tests/gbuffer_tools/sources/test_exr_blender.py; Eevee was not run):

    Combined   scene-linear RGB, before the view transform (Filmic, AgX): the picture is clipped, not tone-mapped
    Depth      metres along the view axis, 1e10 where nothing was drawn (measured: within 1.5e-6 m of the Position
               pass). Cycles in Blender 2.8 wrote distances along rays: say so in a mapping,
               depth: {channel: ViewLayer.Depth.Z, along: ray, beyond: 1.0e+9}, with a camera
    Normal     world space. The file does not hold the camera. It is solved from the Position pass if there is one, else
               taken from a mapping; if the camera's pose is unknown, the view's rotation is solved from the depth's
               normals. Without any of these, normals stay x_world_normal
    Vector     pixels, y up: X and Y to the previous frame, Z and W from the next
    DiffCol, Emit, AO, GlossCol            albedo, emission, occlusion, x_glossy_colour
    DiffDir + DiffInd, GlossDir + GlossInd irradiance, irradiance_specular: light without the surface's colour, so
               Combined is albedo * irradiance + x_glossy_colour * irradiance_specular + emission, plus transmission
    CryptoObject, CryptoMaterial, CryptoAsset, else IndexOB, IndexMA         ids/object, ids/material, ids/asset

One view layer becomes the frame, that of --layer or the one with the most channels, with its own passes and
cryptomattes. A File Output node writes passes without a view layer, under names that the user chose: those named like
Blender's passes are taken for them, and Image for Combined.
"""

from gbuffer_tools.exr.mapped_source import Attributes, ExrSource, text
from gbuffer_tools.exr.reading import ChannelReading, mapped_channels
from gbuffer_tools.mapping.channel_names import components, layers, only, split, within
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping, Motion, Normal, PinholeCamera
from gbuffer_tools.sources.exr import crypto_ids, picture

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


def reading_of(names: tuple[str, ...], attributes: Attributes, layer: str) -> ChannelReading | None:
    """What a view layer, or a File Output node, holds; None if a picture, or Blender's mark, is missing."""
    if MARK not in attributes:
        return None
    views = view_layers(names)
    if not views and not picture(names):
        return None
    if layer and layer not in views:
        raise ValueError(f"has no view layer {layer!r}; wanted {' or '.join(map(repr, views)) or 'no --layer'}")
    if not views:
        mapping = mapping_of(names, "", attributes)
        passes = ", ".join(dict.fromkeys(split(name)[0] for name in mapped_channels(mapping)))
        return ChannelReading(mapping, (f"passes by the names that a File Output node gave them: {passes}",))
    view = layer or max(views, key=lambda view: len(views[view]))
    notes = (f"view layer {view!r} of {', '.join(map(repr, views))} (--layer)",) if len(views) > 1 else ()
    others = tuple(name for other, owned in views.items() if other != view for name in owned)
    return ChannelReading(mapping_of(views[view], view, attributes), notes, others)


def view_layers(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """View layer -> its channels. Names may contain dots: a channel belongs to the longest that starts its name."""
    views = [layer[: -len(COMBINED)] for layer in layers(names) if layer.lower().endswith(COMBINED)]
    owners = {name: max((v for v in views if name.startswith(f"{v}.")), key=len, default=None) for name in names}
    return {view: tuple(name for name, owner in owners.items() if owner == view) for view in views}


def mapping_of(names: tuple[str, ...], view: str, attributes: Attributes) -> Mapping:
    """What the channels of a view layer mean; an empty `view` stands for a File Output node."""
    image = components(names, within(view, "Combined"), "RGB")
    depth = next((name for key in DEPTH if (name := only(names, within(view, key)))), None)
    normal = components(names, within(view, "Normal"), "XYZ")
    vector = components(names, within(view, "Vector"), "XY")
    positions = components(names, within(view, "Position"), "XYZ")
    return Mapping(
        image=Image(image) if image else picture(names),
        depth=Depth(depth) if depth else None,
        normal=Normal(normal, "world") if normal else None,
        motion=Motion(vector, (1.0, -1.0)) if vector else None,
        buffers=buffers(names, view),
        ids=ids(names, view, attributes),
        camera=PinholeCamera(positions=positions) if positions else None,
    )


def buffers(names: tuple[str, ...], view: str) -> dict[str, Buffer]:
    """The colour passes and the sums of light passes that are standard buffers."""
    wanted = {"albedo": ALBEDO, "emission": EMISSION, "occlusion": OCCLUSION, "x_glossy_colour": GLOSSY}
    found = {}
    for name, keys in wanted.items():
        for key in keys:
            channels = components(names, within(view, key), "RGB")
            if channels:
                found[name] = Buffer(channels[:1] if name == "occlusion" else channels)
    for name, pairs in LIGHT.items():
        for pair in pairs:
            direct, indirect = (components(names, within(view, key), "RGB") for key in pair)
            if direct and indirect:
                found[name] = Buffer(direct, plus=indirect)
    return found


def ids(names: tuple[str, ...], view: str, attributes: Attributes) -> dict[str, Ids]:
    """Index passes; the view layer's cryptomattes take precedence."""
    found = {}
    for kind, keys in INDEX.items():
        channel = next((name for key in keys if (name := only(names, within(view, key)))), None)
        if channel:
            found[kind] = Ids(channel)
    return found | crypto_ids(attributes, view)


def producer(attributes: Attributes) -> str:
    """Blender, and its version if the file gives it."""
    version = text(attributes, "Software", "software", "Blender")[:100]
    return version if version.startswith("Blender") else f"Blender {version}".strip()


SOURCE = ExrSource(
    name="exr_blender",
    reads="multilayer EXR files of Blender's Cycles and Eevee",
    conventions=(
        "world right-handed, z up; normals in world space; depth along the view axis; scene-linear RGB; vectors in "
        "pixels with y up, to the previous frame"
    ),
    reading_of=reading_of,
    producer=producer,
)
