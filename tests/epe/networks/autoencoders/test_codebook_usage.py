"""Usage of codes: closed forms of perplexity and averages, restarts that are used, averages that reach the means."""

import pytest
import torch

from epe.networks.autoencoders.codebook_usage import CodebookUsage, perplexity
from epe.networks.autoencoders.quantiser import Quantiser


def test_perplexity_of_even_use_is_the_number_of_codes() -> None:
    assert perplexity(torch.full((40,), 3.0)).item() == pytest.approx(40, rel=1e-5)
    assert perplexity(torch.tensor([5.0, 0.0, 0.0])).item() == pytest.approx(1)
    assert perplexity(torch.tensor([1.0, 1.0, 2.0])).item() == pytest.approx(2**1.5, rel=1e-5)


def test_averages() -> None:
    usage = CodebookUsage(3, 1, decay=0.75)
    usage.update(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]))
    assert usage.counts.tolist() == [2, 1, 0]
    assert usage.sums.flatten().tolist() == [4, 5, 0]
    usage.update(torch.tensor([[7.0], [7.0], [7.0]]), torch.tensor([2, 2, 2]))
    assert usage.counts.tolist() == [1.5, 0.75, 0.75]
    assert usage.sums.flatten().tolist() == [3, 3.75, 5.25]
    assert usage.used().item() == 1


def test_codes_move_to_the_means_of_their_latents_and_others_stay() -> None:
    quantiser, usage = Quantiser(3, 1), CodebookUsage(3, 1, decay=0.9)
    before = quantiser.codebook[2].item()
    usage.update(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]))
    usage.move_codes(quantiser)
    # 1e-4: what keeps the quotient finite is shared by three codes.
    assert quantiser.codebook[:2].flatten().tolist() == pytest.approx([2, 5], rel=1e-4)
    assert quantiser.codebook[2].item() == before


def test_unused_codes_become_latents_of_the_batch() -> None:
    torch.manual_seed(0)
    quantiser, usage = Quantiser(8, 4), CodebookUsage(8, 4, decay=0.9)
    kept = quantiser.codebook[:2].clone()
    vectors = torch.randn(30, 4)
    usage.update(vectors, torch.arange(30) % 2)
    assert usage.used().item() == pytest.approx(2 / 8)
    assert usage.restart(quantiser, vectors, below=0.1).item() == 6
    assert torch.equal(quantiser.codebook[:2], kept)
    assert all((vectors == code).all(1).any() for code in quantiser.codebook[2:])
    assert usage.used().item() == 1
    assert usage.restart(quantiser, vectors, below=0.1).item() == 0, "they get time to be used"


def test_the_draw_is_seeded() -> None:
    def restarted() -> torch.Tensor:
        quantiser, usage = Quantiser(8, 2), CodebookUsage(8, 2, decay=0.9)
        usage.update(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
        torch.manual_seed(3)
        usage.restart(quantiser, torch.arange(40.0).view(20, 2), below=0.5)
        return quantiser.codebook[1:].detach().clone()

    assert torch.equal(restarted(), restarted())
