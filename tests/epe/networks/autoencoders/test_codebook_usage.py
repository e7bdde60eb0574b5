"""Usage of codes: closed forms of perplexity and averages, restarts that are used, averages that reach the means."""

import pytest
import torch

from epe.networks.autoencoders.codebook_usage import CodebookUsage, perplexity
from epe.networks.autoencoders.quantiser import Quantiser


def test_perplexity_of_even_use_is_the_number_of_codes() -> None:
    assert perplexity(torch.full((40,), 3.0)).item() == pytest.approx(40, rel=1e-5)
    assert perplexity(torch.tensor([5.0, 0.0, 0.0])).item() == pytest.approx(1)
    assert perplexity(torch.tensor([1.0, 1.0, 2.0])).item() == pytest.approx(2**1.5, rel=1e-5)


def test_averages_start_from_even_use_in_place() -> None:
    quantiser, usage = Quantiser(3, 1), CodebookUsage(3, 1, decay=0.75)
    with torch.no_grad():
        quantiser.codebook.copy_(torch.tensor([[2.0], [6.0], [10.0]]))
    usage.update(quantiser, torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]))
    assert usage.counts.tolist() == [1.25, 1, 0.75]  # 3/4 of 1 each, 1/4 of 2, 1, 0
    assert usage.sums.flatten().tolist() == [2.5, 5.75, 7.5]  # 3/4 of 2, 6, 10, 1/4 of 4, 5, 0
    usage.update(quantiser, torch.tensor([[7.0], [7.0], [7.0]]), torch.tensor([2, 2, 2]))
    assert usage.counts.tolist() == [0.9375, 0.75, 1.3125]
    assert usage.sums.flatten().tolist() == [1.875, 4.3125, 10.875]


def test_what_is_logged_is_what_was_found_whatever_restarts() -> None:
    torch.manual_seed(0)
    quantiser, usage, vectors = Quantiser(8, 4), CodebookUsage(8, 4, decay=0.5), torch.randn(12, 4)
    for _ in range(3):
        usage.update(quantiser, vectors, torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]))
        assert usage.used().item() == 0.5
        assert usage.perplexity().item() == pytest.approx(4, rel=1e-5)
        usage.restart(quantiser, vectors, below=0.9)


def test_codes_move_to_the_means_of_their_latents_and_others_stay() -> None:
    quantiser, usage = Quantiser(3, 1), CodebookUsage(3, 1, decay=0.9)
    before = quantiser.codebook[2].item()
    for _ in range(400):
        usage.update(quantiser, torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]))
        usage.move_codes(quantiser)
    # 1e-5: sums and counts of float32, rounded 400 times.
    assert quantiser.codebook.flatten().tolist() == pytest.approx([2, 5, before], rel=1e-5)


def test_codes_that_stay_unused_become_latents_of_the_batch() -> None:
    torch.manual_seed(0)
    quantiser, usage = Quantiser(8, 4), CodebookUsage(8, 4, decay=0.8)
    kept, vectors = quantiser.codebook[:2].clone(), torch.randn(30, 4)
    replaced = []
    for _ in range(12):
        usage.update(quantiser, vectors, torch.arange(30) % 2)
        replaced.append(usage.restart(quantiser, vectors, below=0.1).item())
    # Even use decays below a tenth of itself in 11 batches (0.8 ** 11 = 0.086); after that they have time to be used.
    assert replaced == [0] * 10 + [6, 0]
    assert torch.equal(quantiser.codebook[:2], kept)
    assert all((vectors == code).all(1).any() for code in quantiser.codebook[2:])


def test_the_draw_is_seeded() -> None:
    def restarted() -> torch.Tensor:
        torch.manual_seed(3)
        quantiser, usage = Quantiser(8, 2), CodebookUsage(8, 2, decay=0.1)
        usage.update(quantiser, torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
        usage.restart(quantiser, torch.arange(40.0).view(20, 2), below=0.5)
        return quantiser.codebook[1:].detach().clone()

    first = restarted()
    assert (first == first.round()).all(), "all were restarted"
    assert torch.equal(first, restarted())
