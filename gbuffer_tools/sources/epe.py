"""File lists and archives for EPE (isl-org/PhotorealismEnhancement), so data prepared for it can still be read.

A list is a text file; each line names the files of a frame, separated by commas: image, robust label map, G-buffers
(.npz), ground truth label map. Users order them differently, so the order is inferred from the files of the first
line: the .npz by its name, the image by its three channels, and of two label maps the robust one by numbers above
Cityscapes' 34 (MSeg has 194 classes), or by its path, or because it is first. Of two .npz files, the one with twelve
channels holds class group masks in place of a label map. All files must be in the list's folder; "\\" in their names
stands for "/" if there is no such file.

The archives hold one of
* `data` (H,W,32), the release's stand-in for G-buffers, made from VGG16 features;
* `img` (H,W,3), `gbuffers` (H,W,26) and `shader` (H,W,12), the masks of its class groups. The meaning of the 26
  channels was never published (the authors named normals, reflected view vector, distance, albedo, glossiness,
  irradiance, but no order: issue 17), so none of them becomes a standard buffer;
* `arr_0` (H,W,18) uint8, CARLA2Real's stack (carla.py), whose channels have names;
* `arr_0` of another kind, np.savez's name for unnamed arrays: channels without names.

The release feeds the masks themselves to its networks. They are soft if `shader` is, and if it resizes those of a label
map of another size; so they are kept, as `x_class_masks`, beside the hard class ids.
"""

import re
from pathlib import Path, PureWindowsPath

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CHANNELS, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name
from gbuffer_tools.io.arrays import not_numbers, npz_headers, read_npz
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import SUFFIXES, read_image, read_pixels
from gbuffer_tools.io.label_maps import plane
from gbuffer_tools.io.text import MAX_LIST_BYTES, inside, read_text
from gbuffer_tools.resampling import antialiased, nearest
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources import carla
from gbuffer_tools.sources.classes.taxonomies import CITYSCAPES, GROUPS, group_ids, mask_ids

LISTS = (".txt", ".csv")
GBUFFERS, IMAGE, ROBUST, TRUTH, MASKS = "gbuffers", "image", "robust label", "gt label", "masks"
WANTED = "image, robust label map, G-buffers (.npz), label map"
UNNAMED = "arr_0"
MAX_LABEL = 34
SOFT_MASKS = "x_class_masks"
# The release takes masks with values above this for 0..255.
WIDE = 128
GROUP_COUNT = len(GROUPS) - 1  # "other" has no mask
# Label maps may have this many times the image's rows and columns.
MAX_SHRINK = 8
HEAD_BYTES = 65536


def find(there: Walk) -> list[Job]:
    """The lines of a list, or of the lists in a folder."""
    return [
        job
        for file in there.of(LISTS)
        if file.parent == there.folder and _looks_like_a_list(file)
        for job in _jobs(file)
    ]


def _looks_like_a_list(file: Path) -> bool:
    """Whether the first line of a file names one or two .npz files, an image, and nothing else."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return _kinds(next((_cells(line) for line in head.splitlines() if line.strip()), [])) is not None


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(",")]


def _kinds(cells: list[str]) -> list[str] | None:
    """ "npz" or "picture" for each file of a line; None if it is not a line of a list."""
    suffixes = [Path(cell).suffix.lower() for cell in cells]
    kinds = ["npz" if s == ".npz" else "picture" if s in SUFFIXES else "" for s in suffixes]
    fits = 1 <= kinds.count("npz") <= 2 and 1 <= kinds.count("picture") <= 3 and len(kinds) <= 4
    return kinds if fits and "" not in kinds else None


def _named(folder: Path, cell: str) -> str:
    """The file that a line names, with this system's path separators."""
    windows = "\\" in cell and not (inside(folder, cell) or folder).is_file()
    return PureWindowsPath(cell).as_posix() if windows else cell


def _jobs(file: Path) -> list[Job]:
    try:
        lines = read_text(file, MAX_LIST_BYTES).splitlines()
    except InputError:  # not text after its first line; `shard_info` reports it
        return [Job(fit_name(file.stem), "list", file)]
    folder = file.parent
    rows = [(n, [_named(folder, cell) for cell in _cells(line)]) for n, line in enumerate(lines, 1) if line.strip()]
    columns = _columns(folder, rows[0][1])
    image = columns.index(IMAGE)
    stems = [Path(cells[image]).stem if len(cells) == len(columns) else f"line {number}" for number, cells in rows]
    unique = len(set(stems)) == len(stems)
    return [
        Job(fit_name(file.stem), fit_name(stem if unique else cells[min(image, len(cells) - 1)]), file, number,
            tuple((columns[i] if len(cells) == len(columns) else "?", folder / cell) for i, cell in enumerate(cells)))
        for stem, (number, cells) in zip(stems, rows, strict=True)
    ]  # fmt: skip


