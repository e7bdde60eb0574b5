"""The frame file, version 1: frames of one size from one source, with their G-buffers, in one HDF5 file.

    /image                (N,H,W,3) uint8    sRGB, the frame as shown, without a HUD if the source allows it
    /buffers/<name>       (N,H,W) or (N,H,W,C), float16, float32, uint8 or uint16
                          attributes units, space, range; unsigned integers also
                          scale: value = stored * scale
    /ids/class            (N,H,W) uint8      index into the root attribute `classes`
    /ids/<name>           (N,H,W) uint8, uint16 or uint32; 0 = nothing drawn
    /camera/view          (N,4,4) float64    world -> view space, column vectors
    /camera/projection    (N,4,4) float64    view space -> OpenGL clip space
    /frame/name           (N,) UTF-8         unique, valid as a file name
    /frame/time           (N,) float64       seconds, optional
    /frame/relight        (N,) float64       correlation of the source's lighting, recomputed from the buffers,
                                             with the source's own lit image; optional
  root attributes: format = "gbuffer-frames", version = 1, source, profile, classes, licence, tool

View space: x right, y up, z towards the camera, in metres. Depth is the distance along the view axis, inf
where nothing was drawn. Chunks are tiles, at most (1,136,96,C), deflated, so that a crop reads what it needs.
The names of buffers that are not in `BUFFERS` start with `x_`.
"""

from gbuffer_tools.frame import BUFFERS, FORMAT, VERSION, BufferSpec, Frame, Header
from gbuffer_tools.frame_file.reader import Shard, frame_files, shards, shards_in
from gbuffer_tools.frame_file.writer import append, write

__all__ = [
    "BUFFERS", "FORMAT", "VERSION", "BufferSpec", "Frame", "Header", "Shard", "append", "frame_files", "shards",
    "shards_in", "write",
]  # fmt: skip
