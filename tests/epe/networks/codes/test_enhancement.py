"""Frames drawn as codes: what stays, what is drawn anew, thin structures, sizes that are no multiples."""

import pytest
import torch

from epe.networks.codes.choice import Choice
from epe.networks.codes.enhancement import FAINT, STRONG, Prior, enhance_by_codes, thin_structures
from tests.epe.networks.codes.made import Blocks, BlocksSpec, tiny


def prior(fraction: float, seed: int = 3) -> Prior:
    return Prior(tiny(codes=8, condition_codes=1), fraction, Choice(), 1, seed)


def frame(height: int = 24, width: int = 28) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


class TestCodes:
    def test_without_a_prior_it_is_the_codes_own_picture(self) -> None:
        stage = Blocks(BlocksSpec())
        made = enhance_by_codes(stage, frame(), None, keep_thin=False)
        assert torch.equal(made, stage.decode(stage.encode(frame())))

    def test_the_share_is_drawn_anew_and_the_rest_stays(self) -> None:
        stage = Blocks(BlocksSpec())
        plain = enhance_by_codes(stage, frame(), None, keep_thin=False)
        made = enhance_by_codes(stage, frame(), prior(0.25), keep_thin=False)
        changed = (made != plain).any(1)[0, ::4, ::4]
        assert 0 < changed.sum() <= round(0.25 * 6 * 7)  # a code may be drawn as it was
        assert torch.equal(enhance_by_codes(stage, frame(), prior(0.0), keep_thin=False), plain)

    def test_the_seed_decides(self) -> None:
        stage = Blocks(BlocksSpec())
        a, b, c = (enhance_by_codes(stage, frame(), prior(0.5, seed), keep_thin=True) for seed in (1, 1, 2))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)

    @pytest.mark.parametrize("size", [(5, 3), (24, 27), (40, 16)])
    def test_frames_of_any_size(self, size: tuple[int, int]) -> None:
        made = enhance_by_codes(Blocks(BlocksSpec()), frame(*size), prior(0.5), keep_thin=True)
        assert made.shape == (1, 3, *size)
        assert torch.isfinite(made).all()


class TestThinStructures:
    def test_a_wire_comes_back_and_faint_texture_does_not(self) -> None:
        stage, picture = Blocks(BlocksSpec()), torch.full((1, 3, 16, 32), 4 / 7)
        wired = picture.clone()
        wired[..., 7] = 0
        wired[..., 20] += 0.02
        made = enhance_by_codes(stage, wired, None, keep_thin=True)
        assert torch.allclose(made[..., 7], wired[..., 7], atol=1e-6)
        assert torch.equal(made[..., 20:24], stage.decode(stage.encode(wired))[..., 20:24])

    def test_between_faint_and_strong_it_is_a_share(self) -> None:
        plain = torch.zeros(1, 3, 8, 8)
        for lost in (0.5 * FAINT, 0.5 * (FAINT + STRONG), 2 * STRONG):
            fraction = min(max((lost - FAINT) / (STRONG - FAINT), 0), 1)
            assert torch.allclose(thin_structures(plain + lost, plain), plain + fraction * lost, atol=1e-6)
