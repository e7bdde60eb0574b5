"""How much a third-party checkpoint may hold; its bytes are checked before memory is allocated for it."""

from pathlib import Path

from gbuffer_tools.errors import InputError

# A COCO transformer with its optimiser state takes 8 GB.
MAX_BYTES = 16 << 30
MAX_TENSORS = 20_000


def check_size(path: Path) -> None:
    """Refuse a checkpoint that does not exist, or is larger than any that the project converts.

    Raises:
        InputError: the file does not exist or is too large.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a checkpoint.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path}: {path.stat().st_size:,} bytes, wanted at most {MAX_BYTES:,}; give a generator's checkpoint."
        )
