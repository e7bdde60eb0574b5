"""Files that real producers wrote. They are not ours to pass on, so they lie outside the tree; without them tests skip.

The folder is that of the environment variable REAL_FILES, or shared/real_files beside the checkout.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("REAL_FILES", Path(__file__).parents[2] / "shared" / "real_files"))


def real(name: str) -> Path:
    """A file or folder of a real producer, by its path in the folder; skips the test where it is absent.

    Tests that call this are marked `real`.
    """
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path}: real files are not in the tree")
    return path
