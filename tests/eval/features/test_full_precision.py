"""Whatever turns pictures into features does so in float32, on CUDA too, and leaves the switch as it was."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import VGG16, frozen
from eval.features.embeddings import VectorEmbedding
from eval.features.vgg_features import Extractor
from eval.features.vgg_statistics import MEANS, VggStatistics
from eval.metrics.lpips import LPIPS

CPU = torch.device("cpu")
PICTURE = np.zeros((32, 32, 3), np.uint8)
WEIGHTS = dict(zip(LAYERS, map(torch.ones, (64, 128, 256, 512, 512)), strict=True))


def vectors(vgg: VGG16) -> object:
    def prepare(image: Tensor) -> Tensor:
        return image / 255

    def network(image: Tensor) -> Tensor:
        return vgg(image, (MEANS,))[MEANS].mean((2, 3))

    return VectorEmbedding("VGG16", "", 512, prepare, network, CPU)(PICTURE)


@pytest.mark.parametrize(
    "use",
    [
        vectors,
        lambda vgg: VggStatistics(vgg, "", CPU, ())(PICTURE),
        lambda vgg: Extractor(vgg, "mean", 1, CPU)(PICTURE[None], (MEANS,)),
        lambda vgg: LPIPS(vgg, WEIGHTS, CPU)(PICTURE, PICTURE),
    ],
    ids=["embeddings", "style", "features", "perceptual"],
)
def test_no_tf32_in_convolutions(use: Callable[[VGG16], object], monkeypatch: pytest.MonkeyPatch) -> None:
    vgg, seen = frozen(VGG16()), set()
    vgg.features[0].register_forward_pre_hook(lambda *_: seen.add(torch.backends.cudnn.allow_tf32))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    use(vgg)
    assert seen == {False}
    assert torch.backends.cudnn.allow_tf32
