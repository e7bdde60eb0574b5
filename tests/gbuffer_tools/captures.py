"""The outside of RenderDoc captures, made by code."""

import struct


def made(sections: list[tuple[int, int, bytes]] | None = None) -> bytes:
    """A capture's outside, written from the format's description: (kind, unpacked size, data) sections."""
    thumbnail = b"\xff\xd8thumbnail"
    head = struct.pack("<Q", int.from_bytes(b"RDOC", "little"))
    rest = struct.pack("<HHI", 16, 9, len(thumbnail)) + thumbnail + struct.pack("<QIB", 1, 2, 7) + b"OpenGL\x00"
    data = head + struct.pack("<II", 0x102, 32 + len(rest)) + b"1.24".ljust(16, b"\x00") + rest
    for kind, unpacked, body in sections or [(1, 400, b"frame" * 20), (7, 50, b"thumb" * 10)]:
        name = b"some/section\x00"
        data += struct.pack("<B3xIQQQII", 0, kind, len(body), unpacked, 1, 2, len(name)) + name + body
    return data
