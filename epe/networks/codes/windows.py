"""The window that moves over maps of codes larger than those of the training.

Shapes: B maps of h x w codes; a window has s x s of them.
"""

from torch import Tensor


def first(position: int, length: int, side: int, step: int = 1) -> int:
    """Return where a code's window begins, along one axis.

    The code is in the middle of the window, or nearer its border if the map's border is near (Esser, Rombach, Ommer
    2021, sec. 3.3: rows i of 16 for i <= 8, 16 - (h - i) for h - i < 8, else 8).

    Args:
        position: row or column of the code.
        length: rows or columns of the map, at least `side`.
        side: s.
        step: distance between windows in codes; 1 as published. With larger steps, codes are up to step - 1 rows or
            columns past the middle, and fewer windows are read.
    """
    begin = max(position - side // 2, 0)
    return min(begin - begin % step, length - side)


def check_step(side: int, step: int) -> None:
    """Check that every code is in its window.

    Raises:
        ValueError: the step is too large for this side, or below 1.
    """
    max_step = side - side // 2
    if not 1 <= step <= max_step:
        raise ValueError(f"windows of {side} codes a side move by 1 .. {max_step} codes, not by {step}.")


def check_size(size: tuple[int, int], side: int) -> None:
    """Check that a map with this many rows and columns can hold a window.

    Raises:
        ValueError: it is smaller.
    """
    if min(size) < side:
        raise ValueError(f"a map of {size[1]}x{size[0]} codes is smaller than the window, {side}x{side}.")


def cut(codes: Tensor, top: int, left: int, side: int) -> Tensor:
    """Return the codes of a window, row by row: (B, h, w) -> (B, s * s)."""
    return codes[:, top : top + side, left : left + side].flatten(1)


def condition_of(condition: Tensor, top: int, left: int, side: int) -> Tensor:
    """Return a window's condition: a label (B,) -> (B, 1), or the condition's codes in the window (B, s * s)."""
    return condition[:, None] if condition.ndim == 1 else cut(condition, top, left, side)


def check_condition(condition: Tensor, size: tuple[int, int], conditions: int, side: int) -> None:
    """Check that a network can read a condition.

    Args:
        condition: labels (B,), or codes (B, h, w).
        size: h and w.
        conditions: tokens of the condition that the network reads.
        side: s.

    Raises:
        ValueError: it has the wrong shape.
    """
    wanted = {1: 1, side**2: 3}.get(conditions)
    if wanted is None:
        raise ValueError(f"the network reads {conditions} tokens of a condition; wanted 1 or {side**2}.")
    if condition.ndim != wanted or (wanted == 3 and tuple(condition.shape[1:]) != size):
        like = "one label for each map" if wanted == 1 else f"as many codes as the map has, {size[1]}x{size[0]}"
        raise ValueError(f"the condition is {tuple(condition.shape)}; wanted {like}.")
