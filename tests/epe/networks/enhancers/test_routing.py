"""Class streams that run only where their class is: the same as everywhere, at every place of the frame."""

import pytest
import torch

from epe.inference.macs import Macs
from epe.layers.convolutions import ScaledBlock, SpectralBlock
from epe.networks.enhancers.enhancer import PRESETS, Enhancer, EnhancerSpec
from epe.networks.enhancers.gbuffer_encoder import CELL, GBufferEncoder


def encoder(block: type = SpectralBlock) -> GBufferEncoder:
    torch.manual_seed(0)
    return GBufferEncoder(((0, 1, 2), (1,), (0, 2)), 6, 8, 2, block).eval()


def scene(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two frames: a border between classes inside a cell, a lone pixel, a class that touches the frame's corner."""
    ids = torch.zeros(2, height, width, dtype=torch.int64)
    ids[0, : height // 3] = 1
    ids[0, height // 2, width // 2] = 2
    ids[1, -1, -1] = 2
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1)), ids


@pytest.mark.parametrize("block", [SpectralBlock, ScaledBlock])
@pytest.mark.parametrize("size", [(3 * CELL, 2 * CELL + 5), (CELL + 3, 3 * CELL), (5, 7)])
def test_routed_equals_everywhere(block: type, size: tuple[int, int]) -> None:
    network, (gbuffers, ids) = encoder(block), scene(*size)
    with torch.inference_mode():
        routed = network(gbuffers, ids)
        masks = torch.nn.functional.one_hot(ids, 3).movedim(-1, 1).float()
        plain = network(gbuffers, masks)
    for one, other in zip(routed, plain, strict=True):
        assert torch.allclose(one, other, atol=1e-5)  # fp32: other shapes, other order of the same sums
        assert other.std() > 0.05


def test_absent_classes_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    network, (gbuffers, ids) = encoder(), scene(3 * CELL, 3 * CELL)
    seen: list[tuple[int, int]] = []
    for index, stream in enumerate(network.streams):
        stream.register_forward_hook(lambda _m, inputs, _o, index=index: seen.append((index, inputs[0].shape[-1])))
    with torch.inference_mode():
        network(gbuffers[1:], ids[1:])
    # Of class 2 one cell in the corner and four pixels to its left; of class 1 nothing.
    assert sorted(seen) == [(0, 3 * CELL), (2, CELL + 4)]


def test_training_runs_every_stream_on_everything() -> None:
    network, (gbuffers, ids) = encoder(), scene(10, 12)
    sum(x.sum() for x in network(gbuffers, ids)).backward()
    assert all(p.grad is not None for p in network.streams.parameters())


@pytest.mark.parametrize("conditioning", ["rad", "rac", "spade", "concat", "none"])
def test_encoded_gbuffers_serve_many_pictures(conditioning: str) -> None:
    sizes = PRESETS["hr-tiny"] | {"conditioning": conditioning}
    network = Enhancer(EnhancerSpec(3, ((0, 1, 2), (1,), (0, 2)), **sizes)).eval()
    torch.nn.init.normal_(network.image.head.out.weight)  # type: ignore[union-attr, arg-type]
    gbuffers, ids = scene(20, 23)
    with torch.inference_mode():
        maps = network.encode(gbuffers, ids)
        for picture in (torch.rand(2, 3, 20, 23), torch.zeros(2, 3, 20, 23)):
            assert torch.equal(network.enhance(picture, maps), network(picture, gbuffers, ids))
    with pytest.raises(ValueError, match="G-buffer channels"):
        network.encode(gbuffers[:, :2], ids)
    if conditioning != "none":
        with pytest.raises(ValueError, match="pixels"):
            network.enhance(torch.rand(2, 3, 20, 24), maps)


@pytest.mark.parametrize("conditioning", ["rad", "rac", "spade"])
def test_kept_terms_give_the_same_for_fewer_multiplications(conditioning: str) -> None:
    sizes = PRESETS["hr-tiny"] | {"conditioning": conditioning, "rad_layers": 2}
    network = Enhancer(EnhancerSpec(3, ((0, 1, 2), (1,), (0, 2)), **sizes)).eval()
    torch.nn.init.normal_(network.image.head.out.weight)  # type: ignore[union-attr, arg-type]
    gbuffers, ids = scene(20, 23)
    with torch.inference_mode():
        kept = network.encode(gbuffers, ids, keep=True)
        for picture in (torch.rand(2, 3, 20, 23), torch.zeros(2, 3, 20, 23)):
            assert torch.equal(network.enhance(picture, kept), network(picture, gbuffers, ids))
        spent = []
        for maps in (network.encode(gbuffers, ids), kept):
            with Macs() as macs:
                network.enhance(picture, maps)
            spent.append(macs.total)
    if conditioning == "spade":  # keeps nothing
        assert spent[1] == spent[0]
    else:
        assert spent[1] < 0.7 * spent[0]


@pytest.mark.parametrize("conditioning", ["rad", "rac", "spade", "concat", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_bands_give_the_same_picture(conditioning: str, soft: bool) -> None:
    sizes = PRESETS["hr-tiny"] | {"conditioning": conditioning, "rad_layers": 2, "stages": 3}
    network = Enhancer(EnhancerSpec(3, ((0, 1, 2), (1,), (0, 2)), **sizes)).eval()
    torch.nn.init.normal_(network.image.head.out.weight)  # type: ignore[union-attr, arg-type]
    gbuffers, classes = scene(75, 50)
    if soft:
        classes = torch.rand(2, 3, 75, 50)
    image = torch.rand(2, 3, 75, 50)
    with torch.inference_mode():
        wanted = network(image, gbuffers, classes)
        for pixels in (1, 600, 10**6):
            found = network.in_bands(image, gbuffers, classes, pixels)
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
