"""Texture formats against decoders that are written out slowly."""

import struct

import numpy as np
import pytest

from gbuffer_tools.renderdoc import pixel_formats


def slow_small_float(bits: int, mantissa_bits: int) -> float:
    """An unsigned small float by its definition (EXT_packed_float): 5 exponent bits, bias 15."""
    mantissa, exponent = bits % 2**mantissa_bits, bits >> mantissa_bits
    fraction = mantissa / 2**mantissa_bits
    if exponent == 31:
        return float("nan") if mantissa else float("inf")
    if exponent == 0:
        return fraction * 2.0**-14
    return (1 + fraction) * 2.0 ** (exponent - 15)


def test_every_value_of_r11g11b10():
    for shift, bits, mantissa, channel in ((0, 11, 6, 0), (11, 11, 6, 1), (22, 10, 5, 2)):
        packed = np.arange(2**bits, dtype=np.uint32) << np.uint32(shift)
        found = pixel_formats.small_floats(packed).astype(np.float64)
        wanted = [slow_small_float(i, mantissa) for i in range(2**bits)]
        assert np.array_equal(found[:, channel], wanted, equal_nan=True)
        assert (np.delete(found, channel, 1) == 0).all()


def test_first_row_of_the_texture_is_the_bottom():
    raw = bytes([1, 2, 3, 4, 5, 6, 7, 8]) + bytes([9, 10, 11, 12, 13, 14, 15, 16])
    top = pixel_formats.decode(raw, "R8G8B8A8_UNORM", 2, 2)
    assert top.dtype == np.uint8
    assert top[0, 0].tolist() == [9, 10, 11, 12]
    assert top[1, 1].tolist() == [5, 6, 7, 8]


def test_swapped_channels():
    assert pixel_formats.decode(bytes([1, 2, 3, 4]), "B8G8R8A8_UNORM", 1, 1).tolist() == [[[3, 2, 1, 4]]]


def test_depth_with_stencil():
    raw = struct.pack("<II", 0xFFFFFF12, 0x80000034)
    found = pixel_formats.decode(raw, "D24S8", 2, 1)[0, :, 0]
    assert found == pytest.approx([1.0, 0x800000 / 0xFFFFFF], abs=1e-12)


def test_floats():
    assert pixel_formats.decode(np.float16([1.5, -2]).tobytes(), "R16G16_FLOAT", 1, 1).tolist() == [[[1.5, -2]]]
    assert pixel_formats.decode(np.float32([0.1]).tobytes(), "R32_FLOAT", 1, 1)[0, 0, 0] == np.float32(0.1)


def test_unknown_format_and_wrong_size():
    with pytest.raises(ValueError, match="BC7"):
        pixel_formats.decode(b"", "BC7_UNORM", 1, 1)
    with pytest.raises(ValueError, match="3 bytes, wanted 4"):
        pixel_formats.decode(b"abc", "R8G8B8A8_UNORM", 1, 1)


def test_sampled_between_texel_centres():
    """Bilinear sampling of a ramp gives the ramp, but for the clamped border."""
    ramp = np.arange(8, dtype=np.float16).reshape(1, 8, 1)
    found = pixel_formats.sampled(ramp, (2, 16))[0, :, 0]
    wanted = np.clip((np.arange(16) + 0.5) / 2 - 0.5, 0, 7)
    assert np.allclose(found, wanted, atol=1e-5)
