"""Where and for which pixels features are changed; sizes; what stays as it is."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from epe.networks.backbones.vgg import VGG16
from epe.networks.style_transfer.photo_wct import PhotoWCT, unpool
from epe.networks.style_transfer.stylise import encode_style, pad_to_multiple, stylise
from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF, decoder, encoder, of_vgg16, steps, up_to
from epe.networks.style_transfer.wct2 import PARTS, WCT2, part_names
from epe.networks.style_transfer.whitening import WhiteningRule, moments


class Plain:
    """One place, at half the resolution: the image itself, averaged."""

    rule = WhiteningRule()

    def visit(self, image: Tensor, see: Callable[[str, Tensor], Tensor]) -> None:
        see("only", torch.nn.functional.avg_pool2d(image, 2))

    def __call__(self, image: Tensor, change: Callable[[str, Tensor], Tensor]) -> Tensor:
        return change("only", torch.nn.functional.avg_pool2d(image, 2)).repeat_interleave(2, 2).repeat_interleave(2, 3)


def drawn(height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64) * torch.tensor(
        [1.0, 0.5, 2.0]
    ).view(3, 1, 1)


def halves(height: int, width: int, left: int, right: int) -> Tensor:
    labels = torch.full((height, width), left)
    labels[:, width // 2 :] = right
    return labels


def cells(image: Tensor) -> Tensor:
    """Plain's features, (3, N)."""
    return torch.nn.functional.avg_pool2d(image, 2)[0].flatten(1)


