"""What moves: its precision, and what a model file tells of its training."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.train.made import write_data
from tests.train.states import batch, train_state
from train.recipes.epe import step
from train.recipes.epe_run import record


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def test_bfloat16_leaves_statistics_losses_and_weights_in_fp32(data: Path, vgg_file: Path) -> None:
    p = train_state(data, vgg_file, precision="bf16")
    losses = step(p, [batch()], 2)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    tensors = (*p.generator.parameters(), *p.critics.parameters())
    assert {x.dtype for x in tensors} | {x.grad.dtype for x in tensors if x.grad is not None} == {torch.float32}
    # Far from 0 a sum of squares in bfloat16 would have no correct digit.
    x = (100 + torch.randn(2, 16, 32, 32, generator=torch.Generator().manual_seed(0))).bfloat16()
    norm = nn.GroupNorm(8, 16)
    with p.autocast():
        found = norm(x)
    # Half a step of bfloat16, 2^-9, of values up to 5.
    assert torch.allclose(found.float(), norm(x.float()), rtol=2**-8, atol=1e-3)


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_a_model_tells_whether_frames_may_lack_buffers(data: Path, vgg_file: Path, probability: float) -> None:
    p = train_state(data, vgg_file, drop_buffers=probability)
    assert record(p, 1, {}).get("drop_buffers", 0) == probability


def test_critics_see_augmented_pictures_and_the_other_losses_do_not(data: Path, vgg_file: Path) -> None:
    """With all changes the perceptual distance is the same; the scores are of other pictures."""
    found = []
    for kinds in ((), ("colour", "translation", "cutout")):
        p = train_state(data, vgg_file, diff_augment=kinds, rate=0.0, critic_rate=0.0)
        torch.manual_seed(0)
        found.append(step(p, [batch()], 2))
        gradients = [x.grad for x in p.generator.parameters() if x.grad is not None]
        assert any(float(x.abs().max()) > 0 for x in gradients)
    plain, augmented = found
    assert torch.equal(plain["perceptual"], augmented["perceptual"])
    assert not torch.allclose(plain["gan"], augmented["gan"], rtol=1e-4)
    assert not torch.allclose(plain["critics"], augmented["critics"], rtol=1e-4)


def test_the_perceptual_distance_sums_over_the_layers_that_are_given(data: Path, vgg_file: Path) -> None:
    found = []
    for layers in (("relu1_2", "relu4_3"), ("relu1_2",), ("relu4_3",)):
        p = train_state(data, vgg_file, perceptual_layers=layers, rate=0.0, critic_rate=0.0)
        with torch.no_grad():
            for parameter in p.generator.parameters():
                parameter.add_(0.1)
        found.append(float(step(p, [batch()], 2)["perceptual"]))
    assert found[1] > 0.001
    assert found[2] > 0.001
    assert found[0] == pytest.approx(found[1] + found[2], rel=1e-5)


@pytest.mark.parametrize("side", [None, 16])
def test_the_colour_guard_is_a_term_that_pulls_a_class_back(data: Path, vgg_file: Path, side: int | None) -> None:
    """Without critics' say, descent on it alone brings the mean colours of classes back to the frame's."""
    assert "class colour" not in step(train_state(data, vgg_file), [batch()], 2)
    guard = {"class_colour_weight": 1e6, "class_colour_side": side}
    p = train_state(data, vgg_file, critic_rate=0.0, rate=1e-3, **guard)
    with torch.no_grad():
        for parameter in p.generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    found = [float(step(p, [batch()], n)["class colour"]) for n in range(1, 13)]
    assert found[-1] < found[0] / 2


def largest(network: nn.Module) -> float:
    """The largest component of a gradient."""
    return max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None)


def test_gradients_are_clipped_by_their_largest_component_as_released(data: Path, vgg_file: Path) -> None:
    limit, states = 1e-4, []
    for settings in ({}, {"clip": limit, "critic_clip": limit, "clip_norm": "inf"}):
        p = train_state(data, vgg_file, **settings)
        torch.manual_seed(0)
        step(p, [batch()], 2)
        states.append(p)
    free, clipped = states
    assert largest(free.critics) > 2 * limit
    assert largest(clipped.critics) == pytest.approx(limit, rel=1e-4)
    assert largest(clipped.generator) == pytest.approx(limit, rel=1e-4)
    # All components are scaled alike.
    scale = limit / largest(free.critics)
    for one, other in zip(free.critics.parameters(), clipped.critics.parameters(), strict=True):
        if one.grad is not None and other.grad is not None:
            assert torch.allclose(scale * one.grad, other.grad, rtol=1e-4, atol=1e-12)
