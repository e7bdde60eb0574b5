"""Screenshots of Unreal Engine with their buffers, made by code."""

from pathlib import Path

import numpy as np

from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools import made_exr
from tests.gbuffer_tools.pictures import picture

SIZE = (6, 8)
RNG = np.random.default_rng(3)
COLOURS = {
    name: RNG.integers(0, 256, (*SIZE, 3), np.uint8)
    for name in ("BaseColor", "WorldNormal", "CustomStencil", "PPMI_Segmentation")
}
GREYS = {
    name: RNG.integers(0, 256, SIZE, np.uint8)
    for name in ("Metallic", "Specular", "Roughness", "AmbientOcclusion", "SceneDepth")
}
SHOTS = ("HighresScreenshot00001", "HighresScreenshot_2023.12.20-20.49.11", "HighresScreenshot00002")
NORMAL = RNG.normal(size=(*SIZE, 3))
NORMAL /= np.linalg.norm(NORMAL, axis=-1, keepdims=True)
FLOATS = RNG.random((*SIZE, 3)).astype(np.float16)


def write(folder: Path, shot: str, seed: int = 0, ending: str = "") -> None:
    """A screenshot; grey buffers are RGB, as Unreal writes them."""
    write_png(folder / f"{shot}{ending}.png", picture(seed, SIZE))
    for name, values in COLOURS.items():
        write_png(folder / f"{shot}_{name}.png", values)
    for name, values in GREYS.items():
        write_png(folder / f"{shot}_{name}.png", np.dstack([values] * 3))


def write_hdr(folder: Path, shot: str) -> None:
    """As with r.BufferVisualizationDumpFramesAsHDR: half floats."""
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.repeat(FLOATS[..., :1], 3, -1)
    for name, values in {
        "": FLOATS, "_BaseColor": FLOATS, "_Roughness": grey, "_SceneDepth": grey,
        "_WorldNormal": (0.5 * NORMAL + 0.5).astype(np.float16),
    }.items():  # fmt: skip
        channels = {letter: np.ascontiguousarray(values[..., i]) for i, letter in enumerate("RGB")}
        made_exr.write_exr(folder / f"{shot}{name}.exr", channels)
