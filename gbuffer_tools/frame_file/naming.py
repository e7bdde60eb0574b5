"""Names of frames and frame files, made of the names of foreign files and folders."""

import hashlib
import re
from pathlib import Path

from gbuffer_tools.frame import MAX_NAME_BYTES


def fit_name(text: str) -> str:
    """`text` as the name of a frame: what cannot be in a file's name becomes "_", what is too long is cut.

    A cut name ends in a digest of the whole text, so that two texts with one beginning keep different names.
    """
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]', "_", text) or "_"
    name = re.sub(r"^[. ]", "_", name)
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore") + "-" + digest


def shard_name(root: Path, folder: Path) -> str:
    """The frame file of a folder in or at `root`: the folders on the way, joined; the root's own name for itself."""
    parts = folder.relative_to(root).parts if folder != root else ()
    return fit_name("-".join(parts) or root.resolve().name or "frames")
