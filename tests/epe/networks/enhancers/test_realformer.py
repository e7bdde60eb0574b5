"""realformer: identity when untrained, whole in every size, led by G-buffers and style, and cut into tiles unseen."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from epe import models
from epe.inference.tiling import run_tiled
from epe.layers.positions import Positions
from epe.networks.enhancers.realformer import PRESETS, RealFormer, RealFormerSpec
from epe.networks.generators import build_generator
from tests.epe.networks.made import recorded


def trained(**sizes: int) -> RealFormer:
    """A network whose every part matters."""
    torch.manual_seed(6)
    network = RealFormer(RealFormerSpec(5, 3, **(PRESETS["realformer-tiny"] | sizes))).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in (*network.parameters(), network.kept_style):
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
    return network


def inputs(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.rand(batch, 3, height, width, generator=generator),
        torch.randn(batch, 5, height, width, generator=generator),
        torch.randint(3, (batch, height, width), generator=generator),
    )


def parameters(s: RealFormerSpec) -> int:
    """Their number, part by part, by hand."""
    attention = 4 * (s.width + 1) * s.width
    adain, rad = (s.style + 1) * 2 * s.width, (s.encoded + 1) * 2 * s.width
    feed = s.width * s.hidden + s.hidden + s.hidden * s.width + s.width
    windows = 2 * rad + attention + s.heads * (2 * s.window - 1) ** 2 + feed
    blocks = s.encoders * (adain + attention + rad + feed)
    blocks += s.decoders * (2 * adain + 2 * attention + 2 * s.width + rad + feed) + s.windows * windows
    area = s.patch**2
    known = (
        9 * (s.channels * area + s.classes) * (s.width + s.encoded) + s.encoded + 4 * (9 * s.encoded + 1) * s.encoded
    )
    embed = (27 * area + 1) * s.width + s.width * s.grid**2
    head, before, side = 4 * s.width, s.width, s.patch // 2  # norms of memory and head
    while side:
        wide = s.finest * side
        head += 4 * wide * (before + 1) + wide * 9 * (wide + 3 * side**2) + wide + 2 * (9 * wide + 1) * wide
        known += 9 * s.channels * side**2 * wide
        before, side = wide, side // 2
    head += 3 * (9 * s.finest + 1)
    style = 64 * 28 + 128 * (64 * 9 + 1) + (6 * 64 + 1) * s.style
    return blocks + known + embed + head + style


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_what_the_table_in_the_docs_adds_up_to(name: str) -> None:
    with torch.device("meta"):
        network = build_generator(name, 32, [range(32)] * 12)
    assert isinstance(network, RealFormer)
    assert sum(p.numel() for p in network.parameters()) == parameters(network.spec)


@pytest.mark.parametrize("size", [(32, 48), (33, 50), (1, 7)])
def test_untrained_returns_its_input(size: tuple[int, int]) -> None:
    image, gbuffers, classes = inputs(2, *size)
    network = RealFormer(RealFormerSpec(5, 3, **PRESETS["realformer-tiny"]))
    # The clamp before the logit moves values by up to 0.001.
    assert (network(image, gbuffers, classes) - image).abs().max() < 1.001e-3


def test_one_image_does_not_touch_another() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(3, 24, 32)
    style = network.encode_style(torch.rand(3, 3, 20, 20))
    together = network(image, gbuffers, classes, style=style)
    alone = [
        network(image[i : i + 1], gbuffers[i : i + 1], classes[i : i + 1], style=style[i : i + 1]) for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)  # fp32, other blocking of the same sums
    assert (together[0] - together[1]).abs().max() > 1e-2


def test_everything_matters() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(2, 24, 32)
    style = network.encode_style(torch.rand(2, 3, 20, 30))
    out = network(image, gbuffers, classes, style=style)
    assert not torch.equal(out, network(image, gbuffers + 1, classes, style=style))
    assert not torch.equal(out, network(image, gbuffers, (classes + 1) % 3, style=style))
    assert not torch.equal(out, network(image, gbuffers, classes, style=style + 1))
    masks = torch.stack([(classes == k).float() for k in range(3)], dim=1)
    assert torch.equal(out, network(image, gbuffers, masks, style=style))


def test_every_parameter_learns_but_those_that_cancel() -> None:
    """What is the same for all keys of a window is without effect in its softmax."""
    network, (image, gbuffers, classes) = trained().double(), inputs(2, 24, 32)
    out = network(
        image.double(), gbuffers.double(), classes, style=network.encode_style(torch.rand(2, 3, 20, 30).double())
    )
    (out * image.flip(-1)).sum().backward()
    cancels = {f"windows.{i}.attention.attention.key.bias" for i in range(2)}
    # fp64: others have 1e-6 and more.
    assert {name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9} == cancels


def test_decoder_blocks_see_the_encoder_from_its_end() -> None:
    network = trained(encoders=3, decoders=4)
    encoded, memory, decoded = recorded(network.encoder), recorded([network.memory]), recorded(network.decoder)
    network(*inputs(1, 24, 32))
    assert [taken[0] for taken in memory.taken] == encoded.given[2:]
    for (x, skip, seen, *_), before, of in zip(
        decoded.taken, [encoded.given[2], *decoded.given[:3]], (2, 1, 0, 0), strict=True
    ):
        assert x is before
        assert skip is encoded.given[of]
        assert seen is memory.given[0]


def test_a_token_sees_past_its_window_through_the_shifted_one() -> None:
    network = trained()
    x, features = torch.randn(1, 8, 8, 16).requires_grad_(), torch.randn(1, 8, 8, 8)
    straight, shifted = network.windows
    (gradient,) = torch.autograd.grad(shifted(straight(x, features), features)[0, 3, 3].sum(), x)
    # Token 3 lies in the shifted window 2 .. 5, which is made of windows 0 .. 3 and 4 .. 7.
    assert (gradient.abs().sum(-1) > 0).all()
    (gradient,) = torch.autograd.grad(straight(x, features)[0, 3, 3].sum(), x)
    assert not gradient[:, 4:].any()


def test_crops_get_their_part_of_the_positions() -> None:
    network, frame = trained(), inputs(1, 24, 32)
    crop_box = torch.tensor([[0.25, 0.5, 0.75, 1.0]])
    positions = recorded([network.positions])
    assert not torch.equal(network(*frame, crop_box=crop_box), network(*frame))
    assert torch.equal(positions.given[0], network.positions(6, 8, crop_box))


def test_the_kept_style_is_the_mean_of_what_it_was_shown() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(1, 24, 32)
    photos = [torch.rand(3, 20, 30), torch.rand(3, 40, 24)]
    network.keep_style(photos)
    mean = torch.cat([network.encode_style(photo[None]) for photo in photos]).mean(dim=0, keepdim=True)
    assert torch.equal(network(image, gbuffers, classes), network(image, gbuffers, classes, style=mean))


def test_style_tells_tones_and_textures_apart_and_not_places() -> None:
    network = trained()
    generator = torch.Generator().manual_seed(1)
    photo = torch.rand(1, 3, 64, 64, generator=generator)
    of = network.encode_style(photo)
    # Mirroring moves places and turns the kernels' neighbourhoods round, which of noise is the same on average.
    mirrored = (network.encode_style(photo.flip(-1)) - of).abs().max()
    assert mirrored < 0.1 * (network.encode_style(photo * 0.5) - of).abs().max()
    flat = photo.mean(dim=(2, 3), keepdim=True).expand_as(photo)
    assert mirrored < 0.1 * (network.encode_style(flat) - of).abs().max()


def test_style_is_made_of_means_and_deviations() -> None:
    encoder, photo = trained().style, torch.rand(2, 3, 20, 31)
    found = []
    x = 2 * photo - 1
    for layer in (encoder.first, encoder.second):
        x = layer(x).clamp(min=0)
        found += [x.mean(dim=(2, 3)), (x.var(dim=(2, 3), correction=0) + 1e-5).sqrt()]
    torch.testing.assert_close(encoder(photo), encoder.out(torch.cat(found, dim=1)))


def test_encoded_gbuffers_serve_many_pictures() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(1, 30, 41)
    known = network.encode(gbuffers, classes)
    for picture in (image, 1 - image):
        assert torch.equal(network.enhance(picture, known), network(picture, gbuffers, classes))


def test_even_areas_stay_even() -> None:
    """Channels that become pixels differ, and must leave no weave; positions and borders aside."""
    network = trained()
    torch.nn.init.zeros_(network.positions.grid)
    image, gbuffers = torch.full((1, 3, 32, 48), 0.4), torch.full((1, 5, 32, 48), 0.7)
    out = network(image, gbuffers, torch.zeros(1, 32, 48, dtype=torch.long))
    assert (out - image).abs().max() > 0.01
    assert (out.amax((2, 3)) - out.amin((2, 3))).max() < 1e-5  # fp32


def test_it_knows_where_a_token_lies() -> None:
    """Swapping two halves of a frame is not swapping the halves of what becomes of it: here by positions alone."""
    network, frame = trained(windows=0), inputs(1, 16, 96)
    swapped = [x.roll(48, dims=-1) for x in frame]

    @torch.no_grad()
    def apart() -> float:
        # Far from the borders of both halves, which convolutions see: 3 tokens on the way in, 10 pixels on that out.
        difference = (network(*swapped).roll(48, dims=-1) - network(*frame)).abs()
        return max(float(difference[..., 23:25].max()), float(difference[..., 71:73].max()))

    torch.nn.init.normal_(network.positions.grid)
    with_positions = apart()
    torch.nn.init.zeros_(network.positions.grid)
    assert with_positions > 10 * apart()


class TestPositions:
    def test_a_frame_of_the_grids_size_gets_the_grid(self) -> None:
        positions = Positions(4, 6)
        torch.nn.init.normal_(positions.grid)
        assert torch.allclose(positions(6, 6)[0], positions.grid, atol=1e-6)  # fp32

    @pytest.mark.parametrize("size", [(3, 5), (18, 32), (7, 1)])
    @pytest.mark.parametrize("crop_box", [None, (0.25, 0.5, 0.75, 0.625)])
    def test_maps_get_their_part_of_it_stretched(
        self, size: tuple[int, int], crop_box: tuple[float, float, float, float] | None
    ) -> None:
        positions = Positions(2, 8)
        ramp = (torch.arange(8) + 0.5) / 8
        with torch.no_grad():
            positions.grid[0], positions.grid[1] = ramp[:, None], ramp
        found = positions(*size, None if crop_box is None else torch.tensor([crop_box]))[0]
        top, left, bottom, right = crop_box or (0, 0, 1, 1)
        rows, columns = ((torch.arange(n) + 0.5) / n for n in size)
        # Half a place of the grid from the border and farther out all places are alike.
        wanted = [(top + (bottom - top) * rows)[:, None], left + (right - left) * columns]
        for along, straight in zip(found, wanted, strict=True):
            assert torch.allclose(along, straight.clamp(1 / 16, 15 / 16).expand(size), atol=1e-6)  # fp32

    def test_as_torch_enlarges(self) -> None:
        positions = Positions(3, 5)
        torch.nn.init.normal_(positions.grid)
        wanted = torch.nn.functional.interpolate(positions.grid[None], (9, 16), mode="bilinear", align_corners=False)
        assert torch.allclose(positions(9, 16), wanted, atol=1e-6)

    def test_crops_have_those_of_their_frame(self) -> None:
        positions = Positions(3, 5)
        torch.nn.init.normal_(positions.grid)
        whole = positions(12, 16)
        crop_box = torch.tensor([[3 / 12, 4 / 16, 9 / 12, 1.0], [0, 0, 0.5, 0.75]])
        assert torch.allclose(
            positions(6, 12, crop_box), torch.cat([whole[..., 3:9, 4:], whole[..., :6, :12]]), atol=1e-6
        )


def steps(x: Tensor) -> float:
    """The largest difference between neighbours."""
    return max(float(x.diff(dim=-1).abs().max()), float(x.diff(dim=-2).abs().max()))


def test_tiles_leave_no_seam() -> None:
    """What tiles change is a slow drift: neighbouring pixels differ by less than a step of 8 bits more than before."""
    network, frame = trained(), inputs(1, 160, 320)
    with torch.inference_mode():
        whole = network(*frame)
        tiled = run_tiled(network, frame, tile=192, overlap=48, multiple_of=network.spec.multiple_of, crop_boxes=True)
    assert (whole - frame[0]).abs().max() > 0.05
    assert steps(tiled - whole) < 1 / 255


def test_1024x576_through_a_model_of_512() -> None:
    """Whole, by interpolated positions, and in tiles of 512: the same picture but for a drift that leaves no seam."""
    network, frame = trained(grid=128), inputs(1, 576, 1024)  # 512 pixels are 128 tokens
    with torch.inference_mode():
        whole = network(*frame)
        tiled = run_tiled(network, frame, tile=512, overlap=128, multiple_of=4, crop_boxes=True)
    assert whole.shape == (1, 3, 576, 1024)
    assert (whole - frame[0]).abs().max() > 0.05
    assert steps(tiled - whole) < 1 / 255


def test_a_model_file_keeps_it(tmp_path: Path) -> None:
    network, frame = trained(), inputs(1, 21, 22)
    model = models.Model(network, network.kind, network.spec.as_dict(), tuple("abcde"), (0.0,) * 5, (1.0,) * 5)
    models.save(model, tmp_path / "m.safetensors")
    assert torch.equal(models.load(tmp_path / "m.safetensors").network(*frame), network(*frame))


@pytest.mark.parametrize(
    ("name", "value"), [("patch", 6), ("heads", 3), ("width", 0), ("encoders", 0), ("windows", True), ("grid", 1 << 20)]
)
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        RealFormerSpec(**({"channels": 5, "classes": 3} | PRESETS["realformer-tiny"] | {name: value}))
