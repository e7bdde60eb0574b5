"""What several rooms' tests share."""

from pathlib import Path

import pytest
import torch

from epe import models
from epe.networks.vgg import VGG16


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG16 with random weights, the same every time."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    models.save(models.Model(VGG16(), "vgg16"), path)
    return path
