"""Names of frames and frame files, made from the names of other people's files and folders."""

import hashlib
import re
from pathlib import Path

from gbuffer_tools.frame import MAX_NAME_BYTES


def fit_name(text: str) -> str:
    """`text` as a frame name: characters that a file name cannot have become "_", and a name that is too long is cut.

    A cut name ends in a digest of the whole text, so two texts with the same beginning keep different names.
    """
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]', "_", text) or "_"
    name = re.sub(r"^[. ]", "_", name)
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore") + "-" + digest


def shard_name(root: Path, folder: Path) -> str:
    """The frame file of a folder in or at `root`: the folder names below `root`, joined; for `root`, its own name."""
    parts = folder.relative_to(root).parts if folder != root else ()
    return fit_name("-".join(parts) or root.resolve().name or "frames")
