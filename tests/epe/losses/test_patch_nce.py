"""PatchNCE: written out patch by patch, where its gradient goes, its limits."""

import math

import pytest
import torch

from epe.losses.patch_nce import patch_nce


def vectors(seed: int, batch: int = 3, patches: int = 5, length: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, patches, length, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=-1, keepdim=True)


def written_out(queries: torch.Tensor, keys: torch.Tensor, temperature: float) -> float:
    """As in the release: the own patch first, then all of the image's with the own one's similarity set to -10."""
    losses = []
    for query_rows, key_rows in zip(queries.tolist(), keys.tolist(), strict=True):
        for n, query in enumerate(query_rows):
            similar = [sum(a * b for a, b in zip(query, key, strict=True)) for key in key_rows]
            logits = [similar[n], *(-10.0 if m == n else value for m, value in enumerate(similar))]
            logits = [value / temperature for value in logits]
            largest = max(logits)
            total = largest + math.log(sum(math.exp(value - largest) for value in logits))
            losses.append(total - logits[0])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_agrees_with_the_definition(temperature: float) -> None:
    queries, keys = vectors(0), vectors(1)
    # 1e-4: at a temperature of 1, the release's -10 is exp(-10) more; 1e-12: at 0.07 it is nothing.
    tolerance = 1e-4 if temperature == 1 else 1e-12
    assert patch_nce(queries, keys, temperature).item() == pytest.approx(
        written_out(queries, keys, temperature), rel=tolerance
    )


def test_the_default_is_the_papers_temperature() -> None:
    queries, keys = vectors(0), vectors(1)
    assert patch_nce(queries, keys).item() == pytest.approx(written_out(queries, keys, 0.07), rel=1e-12)


def test_limits() -> None:
    same = vectors(0)[:, :1].expand(-1, 5, -1)
    assert patch_nce(same, same).item() == pytest.approx(math.log(5), rel=1e-12)
    apart = torch.eye(5).expand(3, 5, 5)
    # Neighbours are at a similarity of 0, the own patch at 1: log(1 + 4 exp(-1 / 0.07)).
    assert patch_nce(apart, apart).item() == pytest.approx(math.log1p(4 * math.exp(-1 / 0.07)), abs=1e-6)


def test_patches_of_other_images_do_not_matter() -> None:
    queries, keys = vectors(0), vectors(1)
    alone = torch.stack([patch_nce(queries[i : i + 1], keys[i : i + 1]) for i in range(3)]).mean()
    assert patch_nce(queries, keys).item() == pytest.approx(alone.item(), rel=1e-12)


def test_no_gradient_into_the_keys() -> None:
    queries, keys = vectors(0).requires_grad_(), vectors(1).requires_grad_()
    patch_nce(queries, keys).backward()
    assert keys.grad is None
    assert queries.grad is not None
    assert queries.grad.abs().sum() > 0


def test_gradients_agree_with_finite_differences() -> None:
    keys = vectors(1)
    assert torch.autograd.gradcheck(lambda queries: patch_nce(queries, keys), vectors(0).requires_grad_())
