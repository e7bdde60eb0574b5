"""Images with label maps and no other buffers: Playing for Data, VIPER, Cityscapes, CamVid, or folders like theirs.

    images/00001.png                            labels/00001.png                            Playing for Data
    img/001/001_00001.jpg                       cls/001/001_00001.png                       VIPER
    leftImg8bit/A/A_000000_leftImg8bit.png      gtFine/A/A_000000_gtFine_labelIds.png       Cityscapes
    train/0001TP_006690.png                     trainannot/0001TP_006690.png                CamVid, 480x360
    701_StillsRaw_full/0001TP_006690.png        LabeledApproved_full/0001TP_006690_L.png    CamVid's original, 960x720

Label maps are numbers (including palette indices) or colours. Photographs that a data set splits into train, val and
test become frame files in folders with these names, so each can be given to a command on its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import SUFFIXES, image_size, read_image, read_pixels
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources.classes.taxonomies import CAMVID, CAMVID_ORIGINAL, CITYSCAPES, VIPER, Taxonomy
from gbuffer_tools.sources.images import sized_shard

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DataSetLayout:
    """How a data set lays out its files.

    Attributes:
        name: of the data set.
        folders: names of the image folders, and of the label map folders beside them.
        ends: how the names of an image and its label map end.
        taxonomy: of the label maps.
        split: whether images of a split, in a folder train, val or test, become frame files in a folder of that name.
        sequence: whether each sequence of images, named SEQUENCE_NUMBER, becomes a frame file of its own.
    """

    name: str
    folders: tuple[tuple[str, str], ...]
    ends: tuple[str, str]
    taxonomy: Taxonomy
    split: bool = False
    sequence: bool = False


LAYOUTS = {
    layout.name: layout
    for layout in (
        DataSetLayout("playing-for-data", (("images", "labels"),), ("", ""), CITYSCAPES),
        DataSetLayout("viper", (("img", "cls"),), ("", ""), VIPER),
        DataSetLayout(
            "cityscapes", (("leftImg8bit", "gtFine"),), ("_leftImg8bit", "_gtFine_labelIds"), CITYSCAPES, split=True
        ),
        DataSetLayout(
            "camvid", tuple((split, f"{split}annot") for split in SPLITS), ("", ""), CAMVID, split=True, sequence=True
        ),
        DataSetLayout(
            "camvid-original", (("701_StillsRaw_full", "LabeledApproved_full"),), ("", "_L"), CAMVID_ORIGINAL,
            sequence=True,
        ),
    )
}  # fmt: skip


def find(there: Walk) -> list[Job]:
    """The images that have a label map, in a folder or two folders deep; the folder may be the image folder itself."""
    return [job for layout, images, labels in _places(there) for job in _jobs(there, layout, images, labels)]


def _places(there: Walk) -> list[tuple[DataSetLayout, Path, Path]]:
    """The image folders that have a label map folder beside them, and the latter."""
    if there.alone:
        return []
    around = dict.fromkeys(folder for file in there.files for folder in reversed(file.parents))
    return [
        (layout, folder, folder.parent / labels)
        for folder in around
        if folder == there.folder or there.folder in folder.parents
        for layout in LAYOUTS.values()
        for images, labels in layout.folders
        if folder.name == images and (folder.parent / labels).is_dir()
    ]


def _jobs(there: Walk, layout: DataSetLayout, images: Path, labels: Path) -> Iterator[Job]:
    found = [
        image for image in there.of(SUFFIXES) if image.is_relative_to(images) and image.stem.endswith(layout.ends[0])
    ]
    pairs = [(image, label_of(layout, labels, image.relative_to(images))) for image in found]
    if not any(label.is_file() for _, label in pairs):
        return
    for image, label in pairs:
        name = image.stem.removesuffix(layout.ends[0])
        shard = _shard(there.folder, layout, images, image)
        yield Job(shard, fit_name(name), image, 0, ((layout.name, label),))


def _shard(path: Path, layout: DataSetLayout, images: Path, image: Path) -> str:
    """The frame file of an image: the folders on the way to it, except the image folder itself, and its sequence.

    Args:
        path: what the user named.
        layout: of the data set.
        images: the image folder.
        image: one of the images in it.
    """
    below = images != path and images.is_relative_to(path)
    root = path if below else images.parent
    outer, inner = images.parent.relative_to(root).parts, image.parent.relative_to(images).parts
    split = ""
    if layout.split and images.name in SPLITS:
        split = images.name if below else ""  # a user who names one split needs no folder for it
    elif layout.split and inner and inner[0] in SPLITS:
        split, inner = inner[0], inner[1:]
    sequence = [image.stem.partition("_")[0]] if layout.sequence else []
    name = sized_shard(shard_name(root, root.joinpath(*outer, *inner, *sequence)), image)
    return f"{split}/{name}" if split else name


def label_of(layout: DataSetLayout, labels: Path, image: Path) -> Path:
    """The label map in the folder `labels` that belongs to an image; `image` is its path within the image folder."""
    return labels / image.parent / f"{image.stem.removesuffix(layout.ends[0])}{layout.ends[1]}.png"


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
    """A frame from an image (H,W,3) uint8 sRGB and a label map, (H,W) numbers or (H,W,3) colours.

    Raises:
        ValueError: the taxonomy does not know a number or colour.
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
    reads="images with label maps: Playing for Data, VIPER, Cityscapes, CamVid, or folders like theirs",
    conventions="sRGB images; label maps hold Cityscapes' numbers or colours, in img/ and cls/ those of VIPER",
    find=find,
    shard_info=shard_info,
    read=read,
)
