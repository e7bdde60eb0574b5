"""Damage, of which some knows the format: bytes, sizes and counts, texts, and what lies inside of PNG and zip files."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

PNG = b"\x89PNG\r\n\x1a\n"
TEXTS = (".json", ".yaml", ".yml", ".txt", ".csv")
AWKWARD_TEXTS = (
    b"", b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1.5", b"1e999", b"-1e-999", b"NaN", b"Infinity",
    b"9" * 400, b"9" * 5000, b"x" * 5000, b"../../../etc/passwd", b"/etc/passwd", b"\0", b"\xff\xfe", b"\xed\xa0\x80",
    b'"\\ud800"', b'"\\n\\u001b[31m"', b"\r\n", b"\x1b[31m", b"\xe2\x80\xa8", b"[" * 3000, b'{"a":' * 3000,
    b"&a [*a, *a]", b"!!python/name:os.system", b"2024-02-30", b"0x10", b"1_000", b"~", b"(a+)+$", b"(((((", b".", b"/",
)  # fmt: skip
Damage = Callable[[bytes, Random], bytes]


def damaged(name: str, data: bytes, others: list[bytes], rng: Random) -> bytes:
    """A file with one to four things wrong.

    Args:
        name: its name, which tells what it is.
        data: its bytes.
        others: files of the same kind, to splice with.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if others and rng.random() < 0.05:
            data = splice(data, rng.choice(others), rng)
        else:
            data = rng.choice(kinds(name, data))(data, rng)
    return data


def kinds(name: str, data: bytes) -> list[Damage]:
    """What may be done to a file."""
    found: list[Damage] = [flip, cut, repeat, fill, number, number, digits, truncate]
    if name.endswith(TEXTS):
        found += [word, word, word, lines]
    if data.startswith(PNG):
        found += [png, png, png]
    if data.startswith(b"PK"):
        found += [archive, archive, archive]
    return found


def place(data: bytes, rng: Random) -> int:
    """Somewhere; half of the time near the start, where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 512)
    return rng.randrange(max(end, 1))


def flip(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if out else 0):
        out[place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.choice((place(data, rng), max(len(data) - 1, 0), 0))]


def cut(data: bytes, rng: Random) -> bytes:
    at = place(data, rng)
    return data[:at] + data[at + rng.choice((1, 4, 8, 64, 1000)) :]


def repeat(data: bytes, rng: Random) -> bytes:
    at = place(data, rng)
    piece = data[at : at + rng.choice((1, 4, 8, 64, 1000))]
    return data[:at] + piece * rng.choice((2, 2, 3, 50)) + data[at + len(piece) :]


def fill(data: bytes, rng: Random) -> bytes:
    at, size = place(data, rng), rng.choice((1, 2, 4, 8, 64))
    piece = rng.choice((b"\0", b"\xff", b"\x80", rng.randbytes(1))) * size
    return data[:at] + piece[: len(data) - at] + data[at + size :]


def splice(data: bytes, other: bytes, rng: Random) -> bytes:
    return data[: place(data, rng)] + other[place(other, rng) :]


def number(data: bytes, rng: Random) -> bytes:
    """Set a binary number: preferably one that looks like a size, a count or an offset."""
    size, order = rng.choice((1, 2, 4, 4, 8)), rng.choice("<>")
    code = order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size]
    if len(data) < size:
        return data
    at = rng.randrange(len(data) - size + 1)
    for _ in range(50):
        at = min(place(data, rng), len(data) - size)
        if 0 < struct.unpack_from(code, data, at)[0] <= 2 * len(data):
            break
    (value,) = struct.unpack_from(code, data, at)
    top = 1 << 8 * size
    changed = rng.choice((
        0, 1, 2, value - 1, value + 1, 2 * value, value // 2, 1000 * value, top - 1, top // 2, top // 2 - 1, 16384,
        16385, 65535, 65536, 2**24, len(data), rng.randrange(top),
    ))  # fmt: skip
    return data[:at] + struct.pack(code, changed % top) + data[at + size :]


def digits(data: bytes, rng: Random) -> bytes:
    """Change a number that is written out."""
    found = list(re.finditer(rb"-?[0-9]+", data))
    if not found:
        return flip(data, rng)
    match = rng.choice(found)
    size = len(match[0])
    changed = rng.choice((
        b"0" * size, b"9" * size, b"-" + b"9" * (size - 1), str(int(match[0][:18]) + 1).encode(), b"0", b"-1", b"65537",
        b"4294967296", b"99999999999999999999", b"1e309", b"nan", b"0.5", b"",
    ))  # fmt: skip
    return data[: match.start()] + changed + data[match.end() :]


def word(data: bytes, rng: Random) -> bytes:
    """Put something awkward in a word's place, or beside it."""
    found = list(re.finditer(rb'"[^"]*"|[\w./+-]+|[^\w\s]', data))
    if not found:
        return rng.choice(AWKWARD_TEXTS)
    match = rng.choice(found)
    end = match.end() if rng.random() < 0.8 else match.start()
    return data[: match.start()] + rng.choice((*AWKWARD_TEXTS, rng.choice(found)[0])) + data[end:]


def lines(data: bytes, rng: Random) -> bytes:
    """Lose, repeat or mix lines."""
    found = data.splitlines(keepends=True)
    rng.choice((found.reverse, lambda: rng.shuffle(found), found.clear, lambda: found.extend(found[:1000])))()
    return b"".join(found)


def png(data: bytes, rng: Random) -> bytes:
    """Damage behind the check sums: a chunk's body, the pixels before they were packed, the order of chunks."""
    chunks = png_chunks(data)
    if not chunks:
        return flip(data, rng)
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    choice = rng.randrange(6)
    if choice == 0:
        chunks.pop(at)
    elif choice == 1:
        chunks.insert(rng.randrange(len(chunks) + 1), (kind, body))
    elif choice == 2:
        chunks[at] = rng.choice((b"IDAT", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", rng.randbytes(4))), body
    elif choice == 3 and kind == b"IDAT":
        try:
            chunks[at] = kind, zlib.compress(rng.choice((flip, cut, repeat, fill))(zlib.decompress(body), rng))
        except zlib.error:
            chunks[at] = kind, flip(body, rng)
    elif choice == 4:
        chunks[0] = chunks[0][0], number(chunks[0][1], rng)
    else:
        chunks[at] = kind, rng.choice((flip, number, truncate, fill))(body, rng)
    return PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def archive(data: bytes, rng: Random) -> bytes:
    """Damage behind the check sums: a member's bytes or name, or the list of members."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = [(name, source.read(name)) for name in source.namelist()]
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return flip(data, rng)
    if not members:
        return flip(data, rng)
    at = rng.randrange(len(members))
    name, body = members[at]
    choice = rng.randrange(6)
    if choice == 0:
        members.pop(at)
    elif choice == 1:
        members.append((name, body))
    elif choice == 2:
        members[at] = (
            rng.choice(("../x.npy", "/x.npy", name[:-4], "x" * 300, name + "/", "\u2028.npy", "a\nb.npy")),
            body,
        )
    else:
        members[at] = name, rng.choice((flip, number, digits, digits, truncate, fill, repeat))(body, rng)
    out = io.BytesIO()
    how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", how) as target:
        for each, content in members:
            target.writestr(zipfile.ZipInfo(each), content, how)
    return out.getvalue()
