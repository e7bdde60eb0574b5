"""The file lists and archives of EPE (isl-org/PhotorealismEnhancement): what people prepared for it can be read on.

A list is a text file; each line names the files of a frame, separated by commas: image, robust label map, G-buffers
(.npz), ground truth label map. The order differs among its users, so it is found out from the files of the first
line: the .npz by its name, the image by its three channels, and of two label maps the robust one by numbers above
Cityscapes' 34 (MSeg has 194 classes), or by its path, or by being first. All files have to be in the list's folder.

The archives hold either `data` (H,W,32), the release's stand-in for G-buffers made of VGG16 features, or `img`
(H,W,3), `gbuffers` (H,W,26) and `shader` (H,W,12), the masks of its groups of classes. What the 26 channels are was
never published (the authors named normals, reflected view vector, distance, albedo, glossiness, irradiance, but no
order: issue 17), so none of them becomes a standard buffer.

The release feeds its networks the masks themselves. They are soft where `shader` is, and where it resizes those of a
label map of another size; so they are kept, as `x_class_masks`, beside the hard class ids.
"""

import re
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CHANNELS, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name
from gbuffer_tools.io.arrays import npz_headers, read_npz
from gbuffer_tools.io.images import SUFFIXES, read_image, read_pixels
from gbuffer_tools.io.text import MAX_LIST_BYTES, inside, read_text
from gbuffer_tools.resampling import antialiased, nearest
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources.taxonomies import CITYSCAPES, GROUPS, group_ids, mask_ids

LISTS = (".txt", ".csv")
GBUFFERS, IMAGE, ROBUST, TRUTH = "gbuffers", "image", "robust label", "gt label"
WANTED = "image, robust label map, G-buffers (.npz), label map"
MAX_LABEL = 34
MASKS = "x_class_masks"
# The release takes masks that exceed this for 0..255.
WIDE = 128
GROUP_COUNT = len(GROUPS) - 1  # "other" has no mask
# Label maps may have this many times the image's rows and columns.
MAX_SHRINK = 8
HEAD_BYTES = 65536


def find(path: Path) -> list[Job]:
    """The lines of a list, or of the lists in a folder."""
    lists = sorted(p for p in path.iterdir() if p.suffix in LISTS) if path.is_dir() else [path]
    return [
        job
        for file in lists
        if file.suffix in LISTS and file.is_file() and _looks_like_a_list(file)
        for job in _jobs(file)
    ]


