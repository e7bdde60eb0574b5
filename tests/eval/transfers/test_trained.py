"""Frames through models of train.cut and train.spade, by the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets.images import Images, write_png
from datasets.labels import write_facts, write_label
from epe import models
from epe.networks.backbones.vgg import VGG16
from epe.networks.translators.cut import PRESETS as TRANSLATORS
from epe.networks.translators.cut import CutSpec, Translator
from epe.networks.translators.spade import PRESETS as SYNTHESES
from epe.networks.translators.spade import SpadeSpec, Synthesis
from eval import baselines
from gbuffer_tools import command

FACTS = {"method": "made", "classes": 4, "digests": {"clusters": "abc"}}


def run(*argv: object) -> int:
    return command.run(baselines.main, baselines.build_parser(), [str(part) for part in argv])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for key, size in (("a/0", (37, 50)), ("b/0", (16, 9))):
        write_png(tmp_path / "frames" / f"{key}.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        write_label(tmp_path / "labels", key, rng.integers(0, 4, (5, 7), np.uint8))
    write_facts(tmp_path / "labels", FACTS)
    torch.manual_seed(0)
    translator = Translator(CutSpec(**TRANSLATORS["cut-tiny"]))
    models.save(models.Model(translator, "cut", translator.spec.as_dict()), tmp_path / "cut")
    write_synthesis(tmp_path / "spade", {"labels": FACTS})
    models.save(models.Model(VGG16(), "vgg16"), tmp_path / "vgg")
    return tmp_path


def write_synthesis(path: Path, record: dict[str, Any]) -> None:
    network = Synthesis(SpadeSpec(4, **SYNTHESES["spade-tiny"]))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    models.save(models.Model(network, "spade", network.spec.as_dict(), record=record), path)


def cut(folder: Path, *more: object) -> int:
    return run("cut", "--model", folder / "cut", "--source", folder / "frames", "--out", folder / "out", *more)


def spade(folder: Path, model: str = "spade") -> int:
    return run(
        "spade", "--model", folder / model, "--source", folder / "frames", "--labels", folder / "labels",
        "--out", folder / "out",
    )  # fmt: skip


def test_cut_writes_what_the_network_makes_of_each_frame(folder: Path) -> None:
    assert cut(folder) == 0
    network, found = models.load(folder / "cut").network, Images(folder / "out")
    assert found.keys == ("a/0", "b/0")
    for image, out in zip(Images(folder / "frames"), found, strict=True):
        with torch.no_grad():
            wanted = 255 * network(torch.from_numpy(image).movedim(-1, 0)[None].float() / 255)[0].movedim(0, -1)
        assert out.shape == image.shape
        assert np.abs(out - wanted.numpy()).max() <= 0.5 + 1e-3  # rounding to 8 bits


def test_spade_looks_at_the_labels_alone(folder: Path) -> None:
    assert spade(folder) == 0
    before = [image.copy() for image in Images(folder / "out")]
    assert [image.shape for image in before] == [(37, 50, 3), (16, 9, 3)]
    assert np.ptp(before[0]) > 10
    write_png(folder / "frames" / "a" / "0.png", np.zeros((37, 50, 3), np.uint8))
    write_label(folder / "labels", "b/0", np.full((5, 7), 3, np.uint8))
    (folder / "out" / "a" / "0.png").unlink()
    (folder / "out" / "b" / "0.png").unlink()
    assert spade(folder) == 0
    after = list(Images(folder / "out"))
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (FACTS | {"method": "other"}, "method of the labels is 'other', wanted 'made' as in"),
        (FACTS | {"classes": 5}, "classes of the labels is 5, wanted 4"),
        (FACTS | {"digests": {"clusters": "abd"}}, "digests of the labels is .*abd.*, wanted .*abc"),
        ({"method": "made", "classes": 4}, "digests of the labels is None"),
    ],
)
def test_labels_of_another_taxonomy(
    folder: Path, capsys: pytest.CaptureFixture[str], facts: dict[str, Any], reason: str
) -> None:
    write_facts(folder / "labels", facts)
    assert spade(folder) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert pytest.importorskip("re").search(reason, error)
    assert not (folder / "out").exists()


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    return error.splitlines()[-1]


def test_what_cannot_be_used_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def message(code: int) -> str:
        assert code == 2
        return one_line(capsys)

    assert "is a 'cut', wanted a 'spade' (train.spade)" in message(spade(folder, "cut"))
    assert "is a 'vgg16', wanted a 'spade'" in message(spade(folder, "vgg"))
    assert "no such file" in message(spade(folder, "gone"))
    write_synthesis(folder / "bare", {})
    assert "bare: does not say which labels it was trained with" in message(spade(folder, "bare"))
    write_synthesis(folder / "odd", {"labels": FACTS | {"classes": 5}})
    write_facts(folder / "labels", FACTS | {"classes": 5})
    assert "odd: reads 4 labels, but names 5" in message(spade(folder, "odd"))
    write_facts(folder / "labels", FACTS)
    write_label(folder / "labels", "b/0", np.full((5, 7), 4, np.uint8))
    assert "b/0.png: has the id 4, labels.json has 4 classes" in message(spade(folder))
    (folder / "labels" / "b" / "0.png").unlink()
    (folder / "out" / "a" / "0.png").unlink()
    assert "no label map for image 'b/0'" in message(spade(folder))
    write_png(folder / "frames" / "a" / "0.png", np.zeros((7, 50, 3), np.uint8))
    assert "frame a/0: is 50x7, wanted 8 pixels a side" in message(cut(folder, "--overwrite"))


def test_a_file_that_lies_about_its_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (folder / "cut").read_bytes()
    spec = json.dumps(json.dumps({"width": 4, "blocks": 5}))[1:-1].encode()
    assert spec in data
    (folder / "cut").write_bytes(data.replace(spec, spec.replace(b"4", b"9")))
    assert cut(folder) == 2
    assert "do not fit a 'cut' network" in one_line(capsys)
