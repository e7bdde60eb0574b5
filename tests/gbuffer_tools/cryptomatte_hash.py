"""Ids of cryptomattes from names, as renderers make them; the package only reads them."""

MASK = 0xFFFFFFFF


def name_id(name: str) -> int:
    """The id of a name: its hash, guarded so that it is a plain float's bits."""
    value = murmur3(name.encode())
    exponent = value >> 23 & 0xFF
    return value ^ 1 << 23 if exponent in (0, 0xFF) else value


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32, after Austin Appleby's public domain description (github.com/aappleby/smhasher)."""
    value = seed
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        value ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        value = (_turned(value, 13) * 5 + 0xE6546B64) & MASK
    value ^= _scrambled(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & MASK
    return value ^ value >> 16


def _scrambled(block: int) -> int:
    return _turned(block * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK


def _turned(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & MASK
