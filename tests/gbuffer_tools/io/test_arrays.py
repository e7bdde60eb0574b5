"""Archives of others: what is read, and that nothing else gets further than one line."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.arrays import npz_headers, read_npy, read_npz

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


def test_headers_alone(path: Path) -> None:
    found = npz_headers(path)
    assert found["weight"] == (np.dtype(np.float32), (3, 4))
    assert found["crop"][1] == ()
    assert set(found) == set(WANTED)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"x\.npz: not a readable \.npz file"):
        npz_headers(path)


def test_headers_of_an_archive_of_other_things(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.txt", b"raw")
    with pytest.raises(InputError, match="not a readable"):
        npz_headers(tmp_path / "x.npz")


class TestNpy:
    @pytest.mark.parametrize("dtype", ["<f2", ">f4", "f8", "u1", "i4"])
    def test_what_was_saved(self, tmp_path: Path, dtype: str) -> None:
        values = np.arange(12).reshape(3, 4).astype(dtype)
        for order in "CF":
            np.save(tmp_path / "x.npy", np.asarray(values, order=order))
            found = read_npy(tmp_path / "x.npy", "fui", (2,))
            assert np.array_equal(found, values)
            found[0, 0] = 1  # not the file's memory

    def test_another_type_or_shape(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((2, 3)))
        for kinds, axes in (("u", 2), ("f", 3)):
            with pytest.raises(InputError, match=r"the array is float64 \(2, 3\), wanted"):
                read_npy(tmp_path / "x.npy", kinds, (axes,))

    def test_pickles(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.array([Loud()], dtype=object), allow_pickle=True)
        with pytest.raises(InputError, match="object"):
            read_npy(tmp_path / "x.npy", "f", (1,))
        with pytest.raises(InputError):
            read_npy(tmp_path / "x.npy", "O", (1,))

    @pytest.mark.parametrize("shape", [(10**12,), (3,), (0,)])
    def test_a_header_that_promises_other_than_there_is(self, tmp_path: Path, shape: tuple[int]) -> None:
        (tmp_path / "x.npy").write_bytes(header(shape) + bytes(16))
        with pytest.raises(InputError, match="its data are 16 bytes"):
            read_npy(tmp_path / "x.npy", "i", (1, 2))

    @pytest.mark.parametrize("text", [b"{'descr': (", b'{"shape": """', b"  {\n {"])
    def test_a_header_that_is_no_python(self, tmp_path: Path, text: bytes) -> None:
        """numpy hands it to Python's tokenizer, which has errors of its own."""
        (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)
        with pytest.raises(InputError, match=r"not a readable \.npy file"):
            read_npy(tmp_path / "x.npy", "f", (1,))

    def test_a_file_of_terabytes(self, tmp_path: Path) -> None:
        with (tmp_path / "x.npy").open("wb") as file:
            file.write(header((2**40,)))
            file.truncate(file.tell() + 2**43)
        with pytest.raises(InputError, match=r"unpacks to 8,796,093,022,208 bytes"):
            read_npy(tmp_path / "x.npy", "i", (1, 2))

    def test_no_file_and_no_array(self, tmp_path: Path) -> None:
        (tmp_path / "x.npy").write_bytes(b"nothing of the kind")
        for name in ("gone.npy", "x.npy"):
            with pytest.raises(InputError, match=r"not a readable \.npy file"):
                read_npy(tmp_path / name, "f", (1,))
