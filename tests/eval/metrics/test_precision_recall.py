"""Precision and recall against torch-fidelity and sets whose manifolds are known."""

import pytest
import torch

from eval.metrics import precision_recall as manifold
from eval.metrics.precision_recall import precision, recall
from tests.torchvision_loader import load_torchvision


@pytest.mark.parametrize("block", [13, 2048])
def test_torch_fidelity_agrees(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    load_torchvision()
    metric = pytest.importorskip("torch_fidelity.metric_prc")
    monkeypatch.setattr(manifold, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(150, 8, generator=generator), 0.5 + 1.3 * torch.randn(120, 8, generator=generator)
    wanted = metric.calculate_precision_recall_full(x.double(), y.double(), 3)
    found = precision(x, y), recall(x, y)
    assert found == pytest.approx(wanted, abs=1e-7)  # theirs is a mean in float32
    assert 0 < found[1] < found[0] < 1


def test_modes_that_are_missing_and_modes_that_are_invented() -> None:
    """Real: clusters at 0 and 100; judged: at 0 and 200. Half of each is in the other."""
    points = torch.arange(6.0)[:, None]
    judged, real = torch.cat([points + 0.1, points + 200]), torch.cat([points, points + 100])
    assert (precision(judged, real, k=2), recall(judged, real, k=2)) == (0.5, 0.5)
    assert (precision(points, points, k=2), recall(points, points, k=2)) == (1, 1)


def test_too_few() -> None:
    with pytest.raises(ValueError, match="more than 3 vectors, got 3 and 9"):
        precision(torch.zeros(3, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match="more than 3 vectors"):
        recall(torch.zeros(3, 2), torch.zeros(9, 2))
