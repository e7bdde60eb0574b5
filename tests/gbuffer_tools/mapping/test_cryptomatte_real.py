"""Cryptomattes of Arnold and Karma, against what another decoder makes of them (real_files/cryptomatte/reference)."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.exr import reader
from gbuffer_tools.mapping import cryptomatte
from tests.gbuffer_tools.made_exr import extracted
from tests.real_files import real

pytest.importorskip("OpenEXR")
pytestmark = pytest.mark.real

ARNOLD = ("Box001", "Plane001", "Sphere001")
KARMA = ("/cube1", "/grid1/mesh_0", "/sphere1")
HALF = 0.5


def coverage(producer: str, kind: str, name: str) -> np.ndarray:
    """How much of each pixel a thing covers (H,W), by the other decoder."""
    found, _ = reader.read(real(f"cryptomatte/reference/{producer}/crypto_{kind}_{name.replace('/', '_')}.exr"))
    return found["Y"]


def image(name: str) -> Path:
    return real(f"cryptomatte/images/{name}.exr")


@pytest.mark.parametrize(
    ("file", "crypto", "producer", "kind", "names"),
    [
        ("arnold_one_crypto_three_levels", "crypto_object", "arnold", "object", ARNOLD),
        ("arnold_three_crypto", "crypto_object", "arnold", "object", ARNOLD),
        ("arnold_three_crypto", "crypto_material", "arnold", "material", ("Material__25",)),
        ("karma_cpu_solaris_one_crypto", "CryptoObject", "hou_karma_cpu", "object", KARMA),
        ("karma_xpu_solaris_one_crypto", "CryptoObject", "hou_karma_xpu", "object", KARMA),
    ],
)
def test_ids_are_those_of_another_decoder(file, crypto, producer, kind, names):
    channels, header = reader.read(image(file))
    (declared,) = (c for c in cryptomatte.cryptomattes(header.attributes) if c.name == crypto)
    number = {name: ident for ident, name in declared.names.items()}
    found = cryptomatte.ids(channels, crypto)
    for name in names:
        mostly = coverage(producer, kind, name) > HALF
        assert mostly.sum() > 100
        assert (found[mostly] == number[name]).all()


def test_frames_of_files_with_a_picture(tmp_path):
    _, frames = extracted(tmp_path, image("karma_cpu_solaris_one_crypto"))
    (frame,) = frames.values()
    found = frame.ids["object"]
    assert set(np.unique(found)) == {0, 0xFF21A168, 0xA8294CD8, 0x5145171A}
    assert (found[coverage("hou_karma_cpu", "object", "/cube1") > HALF] == 0x5145171A).all()


def test_psyops_special_characters_are_the_only_cryptomatte_and_so_the_objects(tmp_path):
    _, frames = extracted(tmp_path, image("special_chars"))
    (frame,) = frames.values()
    assert {0x9623511E, 0xAF8BFA09, 0xB0A04231, 0x62FA4DB8} <= set(np.unique(frame.ids["object"]).tolist())
    names = (tmp_path / "frames" / "images.json").read_text(encoding="utf-8")
    for name in ("name, with, comma", "name_containing/slash", 'name containing a \\"quote\\"  '):
        assert name in names


def test_half_floats_hold_no_ids_and_the_line_says_so(tmp_path, capsys):
    _, frames = extracted(tmp_path, image("karma_cpu_solaris_one_crypto_16bit"))
    (frame,) = frames.values()
    assert frame.ids == {}
    assert "storing as float16 damages cryptomatte CryptoObject: ids/object left out" in capsys.readouterr().out


def test_names_that_lie_in_a_file_of_their_own_are_said_to_be_missing(tmp_path, capsys):
    extracted(tmp_path, image("karma_xpu_solaris_one_crypto_sidecar_manif"))
    assert "is to lie beside it as 'karma_xpu_sidecar.json'" in capsys.readouterr().out
