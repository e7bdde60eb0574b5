"""What several rooms' tests share."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from epe import models
from epe.networks.backbones.vgg import VGG16

# The same examples in every run, so that a failure is the change's; HYPOTHESIS_PROFILE=random searches on.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


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
