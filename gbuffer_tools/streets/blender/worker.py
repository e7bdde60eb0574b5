"""Renders frames of a town: a picture and its buffers, an EXR file each.

    PYTHON_WITH_BPY -m gbuffer_tools.streets.blender.worker '{"seed": 1, "frames": [0, 30], ...}'

gbuffer_tools/streets/rendering.py starts it. The keys: seed, frames (ticks), size (width and height), samples, threads,
out (a folder). It prints Blender's version, `blender 5.0.1`, and a line per frame that is on disk, `frame TICK`. The
buffers are those of the surface in the middle of each pixel; the picture is smooth.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy

from gbuffer_tools.streets.blender import shading
from gbuffer_tools.streets.blender.scene import Scene
from gbuffer_tools.streets.plan import make_town

PASSES = ("z", "normal", "object_index", "mist")


def main(job: dict[str, Any]) -> None:
    """Render what a job says."""
    parent = os.getppid()
    print(f"blender {bpy.app.version_string}", flush=True)
    scene = Scene(make_town(job["seed"]))
    prepare(scene.scene, job)
    out = Path(job["out"])
    for tick in job["frames"]:
        if os.getppid() != parent:  # it was killed: nobody reads the results
            return
        scene.show(tick)
        picture(scene.scene, job["samples"])
        render(scene.scene, out / f"{tick}.picture.exr")
        buffers(scene.scene)
        render(scene.scene, out / f"{tick}.buffers.exr")
        print(f"frame {tick}", flush=True)


def prepare(scene: bpy.types.Scene, job: dict[str, Any]) -> None:
    """Settings that all frames have in common."""
    scene.render.engine = "CYCLES"
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", job["threads"]
    scene.render.resolution_x, scene.render.resolution_y = job["size"]
    scene.render.resolution_percentage = 100
    cycles = scene.cycles
    cycles.device, cycles.seed = "CPU", 0
    cycles.use_adaptive_sampling = False
    cycles.diffuse_bounces = cycles.glossy_bounces = cycles.transmission_bounces = 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect, cycles.sample_clamp_direct = 3.0, 12.0
    cycles.denoiser, cycles.denoising_prefilter = "OPENIMAGEDENOISE", "FAST"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    layer = scene.view_layers[0]
    for name in PASSES:
        setattr(layer, f"use_pass_{name}", True)
    for name in (shading.ALBEDO, shading.SURFACE):
        output = layer.aovs.add()
        output.name, output.type = name, "COLOR"
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"


def picture(scene: bpy.types.Scene, samples: int) -> None:
    """Settings for the picture."""
    scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = samples, 2, True
    scene.cycles.filter_width = 1.5


def buffers(scene: bpy.types.Scene) -> None:
    """Settings for the buffers: one ray through the middle of each pixel, and no light to follow."""
    scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = 1, 0, False
    scene.cycles.filter_width = 0.01


def render(scene: bpy.types.Scene, path: Path) -> None:
    """Render to a file, with the current settings."""
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
