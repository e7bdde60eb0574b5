from pathlib import Path

import pytest
import torch

from epe import models
from epe.networks.backbones.vgg import VGG16
from eval.kvd.settings import SkvdSettings
from tests.eval.made.scenes import write_scenes


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def random_vgg(tmp_path_factory) -> Path:
    """A file of VGG16 with random weights, the same every time."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    models.save(models.Model(VGG16(), "vgg16"), path)
    return path


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """FRAMES and PHOTOS of one distribution, disjoint, with LABELS."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder / "frames", folder / "labels" / "frames", count=8, seed=1)
    write_scenes(folder / "photos", folder / "labels" / "photos", count=10, seed=2)
    return folder


@pytest.fixture
def settings(scenes, random_vgg) -> SkvdSettings:
    return SkvdSettings(
        methods={"render": scenes / "frames"},
        real=scenes / "photos",
        fake_labels=scenes / "labels" / "frames",
        real_labels=scenes / "labels" / "photos",
        vgg=random_vgg,
        crops=3,
        candidates=6,
        resamples=200,
    )
