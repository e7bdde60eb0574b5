"""Attention against formulas written out, and the properties that name each kind."""

import math

import pytest
import torch
from torch import Tensor

from epe.layers.attention import (
    Attention,
    CausalAttention,
    ChannelAttention,
    KeyValueCache,
    LinearAttention,
    LocationAttention,
    one_plus_elu,
    split,
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(attention: Attention, x: Tensor, memory: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Loops over heads, a softmax written out."""
    q, k, v = attention.query(x), attention.key(memory), attention.value(memory)
    width = x.shape[-1] // attention.heads
    heads = []
    for h in range(attention.heads):
        part = slice(h * width, (h + 1) * width)
        logits = q[..., part] @ k[..., part].mT / math.sqrt(width)
        weights = (logits + (bias[h] if isinstance(bias, Tensor) else bias)).exp()
        heads.append(weights / weights.sum(-1, keepdim=True) @ v[..., part])
    return attention.out(torch.cat(heads, -1))


class TestSoftmax:
    def test_formula(self) -> None:
        torch.manual_seed(0)
        attention = Attention(12, 3).double()
        x, memory, bias = drawn(2, 5, 12), drawn(2, 7, 12, seed=1), drawn(3, 5, 7, seed=2)
        torch.testing.assert_close(attention(x, memory, bias), by_hand(attention, x, memory, bias))
        torch.testing.assert_close(attention(x), by_hand(attention, x, x))

    def test_order_of_tokens_does_not_matter(self) -> None:
        torch.manual_seed(0)
        attention, x, order = Attention(12, 3).double(), drawn(1, 6, 12), torch.randperm(6)
        torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order])

    def test_heads_that_do_not_divide(self) -> None:
        with pytest.raises(ValueError, match="5 heads do not divide 12"):
            Attention(12, 5)


class TestPublishedLocation:
    """The published "location-based" attention."""

    @pytest.fixture
    def attention(self) -> LocationAttention:
        torch.manual_seed(0)
        attention = LocationAttention(12, 3).double()
        torch.nn.init.normal_(attention.location)
        return attention

    def test_is_the_published_one_whose_keys_have_the_vector_too(self, attention: LocationAttention) -> None:
        x, memory = drawn(2, 5, 12), drawn(2, 7, 12, seed=1)
        plain = Attention(12, 3).double()
        plain.load_state_dict({k: v for k, v in attention.state_dict().items() if k != "location"})
        q, k, _ = plain.project(x + attention.location, memory + attention.location)
        v = split(plain.value(memory), 3)
        made = torch.softmax(q @ k.mT / 2, -1) @ v
        torch.testing.assert_close(attention(x, memory), plain.out(made.transpose(-2, -3).flatten(-2)))

    def test_matters_and_knows_no_location(self, attention: LocationAttention) -> None:
        x, order = drawn(1, 6, 12), torch.randperm(6)
        made = attention(x)
        torch.testing.assert_close(attention(x[:, order]), made[:, order])
        torch.nn.init.zeros_(attention.location)
        assert (attention(x) - made).abs().max() > 1e-2


class TestCausal:
    def test_a_token_sees_itself_and_those_before(self) -> None:
        torch.manual_seed(0)
        attention, x = CausalAttention(8, 2).double(), drawn(1, 5, 8).requires_grad_()
        for i in range(5):
            (gradient,) = torch.autograd.grad(attention(x)[0, i].sum(), x)
            assert (gradient[0].abs().sum(-1) > 0).tolist() == [j <= i for j in range(5)]

    @pytest.mark.parametrize("steps", [(5,), (1, 1, 1, 1, 1), (3, 2), (1, 4)])
    def test_pieces_are_the_whole(self, steps: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        attention, x, cache = CausalAttention(8, 2).double(), drawn(2, 5, 8), KeyValueCache(room=6)
        for again in range(2):  # in the same memory
            parts = [attention(part, cache) for part in (x + again).split(steps, dim=1)]
            torch.testing.assert_close(torch.cat(parts, 1), attention(x + again))
            assert cache.length == 5
            cache.length = 0

    def test_first_tokens_that_all_see(self) -> None:
        torch.manual_seed(0)
        attention, x = CausalAttention(8, 2).double(), drawn(1, 5, 8).requires_grad_()
        for i in range(5):
            (gradient,) = torch.autograd.grad(attention(x, unmasked=3)[0, i].sum(), x)
            assert (gradient[0].abs().sum(-1) > 0).tolist() == [j <= max(i, 2) for j in range(5)]
        cache, x = KeyValueCache(room=5), x.detach()
        parts = [attention(part, cache, unmasked=3) for part in (x[:, :3], x[:, 3:])]
        torch.testing.assert_close(torch.cat(parts, 1), attention(x, unmasked=3))


class TestLinear:
    @pytest.mark.parametrize("rule", ["elu", "positions"])
    def test_is_a_matrix_of_weights(self, rule: str) -> None:
        """(N, M) written out, which linear attention never is; its rows add up to 1."""
        torch.manual_seed(0)
        attention = LinearAttention(12, 3, rule).double()  # type: ignore[arg-type]
        x, memory = drawn(2, 5, 12), drawn(2, 7, 12, seed=1)
        q, k, v = attention.project(x, memory)
        if rule == "elu":
            positive = [torch.where(part > 0, part + 1, part.exp()) for part in (q, k)]
            weights = positive[0] @ positive[1].mT
            weights = weights / weights.sum(-1, keepdim=True)
        else:
            weights = q.softmax(-1) @ k.softmax(-2).mT
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5, dtype=torch.float64))
        torch.testing.assert_close(attention(x, memory), attention.out((weights @ v).transpose(1, 2).flatten(2)))

    def test_gradients(self) -> None:
        torch.manual_seed(0)
        attention, x = LinearAttention(4, 2).double(), drawn(1, 3, 4).requires_grad_()
        assert torch.autograd.gradcheck(attention, (x,))

    def test_features_far_below_zero_and_few_bits(self) -> None:
        torch.manual_seed(0)
        attention, x = LinearAttention(4, 2), drawn(1, 3, 4).float().requires_grad_()
        with torch.no_grad():
            attention.query.bias.fill_(-200)
            attention.key.bias.fill_(-200)
        # All features alike: every token gets the mean of values.
        made, mean = attention(x), attention.out(attention.value(x).mean(-2, keepdim=True))
        torch.testing.assert_close(made, mean.expand_as(made))
        made.sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in (*attention.parameters(), x))
        low = torch.tensor([-6.0, -3.0, 0.5])
        wanted = 1 + torch.nn.functional.elu(low)
        assert torch.equal(one_plus_elu(low.bfloat16()), wanted.bfloat16())


class TestChannels:
    def test_formula(self) -> None:
        torch.manual_seed(0)
        attention, x = ChannelAttention(12, 3).double(), drawn(2, 9, 12)
        torch.nn.init.uniform_(attention.temperature, 1, 3)
        q, k, v = (part.mT for part in attention.project(x, x))
        lengths = q.norm(dim=-1)[..., :, None] * k.norm(dim=-1)[..., None, :]
        weights = (attention.temperature * (q @ k.mT) / lengths).softmax(-1)
        torch.testing.assert_close(attention(x), attention.out((weights @ v).mT.transpose(1, 2).flatten(2)))

    def test_four_copies_of_an_image_are_as_one(self) -> None:
        torch.manual_seed(0)
        attention, x = ChannelAttention(8, 2).double(), drawn(1, 6, 8)
        torch.testing.assert_close(attention(x.repeat(1, 4, 1)), attention(x).repeat(1, 4, 1))


def test_heads_are_neighbouring_features() -> None:
    assert split(torch.arange(6.0).view(1, 1, 6), 3).tolist() == [[[[0, 1]], [[2, 3]], [[4, 5]]]]
