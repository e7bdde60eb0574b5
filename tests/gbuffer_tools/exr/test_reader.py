"""EXR files: what is read is what was written, and damaged or oversized files are refused in one line."""

import os
import random
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader

OpenEXR = pytest.importorskip("OpenEXR")

COMPRESSIONS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB", "HTJ2K32", "ZSTD")


def pictures(h: int = 20, w: int = 18) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    ramp = np.linspace(0, 4, h * w).reshape(h, w)
    return {
        "View.Combined.R": ramp.astype(np.float16),
        "View.Combined.G": (ramp * 0.5).astype(np.float16),
        "View.Depth.Z": rng.random((h, w)).astype(np.float32),
        "View.id.X": rng.integers(0, 2**32, (h, w), np.uint32),
    }


def write(path: Path, channels: dict[str, np.ndarray], compression: str = "ZIP", **header: object) -> Path:
    start = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
    OpenEXR.File(start | header, dict(channels)).write(str(path))
    return path


def box(x0: int, y0: int, x1: int, y1: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x0, y0], np.int32), np.array([x1, y1], np.int32)


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K32", "ZSTD"])
def test_lossless_files_give_the_same_bits(tmp_path, compression):
    wanted = pictures()
    found, header = reader.read(write(tmp_path / "a.exr", wanted, compression, software="hand", owner="me"))
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert header.attributes["software"] == "hand"
    assert header.attributes["owner"] == "me"
    assert header.lossy == ""


def test_a_lossy_compression_is_named(tmp_path):
    assert reader.header(write(tmp_path / "a.exr", pictures(), "DWAA")).lossy == "dwaa"


def test_numbers_and_matrices_of_the_header(tmp_path):
    matrix = np.arange(16, dtype=np.float64).reshape(4, 4)
    header = reader.header(
        write(tmp_path / "a.exr", pictures(), fov=0.5, world=matrix.astype(np.float32), exact=matrix)
    )
    assert header.attributes["fov"] == 0.5
    assert np.array_equal(header.attributes["world"], matrix)
    assert header.attributes["exact"].dtype == np.float64
    assert np.array_equal(header.attributes["exact"], matrix)


def test_a_smaller_shifted_data_window_lies_in_a_display_window_of_zeros(tmp_path):
    inner = {"Z": np.arange(1, 13, dtype=np.float32).reshape(3, 4)}
    path = write(tmp_path / "a.exr", inner, dataWindow=box(2, 5, 5, 7), displayWindow=box(0, 0, 9, 8))
    found, _ = reader.read(path)
    wanted = np.zeros((9, 10), np.float32)
    wanted[5:8, 2:6] = inner["Z"]
    assert np.array_equal(found["Z"], wanted)


def test_a_larger_data_window_is_cropped(tmp_path):
    wide = {"Z": np.arange(48, dtype=np.float32).reshape(6, 8)}
    path = write(tmp_path / "a.exr", wide, dataWindow=box(-2, -1, 5, 4), displayWindow=box(0, 0, 3, 2))
    assert np.array_equal(reader.read(path)[0]["Z"], wide["Z"][1:4, 2:6])


def test_a_data_window_beside_the_display_window_leaves_zeros(tmp_path):
    path = write(
        tmp_path / "a.exr",
        {"Z": np.ones((3, 4), np.float32)},
        dataWindow=box(20, 0, 23, 2),
        displayWindow=box(0, 0, 3, 2),
    )
    assert not reader.read(path)[0]["Z"].any()