def assert_moments(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(moments(found).mean, moments(wanted).mean)
    torch.testing.assert_close(moments(found).covariance, moments(wanted).covariance)


def test_without_labels_the_whole_gets_the_styles_moments() -> None:
    content, style = drawn(32, 48, 0), drawn(16, 32, 1)
    assert_moments(cells(stylise(Plain(), content, encode_style(Plain(), style))), cells(style))


def test_labels_get_the_moments_of_the_same_label() -> None:
    content, style = drawn(32, 48, 0), drawn(32, 32, 1)
    made = stylise(Plain(), content, encode_style(Plain(), style, halves(32, 32, 7, 3)), halves(32, 48, 3, 7))
    assert_moments(cells(made[..., :24]), cells(style[..., 16:]))
    assert_moments(cells(made[..., 24:]), cells(style[..., :16]))


def test_labels_that_the_style_lacks_are_changed_as_the_whole_picture_is() -> None:
    content, style = drawn(32, 48, 0), drawn(32, 32, 1)
    whole = stylise(Plain(), content, encode_style(Plain(), style))
    made = stylise(Plain(), content, encode_style(Plain(), style, halves(32, 32, 7, 3)), halves(32, 48, 3, 5))
    torch.testing.assert_close(made[..., 24:], whole[..., 24:])
    assert_moments(cells(made[..., :24]), cells(style[..., 16:]))


def test_each_label_is_cut_off_at_its_own_extremes() -> None:
    class Clamped(Plain):
        rule = WhiteningRule(clamp=True)

    content, style, labels = drawn(32, 48, 0), 4 * drawn(32, 48, 1) - 1, halves(32, 48, 0, 1)
    content[..., 24:] += 5
    made = stylise(Clamped(), content, encode_style(Clamped(), style, labels), labels)
    cells = torch.nn.functional.avg_pool2d(content, 2)
    for part, before in ((made[..., :24], cells[..., :12]), (made[..., 24:], cells[..., 12:])):
        assert before.min() <= part.min() < part.max() <= before.max()


def test_labels_of_less_than_a_hundredth_count_for_none() -> None:
    content, style = drawn(32, 48, 0), drawn(32, 32, 1)
    few = torch.zeros(32, 48, dtype=torch.int64)
    few[:3, :5] = 1  # 15 of 1536
    style_labels = halves(32, 32, 0, 1)
    made = stylise(Plain(), content, encode_style(Plain(), style, style_labels), few)
    whole = stylise(Plain(), content, encode_style(Plain(), style))
    torch.testing.assert_close(made[..., :2, :4], whole[..., :2, :4])


def test_a_label_of_a_single_cell_is_changed_as_the_whole_picture_is() -> None:
    content, style = drawn(16, 16, 0), drawn(16, 16, 1)
    labels = torch.zeros(16, 16, dtype=torch.int64)
    labels[0, 0:2] = labels[1, 0:2] = labels[5, 0] = 1  # 5 of 256, one cell of which is sampled
    made = cells(stylise(Plain(), content, encode_style(Plain(), style, labels), labels))
    whole = cells(stylise(Plain(), content, encode_style(Plain(), style)))
    torch.testing.assert_close(made[:, 0], whole[:, 0])
    assert_moments(made[:, 1:], cells(style)[:, 1:])


@pytest.fixture(scope="module")
def network() -> WCT2:
    torch.manual_seed(0)
    return WCT2().eval()


@torch.inference_mode()
def test_any_size_and_equals_stay_as_they_are(network: WCT2) -> None:
    """With equal ridges the transform between equals is the identity, at all places; sides need not divide by 8."""
    image = drawn(19, 26, 2).float().clamp(0, 1)
    made = stylise(network, image, encode_style(network, image))
    plain = network(pad_to_multiple(image))[..., :19, :26]
    assert made.shape == image.shape
    # 1e-3 of the largest: float32 features, whitened and coloured 16 times one after the other.
    assert (made - plain).abs().max() < 1e-3 * plain.abs().max()


def test_places_are_all_that_the_network_has(network: WCT2) -> None:
    seen: list[str] = []

    def see(place: str, features: Tensor) -> Tensor:
        seen.append(place)
        return features

    with torch.inference_mode():
        network.visit(torch.rand(1, 3, 16, 16), see)
    assert len(seen) == len(set(seen)) == 4 + 9 + 4
    assert part_names(PARTS) == set(seen) - {"decoder 4"}
    assert part_names(["decoder"]) == {f"decoder {level}" for level in (1, 2, 3, 4)}


def test_too_small_an_image() -> None:
    with pytest.raises(ValueError, match="40x15 is too small"):
        pad_to_multiple(torch.zeros(1, 3, 15, 40))


def test_vgg16_in_front_is_vgg16_away_from_borders() -> None:
    torch.manual_seed(1)
    vgg = VGG16("none").double().eval()
    network = PhotoWCT().double()
    network.encoder.load_state_dict(of_vgg16(vgg))
    image = torch.rand(1, 3, 96, 96, dtype=torch.float64)
    with torch.inference_mode():
        wanted = VGG16("zeros").double()
        wanted.load_state_dict(vgg.state_dict())
        found = wanted(image, ("relu1_1", "relu2_1", "relu3_1", "relu4_1"))
        for ours, theirs in zip(network.features(image), found.values(), strict=True):
            # relu4_1 sees 27 pixels around its own: the cells in the middle see no border.
            margin = ours.shape[-1] * 5 // 12
            middle = (..., slice(margin, -margin), slice(margin, -margin))
            # conv0 divides by the deviation what VGG16 divides before. float64: the order of sums is the processor's.
            torch.testing.assert_close(ours[middle], theirs[middle], rtol=1e-9, atol=1e-9)


def test_maxima_go_back_to_their_places() -> None:
    x = torch.rand(2, 3, 8, 6)
    pooled, maxima = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    back = unpool(pooled, maxima)
    assert torch.equal(back, torch.nn.functional.max_unpool2d(pooled, maxima, 2))
    assert torch.equal(back[back > 0], x[back > 0])
    assert torch.equal(torch.nn.functional.max_pool2d(back, 2), pooled)


def test_decoders_mirror_encoders() -> None:
    for trunk in ("vgg16", "vgg19"):
        mirrored = decoder(trunk)
        for name, conv in encoder(trunk).items():
            if name != "conv0":
                assert mirrored[name].weight.shape[:2] == conv.weight.shape[:2][::-1]
    assert list(decoder("vgg16", 2)) == ["conv2_1", "conv1_2", "conv1_1"]
    assert up_to("vgg16", 2) == ("conv1_1", "conv1_2", "pool1", "conv2_1")
    assert len(steps("vgg19")) == 9 + 3
    assert MULTIPLE_OF == 2**3


def test_unknown_specs() -> None:
    with pytest.raises(ValueError, match="trunk must be one of vgg16, vgg19, got 'vgg11'"):
        PhotoWCT("vgg11")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unpooling must be one of"):
        WCT2(unpooling="max")  # type: ignore[arg-type]
