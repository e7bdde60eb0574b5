"""EXR files of any renderer, with and without a mapping."""

import sys

import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.sources import exr
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import extracted, grey, layer, refused, write_exr

pytest.importorskip("OpenEXR")

SIZE = 24, 32


def test_a_folder_of_plain_files_becomes_a_file(tmp_path):
    z = np.full(SIZE, 7, np.float32)
    z[0] = 1e10
    rough = {"roughness.Y": np.full(SIZE, 0.5, np.float16)}
    for name in ("b", "a"):
        write_exr(tmp_path / "shot" / f"{name}.exr", grey(SIZE) | {"Z": z} | rough, software="hand 1")
    write_exr(tmp_path / "shot" / "deep" / "c.exr", grey(SIZE))
    header, frames = extracted(tmp_path, tmp_path / "shot", "--source", "exr")
    assert list(frames) == ["deep/c", "shot/a", "shot/b"]
    assert (header.source, header.profile, header.licence) == ("hand 1", "exr", "not stated")
    found = frames["shot/a"]
    assert np.array_equal(found.buffers["depth"], np.where(z < 1e9, 7, np.inf))
    assert found.buffers["roughness"].dtype == np.float16
    assert (found.image == 137).all()  # 0.25 linear is 0.5371 in sRGB


def test_files_without_a_special_source_are_found_without_force(tmp_path):
    write_exr(tmp_path / "shot" / "a.exr", grey(SIZE, "beauty."))
    _, frames = extracted(tmp_path, tmp_path / "shot" / "a.exr")
    assert list(frames) == ["shot/a"]
    assert frames["shot/a"].buffers == {}


def test_all_is_told_by_a_mapping(tmp_path):
    names = {name: name_id(name) for name in ("Oak", "Road")}
    ids = np.full(SIZE, names["Oak"], np.uint32)
    ids[:, 9:] = names["Road"]
    tilt = np.tile(np.array([0.6, 0.0, 0.8]), (*SIZE, 1))
    channels = (
        grey(SIZE, "odd.")
        | {"d": np.full(SIZE, 300, np.float32)}
        | layer("n", tilt * (1, 1, -1))
        | layer("a", tilt, "RGB")
        | {"c00.R": ids.view(np.float32), "c00.G": np.ones(SIZE, np.float32)}
    )
    manifest = "{" + ", ".join(f'"{k}": "{v:08x}"' for k, v in names.items()) + "}"
    write_exr(tmp_path / "s" / "a.exr", channels, **{"cryptomatte/1/name": "c", "cryptomatte/1/manifest": manifest})
    (tmp_path / "m.yaml").write_text(
        """
image: {channels: [odd.R, odd.G, odd.B], colour: srgb}
depth: {channel: d, metres: 0.01}
normal: {channels: [n.X, n.Y, n.Z], axes: [x, y, -z]}
buffers: {albedo: {channels: [a.R, a.G, a.B]}}
ids: {object: {cryptomatte: c}}
classes: {names: [nothing, road, tree], rules: {Oak: tree, Road: road}}
licence: CC0-1.0
"""
    )
    header, frames = extracted(tmp_path, tmp_path / "s", "--source", "exr", "--mapping", tmp_path / "m.yaml")
    found = frames["s/a"]
    assert header.classes == ("nothing", "road", "tree")
    assert header.licence == "CC0-1.0"
    assert (found.image == 64).all()  # 0.25 * 255, rounded
    assert (found.buffers["depth"] == 3).all()
    # float16 keeps 11 bits.
    assert np.abs(found.buffers["normal"] - tilt).max() < 5e-4
    assert np.abs(found.buffers["albedo"] - tilt).max() < 5e-4
    assert np.array_equal(found.ids["object"], ids)
    assert found.ids["class"][0, [0, 9]].tolist() == [2, 1]


def test_cryptomattes_are_ids_by_the_kind_in_their_name():
    attributes = {
        "cryptomatte/1/name": "View.CryptoMaterial",
        "cryptomatte/2/name": "crypto_asset",
        "cryptomatte/3/name": "ActorObjects",
        "cryptomatte/4/name": "uCryptoMatte",
    }
    found = {kind: ids.cryptomatte for kind, ids in exr.crypto_ids(attributes).items()}
    assert found == {
        "material": "View.CryptoMaterial", "asset": "crypto_asset", "object": "ActorObjects", "u": "uCryptoMatte",
    }  # fmt: skip


