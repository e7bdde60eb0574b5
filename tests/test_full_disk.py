"""Commands of every room on a full disk: one line with the file and the system's reason, exit code 2, nothing left."""

from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from app import enhance, upscale
from app import export as app_export
from datasets import feature_files, label, match
from datasets.images import write_png
from epe import models
from eval import baselines, content, temporal
from gbuffer_tools import export as frame_export
from gbuffer_tools import extract, inspect
from gbuffer_tools.command import guarded, run
from gbuffer_tools.schema import write
from tests.app.made import plain_upscaler, untrained, upscaler_file
from tests.datasets.made import write_frames, write_photos
from tests.datasets.made_match import write_match_folder
from tests.full_disk import SAYS, files_in, full_disk
from tests.gbuffer_tools.made import HEADER, frame
from train.loop.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("input")
    rng = np.random.default_rng(0)
    for i in range(2):
        write_png(folder / "photos" / f"{i}.png", rng.integers(0, 256, (40, 40, 3), np.uint8))
    write(folder / "frames" / "one.h5", [frame("a", 0), frame("b", 1)], HEADER)
    models.save(untrained(), folder / "model.safetensors")
    upscaler_file(plain_upscaler(), folder / "upscaler.safetensors")
    return folder


COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "extract": (extract, "IN/photos --out OUT --jobs 1"),
    "extract in processes": (extract, "IN/photos --out OUT --jobs 2"),
    "export png": (frame_export, "IN/frames/one.h5 --out OUT --format png"),
    "export exr": (frame_export, "IN/frames/one.h5 --out OUT --format exr"),
    "inspect": (inspect, "IN/frames/one.h5 --sheet OUT/sheet.png"),
    "enhance": (enhance, "IN/model.safetensors IN/frames --out OUT --device cpu"),
    "enhance exr": (enhance, "IN/model.safetensors IN/frames --out OUT --device cpu --exr"),
    "upscale": (upscale, "IN/upscaler.safetensors IN/photos --out OUT --device cpu"),
    "upscale tiff": (upscale, "IN/upscaler.safetensors IN/photos --out OUT --device cpu --format tif"),
    "upscale webp": (upscale, "IN/upscaler.safetensors IN/photos --out OUT --device cpu --format webp"),
    "app.export": (app_export, "IN/model.safetensors --onnx OUT/model.onnx"),
    "content": (content, "--fake a=IN/photos --fake b=IN/photos --resamples 20 --out OUT/content.json"),
    "temporal": (temporal, "--frames IN/frames --fake b=IN/frames --resamples 20 --out OUT/temporal.json"),
    "baselines": (baselines, "soften --source IN/photos --out OUT"),
}


def parser_of(module: ModuleType) -> ArgumentParser:
    made: ArgumentParser = module.build_parser()
    return made


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line(name, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "nothing"))
    module, words = COMMANDS[name]
    if name == "temporal":
        monkeypatch.setattr("eval.measuring.warping_metrics.MIN_SEEN", 0.0)  # frames of noise
    argv = words.replace("IN/", f"{folder}/").replace("OUT", str(tmp_path / "out")).split()
    with full_disk(1000 if "processes" in name else 0):  # which share memory through small files
        assert run(module.main, parser_of(module), argv) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"{parser_of(module).prog}: {tmp_path}/out/"), last
    assert SAYS in last
    assert files_in(tmp_path / "out") == []


def test_a_frame_file_that_is_there_stays_whole_when_the_disk_fills(folder, tmp_path, capsys):
    def command(*more: str) -> int:
        return run(extract.main, extract.build_parser(), [*more, "--out", str(tmp_path / "out"), "--jobs", "1"])

    write_png(tmp_path / "in" / "a.png", np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8))
    assert command(str(tmp_path / "in")) == 0
    (made,) = files_in(tmp_path / "out")
    before = made.read_bytes()
    write_png(tmp_path / "in" / "b.png", np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8))
    with full_disk(len(before) + 1000):
        assert command(str(tmp_path / "in")) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"{made}: {SAYS}")
    assert files_in(tmp_path / "out") == [made]
    assert made.read_bytes() == before
    assert command(str(tmp_path / "in")) == 0


def test_checkpoints_and_models(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "run" / "checkpoint.safetensors", {"part": nn.Linear(300, 300)})
    checkpoint.save(1)
    before = checkpoint.path.read_bytes()
    works = {
        "checkpoint.safetensors": lambda: checkpoint.save(2),
        "model.safetensors": lambda: models.save(untrained(), tmp_path / "run" / "model.safetensors"),
    }
    for name, work in works.items():
        with full_disk(2000):
            assert guarded(work, "train", debug=False) == 2
        assert capsys.readouterr().err == f"train: {tmp_path}/run/{name}: {SAYS}\n"
    assert files_in(tmp_path / "run") == [checkpoint.path]
    assert checkpoint.path.read_bytes() == before


def test_labels_matches_and_features(tmp_path, vgg_file, capsys):
    write_match_folder(tmp_path)
    sides = [
        str(write_frames(tmp_path / "renders", size=(48, 64))),
        str(write_photos(tmp_path / "real", size=(48, 64))),
    ]
    works = {
        label: [*sides, "--vgg", str(vgg_file), "--count", "4", "--out", str(tmp_path / "out")],
        match: [
            "--frames", str(tmp_path / "frames"), "--photos", str(tmp_path / "photos"), "--vgg", str(vgg_file),
            "--out", str(tmp_path / "out" / "matches.npz"), "--min-cosine", "0", "--neighbours", "2",
        ],
    }  # fmt: skip
    for module, words in works.items():
        with full_disk():
            assert run(module.main, parser_of(module), words) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert f"{tmp_path}/out/" in last
        assert SAYS in last
        assert files_in(tmp_path / "out") == []
    settings = feature_files.CropSettings(4)
    record = feature_files.load_or_create_record(tmp_path / "f", tmp_path / "photos", 212, vgg_file, 0, settings)
    group = partial(feature_files.write_group, tmp_path / "f", record, vgg_file, 0, feature_files.CPU)
    with full_disk(1000):
        assert guarded(group, "match", debug=False) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"match: {tmp_path}/f/00000.features.npy: {SAYS}"
    assert [path.name for path in files_in(tmp_path / "f")] == ["set.json"]


def test_a_device_is_written_into_not_replaced(folder, capsys):
    words = [str(folder / "model.safetensors"), "--onnx", "/dev/full", "--overwrite"]
    assert run(app_export.main, app_export.build_parser(), words) == 2
    assert capsys.readouterr().err == "python -m app.export: /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()
