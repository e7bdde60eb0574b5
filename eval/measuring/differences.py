"""Differences to any method of a record that has one value per frame, not only to its first."""

import numpy as np

from eval.measuring.frame_values import means
from eval.metrics.bootstrap import draw_resamples
from eval.records.estimate import Estimate, estimate
from eval.records.scores_record import Scores
from gbuffer_tools.errors import InputError

RESAMPLES, SEED = 1000, 0
"""The defaults of eval's commands: what they say of differences to the first method comes out to the last digit."""


def differences_to(record: Scores, name: str) -> dict[str, dict[str, Estimate]]:
    """What separates methods from one of them, frames paired, by method and by the metric's key.

    Args:
        record: of eval.content, control or temporal.
        name: the method that others are compared with.

    Raises:
        InputError: there is no such method, or nothing was measured frame by frame.
    """
    methods = [method.name for method in record.methods]
    if name not in methods:
        raise InputError(f"--against {name}: wanted one of {', '.join(methods)}.")
    frames = {
        method.name: {key: np.array(values, dtype=np.float64) for key, values in method.frames.items()}
        for method in record.methods
    }
    if not any(frames.values()):
        raise InputError(f"--against {name}: the record of {record.command} has no values of single frames.")
    found = means(frames, draw_resamples(np.arange(len(record.keys)), count=RESAMPLES, seed=SEED))
    return {
        method: {key: estimate(values - found[name][key]) for key, values in rows.items() if key in found[name]}
        for method, rows in found.items()
        if method != name
    }