def test_parts_give_their_name_to_channels_that_lack_it(tmp_path):
    z = np.ones((4, 5), np.float32)
    parts = [
        OpenEXR.Part({"name": "beauty", "software": "hand"}, {"R": z, "G": z}),
        OpenEXR.Part({"name": "depth"}, {"depth.Z": z * 2}),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    found, header = reader.read(tmp_path / "a.exr")
    assert sorted(found) == ["beauty.G", "beauty.R", "depth.Z"]
    assert (found["depth.Z"] == 2).all()
    assert header.attributes["software"] == "hand"


def test_fractions_of_windows(tmp_path):
    z = {"Z": np.ones((4, 8), np.float32)}
    small = write(tmp_path / "a.exr", z, dataWindow=box(2, 5, 9, 8), displayWindow=box(0, 0, 7, 7))
    assert reader.header(small).covered == ((6 * 3 / 64, 6 * 3 / 32),)
    assert reader.header(write(tmp_path / "b.exr", z)).covered == ((1, 1),)


def patched(path: Path, name: bytes, offset: int, value: bytes) -> Path:
    """Overwrite bytes of an attribute's value; `offset` counts from its first byte."""
    data = bytearray(path.read_bytes())
    at = data.index(name + b"\0") + len(name) + 1
    at = data.index(b"\0", at) + 1 + 4 + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        reader.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("window", [b"dataWindow", b"displayWindow"])
@pytest.mark.parametrize("right", [-1, 16384, 2**31 - 1])
def test_windows_beyond_the_limit_are_refused_before_memory_is_taken(tmp_path, window, right):
    path = patched(write(tmp_path / "a.exr", pictures()), window, 8, struct.pack("<i", right))
    assert "wanted sides of 1..16384" in refusal(path)


def test_total_size_is_limited(tmp_path):
    channels = {f"c{i}": np.zeros((2, 2), np.float32) for i in range(8)}
    path = write(tmp_path / "a.exr", channels)
    for window in (b"dataWindow", b"displayWindow"):
        patched(path, window, 8, struct.pack("<2i", 16383, 16383))
    assert "wanted at most" in refusal(path)


def test_a_large_display_window_round_a_small_picture_counts(tmp_path):
    channels = {f"c{i}": np.zeros((2, 2), np.float32) for i in range(8)}
    path = write(tmp_path / "a.exr", channels)
    assert "wanted at most" in refusal(patched(path, b"displayWindow", 8, struct.pack("<2i", 16383, 16383)))


def test_subsampled_channels_are_refused(tmp_path):
    path = write(tmp_path / "a.exr", {"Y": np.zeros((4, 4), np.float32)})
    says = "channel 'Y' is subsampled (2 x 1); write it at full resolution"
    assert says in refusal(patched(path, b"channels", 2 + 8, struct.pack("<i", 2)))


def test_luminance_and_chroma_are_refused_by_name(tmp_path):
    path = write(tmp_path / "a.exr", {name: np.ones((4, 6), np.float16) for name in ("Y", "RY", "BY")})
    assert "a.exr: it holds luminance and chroma (Y, RY, BY); write R, G, B" in refusal(path)
    path = patched(path, b"channels", 3 + 8, struct.pack("<2i", 2, 2))
    assert "channel 'BY' is subsampled (2 x 2); it holds luminance and chroma" in refusal(path)


def test_unknown_pixel_types_and_compressions_are_refused(tmp_path):
    path = write(tmp_path / "a.exr", {"Y": np.zeros((4, 4), np.float32)})
    assert "unknown type 7" in refusal(patched(path, b"channels", 2, struct.pack("<i", 7)))
    path = write(tmp_path / "b.exr", {"Y": np.zeros((4, 4), np.float32)})
    assert "compression 77 is unknown" in refusal(patched(path, b"compression", 0, b"\x4d"))


def test_too_many_channels_are_refused(tmp_path):
    channels = {f"c{i:04}": np.zeros((1, 1), np.float16) for i in range(reader.MAX_CHANNELS + 1)}
    assert "list of channels is damaged, or longer than 512" in refusal(write(tmp_path / "a.exr", channels))


def tiled(path: Path, side: int) -> Path:
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = side
    OpenEXR.File({"type": OpenEXR.tiledimage, "tiles": tiles}, pictures()).write(str(path))
    return path


def test_tiled_files_give_the_same_bits(tmp_path):
    found, _ = reader.read(tiled(tmp_path / "a.exr", 16))
    assert all(np.array_equal(found[name], array) for name, array in pictures().items())


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, b"\x01", "several sizes"),
        (0, b"\xff\xff\xff\xff", "tiles of 4294967295 x 16"),
        (4, bytes(4), "tiles of 16 x 0"),
    ],
)
def test_mipmaps_and_odd_tiles_are_refused(tmp_path, offset, value, message):
    assert message in refusal(patched(tiled(tmp_path / "a.exr", 16), b"tiles", offset, value))


