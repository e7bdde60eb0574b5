"""A sheet of pictures: each row holds those that belong together, with a title above each column."""

from collections.abc import Sequence

import cv2
import numpy as np

GAP, TITLE = 4, 24
"""Pixels between pictures, and above the first row."""


def sheet(titles: Sequence[str], rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Arrange pictures on white.

    Args:
        titles: titles of the columns; ASCII.
        rows: pictures (H, W, 3) uint8, one per column in each row; those of a row have the same size.

    Returns:
        (H, W, 3) uint8.
    """
    widths = [max(row[column].shape[1] for row in rows) + GAP for column in range(len(titles))]
    height = TITLE + sum(row[0].shape[0] + GAP for row in rows)
    found = np.full((height, sum(widths), 3), 255, np.uint8)
    for title, left in zip(titles, np.cumsum([0, *widths]), strict=False):
        cv2.putText(found, title, (int(left) + 2, TITLE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    top = TITLE
    for row in rows:
        left = 0
        for picture, width in zip(row, widths, strict=True):
            found[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += width
        top += row[0].shape[0] + GAP
    return found
