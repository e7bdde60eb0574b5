"""VQGAN and its discriminator: published counts part by part, shapes, ranges, what reaches what, invalid sizes."""

from typing import Any

import pytest
import torch
from torch import nn

from epe.networks.autoencoders.patch_discriminator import PatchDiscriminator, PatchDiscriminatorSpec
from epe.networks.autoencoders.vqgan import PRESETS, VQGAN, VQGANSpec, build_vqgan

TINY: dict[str, Any] = dict(PRESETS["vqgan-tiny"])


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


class TestCounts:
    def test_1024_codes_part_by_part(self) -> None:
        with torch.device("meta"):
            network = build_vqgan("vqgan-f16-1024")
        assert count(network.encoder) == 29_298_176
        assert count(network.decoder) == 42_449_795
        assert count(network.to_code, network.from_code) == 131_584
        assert count(network.quantiser) == 262_144
        assert count(network) == 72_141_699

    @pytest.mark.parametrize(("name", "wanted"), [("vqgan-f16-16384", 76_073_859), ("vqseg-183", 72_556_599)])
    def test_others(self, name: str, wanted: int) -> None:
        with torch.device("meta"):
            assert count(build_vqgan(name)) == wanted

    @pytest.mark.parametrize(("layers", "wanted"), [(3, 2_765_633), (2, 663_361)])
    def test_discriminator(self, layers: int, wanted: int) -> None:
        with torch.device("meta"):
            assert count(PatchDiscriminator(PatchDiscriminatorSpec(layers=layers))) == wanted


class TestShapes:
    @pytest.mark.parametrize("name", ["vqgan-f8-small", "vqgan-f16-small", "vqgan-tiny"])
    def test_small_presets(self, name: str) -> None:
        network = build_vqgan(name).eval()
        picture = torch.rand(2, 3, 2 * network.factor, 3 * network.factor)
        with torch.inference_mode():
            made, found = network(picture)
            ids = network.encode(picture)
        assert made.shape == picture.shape
        assert ids.shape == (2, 2, 3)
        assert ids.dtype == torch.int64
        assert torch.equal(ids, found.ids)

    def test_a_reconstruction_is_what_its_codes_decode_to(self) -> None:
        network = build_vqgan("vqgan-tiny").eval()
        with torch.inference_mode():
            made, found = network(torch.rand(2, 3, 16, 12))
            # The straight-through sum z + (e - z) rounds; the code itself does not.
            assert torch.allclose(network.decode(found.ids), made, atol=1e-5)

    def test_pictures_of_a_batch_do_not_see_each_other(self) -> None:
        network = build_vqgan("vqgan-tiny").eval().double()
        pictures = torch.rand(3, 3, 8, 8, dtype=torch.float64)
        with torch.inference_mode():
            together = network(pictures)[0]
            alone = torch.cat([network(picture[None])[0] for picture in pictures])
        assert torch.allclose(together, alone, atol=1e-12)

    def test_sides_that_are_no_multiples(self) -> None:
        with pytest.raises(ValueError, match="13x16 pixels: wanted multiples of 2"):
            build_vqgan("vqgan-tiny").encode(torch.rand(1, 3, 16, 13))

    def test_class_maps_are_read_as_they_are_and_come_back_as_logits(self) -> None:
        network = build_vqgan("vqgan-tiny", channels=5, content="classes").eval()
        picture = torch.rand(1, 5, 8, 8)
        with torch.inference_mode():
            assert torch.equal(network.latents(picture), network.to_code(network.encoder(picture)))
            logits = network.decode(network.encode(picture))
        assert logits.shape == picture.shape

    def test_images_are_between_minus_one_and_one_inside(self) -> None:
        network = build_vqgan("vqgan-tiny").eval()
        with torch.inference_mode():
            inside = network.to_code(network.encoder(torch.ones(1, 3, 4, 4)))
            assert torch.equal(network.latents(torch.ones(1, 3, 4, 4)), inside)
            values = torch.rand(1, 8, 2, 2)
            assert torch.equal(network.reconstruct(values), (network.decoder(network.from_code(values)) + 1) / 2)

    def test_attention_lets_a_pixel_reach_all_codes(self) -> None:
        network = build_vqgan("vqgan-tiny").eval()
        picture = torch.rand(1, 3, 64, 64, requires_grad=True)
        network.latents(picture)[0, :, 0, 0].sum().backward()
        assert picture.grad is not None
        assert picture.grad[0, :, -1, -1].abs().min() > 0

    def test_a_patch_has_70_pixels(self) -> None:
        critic = PatchDiscriminator(PatchDiscriminatorSpec(width=4)).eval()  # batch norms would see all pixels
        image = torch.rand(1, 3, 160, 160, requires_grad=True)
        scores = critic(image)
        scores[0, 0, 9, 9].backward()
        assert image.grad is not None
        rows = torch.nonzero(image.grad.abs().sum((0, 1, 3)))[:, 0]
        assert int(rows.max() - rows.min()) + 1 == 70


class TestSpec:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"codes": 1}, {"width": 10**6}, {"multipliers": ()}, {"multipliers": (1, 0)}, {"multipliers": (1,) * 9},
            {"attention": (2,)}, {"content": "depth"}, {"channels": 4}, {"unit_codes": 1}, {"multipliers": (1, True)},
        ],
    )  # fmt: skip
    def test_invalid(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            VQGANSpec(**{**TINY, **wrong})

    def test_lists_as_in_json(self) -> None:
        spec = VQGANSpec.from_dict(TINY)
        assert VQGANSpec.from_dict({**spec.as_dict(), "multipliers": [1, 2], "attention": [1]}) == spec
        assert VQGAN(spec).factor == 2
