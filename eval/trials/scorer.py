"""What a trial asks of a group of measures, and the cache for what is expensive about them.

A scorer looks at pictures once (`measure`: networks, transforms) and keeps small arrays, from which values for any
selection of the pictures follow in no time (`values`): all of them, bootstrap resamples, subsets. The arrays are cached
as files, one per scorer and set of pictures, so a trial that was stopped resumes where it was.

    CACHE/trials/<digest of scorer and pictures>.safetensors

Shapes: N pictures, S selections.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from eval.records.scores_record import Metric
from eval.trials.pictures import PictureSet
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing

Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]

VERSION = "1"
MAX_BYTES = 2**31
"""A larger file is not a trial's."""


class Scorer(Protocol):
    """A group of measures that look at pictures in one way, against fixed photographs.

    Attributes:
        metrics: its measures.
        digest: of everything that `common` and `measure` depend on besides the pictures.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]: ...
    @property
    def digest(self) -> str: ...
    def common(self) -> Arrays:
        """What is the same for all pictures: the part that comes from the photographs."""
        ...

    def measure(self, pictures: PictureSet) -> Arrays:
        """Everything that `values` needs from some pictures."""
        ...

    def values(self, common: Arrays, found: Arrays, draws: Array) -> dict[str, Array]:
        """Values (S,) by the metric's key; a metric without a value is absent, or NaN.

        Args:
            common, found: from `common` and `measure`.
            draws: (S, N) how often each picture counts.
        """
        ...


@dataclass(frozen=True)
class ArrayCache:
    """A folder of arrays, keyed by what they were made from; None keeps nothing."""

    folder: Path | None

    def get(self, parts: tuple[str, ...], make: Callable[[], Arrays]) -> Arrays:
        """The arrays made from some parts; made and kept if they are missing.

        Raises:
            InputError: a file in the cache is damaged.
        """
        if self.folder is None:
            return make()
        name = hashlib.sha256("\n".join((VERSION, *parts)).encode()).hexdigest()
        path = self.folder / "trials" / f"{name}.safetensors"
        if path.exists():
            try:
                if path.stat().st_size > MAX_BYTES:
                    raise InputError(f"{path}: {path.stat().st_size:,} bytes, too large for a trial's; remove it.")
                found: Arrays = load_file(path)
            except (SafetensorError, OSError) as error:
                raise InputError(f"{path}: not a file of a trial's arrays ({error}); remove it.") from error
            return found
        made = make()
        with replacing(path) as partial:
            save_file({key: np.ascontiguousarray(value) for key, value in made.items()}, partial)
        return made
