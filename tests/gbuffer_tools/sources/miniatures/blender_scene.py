"""Runs inside Blender: renders frame 2 of a scene whose passes are known in closed form.

    blender -b --factory-startup -P blender_scene.py -- OUT_FOLDER

A tilted floor, a ball that moves between frames 1 and 2, and a lamp that glows. scene.json says what a test needs.
"""

import json
import math
import sys
from pathlib import Path

import bpy
from mathutils import Euler, Vector

out = Path(sys.argv[sys.argv.index("--") + 1])
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 4
scene.cycles.use_denoising = False
scene.cycles.use_adaptive_sampling = False
scene.cycles.max_bounces = 1
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 96, 64, 100
scene.world = bpy.data.worlds.new("World")

for name, colour, glow in (
    ("Asphalt", (0.5, 0.25, 0.125), 0.0),
    ("Paint", (0.1, 0.2, 0.8), 0.0),
    ("Glow", (0, 0, 0), 3.0),
):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    shader = nodes.new("ShaderNodeEmission" if glow else "ShaderNodeBsdfDiffuse")
    shader.inputs["Color"].default_value = (1, 1, 1, 1) if glow else (*colour, 1)
    if glow:
        shader.inputs["Strength"].default_value = glow
    target = nodes.new("ShaderNodeOutputMaterial")
    material.node_tree.links.new(shader.outputs[0], target.inputs["Surface"])
    material.pass_index = len(bpy.data.materials)

bpy.ops.mesh.primitive_plane_add(size=16, rotation=(0.2, -0.1, 0.3))
floor = bpy.context.object
floor.name = "Floor"
bpy.ops.mesh.primitive_uv_sphere_add(segments=128, ring_count=64, radius=1.2, location=(0, 0, 1.6))
ball = bpy.context.object
ball.name = "Ball.red"
bpy.ops.object.shade_smooth()
bpy.ops.mesh.primitive_cube_add(size=0.8, location=(-2.2, 0.5, 1.8))
lamp = bpy.context.object
lamp.name = "Lamp"
for i, (thing, name) in enumerate(((floor, "Asphalt"), (ball, "Paint"), (lamp, "Glow")), 1):
    thing.data.materials.append(bpy.data.materials[name])
    thing.pass_index = i

bpy.context.preferences.edit.keyframe_new_interpolation_type = "LINEAR"
MOVE = Vector((0.25, 0.1, 0.2))
for number, place in ((1, Vector((0, 0, 1.6)) - MOVE), (2, Vector((0, 0, 1.6))), (3, Vector((0, 0, 1.6)) + MOVE)):
    ball.location = place
    ball.keyframe_insert("location", frame=number)

bpy.ops.object.light_add(type="SUN", rotation=(0.4, 0.3, 0))
bpy.ops.object.camera_add(location=(3, -7, 4.5), rotation=Euler((math.radians(66), 0.05, math.radians(23))))
scene.camera = camera = bpy.context.object
camera.data.lens = 30

view = bpy.context.view_layer
for name in (
    "z", "mist", "normal", "position", "vector", "uv", "diffuse_color", "diffuse_direct",
    "diffuse_indirect", "glossy_color", "emit", "ambient_occlusion",
    "object_index", "material_index", "cryptomatte_object", "cryptomatte_material", "cryptomatte_asset",
):  # fmt: skip
    setattr(view, f"use_pass_{name}", True)
settings = scene.render.image_settings
if hasattr(settings, "media_type"):  # Blender 5
    settings.media_type = "MULTI_LAYER_IMAGE"
settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"
scene.frame_set(2)
scene.render.filepath = str(out / "render_")
scene.render.use_file_extension = True
scene.frame_start = scene.frame_end = 2
bpy.ops.render.render(animation=True)
floor_normal = floor.matrix_world.to_3x3() @ Vector((0, 0, 1))
facts = {
    "version": bpy.app.version_string,
    "pose": [list(row) for row in camera.matrix_world],
    "focal": 96 * camera.data.lens / camera.data.sensor_width,
    "floor": [list(floor_normal), list(floor.matrix_world.translation)],
    "ball": [[0, 0, 1.6], 1.2],
    "move": list(MOVE),
}
(out / "scene.json").write_text(json.dumps(facts), encoding="utf-8")
