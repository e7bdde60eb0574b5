"""Frames added one at a time: the bits are those of adding with a copy each, and nobody who reads is disturbed."""

import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file import writer
from gbuffer_tools.frame_file.writer import Appender
from gbuffer_tools.io import atomic
from gbuffer_tools.schema import Shard, append, write
from tests.gbuffer_tools.made import HEADER, frame

FRAMES = [frame(f"{i:03d}", i) for i in range(7)]


@pytest.mark.parametrize("there", [0, 1, 3])
def test_the_bits_are_those_of_frames_that_are_appended_with_a_copy_each(tmp_path: Path, there: int) -> None:
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    for path in (one, other):
        if there:
            write(path, FRAMES[:there], HEADER)
    with Appender(one, HEADER) as file:
        for each in FRAMES[there:]:
            file.add(each)
            append(other, [each], HEADER)
            assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "other.h5"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the file is copied for each frame")
def test_the_file_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copy = [], atomic.shutil.copyfile
    monkeypatch.setattr(atomic.shutil, "copyfile", lambda *paths: copied.append(paths) or copy(*paths))
    with Appender(tmp_path / "a.h5", HEADER) as file:
        for each in FRAMES:
            file.add(each)
    assert len(copied) == 1


@pytest.mark.parametrize("wrong", [frame("000"), frame("new", size=(36, 65)), replace(frame("new"), time=None)])
def test_a_frame_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path, wrong) -> None:
    path = tmp_path / "a.h5"
    with Appender(path, HEADER) as file:
        for each in FRAMES[:3]:
            file.add(each)
        before = path.read_bytes()
        with pytest.raises(InputError, match=rf"a\.h5: frame '{wrong.name}': "):
            file.add(wrong)
        assert path.read_bytes() == before
        file.add(FRAMES[3])
        file.add(FRAMES[4])
    with Shard(path) as shard:
        assert shard.names == ("000", "001", "002", "003", "004")


def test_another_header_is_refused_also_where_somebody_writes_meanwhile(tmp_path: Path) -> None:
    path, other = tmp_path / "a.h5", replace(HEADER, classes=("sky",))
    write(path, FRAMES[:1], other)
    with Appender(path, HEADER) as file, pytest.raises(InputError, match="was written with the classes"):
        file.add(FRAMES[1])
    write(path, FRAMES[:1], HEADER)
    with Appender(path, HEADER) as file:
        file.add(FRAMES[1])
        append(path, [FRAMES[2]], HEADER)
        file.add(FRAMES[3])
        write(path, FRAMES[:1], other)
        with pytest.raises(InputError, match="was written with the classes"):
            file.add(FRAMES[4])
    with Shard(path) as shard:
        assert (shard.names, shard.header) == (("000",), other)


def test_what_somebody_has_open_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with Appender(path, HEADER) as file:
        for each in FRAMES[:2]:
            file.add(each)
        with Shard(path) as shard:
            for each in FRAMES[2:]:
                file.add(each)
            assert shard.names == ("000", "001")
            for i in range(2):
                assert np.array_equal(shard.image(i), FRAMES[i].image)
                assert np.array_equal(shard.buffer("depth", i)[..., 0], FRAMES[i].buffers["depth"])
    with Shard(path) as shard:
        assert len(shard) == len(FRAMES)
        assert np.array_equal(shard.image(6), FRAMES[6].image)


def test_a_file_of_somebody_else_keeps_its_filters(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, FRAMES[:1], HEADER)
    with h5py.File(path, "r+") as file:
        image = file["image"][:]
        del file["image"]
        options = {"maxshape": (None, *image.shape[1:]), "chunks": (2, 16, 16, 3), "fletcher32": True}
        file.create_dataset("image", data=image, **options)
    with Appender(path, HEADER) as appender:
        for each in FRAMES[1:4]:
            appender.add(each)
    with h5py.File(path) as file:
        assert file["image"].fletcher32
        assert np.array_equal(file["image"][:], [each.image for each in FRAMES[:4]])


def test_frames_are_packed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, pack = [], writer.chunks.pack
    monkeypatch.setattr(writer.chunks, "pack", lambda tile: packed.append(1) or pack(tile))
    with Appender(tmp_path / "a.h5", HEADER) as file:
        for each in FRAMES:
            file.add(each)
    assert len(packed) == len(FRAMES) * 7  # one tile of each map
