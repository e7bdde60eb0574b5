"""The transformer over codes: published sizes, nothing from the future, pieces that are the whole."""

import pytest
import torch

from epe import models
from epe.networks.codes.gpt import DEVIATION, GPT, PRESETS, GPTSpec
from tests.epe.networks.codes.made import codes_of, tiny


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [
        ("gpt-coco", 651_307_520, 651.3),
        ("gpt-drin", 304_932_864, 304.9),
        ("gpt-in", 304_670_720, 304.7),
        ("gpt-cin", 304_671_744, 304.7),
        ("gpt-cin-big", 1_410_642_432, 1410.6),
        ("gpt-ffhq", 355_055_616, 355.1),
        ("gpt-faces-big", 801_798_400, 801.8),
        ("gpt-coco-scene", 975_876_352, 975.9),
        ("gpt-oi-scene", 1_045_638_144, 1045.6),
    ],
)
def test_published_sizes(name: str, parameters: int, millions: float) -> None:
    """Millions as computed from the published configurations (table 8 of the paper rounds them)."""
    with torch.device("meta"):
        network = GPT(GPTSpec(**PRESETS[name]))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert round(parameters / 1e6, 1) == millions


def test_every_published_size_is_counted() -> None:
    assert len(PRESETS) == 9


@pytest.mark.parametrize("unmasked", [0, 5])
def test_nothing_comes_from_later_codes(unmasked: int) -> None:
    network = tiny(double=True, conditions=5, unmasked=unmasked)
    condition, codes = codes_of(1, 5, seed=1), codes_of(1, 15)
    before = network(codes, condition)
    for changed in range(15):
        others = codes.clone()
        others[0, changed] = (others[0, changed] + 1) % 7
        moved = (network(others, condition) - before).abs().sum(-1)[0] > 0
        assert moved.tolist() == [i > changed for i in range(16)]  # logits 0 are of the first code, before all codes


@pytest.mark.parametrize(("unmasked", "seen"), [(0, False), (5, True)])
def test_tokens_of_a_condition_see_each_other_where_unmasked(unmasked: int, seen: bool) -> None:
    network = tiny(double=True, conditions=5, unmasked=unmasked)
    tokens, found = codes_of(1, 5), []
    network.blocks[0].register_forward_hook(lambda *parts: found.append(parts[2]))
    network(codes_of(1, 0), tokens)
    tokens[0, 4] = (tokens[0, 4] + 1) % 7
    network(codes_of(1, 0), tokens)
    assert bool((found[1] - found[0])[0, 0].abs().sum() > 0) == seen


@pytest.mark.parametrize("unmasked", [0, 3])
@pytest.mark.parametrize(("double", "tolerance"), [(True, 1e-12), (False, 1e-5)])  # both: sums in another order
def test_with_a_cache_as_without(unmasked: int, double: bool, tolerance: float) -> None:
    network = tiny(double, conditions=3, unmasked=unmasked)
    condition, codes = codes_of(2, 3, seed=1), codes_of(2, 15)
    whole = network(codes, condition)
    assert whole.shape == (2, 16, 7)
    assert whole.std() > 1
    past = network.new_past()
    parts = [network(codes[:, :4], condition, past)]
    parts += [network(codes[:, first:last], past=past) for first, last in ((4, 5), (5, 6), (6, 11), (11, 15))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=tolerance)


def test_conditions_share_the_table_as_published_or_have_their_own() -> None:
    shared, own = tiny(), tiny(condition_codes=7)
    assert shared.conditions is None
    assert own.conditions is not None
    for network, alike in ((shared, True), (own, False)):
        torch.nn.init.zeros_(network.positions)
        first = network(codes_of(1, 0), torch.tensor([[3]]))
        # One token alone, once as a condition and once as a code after nothing that counts.
        as_code = network.codes(torch.tensor([[3]]))
        table = network.codes if network.conditions is None else network.conditions
        assert torch.equal(table(torch.tensor([[3]])), as_code) == alike
        assert first.shape == (1, 1, 7)


def test_more_labels_than_codes_need_a_table_of_their_own() -> None:
    network = tiny(condition_codes=100)
    assert network(codes_of(1, 3), torch.tensor([[99]])).shape == (1, 4, 7)
    assert tiny().head.bias is None


def test_the_start() -> None:
    torch.manual_seed(0)
    network = GPT(GPTSpec(codes=50, context=64, layers=1, width=64, heads=4, side=8))
    for name, value in network.named_parameters():
        if value.ndim > 1:
            assert value.std().item() == pytest.approx(DEVIATION, rel=0.1), name
        elif "norm" not in name:
            assert not value.any(), name


def test_dropout_only_in_training() -> None:
    torch.manual_seed(0)
    network = GPT(tiny().spec, dropout=0.5)
    codes, condition = codes_of(1, 5), torch.tensor([[1]])
    assert not torch.equal(network(codes, condition), network(codes, condition))
    network.eval()
    assert torch.equal(network(codes, condition), network(codes, condition))


def test_a_model_file_keeps_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = tiny(conditions=16, condition_codes=9)
    models.save(models.Model(network, "gpt", network.spec.as_dict()), tmp_path / "m.safetensors")
    loaded = models.load(tmp_path / "m.safetensors").network
    assert isinstance(loaded, GPT)
    assert loaded.spec == network.spec
    inputs = codes_of(2, 9), codes_of(2, 16, codes=9)
    assert torch.equal(loaded(*inputs), network(*inputs))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"context": 15}, "context is 15, wanted 16 or more"),
        ({"conditions": 18}, "context is 32, wanted 33 or more"),
        ({"unmasked": 2}, "unmasked is 2, wanted 1 or less"),
        ({"heads": 3}, "3 heads do not divide 16"),
        ({"codes": 1 << 40}, "codes must be an integer"),
        ({"layers": 10**6}, "layers must be an integer"),
        ({"width": 16.0}, "width must be an integer"),
    ],
)
def test_sizes_that_are_refused(sizes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**sizes)


def test_calls_that_are_refused() -> None:
    network = tiny()
    with pytest.raises(ValueError, match="got 33 tokens, wanted 32 or fewer"):
        network(codes_of(1, 32), torch.tensor([[0]]))
    with pytest.raises(ValueError, match="a condition with the first codes"):
        network(codes_of(1, 3))
    past = network.new_past()
    network(codes_of(1, 3), torch.tensor([[0]]), past)
    with pytest.raises(ValueError, match="a condition with the first codes"):
        network(codes_of(1, 3), torch.tensor([[0]]), past)
