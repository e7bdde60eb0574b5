"""docs/extending.md is followed literally, recipe by recipe, in a copy of the project."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images
from epe import models
from eval.records import scores_record
from gbuffer_tools.schema import Shard
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
    assert {block.heading for block in blocks("extending.md")} == {"A loss", "A generator", "A source", "A metric"}


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


def test_a_source(project: Path) -> None:
    printed = follow_recipe("A source", project)
    assert "arrays" in printed
    with Shard(project / "extracted/renders.h5") as shard:
        assert shard.names == ("000", "001")
        assert shard.header.source == "arrays"
        assert set(shard.buffers) == {"depth", "normal"}
        assert (shard.buffer("depth", 1) == 4).all()
        assert (shard.buffer("normal", 1) == [0, 0, 1]).all()


def test_a_metric(project: Path) -> None:
    """The value is that of the definition, written out slowly; the record, the table and the page have the row."""
    printed = follow_recipe("A metric", project)
    assert int(printed.split()[-1]) > 0  # lines of the page that name it
    record = scores_record.read(project / "content.json")
    row = next(metric for metric in record.metrics if metric.key == "colour")
    assert (row.name, row.better) == ("colourfulness", "")
    render, same = record.methods
    assert render.values["colour"] == same.values["colour"]
    assert same.differences["colour"].value == 0
    slow = []
    for picture in Images(project / "frames"):
        pixels = picture.reshape(-1, 3).astype(float)
        red_green, yellow_blue = pixels[:, 0] - pixels[:, 1], (pixels[:, 0] + pixels[:, 1]) / 2 - pixels[:, 2]
        spread = (red_green.var() + yellow_blue.var()) ** 0.5
        slow.append(spread + 0.3 * (red_green.mean() ** 2 + yellow_blue.mean() ** 2) ** 0.5)
    # float64, sums in another order.
    assert render.values["colour"].value == pytest.approx(np.mean(slow), rel=1e-12)
    assert record.photos is not None
    assert record.photos.values["colour"] > 0
