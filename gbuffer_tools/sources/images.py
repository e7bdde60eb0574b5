"""Folders of plain images: frames that have only RGB.

The images of one size in a folder become the frame file FOLDER-WxH.h5; folders within it become FOLDER-DEEPER-WxH.h5.
Images named after depth, classes or normals are left out (gbuffer_tools.io.sensor_pictures).
"""

from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import SUFFIXES, image_size, read_image
from gbuffer_tools.io.sensor_pictures import sensor_pictures
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame


def find(there: Walk) -> list[Job]:
    """The jobs of a folder: its colour images."""
    images = there.of(SUFFIXES)
    sensors = sensor_pictures(images, there.folder.parent)
    return [
        Job(sized_shard(shard_name(there.folder, file.parent), file), fit_name(file.stem), file)
        for file in images
        if file not in sensors
    ]


def sized_shard(name: str, image: Path) -> str:
    """A frame file's name with the image's size added, as all frames of a file have one size.

    An unreadable image adds nothing.
    """
    try:
        height, width = image_size(image)
    except InputError:  # `shard_info` reports it
        return name
    return f"{name}-{width}x{height}"


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Images have no classes. Every header is checked now, before the first image is decoded."""
    for job in jobs:
        image_size(job.file)
    return ShardInfo("images", "images", ())


def read(job: Job, _: ShardInfo) -> SourceFrame:
    """Make a frame of an image."""
    return SourceFrame(Frame(job.frame, read_image(job.file)), "RGB alone")


SOURCE = PlainSource(
    name="images",
    reads="images without buffers (.png, .jpg, .webp, .bmp, .tif), not named after depth, classes or normals",
    conventions="sRGB, or by the files' ICC profiles; upright (EXIF); 16 bits are rounded to 8, alpha is dropped",
    find=find,
    shard_info=shard_info,
    read=read,
)
