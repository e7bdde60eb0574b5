"""A map over many machines, through a Dask cluster that the user runs (`dask scheduler`, `dask worker`).

The machines must see the same folders under the same names and run the same version of this program. Dask reassigns
work when a worker dies; what it was writing does not have its real name yet. Anyone who can reach a scheduler can run
code on its workers: keep it inside your network, or give it TLS (docs.dask.org).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.pipeline.parallel import MapFunction, ahead, in_parallel

CONNECT_SECONDS = 15


def over(scheduler: str | None, jobs: int) -> AbstractContextManager[MapFunction]:
    """A map over a cluster if the user named one, else over processes on this machine."""
    return on_cluster(scheduler) if scheduler else in_parallel(jobs)


@contextmanager
def on_cluster(address: str) -> Iterator[MapFunction]:
    """A map over a scheduler's workers, with results in order.

    Args:
        address: the scheduler's, as `dask scheduler` prints it: tcp://host:8786.

    Raises:
        InputError: Dask is not installed, nothing answers, there are no workers, or one piece of work killed several.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise InputError("Dask is not installed; pip install 'photorealism-enhancement[dist]'") from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{address}: no Dask scheduler answers; start one with `dask scheduler`") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"{address}: the scheduler has no workers; start some with `dask worker {address}`")
        try:
            yield partial(ahead, client.get_executor(pure=False), 2 * threads)
        except KilledWorker as error:
            raise InputError(
                f"{address}: workers died over one piece of work ({one_line(error, 200)}); see their logs"
            ) from error
