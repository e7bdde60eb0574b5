"""How well a measure's values follow the strength of a degradation: Spearman's and Kendall's coefficients.

Spearman, "The Proof and Measurement of Association between Two Things", 1904; Kendall, "A New Measure of Rank
Correlation", 1938, with the correction for ties (tau b), both as in scipy.stats. Strengths grow, so 1 means that the
measure grew with each of them, and -1 that it fell.

Shapes: C strengths, the first of which is none; S selections of pictures.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

Array = NDArray[np.float64]

TRUSTED = 0.9
"""A measure is trusted for a question at or above this: Spearman's coefficient, or the fraction of orders kept."""


def spearman(values: Array) -> Array:
    """Spearman's coefficient between strengths and values, (C, S) -> (S,).

    NaN if all values are equal or one is NaN.
    """
    ranks = np.where(np.isnan(values).any(0), 0.0, rankdata(values, axis=0))
    strengths = np.arange(len(values), dtype=np.float64)
    centred, along = ranks - ranks.mean(0), strengths - strengths.mean()
    sizes = np.sqrt(np.square(centred).sum(0) * np.square(along).sum())
    found: Array = np.divide(along @ centred, sizes, out=np.full(values.shape[1], np.nan), where=sizes > 0)
    return found.clip(-1, 1)


def kendall(values: Array) -> float:
    """Kendall's coefficient between strengths and values (C,); NaN if all values are equal."""
    return float(kendalltau(np.arange(len(values)), values).statistic)