def _columns(folder: Path, cells: list[str]) -> list[str]:
    """What the files of a line are, by their content; by their order if that does not say."""
    kinds = _kinds(cells) or []
    labels = {i: _highest(folder, cells[i]) for i, kind in enumerate(kinds) if kind == "picture"}
    image = next((i for i, highest in labels.items() if highest is None), min(labels))
    del labels[image]
    robust = [i for i in labels if re.search("robust|mseg", cells[i], re.IGNORECASE) or (labels[i] or 0) > MAX_LABEL]
    if len(labels) == 2 and len(robust) != 1:
        robust = [min(labels)]
    if len(labels) == 1 and not robust and min(labels) < kinds.index("npz"):
        robust = list(labels)
    archives = [i for i, kind in enumerate(kinds) if kind == "npz"]
    masks = [i for i in archives if len(archives) > 1 and _holds_masks(folder, cells[i])] or archives[1:]
    roles = dict.fromkeys(archives, GBUFFERS) | dict.fromkeys(masks[-1:], MASKS)
    roles |= {image: IMAGE} | dict.fromkeys(labels, TRUTH) | dict.fromkeys(robust, ROBUST)
    return [roles[i] for i in range(len(cells))]


def _holds_masks(folder: Path, named: str) -> bool:
    """Whether an archive holds one array with twelve channels, and nothing else."""
    path = inside(folder, named)
    try:
        shapes = [shape for _, shape in npz_headers(path).values()] if path and path.is_file() else []
    except InputError:
        return False
    return len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][2] == len(GROUPS) - 1


def _highest(folder: Path, named: str) -> int | None:
    """The highest number in a label map, 255 aside; None for an image in colours; 0 for an unreadable file."""
    path = inside(folder, named)
    try:
        pixels = plane(read_pixels(path)) if path and path.is_file() else np.zeros((1, 1), np.uint8)
    except InputError:
        return 0
    return int(pixels[pixels != 255].max(initial=0)) if pixels.ndim == 2 else None


def shard_info(jobs: list[Job]) -> ShardInfo:
    """The class groups of the release. Every line is checked now, before the first file is read."""
    for job in jobs:
        files = dict(job.others)
        if not files:
            read_text(job.file, MAX_LIST_BYTES)
        if "?" in files:
            raise InputError(
                f"{job.file}: line {job.index} names {len(job.others)} files; wanted {WANTED} as in line 1"
            )
        for file in files.values():
            path, named = inside(job.file.parent, str(file.absolute())), _as_named(job.file.parent, file)
            drive = PureWindowsPath(named).drive
            if drive and (path is None or not path.is_file()):
                raise InputError(
                    f"{job.file}: line {job.index} names {named}, a place on the Windows drive {drive}; "
                    "put the list into the folder that holds all its files, and name them from there on"
                )
            if path is None:
                raise InputError(
                    f"{job.file}: line {job.index} names {named}, which is outside {job.file.parent}; "
                    "put the list into the folder that holds all its files"
                )
            if not path.is_file():
                raise InputError(f"{job.file}: line {job.index} names {named}, which is not there; remove the line")
    return ShardInfo("EPE", "epe", GROUPS)


def _as_named(folder: Path, file: Path) -> str:
    """A file as its list, in `folder`, names it."""
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def to_frame(name: str, image: Array, buffers: dict[str, Array], groups: Array | None, robust: Array | None) -> Frame:
    """A frame from arrays as they are in the files.

    Args:
        name: of the frame.
        image: (H,W,3) uint8, sRGB.
        buffers: (H,W) or (H,W,C), C up to 64. Floats stay, float64 becomes float32.
        groups: (h,w) ids of `GROUPS`, or their masks (h,w,12), 0..1 or 0..255, or None; resized if the size differs,
            softly as masks, by nearest neighbours as class ids.
        robust: (h,w) ids of a robust segmentation, or None; resized by nearest neighbours.

    Raises:
        ValueError: G-buffers differ in size from the image, labels are far larger, or numbers exceed 8 bits.
    """
    size = image.shape[:2]
    for values in buffers.values():
        channels = values.shape[2] if values.ndim == 3 else 1
        if values.shape[:2] != size or not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"G-buffers are {values.shape}, wanted {(*size, f'1..{MAX_CHANNELS}')} as the image")
    if robust is not None and robust.max() > 255:
        raise ValueError(f"a robust label map reaches {robust.max()}, wanted 0..255")
    stored, ids = {key: np.ascontiguousarray(_stored(values)) for key, values in buffers.items()}, {}
    if groups is not None:
        ids["class"] = nearest(groups if groups.ndim == 2 else mask_ids(groups), size)
        stored[SOFT_MASKS] = _soft_masks(groups, size)
    if robust is not None:
        ids["robust"] = nearest(robust, size).astype(np.uint8)
    return Frame(name, image, stored, ids)


