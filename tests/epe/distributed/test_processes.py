"""What becomes of a process when another one of its group fails (gloo, on this machine)."""

import socket
from pathlib import Path

import pytest
import torch

from epe.distributed.processes import process_group


def join(rank: int, port: int, folder: Path) -> None:
    """One of two processes, as torchrun starts them: the second fails, while the first waits for its tensors."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}.items():
            patch.setenv(name, value)
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(port))
        try:
            with process_group("cpu") as (group, _):
                group.wait()
                if rank == 1:
                    raise RuntimeError("its own mistake")
                group.average([torch.ones(3)])
        except (OSError, RuntimeError) as error:
            (folder / str(rank)).write_text(f"{type(error).__name__}: {error}")


def test_one_that_fails_leaves_the_others_a_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    torch.multiprocessing.spawn(join, (port, tmp_path), nprocs=2)  # type: ignore[no-untyped-call]
    assert (tmp_path / "1").read_text() == "RuntimeError: its own mistake"
    said = (tmp_path / "0").read_text()
    # Closed or reset, which depends on the moment.
    assert said.startswith("ConnectionError: lost another process of this run, whose own message says why (Connection ")
    assert "\n" not in said
