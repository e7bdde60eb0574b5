"""Window attention: who sees whom, on maps of any size."""

import pytest
import torch
from torch import Tensor

from epe.layers.windows import WindowAttention, merged, partitioned


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def attention(side: int, shift: int = 0) -> WindowAttention:
    torch.manual_seed(1)
    made = WindowAttention(8, 2, side, shift).double()
    torch.nn.init.normal_(made.table)
    return made


def seen(network: WindowAttention, height: int, width: int, row: int, column: int) -> Tensor:
    """(H, W): places that a token's result depends on, by its gradient."""
    x = drawn(1, height, width, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[0, row, column].sum(), x)
    return gradient[0].abs().sum(-1) > 0


def test_there_and_back() -> None:
    x = drawn(2, 6, 9, 4)
    windows = partitioned(x, 3)
    assert windows.shape == (2, 6, 9, 4)
    assert torch.equal(windows[:, 1, 0], x[:, 0, 3])
    assert torch.equal(windows[:, 3, 4], x[:, 4, 1])
    assert torch.equal(merged(windows, 3, 6), x)


def test_one_window_is_plain_attention() -> None:
    network, x = attention(4), drawn(2, 4, 4, 8)
    made = network.attention(x.flatten(1, 2), bias=network.bias(network.table))
    torch.testing.assert_close(network(x).flatten(1, 2), made)


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(8, 12), (7, 10), (3, 5), (4, 4)])
def test_a_token_sees_its_window_of_the_map_and_nothing_across_the_seam(size: tuple[int, int], shift: int) -> None:
    """The window in the plane: shifted windows begin at shift + k * side, and end at the map's border."""
    height, width = size
    network = attention(4, shift)
    rows, columns = ((torch.arange(length) - shift) // 4 for length in size)  # floor: a piece of -1 before the first
    for row in range(height):
        for column in range(width):
            wanted = (rows == rows[row])[:, None] & (columns == columns[column])
            assert torch.equal(seen(network, height, width, row, column), wanted)


def test_the_map_s_place_does_not_matter_to_whole_windows() -> None:
    """Away from borders a shift by a whole window is a shift of the result."""
    network, x = attention(4, 2), drawn(1, 16, 16, 8)
    made, moved = network(x), network(x.roll(4, dims=2))
    torch.testing.assert_close(moved[:, :, 8:12], made[:, :, 4:8])


def test_bias_is_of_the_distance() -> None:
    network = attention(3)
    bias = network.bias(network.table)
    assert bias.shape == (2, 9, 9)
    assert torch.equal(bias[:, 0, 4], bias[:, 4, 8])  # one down and one to the right
    assert torch.equal(bias[:, 1, 3], bias[:, 5, 7])  # one down and one to the left
    assert not torch.equal(bias[:, 0, 4], bias[:, 4, 0])
    assert len(bias[0].unique()) == 25


@pytest.mark.parametrize("shift", [0, 2])
def test_without_a_table_it_is_as_with_one_of_zeros(shift: int) -> None:
    located, x = attention(4, shift), drawn(2, 7, 10, 8)
    torch.nn.init.zeros_(located.table)
    plain = WindowAttention(8, 2, 4, shift, located=False).double()
    assert {name for name, _ in located.named_parameters()} - {name for name, _ in plain.named_parameters()} == {
        "table"
    }
    plain.attention.load_state_dict(located.attention.state_dict())
    torch.testing.assert_close(plain(x), located(x))


def test_gradients() -> None:
    assert torch.autograd.gradcheck(attention(2, 1), (drawn(1, 3, 3, 8).requires_grad_(),))


@pytest.mark.parametrize("shift", [-1, 4])
def test_shifts_beyond_a_window(shift: int) -> None:
    with pytest.raises(ValueError, match=f"windows of 4 cannot be shifted by {shift}"):
        WindowAttention(8, 2, 4, shift)
