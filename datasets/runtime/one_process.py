"""Commands that do all of their work in one process."""

from epe.distributed.processes import world_size
from gbuffer_tools.errors import InputError


def check_one_process() -> None:
    """Refuse to start several times over.

    Raises:
        InputError: torchrun started several processes.
    """
    if world_size() > 1:
        raise InputError(f"torchrun started {world_size()} processes, wanted 1: start this command without torchrun.")
