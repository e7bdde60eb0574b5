"""A town as a Blender scene: meshes, the sun, a camera, and where they are at a tick."""

import math
from collections import defaultdict

import bpy
import numpy as np
from mathutils import Matrix

from gbuffer_tools.streets.blender import shading
from gbuffer_tools.streets.plan import Town
from gbuffer_tools.streets.shapes.mesh import SURFACES, Mesh
from gbuffer_tools.streets.things import Still, Thing

REACH = 130.0
"""Moving things that are farther from the camera than this are put away, metres."""
AWAY = Matrix.Translation((0, 0, -500))
"""Below the road, where nothing is seen. Hiding an object would cost more: Cycles then rebuilds it."""
MIST = 1000.0
"""Where the mist pass reaches 1, metres."""


class Scene:
    """The scene; `show` moves it to a tick."""

    def __init__(self, town: Town) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.town, self.scene = town, bpy.context.scene
        made = shading.materials()
        meshes: dict[str, bpy.types.Mesh] = {}
        self.moving: list[tuple[Thing, bpy.types.Object]] = []
        self.away: dict[str, bool] = defaultdict(bool)
        for number, thing in enumerate(town.things, 1):
            if thing.shape not in meshes:
                meshes[thing.shape] = to_blender(thing.shape, thing.build(), made)
            placed = bpy.data.objects.new(f"{number}", meshes[thing.shape])
            placed.pass_index = number
            placed.matrix_world = Matrix(thing.track.pose(0).tolist())
            self.scene.collection.objects.link(placed)
            if not isinstance(thing.track, Still):
                self.moving.append((thing, placed))
        self._light()
        camera = bpy.data.cameras.new("camera")
        camera.sensor_fit, camera.angle_x = "HORIZONTAL", math.radians(town.degrees)
        camera.clip_start, camera.clip_end = 0.05, 2000
        self.camera = bpy.data.objects.new("camera", camera)
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera

    def _light(self) -> None:
        weather = self.town.weather
        sun = bpy.data.lights.new("sun", "SUN")
        sun.energy, sun.color = weather.sun, weather.sun_colour
        sun.angle = math.radians(0.8 if weather.sun > 1 else 25)
        placed = bpy.data.objects.new("sun", sun)
        # A sun shines along its -z.
        placed.rotation_euler = (math.pi / 2 - weather.elevation, 0, weather.azimuth + math.pi / 2)
        self.scene.collection.objects.link(placed)
        self.scene.world = shading.sky(weather)
        self.scene.world.mist_settings.start, self.scene.world.mist_settings.depth = 0.0, MIST
        self.scene.world.mist_settings.falloff = "LINEAR"
        self.scene.world.cycles.sampling_method, self.scene.world.cycles.sample_map_resolution = "MANUAL", 256

    def show(self, tick: int) -> None:
        """Move camera and things to a tick."""
        pose = self.town.camera(tick)
        self.camera.matrix_world = Matrix(pose.tolist())
        for thing, placed in self.moving:
            matrix = thing.track.pose(tick)
            near = np.abs(matrix[:2, 3] - pose[:2, 3]).max() < REACH and thing.track.seen(tick)
            if near:
                placed.matrix_world = Matrix(matrix.tolist())
            elif not self.away[placed.name]:
                placed.matrix_world = AWAY
            self.away[placed.name] = not near


def to_blender(name: str, mesh: Mesh, made: dict[str, bpy.types.Material]) -> bpy.types.Mesh:
    """A Blender mesh with the same polygons."""
    data = bpy.data.meshes.new(name)
    data.vertices.add(len(mesh.vertices))
    data.vertices.foreach_set("co", mesh.vertices.astype(np.float32).ravel())
    data.loops.add(len(mesh.loops))
    data.loops.foreach_set("vertex_index", mesh.loops)
    data.polygons.add(len(mesh.sizes))
    data.polygons.foreach_set("loop_start", np.concatenate([[0], np.cumsum(mesh.sizes)[:-1]]).astype(np.int32))
    used, slots = np.unique(mesh.surfaces, return_inverse=True)
    for surface in used:
        data.materials.append(made[SURFACES[surface]])
    data.polygons.foreach_set("material_index", slots.astype(np.int32))
    data.update(calc_edges=True)
    data.polygons.foreach_set("use_smooth", mesh.smooth)
    colours = data.attributes.new(shading.COLOUR, "FLOAT_COLOR", "FACE")
    colours.data.foreach_set("color", np.insert(mesh.colours, 3, 1.0, 1).astype(np.float32).ravel())
    data.validate()
    return data
