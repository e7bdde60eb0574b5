"""LPIPS against the authors' package, with its own weights of channels on a random trunk."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import CHANNELS, VGG16
from eval.metrics.lpips import lpips, read_shift_tolerant, read_weights
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder
from tests.torchvision_loader import load_torchvision


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    """Their network: a random VGG16, published heads."""
    load_torchvision()
    package = pytest.importorskip("lpips")
    torch.manual_seed(0)
    return package.LPIPS(net="vgg", version="0.1", pnet_rand=True, verbose=False).eval()


def heads(theirs: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: lin.model[-1].weight.detach().flatten() for name, lin in zip(LAYERS, theirs.lins, strict=True)}


def trunk(theirs: torch.nn.Module) -> VGG16:
    """The same weights in ours."""
    ours = VGG16("zeros").eval()
    found = [module for module in theirs.net.modules() if isinstance(module, torch.nn.Conv2d)]
    for conv, other in zip((m for m in ours.features if isinstance(m, torch.nn.Conv2d)), found, strict=True):
        conv.load_state_dict(other.state_dict())
    return ours


def test_the_authors_package_agrees(theirs: torch.nn.Module) -> None:
    vgg = trunk(theirs)
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(3, 3, 64, 80, generator=generator)
    b = (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)
    with torch.no_grad():
        wanted = theirs(a, b, normalize=True).flatten()
        found = lpips(vgg(a, LAYERS), vgg(b, LAYERS), heads(theirs))
    # Their means and deviations of ImageNet have three digits in [-1, 1], ours in [0, 1]: the same numbers.
    assert found.tolist() == pytest.approx(wanted.tolist(), rel=1e-4)
    assert (found > 0.001).all()


def test_dividing_a_layer_changes_nothing(theirs: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = ({name: torch.rand(2, CHANNELS[name], 6, 5, generator=generator) for name in LAYERS} for _ in range(2))
    scaled = [{name: value / (3 + i) for i, (name, value) in enumerate(x.items())} for x in (a, b)]
    plain = lpips(a, b, heads(theirs))
    assert lpips(*scaled, heads(theirs)).tolist() == pytest.approx(plain.tolist(), rel=1e-5)
    assert lpips(a, a, heads(theirs)).tolist() == [0, 0]


@pytest.mark.weights
@pytest.mark.skipif(not (cache_folder() / "st-lpips.safetensors").exists(), reason="ST-LPIPS is not fetched")
def test_the_shift_tolerant_one_by_its_authors_numbers() -> None:
    """stlpips-pytorch 0.0.2 gave these for these noises, of even and of odd sides."""
    vgg, weights = read_shift_tolerant(cache_folder() / "st-lpips.safetensors")
    generator, found = torch.Generator().manual_seed(0), []
    for size in ((64, 80), (70, 51)):
        a = torch.rand(2, 3, *size, generator=generator)
        b = (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)
        with torch.no_grad():
            found += lpips(vgg(a, LAYERS), vgg(b, LAYERS), weights).tolist()
    assert found == pytest.approx([0.0187252, 0.0182582, 0.0180397, 0.0176505], rel=1e-5)


def test_files_that_are_no_trunk(tmp_path: Path) -> None:
    weights = {name: torch.ones(CHANNELS[name]) for name in LAYERS}
    save_file(weights, tmp_path / "bare.safetensors")
    save_file(weights | {"features.0.weight": torch.ones(2)}, tmp_path / "odd.safetensors")
    for name in ("bare", "odd", "none"):
        with pytest.raises(InputError, match=f"{name}.safetensors: .*fetch"):
            read_shift_tolerant(tmp_path / f"{name}.safetensors")


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    save_file({name: torch.ones(CHANNELS[name]) for name in LAYERS[:4]}, tmp_path / "four.safetensors")
    save_file({name: torch.ones(64) for name in LAYERS}, tmp_path / "narrow.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    for name in ("four", "narrow", "text", "none"):
        with pytest.raises(InputError, match=f"{name}.safetensors: .*fetch it"):
            read_weights(tmp_path / f"{name}.safetensors")
