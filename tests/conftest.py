"""What several rooms' tests share."""

import os
from pathlib import Path

import pytest
import torch

from epe import models
from epe.networks.backbones.vgg import VGG16


def pytest_configure() -> None:
    """Workers side by side share the cores: threads of torch that wait for each other are slower than one."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG16 with random weights, the same every time."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    models.save(models.Model(VGG16(), "vgg16"), path)
    return path
