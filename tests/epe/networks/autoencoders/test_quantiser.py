"""The quantiser: NumPy in float64, FAISS, the straight-through gradient, unit codes, ties."""

import faiss
import numpy as np
import pytest
import torch

from epe.losses.codebook import codebook_loss
from epe.networks.autoencoders import quantiser as module
from epe.networks.autoencoders.quantiser import Quantiser


def drawn(codes: int = 50, width: int = 6, *, unit: bool = False, dtype: torch.dtype = torch.float64) -> Quantiser:
    torch.manual_seed(0)
    found = Quantiser(codes, width, unit=unit).to(dtype)
    torch.nn.init.normal_(found.codebook)
    return found


class TestNumPy:
    @pytest.mark.parametrize("unit", [False, True])
    def test_output_and_losses(self, unit: bool) -> None:
        quantiser = drawn(unit=unit)
        latents = torch.randn(2, 6, 3, 4, dtype=torch.float64)
        z, e = latents.numpy().transpose(0, 2, 3, 1), quantiser.codebook.detach().numpy()
        if unit:
            z, e = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (z, e))
        distances = ((z[..., None, :] - e) ** 2).sum(-1)
        ids = distances.argmin(-1)
        found = quantiser(latents)
        # The search is in fp32; none of these 24 latents is that close to two codes.
        assert np.array_equal(found.ids.numpy(), ids)
        assert np.allclose(found.values.detach().numpy().transpose(0, 2, 3, 1), e[ids], atol=1e-12)
        squared = ((z - e[ids]) ** 2).mean()
        for beta in (0.25, 1.0):
            loss = codebook_loss(found.latents, found.codes, beta)
            assert loss.item() == pytest.approx((1 + beta) * squared, rel=1e-12)


class TestNearest:
    def test_faiss_agrees(self) -> None:
        quantiser = drawn(codes=1024, width=32, dtype=torch.float32)
        vectors = torch.randn(5000, 32)
        index = faiss.IndexFlatL2(32)
        index.add(quantiser.codebook.detach().numpy())
        distances, ids = index.search(vectors.numpy(), 1)
        found = quantiser.nearest(vectors)
        chosen = (vectors - quantiser.codebook.detach()[found]).double().square().sum(1)
        # Both sum in fp32; where they disagree, both distances are the same to 1e-5 of themselves.
        assert (found.numpy() == ids[:, 0]).mean() > 0.999
        assert np.allclose(chosen, distances[:, 0], rtol=1e-5)

    def test_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        quantiser = drawn()
        vectors = torch.randn(100, 6, dtype=torch.float64)
        whole = quantiser.nearest(vectors)
        monkeypatch.setattr(module, "CHUNK", 350)
        assert torch.equal(quantiser.nearest(vectors), whole)

    def test_of_equal_codes_the_first(self) -> None:
        quantiser = drawn()
        quantiser.codebook.data[7] = quantiser.codebook.data[3]
        assert quantiser.nearest(quantiser.codebook.data[7:8]).item() == 3

    def test_a_code_is_nearest_to_itself(self) -> None:
        quantiser = drawn(codes=200)
        assert torch.equal(quantiser.nearest(quantiser.codebook), torch.arange(200))


class TestGradients:
    def test_latents_get_the_gradient_of_codes_as_it_is(self) -> None:
        quantiser = drawn()
        latents = torch.randn(2, 6, 3, 4, dtype=torch.float64, requires_grad=True)
        wanted = torch.randn(2, 6, 3, 4, dtype=torch.float64)
        (quantiser(latents).values * wanted).sum().backward()
        assert torch.equal(latents.grad, wanted)
        assert quantiser.codebook.grad is None

    def test_commitment_moves_latents_and_the_codebook_loss_codes(self) -> None:
        """The right side of beta: 2 beta (z - e) / n at latents, 2 (e - z) / n at codes; legacy the other way round."""
        quantiser = drawn()
        for legacy, at_latents, at_codes in ((False, 0.25, 1.0), (True, 1.0, 0.25)):
            latents = torch.randn(1, 6, 1, 1, dtype=torch.float64, requires_grad=True)
            quantiser.codebook.grad = None
            found = quantiser(latents)
            codebook_loss(found.latents, found.codes, 0.25, legacy=legacy).backward()
            apart = (latents - found.codes).detach().flatten()
            assert torch.allclose(latents.grad.flatten(), at_latents * 2 * apart / 6)
            assert torch.allclose(quantiser.codebook.grad[found.ids.item()], -at_codes * 2 * apart / 6)
            assert torch.count_nonzero(quantiser.codebook.grad.abs().sum(1)) == 1


def test_unit_codes_do_not_see_lengths() -> None:
    quantiser = drawn(unit=True)
    latents = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    a, b = quantiser(latents), quantiser(7 * latents)
    assert torch.equal(a.ids, b.ids)
    assert torch.allclose(a.values.norm(dim=1), torch.ones(2, 3, 4, dtype=torch.float64))


def test_ids_of_bfloat16_are_those_of_fp32() -> None:
    """Autocast must not reach the search: bfloat16 cannot tell neighbouring codes apart."""
    quantiser = drawn(codes=1024, width=8, dtype=torch.float32)
    latents = torch.randn(1, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = quantiser(latents).ids
    assert torch.equal(inside, quantiser(latents).ids)
