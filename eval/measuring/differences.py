"""Differences to any method of a record of eval.content, not only to its first."""

import numpy as np

from eval.measuring.frame_values import means
from eval.metrics.bootstrap import draw_resamples
from eval.records.estimate import Estimate, estimate
from eval.records.scores_record import Scores
from gbuffer_tools.errors import InputError

RESAMPLES, SEED = 1000, 0
"""The defaults of eval's commands: their differences to the first method are reproduced to the last digit."""


def differences_to(record: Scores, name: str) -> dict[str, dict[str, Estimate]]:
    """The differences between one method and each of the others, frames paired, by method and metric key.

    Args:
        record: a record of eval.content, whose values are plain means over frames.
        name: the method that others are compared with.

    Raises:
        InputError: there is no such method, or the record is another command's.
    """
    if record.command != "eval.content":
        raise InputError(f"--against {name}: the record is {record.command}'s; wanted one of eval.content.")
    methods = [method.name for method in record.methods]
    if name not in methods:
        raise InputError(f"--against {name}: wanted one of {', '.join(methods)}.")
    frames = {
        method.name: {key: np.array(values, dtype=np.float64) for key, values in method.frames.items()}
        for method in record.methods
    }
    found = means(frames, draw_resamples(np.arange(len(record.keys)), count=RESAMPLES, seed=SEED))
    return {
        method: {key: estimate(values - found[name][key]) for key, values in rows.items() if key in found[name]}
        for method, rows in found.items()
        if method != name
    }
