"""What is no file of its name: pointers, pages, archives, empty files, files that were cut off; whoever reads them."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from safetensors.numpy import save

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader as exr
from gbuffer_tools.io.arrays import npz_headers, read_npy
from gbuffer_tools.io.images import image_size, read_image, read_pixels
from gbuffer_tools.io.recognise import TAIL, recognised
from gbuffer_tools.io.text import read_json
from gbuffer_tools.renderdoc.module import check_capture
from gbuffer_tools.schema import Shard, write
from tests.gbuffer_tools.made import HEADER, frame

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 10434560\n"
PAGE = b"\xef\xbb\xbf\n<!-- proxy -->\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def described(content: bytes, kinds: tuple[str, ...] = (), *, text: bool = False) -> str:
    return recognised(content, content[-TAIL:], len(content), kinds, text=text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, "a Git LFS pointer; run git lfs pull"),
        (POINTER.replace(b"\n", b"\r\n"), "a Git LFS pointer; run git lfs pull"),
        (b"/annex/objects/MD5E-s10--00.png\n", "a git-annex pointer; run git annex get"),
        (b"../../.git/annex/objects/x/y/MD5E-s10--00.png", "a git-annex pointer; run git annex get"),
        (PAGE, "an HTML page, not the file; download it again"),
        (b"<html>", "an HTML page, not the file; download it again"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html/>', "an HTML page, not the file; download it again"),
        ("\ufeff<!DOCTYPE html>".encode("utf-16-le"), "an HTML page, not the file; download it again"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "a server's answer"),
        (b"404: Not Found", "a server's answer ('404: Not Found')"),
        (b'{"message":"Not Found"}', "a server's answer"),
        (b"", "empty; "),
        (bytes(100), "zeros only"),
        (b"PK\x03\x04 and so on", "packed with ZIP; unpack it"),
        (b"\x1f\x8b and so on", "packed with gzip; unpack it"),
        (b"\x89PNG\r\n\x1a\n and so on", "holds PNG; give it the suffix of that kind, or the right file"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "holds AppleDouble"),
        (b"\0\0\0\x1cftypavif\0\0", "holds AVIF or HEIC"),
    ],
)
def test_what_is_no_use_to_any_reader(content, words):
    assert described(content).startswith(words)


@pytest.mark.parametrize(
    "content", [b"\x01\x02\x03\x04 pixels", b"version 2 of something", b"no picture", b"<<<", b"4"]
)
def test_nothing_is_made_up(content):
    assert described(content) == ""


def test_comments_without_end_take_no_time():
    assert described(b"<!---->" * 500 + b"\x01") == ""
    assert described(b"<!--" * 900 + b"\x01") == ""
    assert described(b" " * 4000 + b"\x01") == ""


def test_a_json_reader_reads_what_others_take_for_an_answer():
    assert described(b'{"message": [1, 2, }', text=True) == ""
    assert described(b'{"message": [1, 2', text=True).startswith("cut off after 17 bytes")


def encoded(suffix: str) -> bytes:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    return bytes(cv2.imencode(suffix, picture)[1])


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(100))
    return file.getvalue()


def hdf5(version: str) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        with h5py.File(file, "w", libver=(version, "v110")) as made:
            made["a"] = np.arange(1000)
        return file.getvalue()

    return make


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: encoded(".png"), "PNG"), (lambda: encoded(".jpg"), "JPEG"), (lambda: encoded(".webp"), "WebP"),
        (lambda: encoded(".bmp"), ""), (npz, "ZIP"), (hdf5("earliest"), "HDF5"), (hdf5("v110"), "HDF5"),
        (lambda: save({"a": np.arange(100.0), "b": np.zeros(3)}, {"model": "x"}), ""),
    ],
)  # fmt: skip
def test_what_was_cut_off(make, kind):
    whole = make()
    assert described(whole, (kind,)) == ""
    for count in (len(whole) // 2, len(whole) - 20):
        assert described(whole[:count], (kind,)).startswith("cut off"), count
    for count in range(min(len(whole), 300)):
        described(whole[:count], (kind,))  # whatever is left


READERS: dict[str, Callable[[Path], object]] = {
    "a.png": read_image, "b.png": image_size, "c.tif": read_pixels, "d.exr": exr.header, "e.h5": Shard,
    "f.npz": npz_headers, "g.npy": lambda path: read_npy(path, "f", (1,)), "h.json": read_json, "i.rdc": check_capture,
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("content", "words"), [(POINTER, "git lfs pull"), (PAGE, "an HTML page"), (b"", "empty; ")])
def test_every_reader_says_it(name, content, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        READERS[name](path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_frame_file_that_was_cut_off(tmp_path):
    write(tmp_path / "a.h5", [frame()], HEADER)
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[:9000])
    with pytest.raises(InputError, match=rf"a\.h5: broken HDF5 .*: cut off: 9,000 of {len(whole):,} bytes are there"):
        Shard(tmp_path / "a.h5")


def test_an_archive_is_no_page_for_its_reader(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("b.npy", json.dumps("no array"))
    with pytest.raises(InputError, match=r"a\.npz: not a readable \.npz file \("):
        npz_headers(tmp_path / "a.npz")
