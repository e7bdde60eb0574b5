"""Sampling against plain loops without a cache; what is given stays; maps of a batch do not know of each other."""

import pytest
import torch
from torch import Tensor

from epe.networks.codes.choice import Choice, draw
from epe.networks.codes.gpt import GPT
from epe.networks.codes.sampling import sample
from tests.epe.networks.codes.made import codes_of, generators, tiny


def plainly(network: GPT, condition: Tensor, size: tuple[int, int], numbers: Tensor, choice: Choice) -> Tensor:
    """As published: a window around each code, all of it read for every code, its row's logits picked."""
    (height, width), side = size, network.spec.side
    codes = torch.zeros(1, height, width, dtype=torch.int64)
    for i in range(height):
        for j in range(width):
            half = side // 2
            i0, j0 = (
                at if at <= half else side - (length - at) if length - at < side - half else half
                for at, length in ((i, height), (j, width))
            )
            box = slice(i - i0, i - i0 + side), slice(j - j0, j - j0 + side)
            given = condition[:, None] if condition.ndim == 1 else condition[:, box[0], box[1]].flatten(1)
            logits = network(codes[:, box[0], box[1]].flatten(1)[:, :-1], given)
            chances = choice.probabilities(logits.unflatten(1, (side, side))[:, i0, j0])
            codes[:, i, j] = draw(chances, numbers[i, j][None])
    return codes


def numbers_of(size: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@torch.no_grad()
def test_sliding_is_plain_at_16x16() -> None:
    """Token after token of one sequence, without any window."""
    network = tiny(double=True, side=16, context=256, layers=1, width=8)
    found = sample(network, torch.tensor([3]), (16, 16), generators(1))
    codes, numbers = torch.zeros(1, 0, dtype=torch.int64), numbers_of((16, 16)).flatten()
    for i in range(256):
        chances = Choice().probabilities(network(codes, torch.tensor([[3]]))[:, -1])
        codes = torch.cat([codes, draw(chances, numbers[i : i + 1])[:, None]], dim=1)
    assert torch.equal(found.flatten(1), codes)
    assert len(codes.unique()) > 3


@pytest.mark.parametrize("size", [(4, 4), (4, 7), (7, 4), (9, 10)])
@pytest.mark.parametrize("kind", ["label", "map"])
@torch.no_grad()
def test_larger_maps_are_sampled_as_published(size: tuple[int, int], kind: str) -> None:
    network = tiny(double=True, conditions=1 if kind == "label" else 16)
    condition = torch.tensor([2]) if kind == "label" else codes_of(1, *size, seed=5)
    choice = Choice(temperature=1.5, top_k=5, top_p=0.95)
    wanted = plainly(network, condition, size, numbers_of(size), choice)
    assert torch.equal(sample(network, condition, size, generators(1), choice=choice), wanted)
    assert torch.equal(sample(network, condition, size, generators(1), choice=choice, cached=False), wanted)
    assert len(wanted.unique()) > 3


def test_a_window_that_moves_in_steps_sees_codes_too() -> None:
    network = tiny(double=True)
    one, two = (sample(network, torch.tensor([0]), (9, 9), generators(1), step=step) for step in (1, 2))
    assert torch.equal(one[:, 0, :3], two[:, 0, :3])  # the first window is the same
    assert not torch.equal(one, two)


def test_a_map_does_not_know_of_its_batch() -> None:
    network = tiny(double=True, conditions=16)
    condition = codes_of(3, 5, 6)
    together = sample(network, condition, (5, 6), generators(3))
    for i in range(3):
        assert torch.equal(sample(network, condition[i : i + 1], (5, 6), generators(1, seed=i))[0], together[i])
    assert not torch.equal(together[0], together[1])


class TestGiven:
    def test_the_given_half_stays_and_the_rest_is_drawn(self) -> None:
        network, codes = tiny(double=True), codes_of(2, 6, 6)
        given = codes.clone()
        given[:, 3:] = -1
        found = sample(network, torch.zeros(2, dtype=torch.int64), (6, 6), generators(2), given=given)
        assert torch.equal(found[:, :3], codes[:, :3])
        assert found.min() >= 0
        assert not torch.equal(found[:, 3:], codes[:, 3:])
        assert (given[:, 3:] == -1).all()  # what the caller has is not written to

    def test_any_mask_and_each_map_its_own(self) -> None:
        network, codes = tiny(double=True), codes_of(2, 5, 5)
        mask = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(4)) < 0.5
        zeros = torch.zeros(2, dtype=torch.int64)
        found = sample(network, zeros, (5, 5), generators(2), given=codes.masked_fill(mask, -1))
        assert torch.equal(found[~mask], codes[~mask])
        alone = sample(network, zeros[:1], (5, 5), generators(1, 1), given=codes.masked_fill(mask, -1)[1:])
        assert torch.equal(alone[0], found[1])

    def test_codes_after_a_given_one_see_it_and_those_before_do_not(self) -> None:
        network = tiny(double=True)
        zero, given = torch.tensor([0]), torch.full((1, 4, 4), -1)
        found = []
        for code in range(4):
            given[0, 1, 2] = code
            found.append(sample(network, zero, (4, 4), generators(1), given=given).flatten())
        rows = torch.stack(found)
        assert (rows[:, :6] == rows[:1, :6]).all()
        assert rows[:, 6].tolist() == [0, 1, 2, 3]
        assert len({tuple(row.tolist()) for row in rows[:, 7:]}) > 1

    def test_all_given_is_returned(self) -> None:
        codes = codes_of(1, 5, 4)
        assert torch.equal(sample(tiny(), torch.tensor([0]), (5, 4), generators(1), given=codes), codes)


def test_the_same_generators_give_the_same_codes_and_others_do_not() -> None:
    network, zero = tiny(), torch.tensor([0])
    one, again, other = (sample(network, zero, (4, 4), generators(1, seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_progress_is_told_code_by_code() -> None:
    calls: list[int] = []
    sample(tiny(), torch.tensor([0]), (4, 6), generators(1), advance=lambda: calls.append(1))
    assert len(calls) == 24


@pytest.mark.parametrize(
    ("size", "step", "words"),
    [((3, 9), 1, "a map of 9x3 codes is smaller"), ((4, 4), 3, "move by 1 .. 2 codes, not by 3")],
)
def test_what_cannot_be_sampled(size: tuple[int, int], step: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sample(tiny(), torch.tensor([0]), size, generators(1), step=step)
