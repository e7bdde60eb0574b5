"""What holds for every generator by name, and for the published RealFormers, which read no G-buffers."""

from pathlib import Path

import pytest
import torch

from epe import models
from epe.generator import Generator, StyledGenerator
from epe.networks.enhancers.realformer_v1 import RealFormerV1
from epe.networks.enhancers.realformer_v2 import RealFormerV2
from epe.networks.generators import GENERATORS, build_generator, kinds, preset_names
from epe.networks.preset_sizes import Entry, builders
from epe.networks.preset_sizes import measure as measured
from tests.epe.networks.made import SMALL, Spec, inputs, made, trained


def small(test: object) -> object:
    """Once for each of the published architectures."""
    return pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)(test)


def test_every_name_makes_a_generator() -> None:
    with torch.device("meta"):
        for name in set(preset_names()) - {"hr", "hr_new"}:  # spectral normalisation is slow there
            network = build_generator(name, 5, ((0, 1), (2, 3, 4)))
            assert network.kind in kinds()
            assert isinstance(network, RealFormerV1 | RealFormerV2) or network.spec.channels == 5
            assert network.tile % network.spec.multiple_of == network.overlap % network.spec.multiple_of == 0


@pytest.mark.parametrize(
    "generator", [one for one in GENERATORS if one not in (RealFormerV1, RealFormerV2)], ids=lambda one: one.kind
)
def test_whoever_reads_gbuffers_refuses_other_channels_and_sizes(generator: type[Generator]) -> None:
    tiny = next(name for name in generator.presets if name.endswith("-tiny"))
    network, (image, gbuffers, classes) = build_generator(tiny, 5, ((0, 1), (2, 3, 4))), inputs(1, 16, 16)
    with pytest.raises(ValueError, match="5 G-buffer channels"):
        network(image, gbuffers[:, :4], classes)
    with pytest.raises(ValueError, match="pixels"):
        network(image[..., 1:], gbuffers, classes)


@small
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(32, 48), (33, 50), (1, 9)])
def test_untrained_returns_its_input(spec: Spec, training: bool, size: tuple[int, int]) -> None:
    frame = inputs(1, *size)
    # The clamp before the logit moves values by up to 0.001.
    assert (made(spec).train(training)(*frame) - frame[0]).abs().max() < 1.001e-3


@small
def test_one_image_does_not_touch_another(spec: Spec) -> None:
    network, (image, gbuffers, classes) = trained(spec), inputs(3, 24, 34)
    style = network.encode_style(torch.rand(3, 3, 20, 20))
    together = network(image, gbuffers, classes, style=style)
    alone = [
        network(image[i : i + 1], gbuffers[i : i + 1], classes[i : i + 1], style=style[i : i + 1]) for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)  # fp32, other blocking of the same sums
    assert ((together - image)[0] - (together - image)[1]).abs().max() > 1e-2


@small
def test_gbuffers_and_classes_are_not_read(spec: Spec) -> None:
    network, (image, gbuffers, classes) = trained(spec), inputs(1, 24, 32)
    assert torch.equal(network(image, gbuffers, classes), network(image, gbuffers[:, :0] + 1, classes + 1))


@small
def test_style_matters_where_there_is_one(spec: Spec) -> None:
    network, (image, *rest) = trained(spec), inputs(1, 24, 32)
    photo = torch.rand(1, 3, 20, 30)
    dark, light = (network.encode_style(photo * gain) for gain in (0.3, 1.0))
    assert dark.shape == (1, spec.style)
    out = network(image, *rest, style=light)
    assert torch.equal(out, network(image, *rest, style=light + 1)) != bool(spec.style)
    assert torch.equal(dark, light) != bool(spec.style)
    network.keep_style([photo[0]])
    assert torch.equal(network(image, *rest), out)


@small
def test_a_model_file_keeps_it(tmp_path: Path, spec: Spec) -> None:
    network, frame = trained(spec), inputs(1, 21, 22)
    network.train()(*frame)  # moves the running statistics of those that have them
    model = models.Model(network.eval(), network.kind, spec.as_dict(), tuple("abcde"), (0.0,) * 5, (1.0,) * 5)
    models.save(model, tmp_path / "m.safetensors")
    loaded = models.load(tmp_path / "m.safetensors").network
    assert isinstance(loaded, StyledGenerator)
    assert torch.equal(loaded(*frame), network(*frame))


@small
def test_a_step_of_training_is_the_same_twice(spec: Spec) -> None:
    """Deterministic algorithms are there for all of it, and one image makes a batch."""
    image, *rest = inputs(1, 33, 40)
    found = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            network = trained(spec).train()
            (network(image, *rest) - image.flip(-1)).square().mean().backward()
            found.append([p.grad for p in network.parameters() if p.grad is not None])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert all(bool(gradient.isfinite().all()) for gradient in found[0])


def measure(name: str, height: int, width: int) -> Entry:
    return measured(name, builders()[name], height, width)


@pytest.mark.parametrize("size", [(512, 512), (720, 1280)])
def test_multiply_adds_of_v1_1(size: tuple[int, int]) -> None:
    c, hidden, (h, w) = 768, 3072, (side // 16 for side in size)
    n, whole = h * w, (h + -h % 8) * (w + -w % 8)  # tokens, and those of whole windows
    seen, feed = 2 * n * c, 2 * c * hidden  # per token: by attention, by a feed-forward part
    encoder = n * (4 * c**2 + seen + feed) + 2 * 2 * c**2
    decoder = n * 2 * (4 * c**2 + seen) + n * feed + 2 * 2 * c**2
    window = whole * (4 * c**2 + 2 * 64 * c) + n * 8 * c**2
    positions = c * (h * 32 * 32 + h * 32 * w)  # two products with the grid of 32 x 32
    rest = n * (3 * 256 * c + 2 * c * hidden + 27 * c) + positions
    assert measure("realformer-v1_1", *size).macs == 8 * (encoder + decoder + window) + rest


def test_multiply_adds_of_v2_1() -> None:
    h, w = 64, 96
    full, half, n = h * w, h * w // 4, h * w // 16

    def separable(inputs: int, outputs: int, area: int) -> int:
        return inputs * area + inputs * outputs

    encoder = full * separable(3, 64, 49) + half * separable(64, 128, 9) + n * separable(128, 256, 9)
    block = n * (4 * 256**2 + 2 * 64 * 256 + 2 * separable(256, 256, 9))
    decoder = 9 * (n * 256 * 128 + half * 128 * 64) + full * separable(64, 3, 49)
    assert measure("realformer-v2_1", h, w).macs == encoder + 6 * block + decoder
