"""docs/python.md runs as it stands, on the samples; VGG16 has random weights, and there is one label."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images
from gbuffer_tools.schema import Shard, write
from tests.datasets.made import write_labels
from tests.docs.pages import ROOT, blocks


def small(source: Path, target: Path) -> None:
    """The first two frames of a file, every third pixel."""
    target.parent.mkdir(parents=True)
    with Shard(source) as shard:
        frames = [shard.frame(i) for i in range(2)]
        thinned = [
            dataclasses.replace(
                frame,
                image=frame.image[::3, ::3],
                buffers={name: array[::3, ::3] for name, array in frame.buffers.items()},
                ids={name: array[::3, ::3] for name, array in frame.ids.items()},
            )
            for frame in frames
        ]
        write(target, thinned, shard.header)


def test_every_block_runs(
    tmp_path: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A smaller world under the page's names: two frames at a third of their size, and the same as enhanced ones.
    small(ROOT / "samples/frames/heldout/volcano_island.h5", tmp_path / "samples/frames/heldout/volcano_island.h5")
    (tmp_path / "enhanced").symlink_to(tmp_path / "samples/frames/heldout")
    (tmp_path / "samples/photos/heldout").mkdir(parents=True)
    for path in sorted((ROOT / "samples/photos/heldout").iterdir())[:3]:
        (tmp_path / "samples/photos/heldout" / path.name).symlink_to(path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    for kind in ("frames", "photos"):
        write_labels(tmp_path / "labels" / kind / "heldout", tmp_path / "samples" / kind / "heldout", classes=1)
    monkeypatch.setenv("PHOTOREAL_CACHE", str(vgg_file.parent))
    monkeypatch.chdir(tmp_path)

    found: dict[str, object] = {}
    for block in blocks("python.md"):
        exec(compile(block.text, f"docs/python.md, {block.heading}", "exec"), found)
    picture, image = found["picture"], found["image"]
    assert picture.shape == (3, *image.shape[:2])
    assert 0.005 < np.abs(picture.numpy() - np.moveaxis(image, -1, 0) / 255).mean() < 0.3  # it is changed, not replaced
    record = found["record"]
    first, second = record.methods
    assert first.skvd == second.skvd  # the same pictures
    assert first.skvd.keys() == {"relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"}
    printed = capsys.readouterr().out
    assert "frames of" in printed
    assert "enhanced {'relu1_2'" in printed
    assert len(Images(Path("samples/frames/heldout"))) == record.frames.images
