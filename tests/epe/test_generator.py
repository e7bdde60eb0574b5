"""What the contract promises of every generator in the table, and that it cannot be broken unnoticed."""

import inspect
import json

import pytest
import torch
from torch import Tensor

from epe.generator import Generator, StyledGenerator
from epe.networks.generators import GENERATORS, build_generator, build_network, exported_kinds, kinds, preset_names

STREAMS = ((0, 1), (2, 3, 4))
TINY = {"epe": "hr-tiny", "lite": "lite-tiny", "realformer": "realformer-tiny", "realformer-v1": "realformer-v1-tiny",
        "realformer-v2": "realformer-v2-tiny"}  # fmt: skip


def frame() -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(0)
    return (
        torch.rand(2, 3, 24, 32, generator=drawn),
        torch.randn(2, 5, 24, 32, generator=drawn),
        torch.randint(2, (2, 24, 32), generator=drawn),
    )


def tiny(kind: type[Generator]) -> Generator:
    torch.manual_seed(0)
    network = build_generator(TINY[kind.kind], 5, STREAMS).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn(value.shape))
    return network


def test_names_and_kinds_are_unique() -> None:
    assert len(set(preset_names())) == len(preset_names())
    assert len(set(kinds())) == len(kinds())
    assert {generator.kind for generator in GENERATORS} == set(TINY)
    assert exported_kinds() == ("epe", "guided-upscaler", "lite", "rrdb", "srvgg")


def test_a_class_that_lacks_a_method_is_no_generator() -> None:
    class Half(Generator):
        kind = "half"

    with pytest.raises(TypeError, match="abstract method"):
        Half(None)  # type: ignore[abstract, arg-type]


@pytest.mark.parametrize("kind", GENERATORS, ids=lambda kind: kind.kind)
class TestEveryGenerator:
    def test_is_called_as_the_contract_says(self, kind: type[Generator]) -> None:
        wanted = list(inspect.signature(Generator.forward).parameters)
        assert list(inspect.signature(kind.forward).parameters)[: len(wanted)] == wanted
        network, inputs = tiny(kind), frame()
        whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(2, -1)
        out = network(*inputs)
        assert out.shape == inputs[0].shape
        # A crop that is the whole frame is the whole frame; fp32, an interpolation between the same points.
        assert torch.allclose(network(*inputs, whole), out, atol=1e-6)

    def test_facts_fit_together(self, kind: type[Generator]) -> None:
        network = tiny(kind)
        assert kind.tile >= 4 * kind.overlap > 0
        assert kind.tile % network.spec.multiple_of == kind.overlap % network.spec.multiple_of == 0
        assert any(isinstance(module, kind.checkpointed) for module in network.modules())
        assert set(kind.presets) <= set(preset_names())

    def test_its_spec_builds_it_again(self, kind: type[Generator]) -> None:
        """Through JSON, as in a model file."""
        network = tiny(kind)
        again = build_network(kind.kind, json.loads(json.dumps(network.spec.as_dict())))
        assert type(again) is kind
        assert {name: x.shape for name, x in again.state_dict().items()} == {
            name: x.shape for name, x in network.state_dict().items()
        }
        assert again.spec == network.spec

    def test_a_reference_reaches_those_with_a_style_and_no_others(self, kind: type[Generator]) -> None:
        network, inputs = tiny(kind), frame()
        box = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(2, -1)
        dark, light = (network.enhance_like(torch.full((2, 3, 16, 16), x), (*inputs, box)) for x in (0.1, 0.9))
        assert torch.equal(dark, light) == (network.style_size == 0) == (not issubclass(kind, StyledGenerator))
        before = network(*inputs)
        network.keep_style([torch.full((3, 16, 16), 0.9)])
        assert torch.equal(network(*inputs), before) == (network.style_size == 0)
