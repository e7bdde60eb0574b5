"""The window that moves: where the published code has it, and never without the code that it is for."""

import pytest
import torch

from epe.networks.codes.windows import check_condition, check_size, check_step, condition_of, cut, first


def published(i: int, length: int) -> int:
    """Row of a code in its window of 16: reference of taming-transformers' sampling."""
    if i <= 8:
        return i
    if length - i < 8:
        return 16 - (length - i)
    return 8


def test_windows_are_the_published_ones() -> None:
    for length in range(16, 50):
        for i in range(length):
            assert i - first(i, length, 16) == published(i, length)


@pytest.mark.parametrize("side", [1, 4, 5, 16])
def test_every_code_is_in_its_window_and_windows_in_the_map(side: int) -> None:
    for step in range(1, side - side // 2 + 1):
        check_step(side, step)
        for length in range(side, 3 * side + 2):
            begins = [first(i, length, side, step) for i in range(length)]
            assert all(0 <= i - begin < side and begin + side <= length for i, begin in enumerate(begins))
            assert begins == sorted(begins)
            assert all(begin % step == 0 or begin == length - side for begin in begins)
    for step in (0, side - side // 2 + 1):
        with pytest.raises(ValueError, match="windows of"):
            check_step(side, step)


def test_conditions_are_cut_as_codes_are() -> None:
    codes = torch.arange(42).view(1, 6, 7)
    assert cut(codes, 2, 3, 2).tolist() == [[17, 18, 24, 25]]
    assert condition_of(codes, 2, 3, 2).tolist() == [[17, 18, 24, 25]]
    assert condition_of(torch.tensor([4, 5]), 2, 3, 2).tolist() == [[4], [5]]


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="a map of 20x15 codes is smaller than the window, 16x16"):
        check_size((15, 20), 16)
    with pytest.raises(ValueError, match="wanted one label for each map"):
        check_condition(torch.zeros(1, 4, 4), (4, 4), 1, 4)
    with pytest.raises(ValueError, match="as many codes as the map has, 5x4"):
        check_condition(torch.zeros(1, 4, 4), (4, 5), 16, 4)
    with pytest.raises(ValueError, match="reads 92 tokens"):
        check_condition(torch.zeros(1), (4, 5), 92, 4)