def _looks_like_a_list(file: Path) -> bool:
    """Whether its first line names one .npz, an image, and nothing that is neither."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return _kinds(next((_cells(line) for line in head.splitlines() if line.strip()), [])) is not None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _kinds(cells: list[str]) -> list[str] | None:
    """ "npz" or "picture" for each file of a line; None where it is no line of a list."""
    suffixes = [Path(cell).suffix.lower() for cell in cells]
    kinds = ["npz" if s == ".npz" else "picture" if s in SUFFIXES else "" for s in suffixes]
    return kinds if kinds.count("npz") == 1 and 1 <= kinds.count("picture") <= 3 and "" not in kinds else None


def _jobs(file: Path) -> list[Job]:
    try:
        lines = read_text(file, MAX_LIST_BYTES).splitlines()
    except InputError:  # not text after its first line
        return []
    rows = [(number, _cells(line)) for number, line in enumerate(lines, 1) if line.strip()]
    columns = _columns(file.parent, rows[0][1])
    image = columns.index(IMAGE)
    stems = [Path(cells[image]).stem if len(cells) == len(columns) else f"line {number}" for number, cells in rows]
    unique = len(set(stems)) == len(stems)
    return [
        Job(fit_name(file.stem), fit_name(stem if unique else cells[min(image, len(cells) - 1)]), file, number,
            tuple((columns[i] if len(cells) == len(columns) else "?", Path(cell)) for i, cell in enumerate(cells)))
        for stem, (number, cells) in zip(stems, rows, strict=True)
    ]  # fmt: skip


def _columns(folder: Path, cells: list[str]) -> list[str]:
    """What the files of a line are, by what is in them; by their order where that does not tell."""
    kinds = _kinds(cells) or []
    labels = {i: _highest(folder, cells[i]) for i, kind in enumerate(kinds) if kind == "picture"}
    image = next((i for i, highest in labels.items() if highest is None), min(labels))
    del labels[image]
    robust = [i for i in labels if re.search("robust|mseg", cells[i], re.IGNORECASE) or (labels[i] or 0) > MAX_LABEL]
    if len(labels) == 2 and len(robust) != 1:
        robust = [min(labels)]
    if len(labels) == 1 and not robust and min(labels) < kinds.index("npz"):
        robust = list(labels)
    roles = {image: IMAGE, kinds.index("npz"): GBUFFERS} | dict.fromkeys(labels, TRUTH) | dict.fromkeys(robust, ROBUST)
    return [roles[i] for i in range(len(cells))]


def _highest(folder: Path, named: str) -> int | None:
    """The highest number of a label map, 255 aside; None for what has colours; 0 for what cannot be read."""
    path = inside(folder, named)
    try:
        pixels = read_pixels(path) if path and path.is_file() else np.zeros((1, 1), np.uint8)
    except InputError:
        return 0
    return int(pixels[pixels != 255].max(initial=0)) if pixels.ndim == 2 else None


def shard_info(jobs: list[Job]) -> ShardInfo:
    """The groups of classes of the release. Every line is checked now, before the first file is read."""
    for job in jobs:
        files = dict(job.others)
        if "?" in files:
            raise InputError(
                f"{job.file}: line {job.index} names {len(job.others)} files; wanted {WANTED} as in line 1"
            )
        for named in files.values():
            path = inside(job.file.parent, str(named))
            if path is None:
                raise InputError(
                    f"{job.file}: line {job.index} names {named}, which is outside {job.file.parent}; "
                    "put the list into the folder that holds all its files"
                )
            if not path.is_file():
                raise InputError(f"{job.file}: line {job.index} names {named}, which is not there; remove the line")
    return ShardInfo("EPE", "epe", GROUPS)


def to_frame(name: str, image: Array, gbuffers: tuple[str, Array], groups: Array | None, robust: Array | None) -> Frame:
    """A frame of arrays as they are in the files.

    Args:
        name: of the frame.
        image: (H,W,3) uint8, sRGB.
        gbuffers: name of the buffer and (H,W,C), C up to 64. Floats stay, float64 becomes float32.
        groups: (h,w) ids of `GROUPS`, or (h,w,12) their masks, 0..1 or 0..255, or None; resized where the size is
            another, softly as masks, by nearest neighbours as class ids.
        robust: (h,w) ids of a robust segmentation, or None; resized by nearest neighbours.

    Raises:
        ValueError: G-buffers of another size than the image, labels of a far larger one, or numbers beyond 8 bits.
    """
    buffer, values = gbuffers
    size = image.shape[:2]
    if values.shape[:2] != size or not 1 <= values.shape[2] <= MAX_CHANNELS:
        raise ValueError(f"G-buffers are {values.shape}, wanted {(*size, f'1..{MAX_CHANNELS}')} as the image")
    if robust is not None and robust.max() > 255:
        raise ValueError(f"a robust label map reaches {robust.max()}, wanted 0..255")
    stored = values if values.dtype in (np.uint8, np.uint16, np.float16) else values.astype(np.float32)
    ids, buffers = {}, {buffer: np.ascontiguousarray(stored)}
    if groups is not None:
        ids["class"] = nearest(groups if groups.ndim == 2 else mask_ids(groups), size)
        buffers[MASKS] = _soft_masks(groups, size)
    if robust is not None:
        ids["robust"] = nearest(robust, size).astype(np.uint8)
    return Frame(name, image, buffers, ids)


def _soft_masks(groups: Array, size: tuple[int, ...]) -> Array:
    """Masks (H,W,12) float16, one after the other: those of a large label map may take more memory than the frame."""
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
    files = {role: job.file.parent / named for role, named in job.others}
    archive = files[GBUFFERS]
    robust = _numbers(files[ROBUST]) if ROBUST in files else None
    try:
        if "data" in npz_headers(archive):
            image = read_image(files[IMAGE])
            buffer = "x_fake_vgg", read_npz(archive, {"data": ("f", 3)})["data"]
            groups = _truth(files[TRUTH]) if TRUTH in files else None
        else:
            found = read_npz(archive, {"img": ("u", 3), "gbuffers": ("fu", 3), "shader": ("fu", 3)})
            image, buffer, groups = found["img"], ("x_gbuffers", found["gbuffers"]), found["shader"]
        frame = to_frame(job.frame, image, buffer, groups, robust)
    except ValueError as error:
        raise InputError(f"{job.file}: line {job.index}: {archive}: {error}") from error
    return SourceFrame(
        frame, f"taken as {', '.join(role for role, _ in job.others)}; {buffer[0]} {buffer[1].shape[2]} channels"
    )


def _numbers(path: Path) -> Array:
    label = read_pixels(path)
    if label.ndim != 2:
        raise InputError(f"{path}: a label map in colours; wanted one channel of class numbers")
    return label


def _truth(path: Path) -> Array:
    """Groups of classes from numbers or colours of Cityscapes."""
    label = read_pixels(path)
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
