"""Blocks that are computed twice give the gradients of those that are computed once, and keep less."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from tests.train.made import write_data
from tests.train.states import batch, train_state
from train.recipes.epe import EPETrainState, step

TRANSFORMERS = ("realformer-tiny", "realformer-v1-tiny", "realformer-v2-tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("preset", ["hr-tiny", "lite-tiny", *TRANSFORMERS])
def test_same_step(data: Path, vgg_file: Path, preset: str) -> None:
    """Spectral norms would move a second time if the blocks' second run were one of training."""
    states: list[dict[str, Tensor]] = []
    runs, kept = [], []
    for on in (False, True):
        p = train_state(data, vgg_file, preset=preset, checkpoint_activations=on)
        blocks = [module for module in p.generator.modules() if isinstance(module, p.generator.checkpointed)]
        assert blocks
        ran: list[int] = []
        handles: list[RemovableHandle] = [
            inner.register_forward_hook(lambda *_, ran=ran: ran.append(1)) for inner in blocks[0].children()
        ]
        for n in (1, 2):
            step(p, [batch(n)], n)
        runs.append(len(ran))
        states.append(p.generator.state_dict() | p.average.network.state_dict() | gradients(p))
        for handle in handles:
            handle.remove()
        kept.append(bytes_kept(p))
    assert runs[1] > runs[0]  # not twice: what the backward pass does not need is not computed again
    assert states[0].keys() == states[1].keys()
    # One thread, the same operations in the same order: the same bits here; 1e-6 leaves room for other machines.
    assert all(torch.allclose(states[0][name], states[1][name], rtol=0, atol=1e-6) for name in states[0])
    assert kept[1] < 0.7 * kept[0]


def gradients(p: EPETrainState) -> dict[str, Tensor]:
    return {f"{name} gradient": x.grad for name, x in p.generator.named_parameters() if x.grad is not None}


def bytes_kept(p: EPETrainState) -> int:
    """For the backward pass through the generator, each tensor once."""
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        kept[x.data_ptr()] = x.numel() * x.element_size()
        return x

    part = batch()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        image = p.generator(part.image, part.gbuffers, part.classes)
    assert image.requires_grad
    return sum(kept.values())