def test_lossy_files_lose_their_cryptomattes(tmp_path):
    one = np.ones(SIZE, np.float32)
    channels = grey(SIZE) | {"C00.R": one, "C00.G": one}
    write_exr(tmp_path / "s" / "a.exr", channels, "DWAA", **{"cryptomatte/1/name": "C"})
    assert extracted(tmp_path, tmp_path / "s")[1]["s/a"].ids == {}


def test_refusals(tmp_path, capsys):
    folder = tmp_path / "s"
    write_exr(folder / "a.exr", grey(SIZE, "odd."))
    assert "a.exr: has no image; name its channels" in refused(tmp_path, capsys, folder)
    mapping = tmp_path / "m.yaml"
    mapping.write_text("image: {channels: [odd.R, odd.G, odd.X]}")
    assert "lacks the channel 'odd.X'" in refused(tmp_path, capsys, folder, "--mapping", mapping)
    mapping.write_text("imag: {}")
    assert "m.yaml: imag: unknown key" in refused(tmp_path, capsys, folder, "--mapping", mapping)
    write_exr(folder / "a.exr", grey(SIZE))
    (folder / "b.exr").write_bytes((folder / "a.exr").read_bytes()[:-60])
    assert "b.exr: damaged (" in refused(tmp_path, capsys, folder)
    (folder / "b.exr").write_bytes(b"not an EXR file")
    assert "b.exr: got b'not " in refused(tmp_path, capsys, folder)


def test_frames_of_two_sizes_are_refused(tmp_path, capsys):
    write_exr(tmp_path / "s" / "a.exr", grey(SIZE))
    write_exr(tmp_path / "s" / "b.exr", grey((8, 8)))
    says = "b.exr: image is uint8 (8, 8, 3), wanted uint8 (24, 32, 3), unlike the other frames of s.h5"
    assert says in refused(tmp_path, capsys, tmp_path / "s")


def test_a_missing_package_ends_the_run_at_the_first_frame(tmp_path, capsys, monkeypatch):
    for name in "ab":
        write_exr(tmp_path / "s" / f"{name}.exr", grey(SIZE))
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    line = refused(tmp_path, capsys, tmp_path / "s")
    assert line.startswith("python -m gbuffer_tools.extract: ")
    assert "a.exr: reading it needs a package; pip install 'OpenEXR>=3.4'" in line


def test_a_producer_that_no_file_can_hold_becomes_plain(tmp_path):
    write_exr(tmp_path / "s" / "a.exr", grey(SIZE), software="Nu\0ke\n14")
    header, _ = extracted(tmp_path, tmp_path / "s")
    assert header.source == "Nu ke 14"


def test_other_files_are_not_claimed_but_all_exr_files_are(tmp_path):
    assert exr.SOURCE.find(named(tmp_path)) == []
    (tmp_path / "b.png").write_bytes(b"no")
    assert exr.SOURCE.find(named(tmp_path)) == exr.SOURCE.find(named(tmp_path / "b.png")) == []
    (tmp_path / "a.exr").write_bytes(b"no")
    write_exr(tmp_path / "c" / "c.exr", {"Z": np.ones(SIZE, np.float32)})
    assert [job.file.name for job in exr.SOURCE.find(named(tmp_path))] == ["a.exr", "c.exr"]


@pytest.mark.parametrize("more", [False, True])
def test_what_was_read_otherwise_does_not_go_to_the_same_file(tmp_path, capsys, more):
    """Metres in one frame, centimetres in the next; also where nothing is missing, and nothing would be done."""
    write_exr(tmp_path / "s" / "a.exr", grey(SIZE) | {"Z": np.full(SIZE, 3, np.float32)})
    extracted(tmp_path, tmp_path / "s")
    (tmp_path / "frames").rename(tmp_path / "o")
    before = (tmp_path / "o" / "s.h5").read_bytes()
    if more:
        write_exr(tmp_path / "s" / "b.exr", grey(SIZE) | {"Z": np.full(SIZE, 3, np.float32)})
    mapping = tmp_path / "m.yaml"
    mapping.write_text("depth: {channel: Z, metres: 0.01}")
    assert "was written with the profile 'exr', now 'exr, mapping" in refused(
        tmp_path, capsys, tmp_path / "s", "--mapping", mapping
    )
    assert "was written with the licence" in refused(tmp_path, capsys, tmp_path / "s", "--licence", "CC0-1.0")
    assert (tmp_path / "o" / "s.h5").read_bytes() == before
