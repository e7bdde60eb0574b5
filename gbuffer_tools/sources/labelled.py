"""Images with label maps and no other buffers: Playing for Data, VIPER, Cityscapes, or folders like theirs.

    images/00001.png                            labels/00001.png                            Playing for Data
    img/001/001_00001.jpg                       cls/001/001_00001.png                       VIPER
    leftImg8bit/A/A_000000_leftImg8bit.png      gtFine/A/A_000000_gtFine_labelIds.png       Cityscapes

Label maps are numbers (also of the colours of a palette), or colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.images import image_size, read_image, read_pixels
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources.images import images_below, sized_shard
from gbuffer_tools.sources.taxonomies import CITYSCAPES, VIPER, Taxonomy


@dataclass(frozen=True)
class Layout:
    """How a data set lays out its files.

    Attributes:
        name: of the data set.
        images, labels: names of the folders, side by side.
        ends: how the names of an image and of its label map end.
        taxonomy: of the label maps.
    """

    name: str
    images: str
    labels: str
    ends: tuple[str, str]
    taxonomy: Taxonomy


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("playing-for-data", "images", "labels", ("", ""), CITYSCAPES),
        Layout("viper", "img", "cls", ("", ""), VIPER),
        Layout("cityscapes", "leftImg8bit", "gtFine", ("_leftImg8bit", "_gtFine_labelIds"), CITYSCAPES),
    )
}


def find(path: Path) -> list[Job]:
    """The images that have a label map, in a folder, or two folders deep; the folder may be that of the images."""
    return [job for layout, folder in _places(path) for job in _jobs(path, layout, folder)]


def _places(path: Path) -> list[tuple[Layout, Path]]:
    """The folders of images that have one of labels beside them."""
    if not path.is_dir():
        return []
    here = path if path.name else path.resolve()
    around = [here, *(p for pattern in ("*", "*/*") for p in sorted(path.glob(pattern)) if p.is_dir())]
    return [
        (layout, folder)
        for folder in around
        for layout in LAYOUTS.values()
        if folder.name == layout.images and (folder.parent / layout.labels).is_dir()
    ]


def _jobs(path: Path, layout: Layout, folder: Path) -> Iterator[Job]:
    root = path if folder.is_relative_to(path) and folder != path else folder.parent
    images = [image for image in images_below(folder) if image.stem.endswith(layout.ends[0])]
    pairs = [(image, label_of(layout, folder, image)) for image in images]
    if not any(label.is_file() for _, label in pairs):
        return
    for image, label in pairs:
        parent = folder.parent / image.parent.relative_to(folder)
        name = sized_shard(shard_name(root, parent), image)
        yield Job(name, fit_name(image.stem.removesuffix(layout.ends[0])), image, 0, ((layout.name, label),))


def label_of(layout: Layout, folder: Path, image: Path) -> Path:
    """The label map that belongs to an image."""
    stem = image.stem.removesuffix(layout.ends[0]) + layout.ends[1]
    return folder.parent / layout.labels / image.parent.relative_to(folder) / f"{stem}.png"


def shard_info(jobs: list[Job]) -> ShardInfo:
    """The classes of the data set. Every header is checked now, before the first image is decoded."""
    for job in jobs:
        label = job.others[0][1]
        if not label.is_file():
            raise InputError(f"{job.file}: has no label map {label}; wanted one for each image: add it, or remove this")
        if image_size(job.file) != image_size(label):
            (h, w), (height, width) = image_size(job.file), image_size(label)
            raise InputError(
                f"{label}: is {width} x {height}, its image {job.file.name} {w} x {h}; resize it by nearest neighbours"
            )
    layouts = {job.others[0][0] for job in jobs}
    if len(layouts) > 1:
        raise InputError(f"{jobs[0].file}: lies among files of {' and '.join(sorted(layouts))}; extract one at a time")
    layout = LAYOUTS[layouts.pop()]
    return ShardInfo(layout.name, "labelled", layout.taxonomy.classes)


def to_frame(name: str, image: Array, label: Array, taxonomy: Taxonomy) -> Frame:
    """A frame of an image (H,W,3) uint8 sRGB and a label map (H,W) of numbers or (H,W,3) of colours.

    Raises:
        ValueError: a number or colour that the taxonomy does not know.
    """
    return Frame(name, image, ids={"class": taxonomy.ids(label)})


def read(job: Job, _: ShardInfo) -> SourceFrame:
    """Read an image and its label map."""
    (layout, path), label = job.others[0], read_pixels(job.others[0][1])
    try:
        frame = to_frame(job.frame, read_image(job.file), label, LAYOUTS[layout].taxonomy)
    except ValueError as error:
        raise InputError(f"{path}: {error}; wanted numbers or colours of {LAYOUTS[layout].taxonomy.name}") from error
    kind = "numbers" if label.ndim == 2 else "colours"
    return SourceFrame(frame, f"image and label map ({kind}), {len(np.unique(frame.ids['class']))} classes")


SOURCE = PlainSource(
    name="labelled",
    reads="images with label maps: Playing for Data, VIPER, Cityscapes, or folders like theirs",
    conventions="sRGB images; label maps hold Cityscapes' numbers or colours, in img/ and cls/ those of VIPER",
    find=find,
    shard_info=shard_info,
    read=read,
)
