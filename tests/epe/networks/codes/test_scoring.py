"""Likelihoods of codes against single forward passes, and unlikely codes drawn anew."""

import pytest
import torch

from epe.networks.codes.sampling import NextCode, sample
from epe.networks.codes.scoring import log_probabilities, lowest, resample
from tests.epe.networks.codes.made import codes_of, generators, tiny


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("size", [(4, 4), (4, 6), (9, 7)])
@pytest.mark.parametrize("kind", ["label", "map"])
@torch.no_grad()
def test_scores_are_what_sampling_draws_with(size: tuple[int, int], kind: str, step: int) -> None:
    network = tiny(double=True, conditions=1 if kind == "label" else 16)
    condition = torch.tensor([1, 2]) if kind == "label" else codes_of(2, *size, seed=5)
    codes, read = codes_of(2, *size), []
    found = log_probabilities(network, condition, codes, step=step, batch=3, advance=read.append)
    one = NextCode(network, condition, size, step, cached=False)
    for i in range(size[0]):
        for j in range(size[1]):
            logits = one.logits(codes, i, j)
            wanted = logits.softmax(-1).gather(-1, codes[:, i, j, None])[:, 0].log()
            # The logits, up to 30, are rounded to fp32.
            torch.testing.assert_close(found[:, i, j].double(), wanted, rtol=0, atol=1e-5)
    if step == 1:
        assert sum(read) == 2 * (size[0] - 3) * (size[1] - 3)


def test_all_codes_together_have_the_probability_1() -> None:
    """Of the first code, and of the last given all others."""
    network = tiny(double=True)
    codes = codes_of(1, 4, 4).expand(7, 4, 4).clone()
    for place in ((0, 0), (3, 3)):
        tried = codes.clone()
        tried[:, place[0], place[1]] = torch.arange(7)
        scores = log_probabilities(network, torch.zeros(7, dtype=torch.int64), tried)
        assert scores[:, place[0], place[1]].exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_the_least_likely_share() -> None:
    scores = torch.tensor([[[-1.0, -5, -2], [-5, 0, -9]], [[0.0, 0, 0], [0, 0, 0]]])
    assert lowest(scores, 0.5).int().tolist() == [[[0, 1, 0], [1, 0, 1]], [[1, 1, 1], [0, 0, 0]]]
    assert not lowest(scores, 0).any()
    assert lowest(scores, 1).all()


class TestResample:
    def test_only_the_unlikely_ones_change(self) -> None:
        network, codes, zero = tiny(double=True), codes_of(2, 6, 6), torch.zeros(2, dtype=torch.int64)
        scores = log_probabilities(network, zero, codes)
        found, anew = resample(network, zero, codes, generators(2), fraction=0.25), lowest(scores, 0.25)
        assert anew.flatten(1).sum(1).tolist() == [9, 9]
        assert scores[0][anew[0]].max() <= scores[0][~anew[0]].min()
        assert torch.equal(found[~anew], codes[~anew])
        assert not torch.equal(found[anew], codes[anew])

    def test_nothing_and_all(self) -> None:
        network, codes, zero = tiny(double=True), codes_of(1, 5, 5), torch.tensor([0])
        assert torch.equal(resample(network, zero, codes, generators(1), fraction=0), codes)
        drawn = sample(network, zero, (5, 5), generators(1))
        assert torch.equal(resample(network, zero, codes, generators(1), fraction=1), drawn)

    def test_a_likelier_map_comes_out(self) -> None:
        network, codes, zero = tiny(double=True), codes_of(4, 6, 6, seed=3), torch.zeros(4, dtype=torch.int64)
        found = resample(network, zero, codes, generators(4), fraction=0.5)
        before, after = (log_probabilities(network, zero, made).mean() for made in (codes, found))
        assert after > before + 0.2
