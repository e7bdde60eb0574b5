"""The frame file: what goes in comes out, and what is not to be trusted stays out."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import BUFFERS, Frame, Shard, append, shards, write
from tests.gbuffer_tools.made import HEADER, frame


def same(a: Frame, b: Frame) -> None:
    assert (a.name, a.time, a.relight) == (b.name, b.time, b.relight)
    assert list(a.buffers) == list(b.buffers) or set(a.buffers) == set(b.buffers)
    pairs = [(a.image, b.image), (a.view, b.view), (a.projection, b.projection)]
    pairs += [(a.buffers[n], b.buffers[n]) for n in a.buffers] + [(a.ids[n], b.ids[n]) for n in a.ids]
    for x, y in pairs:
        assert x.dtype == y.dtype
        assert x.tobytes() == y.tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "s.h5", [frame("a", 0), frame("b", 1)], HEADER)
    return tmp_path / "s.h5"


def test_round_trip_is_bit_exact(path):
    with Shard(path) as shard:
        assert (shard.header, shard.names, len(shard)) == (HEADER, ("a", "b"), 2)
        assert (shard.height, shard.width) == (36, 64)
        assert shard.buffers == {"albedo": 3, "depth": 1, "normal": 3, "x_wetness": 2}
        assert set(shard.ids) == {"class", "object"}
        for i, name in enumerate("ab"):
            same(shard.frame(i), frame(name, i))


@settings(max_examples=15, deadline=None)
@given(h=st.integers(1, 300), w=st.integers(1, 300), seed=st.integers(0, 99))
def test_round_trip_of_any_size(tmp_path_factory, h, w, seed):
    path = tmp_path_factory.mktemp("any") / "s.h5"
    wanted = frame("é ü", seed, (h, w))
    write(path, [wanted], HEADER)
    with Shard(path) as shard:
        same(shard.frame(0), wanted)


def test_only_an_image_is_enough(tmp_path):
    write(tmp_path / "s.h5", [Frame("a", np.zeros((4, 5, 3), np.uint8))], replace(HEADER, classes=()))
    with Shard(tmp_path / "s.h5") as shard:
        assert (shard.buffers, shard.ids, shard.camera(0), shard.number("time", 0)) == ({}, (), None, None)
        assert shard.header.classes == ()


def test_a_crop_is_the_crop(path):
    rows, cols = slice(3, 20), slice(10, 50)
    with Shard(path) as shard:
        assert np.array_equal(shard.image(1, rows, cols), frame("b", 1).image[rows, cols])
        assert np.array_equal(shard.buffer("depth", 1, rows, cols)[..., 0], frame("b", 1).buffers["depth"][rows, cols])
        assert np.array_equal(shard.id("class", 1, rows, cols), frame("b", 1).ids["class"][rows, cols])


def test_buffers_are_float32_with_channels_and_fixed_point_is_scaled(path):
    with Shard(path) as shard:
        assert shard.buffer("depth", 0).shape == (36, 64, 1)
        albedo = shard.buffer("albedo", 0)
        assert albedo.dtype == np.float32
        # float32 rounds the product once.
        assert np.allclose(albedo, frame().buffers["albedo"] / 255, atol=1e-7)


def test_standard_buffers_say_units_space_and_range(path):
    with h5py.File(path) as file:
        attrs = file["buffers/depth"].attrs
        assert (attrs["units"], attrs["space"], list(attrs["range"])) == ("m", "view axis", [0, np.inf])
        assert file["buffers/depth"].chunks == (1, 36, 64)
        assert file["buffers/depth"].compression == "gzip"
        assert set(BUFFERS) >= {"depth", "normal", "albedo", "motion"}


def test_tiles_divide_the_frame_evenly(tmp_path):
    write(tmp_path / "s.h5", [frame(size=(130, 300))], HEADER)
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["buffers/normal"].chunks == (1, 130, 75, 3)
        assert file["ids/class"].chunks == (1, 130, 75)


def test_the_same_frames_make_the_same_file(tmp_path, path):
    time.sleep(1.1)  # a stored time of day would differ
    write(tmp_path / "t.h5", [frame("a", 0), frame("b", 1)], HEADER)
    assert (tmp_path / "t.h5").read_bytes() == path.read_bytes()


def test_append_equals_writing_at_once(tmp_path, path):
    other = tmp_path / "o" / "s.h5"
    append(other, [frame("a", 0)], HEADER)
    append(other, [frame("b", 1)], HEADER)
    with Shard(path) as x, Shard(other) as y:
        assert y.names == ("a", "b")
        for i in range(2):
            same(x.frame(i), y.frame(i))
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (frame("a"), "there already"),
        (frame("c", size=(36, 65)), "as in the frames before"),
        (replace(frame("c"), time=None), "frame/time"),
        (replace(frame("../c")), "file name"),
        (replace(frame("c"), image=np.zeros((36, 64, 3), np.float32)), "uint8"),
        (replace(frame("c"), buffers={"colour": np.zeros((36, 64), np.float32)}), "not standard"),
        (replace(frame("c"), buffers={"normal": np.zeros((36, 64, 2), np.float16)}), "3"),
        (replace(frame("c"), buffers={"depth": np.zeros((36, 64), np.float64)}), "float64"),
        (replace(frame("c"), buffers={"depth": np.zeros((36, 64), np.uint8)}), "means 0..1"),
        (replace(frame("c"), buffers={"depth": np.zeros((36, 63), np.float32)}), "the image is"),
        (replace(frame("c"), ids={"class": np.zeros((36, 64), np.uint16)}), "class"),
        (replace(frame("c"), view=None), "both"),
    ],
)
def test_a_frame_that_does_not_fit_leaves_the_file_as_it_was(path, wrong, says):
    before = path.read_bytes()
    with pytest.raises(InputError, match=says) as error:
        append(path, [wrong], HEADER)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.partial"))


def test_append_refuses_another_header(path):
    with pytest.raises(InputError, match="was written with the "):
        append(path, [frame("c")], replace(HEADER, classes=("sky",)))


def test_no_frames_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no frames"):
        write(tmp_path / "s.h5", [], HEADER)
    assert not list(tmp_path.iterdir())


def test_a_killed_writer_leaves_no_real_name(tmp_path):
    path = tmp_path / "s.h5"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom gbuffer_tools.schema import write\n"
        "from tests.gbuffer_tools.made import HEADER, frame\n"
        "def frames():\n    yield frame('a')\n    print('half', flush=True)\n    time.sleep(60)\n"
        "write(Path(sys.argv[1]), frames(), HEADER)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.send_signal(signal.SIGKILL)
    assert not path.exists()
    write(path, [frame("a")], HEADER)  # what the killed one left is no hindrance
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


def opening_fails(path: Path, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        Shard(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def replaced(path: Path, name: str, shape: tuple[int, ...], dtype: str, **storage: object) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, shape, dtype, **storage)


def test_not_hdf5(tmp_path):
    (tmp_path / "s.h5").write_text("hello")
    opening_fails(tmp_path / "s.h5", "wanted an HDF5 file")
    opening_fails(tmp_path / "absent.h5", "No such file")


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_truncated(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    opening_fails(path, "broken HDF5")


def test_bits_flipped_anywhere_never_end_in_anything_but_an_input_error(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        for place in rng.integers(8, len(data), 20):
            broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            with Shard(path) as shard:
                for i in range(len(shard)):
                    shard.frame(i)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - a flip in pixels may read as other pixels


def test_soft_and_external_links(path, tmp_path):
    for link in (h5py.SoftLink("/image"), h5py.ExternalLink(str(tmp_path / "other.h5"), "/image")):
        with h5py.File(path, "r+") as file:
            if "x_link" in file["buffers"]:
                del file["buffers/x_link"]
            file["buffers/x_link"] = link
        opening_fails(path, "link to elsewhere")


def test_external_storage(path, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(36 * 64 * 2 * 2))
    replaced(path, "buffers/x_wetness", (2, 36, 64), "u1", external=[(str(tmp_path / "raw"), 0, 36 * 64 * 2)])
    opening_fails(path, "elsewhere")


def test_virtual_dataset(path, tmp_path):
    layout = h5py.VirtualLayout((2, 36, 64), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "d", (2, 36, 64))
    with h5py.File(path, "r+") as file:
        file.create_virtual_dataset("buffers/x_virtual", layout)
    opening_fails(path, "elsewhere")


def test_unknown_filter(path):
    replaced(path, "ids/object", (2, 36, 64), "u2", compression="lzf", data=np.ones((2, 36, 64), "u2"))
    opening_fails(path, "filter")


def test_huge_declared_size(path):
    replaced(path, "image", (2, 10**6, 10**6, 3), "u1", chunks=(1, 128, 128, 3), compression="gzip")
    opening_fails(path, "larger than what was written")
    replaced(path, "image", (2, 10**6, 10**6, 3), "u1")
    opening_fails(path, "larger than what was written")


def test_huge_chunk(path):
    zeros = np.zeros((2, 8000, 8000), "u2")
    replaced(path, "ids/object", zeros.shape, "u2", chunks=zeros.shape, compression="gzip", data=zeros)
    opening_fails(path, "chunks of")


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "says"),
    [
        ("buffers/depth", (2, 36, 64), "f8", "float64"),
        ("buffers/depth", (2, 36, 64), "i4", "int32"),
        ("ids/class", (2, 36, 64), "u2", "uint16"),
        ("image", (2, 36, 64, 3), "u2", "uint16"),
        ("image", (2, 36, 64, 4), "u1", "shape"),
        ("buffers/normal", (2, 36, 64, 2), "f2", "channels"),
        ("buffers/depth", (1, 36, 64), "f4", "shape"),
        ("camera/view", (2, 3, 4), "f8", "shape"),
        ("frame/name", (2,), "i4", "text"),
        ("frame/name", (2,), "S65", "text"),
        ("buffers/albedo", (2, 36, 64, 3), "u1", "scale"),
    ],
)
def test_wrong_dtype_or_shape(path, name, shape, dtype, says):
    replaced(path, name, shape, dtype, data=np.zeros(shape, dtype))
    opening_fails(path, says)


def test_names_that_leave_the_folder_or_repeat(path):
    for names in (["../a", "b"], ["a", "a"]):
        replaced(path, "frame/name", (2,), h5py.string_dtype(), data=names)
        opening_fails(path, "/frame/name")


def test_names_of_variable_length_are_read(path):
    replaced(path, "frame/name", (2,), h5py.string_dtype(), data=["x", "straße"])
    with Shard(path) as shard:
        assert shard.names == ("x", "straße")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "other"),
        ("version", 2),
        ("version", "1"),
        ("classes", 3),
        ("licence", b"\xff\xfe"),
        ("source", "x" * 9999),
    ],
)
def test_wrong_root_attributes(path, key, value):
    with h5py.File(path, "r+") as file:
        file.attrs[key] = value
    opening_fails(path, key)


def test_attributes_as_other_programs_write_them(path):
    """Texts of fixed length, and arrays of one."""
    with h5py.File(path, "r+") as file:
        kept = {key: file.attrs[key] for key in ("format", "source", "licence", "tool", "classes", "version")}
        for key in ("format", "source"):
            del file.attrs[key]
            file.attrs[key] = np.bytes_(str(kept[key]).encode())
        for key in ("licence", "tool"):
            del file.attrs[key]
            file.attrs.create(key, np.array([str(kept[key]).encode()], "S80"))
        del file.attrs["classes"], file.attrs["version"]
        file.attrs["classes"] = np.array([name.encode() for name in kept["classes"]], "S20")
        file.attrs["version"] = np.array([1], np.int32)
    with Shard(path) as shard:
        assert shard.header == HEADER
    with h5py.File(path, "r+") as file:
        file.attrs["source"] = np.bytes_(b"caf\xe9")
    with pytest.raises(InputError, match="attribute source is no UTF-8 text"):
        Shard(path)


def test_lacking_root_attribute_and_unknown_group(path):
    with h5py.File(path, "r+") as file:
        file.create_group("extra")
    opening_fails(path, "/extra")
    with h5py.File(path, "r+") as file:
        del file["extra"], file.attrs["profile"]
    opening_fails(path, "profile")


def test_index_out_of_range(path):
    with Shard(path) as shard, pytest.raises(IndexError):
        shard.image(2)


def test_shards_are_sorted_and_none_is_an_error(tmp_path, path):
    write(tmp_path / "a.h5", [frame()], HEADER)
    assert [p.name for p in shards(tmp_path)] == ["a.h5", "s.h5"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no frame files"):
        shards(tmp_path / "empty")
