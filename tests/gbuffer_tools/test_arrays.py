"""Archives of others: what is read, and that nothing else gets further than one line."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.arrays import read_npz
from gbuffer_tools.errors import InputError

WANTED = {"a": ("i", 1), "name": ("U", 1), "weight": ("f", 2), "crop": ("i", 0)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez_compressed(
        tmp_path / "x.npz",
        a=np.arange(50),
        name=np.array(["one/a", "zwö"]),
        weight=np.ones((3, 4), np.float32),
        crop=np.int32(196),
    )
    return tmp_path / "x.npz"


def refused(path: Path, wanted: dict[str, tuple[str, int]] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_npz(path, wanted or WANTED)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_reads_the_wanted_arrays(path: Path) -> None:
    found = read_npz(path, WANTED)
    assert found["a"].tolist() == list(range(50))
    assert found["name"].tolist() == ["one/a", "zwö"]
    assert found["weight"].shape == (3, 4)
    assert int(found["crop"]) == 196
    assert list(read_npz(path, {"crop": ("i", 0)})) == ["crop"]


def test_uncompressed_and_fortran_order(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.savez(tmp_path / "x.npz", weight=values)
    assert np.array_equal(read_npz(tmp_path / "x.npz", {"weight": ("f", 2)})["weight"], values)


def test_a_missing_array(path: Path) -> None:
    assert "no array 'cosine', only 'a', 'crop', 'name', 'weight'" in refused(path, {"cosine": ("f", 1)})


@pytest.mark.parametrize("wanted", [("f", 1), ("i", 2), ("U", 1)])
def test_another_type(path: Path, wanted: tuple[str, int]) -> None:
    assert "a is int64 (50,), wanted" in refused(path, {"a": wanted})


def test_no_file_and_no_archive(tmp_path: Path) -> None:
    refused(tmp_path / "gone.npz")
    (tmp_path / "x").write_bytes(b"PK\x03\x04 and so on")
    refused(tmp_path / "x")
    np.save(tmp_path / "y.npy", np.arange(3))
    refused(tmp_path / "y.npy")


class Loud:
    """Unpickling it would show."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was run",))


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([Loud()], dtype=object))
    assert "object" in refused(tmp_path / "x.npz", {"a": ("i", 1)})
    refused(tmp_path / "x.npz", {"a": ("O", 1)})


def header(shape: tuple[int, ...], dtype: str = "<i8") -> bytes:
    """A .npy header that promises an array."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("shape", [(10**12,), (2**62,), (10**9,), (3,), (0,)])
def test_a_header_that_promises_other_than_there_is(tmp_path: Path, shape: tuple[int]) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", header(shape) + bytes(16))
    tracemalloc.start()
    assert "its data are 16 bytes" in refused(tmp_path / "x.npz", {"a": ("i", 1)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header((1,)) + bytes(8))
    # The size that the archive's directory states, in its last entry: 24 bytes into the record.
    raw = bytearray(path.read_bytes())
    place = raw.rindex(b"PK\x01\x02") + 24
    raw[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "unpacks to 4,294,967,280 bytes" in refused(path, {"a": ("i", 1)})


def test_an_entry_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a", b"raw")
        archive.writestr("b.npy", b"raw")
    refused(tmp_path / "x.npz", {"a": ("i", 1)})
    refused(tmp_path / "x.npz", {"b": ("i", 1)})


def test_random_damage_is_one_line_or_harmless(path: Path, tmp_path: Path) -> None:
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    lines: list[int] = []
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "y.npz").write_bytes(damaged)
        try:
            read_npz(tmp_path / "y.npz", WANTED)
        except InputError as error:
            lines.append(len(str(error).splitlines()))
    assert set(lines) == {1}
