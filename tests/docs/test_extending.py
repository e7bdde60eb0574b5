"""docs/extending.md is followed literally, recipe by recipe, in a copy of the project."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images
from epe import models
from tests.docs.pages import blocks, copy_of_the_project, follow
from tests.train.made import settings, write_data
from tests.train.runs import plain


@pytest.fixture
def project(tmp_path: Path, vgg_file: Path) -> Path:
    """A copy, with data and a run file as the page takes for granted."""
    folder = copy_of_the_project(tmp_path / "project")
    data = write_data(folder)
    run = settings(data, vgg_file, folder / "run")
    run |= {"preset": "lite-tiny", "sky_features": None, "log_every": 1}
    (folder / "run.yaml").write_text(json.dumps({name: plain(value) for name, value in run.items()}))
    return folder


def follow_recipe(heading: str, project: Path) -> str:
    """What all commands of a recipe printed."""
    steps = [block for block in blocks("extending.md") if block.heading == heading]
    assert len(steps) >= 3, heading
    return "".join(follow(block, project) for block in steps)


def test_every_recipe_has_a_test() -> None:
    assert {block.heading for block in blocks("extending.md")} == {"A loss", "A generator"}


def test_a_loss(project: Path) -> None:
    """The term is logged. The untrained network's result is its input but for the clamp of logits, then it moves."""
    printed = follow_recipe("A loss", project)
    values = json.loads(printed.rpartition("loss/edges: ")[2])
    assert len(values) == 2
    assert 0 <= values[0] < 1e-3 < values[1] < 1


def test_a_generator(project: Path) -> None:
    follow_recipe("A generator", project)
    header = models.read_header(project / "gains/model.safetensors")
    assert (header["kind"], header["spec"]) == ("gains", {"channels": 8, "hidden": 16})
    before, after, exported = (Images(project / name) for name in ("frames", "enhanced", "enhanced-onnx"))
    assert before.keys == after.keys == exported.keys
    assert any(np.abs(x.astype(int) - y).max() > 0 for x, y in zip(before, after, strict=True))
    # 8 bits: fp32 sums in another order may round to the neighbouring step.
    assert all(np.abs(x.astype(int) - y).max() <= 1 for x, y in zip(after, exported, strict=True))