def _stored(values: Array) -> Array:
    return values if values.dtype in (np.uint8, np.uint16, np.float16) else values.astype(np.float32)


def _soft_masks(groups: Array, size: tuple[int, ...]) -> Array:
    """Masks (H,W,12) float16, made one at a time: those of a large label map may take more memory than the frame."""
    if max(there / here for there, here in zip(groups.shape, size, strict=False)) > MAX_SHRINK:
        raise ValueError(f"labels are {groups.shape[:2]}, wanted at most {MAX_SHRINK} times the image's {size}")
    made = np.zeros((*size, GROUP_COUNT), np.float16)
    unit = 255 if groups.ndim == 3 and groups.max() > WIDE else 1
    for index in range(GROUP_COUNT):
        mask = groups == index if groups.ndim == 2 else groups[..., index]
        if mask.any():
            made[..., index] = antialiased(mask[..., None], size)[..., 0] / unit
    return made


def read(job: Job, _: ShardInfo) -> SourceFrame:
    """Read the files of a line."""
    files = dict(job.others)
    archive = files[GBUFFERS]
    robust = _numbers(files[ROBUST]) if ROBUST in files else None
    groups: Array | None
    try:
        if "img" in npz_headers(archive):
            found = read_npz(archive, {"img": ("u", 3), "gbuffers": ("fu", 3), "shader": ("fu", 3)})
            image, buffers, groups = found["img"], {"x_gbuffers": found["gbuffers"]}, found["shader"]
        else:
            image, buffers, groups = read_image(files[IMAGE]), _buffers(archive), _groups(files)
        frame = to_frame(job.frame, image, buffers, groups, robust)
    except ValueError as error:
        raise InputError(f"{job.file}: line {job.index}: {archive}: {error}") from error
    known = [f"{name} {array.shape[2] if array.ndim == 3 else 1}" for name, array in buffers.items()]
    words = (
        f"taken as {', '.join(role for role, _ in job.others)}", f"{', '.join(known)} channels", not_numbers(buffers),
    )  # fmt: skip
    return SourceFrame(frame, "; ".join(filter(None, words)))


def _buffers(archive: Path) -> dict[str, Array]:
    """The buffers of an archive without a picture."""
    headers = npz_headers(archive)
    if "data" in headers:
        return {"x_fake_vgg": read_npz(archive, {"data": ("f", 3)})["data"]}
    if UNNAMED not in headers:
        there = ", ".join(headers)[:200] or "no array"
        raise InputError(f"{archive}: has {there}; wanted data, or img, gbuffers and shader, or {UNNAMED}")
    dtype, shape = headers[UNNAMED]
    values = read_npz(archive, {UNNAMED: ("fu", 3)})[UNNAMED]
    if shape[2:] == (carla.STACK_CHANNELS,) and dtype == np.uint8:
        return carla.to_buffers(carla.from_stack(values))
    return {"x_gbuffers": values}


def _groups(files: dict[str, Path]) -> Array | None:
    """The class groups of a line: ids (H,W) from its label map, or masks (H,W,12)."""
    if MASKS in files:
        return read_npz(files[MASKS], {UNNAMED: ("fub", 3)})[UNNAMED]
    return _truth(files[TRUTH]) if TRUTH in files else None


def _numbers(path: Path) -> Array:
    label = plane(read_pixels(path))
    if label.ndim != 2:
        raise InputError(f"{path}: a label map in colours; wanted one channel of class numbers")
    return label


def _truth(path: Path) -> Array:
    """Class groups from Cityscapes numbers or colours."""
    label = plane(read_pixels(path))
    try:
        return group_ids(label if label.ndim == 2 else CITYSCAPES.ids(label))
    except ValueError as error:
        raise InputError(f"{path}: {error}; wanted numbers of Cityscapes") from error


SOURCE = PlainSource(
    name="epe",
    reads="file lists (.txt, .csv) and .npz archives prepared for the release of EPE",
    conventions="sRGB images; G-buffer channels of unknown meaning, kept as they are; Cityscapes numbers grouped by 12",
    find=find,
    shard_info=shard_info,
    read=read,
)
