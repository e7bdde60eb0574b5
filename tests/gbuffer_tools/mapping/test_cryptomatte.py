"""Cryptomatte: published vectors of the hash, ids from bits, manifests."""

import json

import numpy as np
import pytest

from gbuffer_tools.mapping import cryptomatte
from tests.gbuffer_tools.cryptomatte_hash import murmur3, name_id

# (seed, data, hash): the vectors that are published for MurmurHash3_x86_32 (stackoverflow.com/a/31929528; several
# implementations test against them).
VECTORS = [
    (0, b"", 0x00000000), (1, b"", 0x514E28B7), (0xFFFFFFFF, b"", 0x81F16F39),
    (0, b"\xff\xff\xff\xff", 0x76293B50), (0, b"\x21\x43\x65\x87", 0xF55B516B),
    (0x5082EDEE, b"\x21\x43\x65\x87", 0x2362F9DE), (0, b"\x21\x43\x65", 0x7E4A8634),
    (0, b"\x21\x43", 0xA0F7B07A), (0, b"\x21", 0x72661CF4), (0, b"\0\0\0\0", 0x2362F9DE),
    (0, b"\0\0\0", 0x85F0B427), (0, b"\0\0", 0x30F4C306), (0, b"\0", 0x514E28B7),
    (0x9747B28C, b"aaaa", 0x5A97808A), (0x9747B28C, b"aaa", 0x283E0130), (0x9747B28C, b"aa", 0x5D211726),
    (0x9747B28C, b"a", 0x7FA09EA6), (0x9747B28C, b"abcd", 0xF0478627), (0x9747B28C, b"Hello, world!", 0x24884CBA),
    (0x9747B28C, b"The quick brown fox jumps over the lazy dog", 0x2FA826CD),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "data", "wanted"), VECTORS)
def test_the_hash_gives_the_published_vectors(seed, data, wanted):
    assert murmur3(data, seed) == wanted


@pytest.mark.parametrize(("name", "wanted"), [("bunny", 0x13851A76), ("default", 0x42C9679F)])
def test_ids_of_a_published_manifest(name, wanted):
    """The example of cryptomatte-api's documentation, a manifest of Arnold's bunny scene."""
    assert name_id(name) == wanted


def test_no_id_is_a_special_float():
    hashes = {name: murmur3(name.encode()) for name in (f"object{i}" for i in range(3000))}
    guarded = [name for name, value in hashes.items() if value >> 23 & 0xFF in (0, 0xFF)]
    assert len(guarded) > 5  # 2 of 256 exponents
    for name, value in hashes.items():
        found = name_id(name)
        assert found == (value ^ 1 << 23 if name in guarded else value)
        number = np.array(found, np.uint32).view(np.float32)
        assert np.isfinite(number)
        assert abs(number) >= np.finfo(np.float32).tiny


def attributes(**other: str) -> dict[str, object]:
    names = {name: f"{name_id(name):08x}" for name in ("bunny", "tree")}
    start = "cryptomatte/1a2b3c4/"
    found = {"name": "View.CryptoObject", "hash": "MurmurHash3_32", "conversion": "uint32_to_float32"}
    found |= {"manifest": json.dumps(names)} | other
    return {"software": "hand"} | {start + key: value for key, value in found.items()}


def test_header_attributes_give_names_to_ids():
    (found,) = cryptomatte.cryptomattes(attributes())
    assert found.name == "View.CryptoObject"
    assert found.names == {0x13851A76: "bunny", name_id("tree"): "tree"}
    assert cryptomatte.cryptomattes({"software": "hand"}) == []


def test_a_file_without_manifest_has_no_names():
    bare = {key: value for key, value in attributes().items() if not key.endswith("manifest")}
    assert cryptomatte.cryptomattes(bare)[0].names == {}


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_the_first_rank_is_decoded_to_the_same_bits(case):
    wanted = np.array([[name_id("bunny"), name_id("tree")], [0, 0x00800000]], np.uint32)
    coverage = np.array([[1, 0.6], [0, 0.7]], np.float32)
    channels = {
        f"View.CryptoObject00.{case('r')}": wanted.view(np.float32),
        f"View.CryptoObject00.{case('g')}": coverage,
    }
    found = cryptomatte.ids(channels, "View.CryptoObject")
    assert found.dtype == np.uint32
    assert np.array_equal(found, wanted)
    assert cryptomatte.ids(channels, "View.CryptoMaterial") is None


def test_an_id_without_coverage_is_nothing():
    one = np.full((1, 1), 7, np.float32)
    assert cryptomatte.ids({"c00.R": one, "c00.G": one * 0}, "c")[0, 0] == 0


def test_what_nothing_covers_competes_with_the_ids():
    """Pixels: mostly empty; half and half, rounded; a third each; the thing's by a hair; four things and no rest."""
    pairs = np.array(
        [[0.2, 0, 0, 0], [0.49999, 0, 0, 0], [1 / 3, 1 / 3, 0, 0], [0.3, 0.2, 0.15, 0.1], [0.3, 0.25, 0.25, 0.2]],
        np.float32,
    )
    parts = dict(zip(("c00.G", "c00.A", "c01.G", "c01.A"), pairs.T[:, None], strict=True))
    channels = parts | {"c00.R": np.full((1, 5), 7, np.float32)}
    assert (cryptomatte.ids(channels, "c") > 0).tolist() == [[False, True, True, True, True]]


def test_half_floats_are_refused():
    half = np.ones((1, 1), np.float16)
    with pytest.raises(ValueError, match="stored as float16"):
        cryptomatte.ids({"c00.R": half, "c00.G": half}, "c")


@pytest.mark.parametrize(
    ("change", "message"), [({"hash": "md5"}, "hash 'md5'"), ({"conversion": "no"}, "conversion 'no'")]
)
def test_what_the_specification_does_not_know_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        cryptomatte.cryptomattes(attributes(**change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[" * 200_000, "no JSON"),
        ("[]", "no JSON object"),
        ('{"a": 5}', "gives 'a' the id 5"),
        ('{"a": "xyz"}', "gives 'a' the id 'xyz'"),
    ],
)
def test_damaged_manifests_leave_ids_without_names(text, message):
    (found,) = cryptomatte.cryptomattes(attributes(manifest=text))
    assert found.names == {}
    assert message in found.problem
