"""Inception against torch-fidelity's, of the same random weights."""

from pathlib import Path

import pytest
import torch

from epe.networks.backbones.inception import Inception
from epe.networks.backbones.resize import bilinear
from tests.inception_weights import random_inception
from tests.torchvision_loader import load_torchvision


def test_equals_torch_fidelity(tmp_path: Path) -> None:
    load_torchvision()
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    state = random_inception()
    torch.save(state, tmp_path / "weights.pth")
    reference = theirs.FeatureExtractorInceptionV3("inception", ["2048"], str(tmp_path / "weights.pth"))
    ours = Inception()
    ours.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
    pixels = torch.randint(256, (2, 3, 70, 110), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    pixels[1, :, :30] = 255
    with torch.inference_mode():
        # One by one: a batch is to change nothing.
        wanted = torch.cat([reference(pixels[:1])[0], reference(pixels[1:])[0]])
        found = ours(bilinear(pixels.float(), 299) / 255)
    # The features tell the two pictures apart, or agreement would say nothing.
    assert (wanted[0] - wanted[1]).abs().max() > 0.03 * wanted.abs().max()
    # 1e-5: float32, the input scaled to [0, 1] and back.
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_published_size() -> None:
    with torch.device("meta"):
        network = Inception()
        assert network(torch.empty(2, 3, 299, 299)).shape == (2, 2048)
    counts = {name: value.numel() for name, value in network.named_parameters()}
    # torchvision's inception_v3 has 27,161,264 parameters, 3,326,696 of them in the auxiliary classifier and 2,049,000
    # in the last layer.
    assert sum(counts.values()) == 27_161_264 - 3_326_696 - 2_049_000
    # Keras counts 21,802,784 without the last layer: no factors there, but means and variances.
    norms = sum(value for name, value in counts.items() if name.endswith("bn.bias"))
    assert sum(counts.values()) + norms == 21_802_784


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="299"), torch.device("meta"):
        Inception()(torch.empty(1, 3, 300, 299))
