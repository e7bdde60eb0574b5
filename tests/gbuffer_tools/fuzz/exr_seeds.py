"""Small whole EXR files of every source that reads them, and PNGs that say what their numbers mean."""

from pathlib import Path

import cv2
import numpy as np

from gbuffer_tools.io import colour
from tests.gbuffer_tools import made_exr
from tests.gbuffer_tools.pictures import palette_png, picture, with_chunks
from tests.gbuffer_tools.sources.miniatures import exr_blender as exr_blender_files
from tests.gbuffer_tools.sources.miniatures import exr_mitsuba as exr_mitsuba_files
from tests.gbuffer_tools.sources.miniatures import exr_unreal as exr_unreal_files

SIZE = (6, 8)
MAPPING = "mapping.yaml"
LABELS = np.random.default_rng(0).integers(0, 19, SIZE, np.uint8)


def image_files_of_other_colours(folder: Path) -> None:
    """PNGs whose chunks say what their numbers mean."""
    points = np.array([31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000], ">u4").tobytes()
    png = cv2.imencode(".png", picture(0, SIZE))[1].tobytes()
    deep = cv2.imencode(".png", picture(0, SIZE).astype(np.uint16) * 257)[1].tobytes()
    (folder / "linear.png").write_bytes(with_chunks(deep, gAMA=(100000).to_bytes(4, "big"), cHRM=points))
    (folder / "wide.png").write_bytes(with_chunks(png, cICP=bytes((9, 1, 0, 1))))
    (folder / "palette.png").write_bytes(with_chunks(palette_png(LABELS), gAMA=(55000).to_bytes(4, "big")))


def mapped_exr(folder: Path) -> None:
    layer = made_exr.layer
    channels = layer("c", np.full((*SIZE, 3), 0.5), "RGB") | layer("n", np.full((*SIZE, 3), 0.6))
    channels |= {"d.Z": np.ones(SIZE, np.float32), "m.X": LABELS.astype(np.float32)}
    made_exr.write_exr(folder / "0001.exr", channels)
    (folder / MAPPING).write_text("""image: {channels: [c.R, c.G, c.B]}
depth: {channel: d.Z, along: ray, metres: 0.01}
normal: {channels: [n.X, n.Y, n.Z], space: world}
ids: {material: {channel: m.X}}
classes: {names: [nothing, tree], of: material, numbers: {7: tree}, default: nothing}
camera: {degrees: 50, pose: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]}
""")


def plain_exr(folder: Path) -> None:
    ids = exr_blender_files.passes()
    crypto = {name.removeprefix("ViewLayer."): ids[name] for name in ids if "Crypto" in name}
    attributes = exr_blender_files.attributes("") | {"cryptomatte/ab12cd3/name": "CryptoObject"}
    del attributes["BlenderMultiChannel"]
    grey = made_exr.grey(exr_blender_files.SIZE)
    made_exr.write_exr(folder / "0001.exr", grey | crypto | {"Z": grey["R"]}, **attributes)


def stereo_exr(folder: Path) -> None:
    """Two eyes, primaries of ACEScg, pixels that are not square, names in a file of their own."""
    points = tuple(float(n) for n in colour.SPACES["ACEScg (AP1)"].ravel())
    channels = made_exr.grey(SIZE) | made_exr.grey(SIZE, "right.") | {"Z": np.full(SIZE, 65504, np.float16)}
    ids = np.full(SIZE, 7, np.uint32).view(np.float32)
    channels |= {"C00.red": ids, "C00.green": np.ones(SIZE, np.float32), "mask.\u5200\u4d00": np.ones(SIZE, np.float32)}
    more = {"cryptomatte/1/name": "C", "cryptomatte/1/manif_file": "names.json"}
    made_exr.write_exr(
        folder / "0001.exr",
        channels,
        chromaticities=points,
        multiView=["left", "right"],
        pixelAspectRatio=2.0,
        dataWindow=(np.array((-1, 0), np.int32), np.array((SIZE[1] - 2, SIZE[0] - 1), np.int32)),
        displayWindow=(np.array((0, 0), np.int32), np.array((SIZE[1] - 1, SIZE[0] - 1), np.int32)),
        **more,
    )
    (folder / "names.json").write_text('{"Wall": "00000007"}')


def blender_layers(folder: Path) -> None:
    passes = exr_blender_files.passes("Position") | exr_blender_files.passes(view="ViewLayer.Car")
    made_exr.write_exr(folder / "0001.exr", passes, **exr_blender_files.attributes("ViewLayer.Car"))


def blender(folder: Path) -> None:
    made_exr.write_exr(folder / "0001.exr", exr_blender_files.passes(), **exr_blender_files.attributes())


def unreal(folder: Path) -> None:
    made_exr.write_exr(folder / "shot.0001.exr", exr_unreal_files.passes(), **exr_unreal_files.metadata())


def mitsuba(folder: Path) -> None:
    made_exr.write_exr(folder / "shot" / "a.exr", exr_mitsuba_files.aovs(), generatedBy="Mitsuba version 3.9.1")