@pytest.mark.parametrize(("flag", "message"), [(reader.DEEP, "deep"), (0x4000, "version 2, flags")])
def test_deep_files_and_unknown_flags_are_refused(tmp_path, flag, message):
    path = write(tmp_path / "a.exr", pictures())
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", struct.unpack("<I", data[4:8])[0] | flag)
    path.write_bytes(data)
    assert message in refusal(path)


def test_the_header_is_limited(tmp_path, monkeypatch):
    path = write(tmp_path / "a.exr", pictures(), comment="x" * 5000)
    monkeypatch.setattr(reader, "MAX_HEADER_BYTES", 4096)
    assert "header takes more than 4,096 bytes" in refusal(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(b"\x89PNG....")
    assert "wanted an OpenEXR file" in refusal(path)
    path.write_bytes(b"")
    assert "cut off" in refusal(path)
    assert "cannot be read" in refusal(tmp_path / "absent.exr")


@pytest.mark.parametrize("compression", ["NO", "ZIP", "PIZ"])
def test_a_file_that_is_cut_off_is_refused_and_nothing_else_is_printed(tmp_path, capfd, compression):
    path = write(tmp_path / "a.exr", pictures(64, 40), compression)
    path.write_bytes(path.read_bytes()[:-200])
    assert "damaged (" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_threads_that_read_at_once_leave_the_outputs_as_they_were(tmp_path, capfd):
    """As the threads of a Dask worker: outputs belong to the whole process."""
    paths = [write(tmp_path / f"{i}.exr", pictures(256, 256), "PIZ") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(reader.read, paths * 4))
    os.write(2, b"still there")
    print("and here")  # noqa: T201 - what is tested
    assert capfd.readouterr() == ("and here\n", "still there")


def test_names_that_are_no_text_are_refused(tmp_path):
    path = write(tmp_path / "a.exr", {"Yxy": np.zeros((4, 4), np.float32)})
    assert "no UTF-8 text" in refusal(patched(path, b"channels", 0, b"\xff\xfe"))


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    path = write(tmp_path / "a.exr", pictures())
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    assert "pip install 'OpenEXR>=3.4'" in refusal(path)


@pytest.mark.parametrize("compression", [*COMPRESSIONS, "tiled"])
def test_damaged_files_never_crash(tmp_path, compression):
    """Each file ends in an `InputError` or in arrays of the right kind. GBUFFER_FUZZ is how many files."""
    made = (
        tiled(tmp_path / "a.exr", 8) if compression == "tiled" else write(tmp_path / "a.exr", pictures(), compression)
    )
    base = made.read_bytes()
    rng = random.Random(compression)
    path = tmp_path / "b.exr"
    refused = 0
    for _ in range(int(os.environ.get("GBUFFER_FUZZ", "40"))):
        path.write_bytes(damaged(base, rng))
        try:
            channels, header = reader.read(path)
        except InputError:
            refused += 1
        else:
            assert all(array.shape == header.display.shape for array in channels.values())
    assert refused > 0


def damaged(base: bytes, rng: random.Random) -> bytes:
    data = bytearray(base)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        at = rng.randrange(rng.choice([0, 400, 700]), len(data))
        kind = rng.random()
        if kind < 0.6:
            data[at] = rng.randrange(256)
        elif kind < 0.8:
            data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 65536]))
        elif kind < 0.9:
            del data[at : at + rng.randrange(1, 20)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
    return bytes(data[: rng.randrange(len(data))] if rng.random() < 0.1 else data)
