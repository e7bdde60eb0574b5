"""Recognises what a file is that its reader refuses: by its first bytes and its end, whatever its name says.

Repositories hold pointers if their large files were not fetched, servers answer with pages, copies stop midway. A
reader that cannot use a file raises `refusal`, which says so instead of what is wrong with the bytes.
"""

import json
import re
import struct
from collections.abc import Collection
from pathlib import Path

from gbuffer_tools.errors import InputError

HEAD, TAIL = 2**20, 2**16
"""Bytes examined at the start and the end: a safetensors header, the directory of a ZIP archive."""
POINTERS = (
    (re.compile(rb"version https://(git-lfs|hawser)\.github\.com/spec/"), "a Git LFS pointer; run git lfs pull"),
    (re.compile(rb"(\.\./)*(\.git)?/annex/objects/"), "a git-annex pointer; run git annex get"),
)
PAGE = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--((?!-->).)*-->\s*)*+<(!doctype html|html|head|title|body|script|meta)\b", re.I | re.S
)
MARKUP = re.compile(rb"\s*<(\?xml|[a-z]+[ >])", re.I)
ANSWER = re.compile(rb"\s*([45]\d\d\b|\{\s*\"(message|error|detail|status)\")")
AGAIN = "copy, download or write it again"
KINDS = {
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF",
    b"v/1\x01": "OpenEXR", b"\x89HDF\r\n\x1a\n": "HDF5", b"\x93NUMPY": ".npy", b"RDOC": "RenderDoc",
    b"#?RADIANCE": "Radiance HDR", b"8BPS": "Photoshop", b"DDS ": "DDS", b"\xff\x0a": "JPEG XL", b"%PDF": "PDF",
    b"\0\0\0\x0cJXL ": "JPEG XL", b"\0\x05\x16\x07": "AppleDouble (macOS's notes on another file)",
    b"PK\x03\x04": "ZIP", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!": "RAR",
}  # fmt: skip
"""First bytes -> the kind of file that starts with them."""
PACKED = ("ZIP", "gzip", "bzip2", "xz", "zstd", "7-Zip", "RAR")


def refusal(
    path: Path, claim: str, details: str = "", kinds: Collection[str] = (), *, text: bool = False
) -> InputError:
    """The error of a reader that cannot use a file: its claim, and what the file is, else the reader's own details.

    Args:
        path: of the file.
        claim: what the reader says about it, such as "not a readable image"; "" if what the file is says enough.
        details: what follows if the file is not recognised; includes the space or punctuation before it.
        kinds: those of `KINDS` that this reader reads.
        text: whether it reads JSON.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD)
            file.seek(max(size - TAIL, 0))
            tail = file.read(TAIL)
    except OSError:
        return InputError(f"{path}: {claim}{details}")
    known = recognised(head, tail, size, kinds, text=text)
    return InputError(": ".join(filter(None, (str(path), claim, known))) if known else f"{path}: {claim}{details}")


def recognised(head: bytes, tail: bytes, size: int, kinds: Collection[str] = (), *, text: bool = False) -> str:
    """What a file is, if that is of no use to its reader, and what to do; "" if nothing is known.

    Args:
        head, tail: its first `HEAD` and last `TAIL` bytes, or all.
        size: total bytes.
        kinds, text: as for `refusal`.
    """
    if not size:
        return f"empty; {AGAIN}"
    for pattern, what in POINTERS:
        if pattern.match(head):
            return what
    if not head.strip(b"\0"):
        return f"zeros only, as of a copy that was interrupted; {AGAIN}"
    letters = head[:4096].removeprefix(b"\xef\xbb\xbf").strip(b"\xff\xfe").replace(b"\0", b"")  # UTF-8, UTF-16
    if PAGE.match(letters):
        return "an HTML page, not the file; download it again"
    if MARKUP.match(letters) or (not text and ANSWER.match(letters)):
        return f"a server's answer ({letters[:60].decode(errors='replace')!r}), not the file; download it again"
    kind = kind_of(head)
    if kind and kind not in kinds:
        # With that suffix another reader may take it; if none does, it is the wrong file.
        other = f"holds {kind}; give it the suffix of that kind, or the right file"
        return f"packed with {kind}; unpack it" if kind in PACKED else other
    wanted = stated_size(head)
    if wanted > size:
        return f"cut off: {size:,} of {wanted:,} bytes are there; {AGAIN}"
    if _lacks_its_end(kind, tail, text=text):
        return f"cut off after {size:,} bytes; {AGAIN}"
    return ""


def kind_of(head: bytes) -> str:
    """The kind of file that starts with these bytes; "" if it is unknown."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return "AVIF or HEIC" if head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1") else "video"
    return next((kind for start, kind in KINDS.items() if head.startswith(start)), "")


def stated_size(head: bytes) -> int:
    """The bytes that a file should have according to its header; 0 if it does not say."""
    try:
        if head.startswith(b"\x89HDF\r\n\x1a\n"):
            # The end of the file, after two addresses (HDF5 file format specification, II.A).
            start, width = {0: (24, head[13]), 1: (28, head[13])}.get(head[8], (12, head[9]))
            return int.from_bytes(head[start + 2 * width : start + 3 * width], "little")
        if head[:4] == b"RIFF":
            return 8 + int(struct.unpack_from("<I", head, 4)[0])
        if head[:2] == b"BM" and head[6:10] == bytes(4):
            return int(struct.unpack_from("<I", head, 2)[0])
        if head[8:9] == b"{":  # safetensors: the length of a JSON text, the text, tensors
            return _safetensors_size(head)
    except (struct.error, IndexError):
        pass
    return 0


def _safetensors_size(head: bytes) -> int:
    (length,) = struct.unpack_from("<Q", head)
    try:
        entries = json.loads(head[8 : 8 + length])
        return 8 + int(length) + max(entry["data_offsets"][1] for name, entry in entries.items() if name[:2] != "__")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return 8 + int(length) if length < 2**32 else 0


def _lacks_its_end(kind: str, tail: bytes, *, text: bool) -> bool:
    if text:
        return tail.rstrip()[-1:] not in (b"}", b"]")
    end = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "ZIP": b"PK\5\6"}.get(kind)
    return end is not None and end not in tail
