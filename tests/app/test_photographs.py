"""Photographs: the table agrees with the files, and every kind of source is read."""

import re
import struct
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.photographs import HEIGHT, SAMPLES, SPLITS, VIEW, WIDTH, Photograph, make, packages, picture, sources, table
from gbuffer_tools.errors import InputError


def photo(
    member: str = "a.png",
    part: str = "",
    box: tuple[int, int, int, int] | None = None,
    view: tuple[float, float, float] | None = None,
) -> Photograph:
    return Photograph("train", "toy", "toy", member, part, box, view, "A. Author", "CC0-1.0", "", "0" * 64)


def png(height: int, width: int) -> bytes:
    """Each pixel's blue is its column, green its row, both halved."""
    rows, columns = np.mgrid[:height, :width]
    data = np.stack([columns // 8, rows // 8, np.zeros_like(rows)], -1).astype(np.uint8)
    return cv2.imencode(".png", data)[1].tobytes()


def test_the_shipped_files_are_those_of_the_table() -> None:
    for split in SPLITS:
        names = {p.name for p in table() if p.split == split}
        assert names == {path.stem for path in (SAMPLES / split).iterdir()}


def test_enough_photographs_and_small_enough() -> None:
    count = Counter(p.split for p in table())
    assert count["train"] >= 36
    assert count["heldout"] >= 36
    assert count["street"] >= 36
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*.jpg")) < 12e6


def test_shipped_photographs_are_whole_and_of_the_stated_size() -> None:
    for path in SAMPLES.rglob("*.jpg"):
        height, width = cv2.imread(str(path)).shape[:2]
        assert 196 <= height <= HEIGHT, path
        assert 196 <= width <= WIDTH, path


def test_every_row_is_sound() -> None:
    rows = table()
    assert len({p.name for p in rows}) == len(rows)
    known = packages()
    for p in rows:
        assert p.split in (*SPLITS, "extra")
        assert p.package in known
        assert re.fullmatch(r"[0-9a-f]{64}", p.sha256)
        assert p.licence
        if p.split != "extra":
            assert p.author
            assert "unclear" not in p.licence


def test_no_shot_is_on_both_sides() -> None:
    """One member may give several pictures, but of one side only, save for the cut video and the resource files."""
    sides: dict[tuple[str, str], set[str]] = {}
    for p in table():
        part = p.part if p.member.endswith(".rcc") else p.name.rsplit("-", 1)[0] if p.part else ""
        sides.setdefault((p.member, part), set()).add(p.split)
    assert all(len(split) == 1 for split in sides.values())


def test_the_licences_page_names_every_photograph_with_its_author() -> None:
    page = (SAMPLES.parent / "LICENSES.md").read_text(encoding="utf-8")
    for p in table():
        assert f"| `{p.name}.jpg` | {p.author or 'not named'} | {p.licence}" in page


def test_sources_are_asked_for_once() -> None:
    rows = [p for p in table() if p.name.startswith("forest-stream")]
    assert len(rows) == 4
    assert len(sources(rows)) == 1


def test_large_pictures_shrink_to_the_height_and_small_ones_stay() -> None:
    assert picture(photo(), png(720, 960)).shape == (360, 480, 3)
    assert picture(photo(), png(400, 2000)).shape == (180, 900, 3)
    assert picture(photo(), png(272, 640)).shape == (272, 640, 3)


def test_shrinking_averages_areas() -> None:
    rows = np.zeros((720, 720, 3), np.uint8)
    rows[::2] = 200  # every output pixel covers two rows: one bright, one dark
    shrunk = picture(photo(), cv2.imencode(".png", rows)[1].tobytes())
    assert shrunk.shape == (360, 360, 3)
    assert np.all(shrunk == 100)


def test_a_box_is_cut_before_shrinking() -> None:
    cut = picture(photo(box=(80, 160, 400, 360)), png(400, 800))
    assert cut.shape == (200, 320, 3)
    assert cut[0, 0].tolist() == [10, 20, 0]


def test_a_view_of_a_panorama() -> None:
    """The panorama's middle column is ahead, a quarter further right is to the right."""
    around = picture(photo(view=(0, 0, 70)), png(400, 800)), picture(photo(view=(90, 0, 70)), png(400, 800))
    assert [view.shape for view in around] == [(*VIEW, 3)] * 2
    # A pixel's blue is an eighth of its column, its green an eighth of its row, rounded down.
    assert [view[180, 240].tolist() for view in around] == [pytest.approx([c, 25, 0], abs=1) for c in (50, 75)]
    with pytest.raises(InputError, match="got a picture of 320x400; wanted a panorama"):
        picture(photo(view=(0, 0, 70)), png(400, 320))


def test_a_frame_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for k in range(5):
        writer.write(np.full((48, 64, 3), 40 * k, np.uint8))
    writer.release()
    frame = picture(photo("v.avi", "3"), path.read_bytes())
    assert frame.shape == (48, 64, 3)
    assert frame.mean() == pytest.approx(120, abs=3)  # JPEG
    with pytest.raises(InputError, match="has no image '9'"):
        picture(photo("v.avi", "9"), path.read_bytes())


def qt_resource(files: dict[str, bytes], flags: int = 0) -> bytes:
    """A version 3 resource file with one folder "f" that holds the files."""
    names, data, offsets = b"", b"", []
    for name in ("f", *files):
        offsets.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    nodes = [struct.pack(">IHIIQ", 0, 2, 1, 1, 0), struct.pack(">IHIIQ", offsets[0], 2, len(files), 2, 0)]
    for offset, content in zip(offsets[1:], files.values(), strict=True):
        nodes.append(struct.pack(">IHHHIQ", offset, flags, 0, 0, len(data), 0))
        data += struct.pack(">I", len(content)) + content
    tree = b"".join(nodes)
    head = 24
    return (
        struct.pack(">4s5I", b"qres", 3, head, head + len(tree), head + len(tree) + len(data), 0) + tree + data + names
    )


def test_a_picture_in_a_qt_resource_file() -> None:
    content = qt_resource({"a.png": png(8, 8), "b.png": png(16, 24)})
    assert picture(photo("r.rcc", "f/b.png"), content).shape == (16, 24, 3)
    assert picture(photo("r.rcc", "f/a.png"), content).shape == (8, 8, 3)


@pytest.mark.parametrize(
    "content",
    [b"", b"qres", qt_resource({"b.png": png(8, 8)}), qt_resource({"a.png": png(8, 8)}, flags=1), b"\xff" * 200],
)
def test_a_resource_file_without_the_picture(content: bytes) -> None:
    with pytest.raises(InputError, match="has no image"):
        picture(photo("r.rcc", "f/a.png"), content)


def test_make_writes_jpegs(tmp_path: Path) -> None:
    make([photo()], {"0" * 64: png(40, 60)}, tmp_path)
    assert cv2.imread(str(tmp_path / "toy.jpg")).shape == (40, 60, 3)


def test_a_photograph_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "toy.jpg").write_bytes(b"before")
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match=r"No space left on device: .*toy\.jpg"):
        make([photo()], {"0" * 64: png(40, 60)}, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
