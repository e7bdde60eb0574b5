"""BlenderProc's own code without Blender: its compositor graph for normals, its distances, its writer.

    python -m tests.gbuffer_tools.sources.miniatures.blenderproc_itself FOLDER

Writes FOLDER/0.hdf5 of the scene beside this file. Needs the package blenderproc (`pip install --no-deps blenderproc`),
of which no code runs that would install or download anything; Blender's modules are made up.
"""

import importlib
import importlib.util
import math
import sys
import types
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np

from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, SIZE, scene

FOCAL = 30.0
"""One for both axes: BlenderProc's distances know no other."""
K = np.array([[FOCAL, 0, CENTRE[0] - 0.5], [0, FOCAL, CENTRE[1] - 0.5], [0, 0, 1]])
OBJECTS = [{"idx": 1, "category_id": 1, "name": "Ground"}]


class Socket:
    """An end of a link."""

    def __init__(self, node: "Node", name: object) -> None:
        self.node, self.name, self.source, self.default_value = node, name, None, 0.0

    def keyframe_insert(self, **_: object) -> None:
        """One frame has no keys."""


class Sockets(defaultdict):
    def __init__(self, node: "Node") -> None:
        super().__init__()
        self.node = node

    def __missing__(self, name: object) -> Socket:
        self[name] = Socket(self.node, name)
        return self[name]


class Node:
    """A node of the compositor; where it lies and what it is for is all the same."""

    def __init__(self, kind: str) -> None:
        self.bl_idname, self.inputs, self.outputs = kind, Sockets(self), Sockets(self)
        self.location, self.file_slots, self.format = MagicMock(), MagicMock(), MagicMock()


class Nodes(list):
    def new(self, kind: str) -> Node:
        self.append(Node(kind))
        return self[-1]


def link(start: Socket, end: Socket) -> None:
    end.source = start


def value(socket: Socket, normal: np.ndarray) -> Any:
    """What comes out of a node, or goes into one, for the renderer's normals (H,W,3)."""
    node = socket.node
    if socket is node.inputs.get(socket.name):
        return socket.default_value if socket.source is None else value(socket.source, normal)
    if node.bl_idname == "CompositorNodeSepRGBA":
        assert node.inputs["Image"].source.name == "Normal"
        return normal[..., "RGB".index(socket.name)]
    assert node.bl_idname == "CompositorNodeMath"
    first, second = (value(node.inputs[i], normal) for i in range(2))
    return {"ADD": first + second, "MULTIPLY": first * second}[node.operation]


def without_blender(name: str) -> types.ModuleType:
    """A module of BlenderProc; modules that are not here are made up."""
    if "blenderproc" not in sys.modules:  # its __init__ would install packages
        package = types.ModuleType("blenderproc")
        package.__path__ = list(importlib.util.find_spec("blenderproc").submodule_search_locations)
        sys.modules["blenderproc"] = package
    while True:
        try:
            return importlib.import_module(f"blenderproc.python.{name}")
        except ModuleNotFoundError as error:
            if error.name.startswith("blenderproc"):
                raise
            sys.modules[error.name] = MagicMock()


def main(folder: Path) -> None:
    """Make the container."""
    np.__dict__["string_"] = np.bytes_  # its name before NumPy 2
    made = scene((FOCAL, FOCAL))
    nodes = Nodes([Node("CompositorNodeRLayers")])
    bpy, mathutils = MagicMock(), MagicMock()
    sys.modules |= {"bpy": bpy, "mathutils": mathutils}
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 0, 1
    bpy.context.scene.render.use_multiview = False
    bpy.context.scene.node_tree.nodes, bpy.context.scene.node_tree.links.new = nodes, link

    def rotation(angle: float, size: int, axis: str) -> np.ndarray:
        assert (size, axis) == (4, "X")
        c, s = math.cos(angle), math.sin(angle)
        return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])

    mathutils.Matrix.Rotation = rotation
    camera = without_blender("camera.CameraUtility")
    camera.get_camera_pose = lambda frame=None: made.pose
    camera.get_intrinsics_as_K_matrix = lambda: K
    without_blender("renderer.RendererUtility").enable_normals_output(str(folder))
    combine = next(node for node in nodes if node.bl_idname == "CompositorNodeCombRGBA")
    normals = np.stack([value(combine.inputs[channel], made.world_normal) for channel in "RGB"], -1)
    depth = np.where(made.sky, 1e10, made.depth)
    distance = without_blender("postprocessing.PostProcessingUtility").depth2dist(depth)
    without_blender("writer.WriterUtility").write_hdf5(str(folder), {
        "colors": [picture(0, SIZE)], "distance": [distance.astype(np.float32)],
        "normals": [normals.astype(np.float32)], "category_id_segmaps": [np.where(made.sky, 0, 1).astype(np.uint8)],
        "instance_attribute_maps": [OBJECTS], "cam_states": [{"cam2world": made.pose, "cam_K": K}],
    })  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
