"""Checkpoints of the release become model files; all else is refused in one line, and no code of theirs runs."""

import io
import os
import pickle
import resource
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app import enhance
from app.convert import CARLA_CLASSES, PFD_CLASSES, build_parser, carla, known, main
from datasets.images import read_image
from epe.models import load
from epe.networks.enhancers.enhancer import EnhancerSpec, every_channel
from gbuffer_tools.command import run
from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write
from gbuffer_tools.sources.classes.carla_tags import TAGS
from gbuffer_tools.sources.classes.taxonomies import GROUPS
from tests.epe.networks.style_transfer.published_style import wct2_weights
from tests.epe.released.made import bare, frame, shapes, tiny, weights
from tests.epe.released.published_realformer import file_of, published

DESCRIPTION = "channels: [depth.0, normal.0, x_a.0]\nclasses: [[sky], ['*']]\nstreams: [[1, 2], [0, 1, 2]]\n"


def checkpoint(path: Path, conditioning: str = "rac", **changes: Any) -> Path:
    tensors = weights(shapes(bare(tiny(conditioning)))) | changes
    torch.save(OrderedDict((f"network.{name}", value) for name, value in tensors.items()), path)
    return path


def convert(source: Path, out: Path, text: str = DESCRIPTION, *more: str) -> int:
    described = out.with_name("described.yaml")
    described.write_text(text, "utf-8")
    words = [str(source), "--out", str(out), "--description", str(described), *more]
    return run(main, build_parser(), words)


@pytest.mark.parametrize("conditioning", ["rad", "rac"])
def test_a_checkpoint_becomes_a_model(conditioning: str, tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "a_gen-network.pth.tar", conditioning)
    text = f"{DESCRIPTION}mean: [1, 2, 3]\nstd: [0.5, 1, 2]\nno_stream: [void]\n"
    assert convert(source, tmp_path / "m.safetensors", text, "--licence", "MIT") == 0
    model = load(tmp_path / "m.safetensors")
    assert (model.channels, model.classes) == (("depth.0", "normal.0", "x_a.0"), (("sky",), ("*",)))
    assert (model.mean, model.std, model.licence) == ((1, 2, 3), (0.5, 1, 2), "MIT")
    assert model.record["converted_from"] == source.name
    assert model.record["no_stream"] == ["void"]
    inputs = frame()
    with torch.inference_mode():
        assert (model.network(*inputs) - inputs[0]).abs().mean() > 0.05


def test_wct2_in_two_files_of_torch_before_1_6_becomes_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    paths = [tmp_path / f"wave_{name}_cat5_l4.pth" for name in ("encoder", "decoder")]
    for path, tensors in zip(paths, wct2_weights("cat5"), strict=True):
        torch.save(OrderedDict(tensors), path, _use_new_zipfile_serialization=False)
    out = tmp_path / "m.safetensors"
    assert run(main, build_parser(), [*map(str, paths), "--out", str(out)]) == 0
    model = load(out)
    assert (model.kind, model.spec, model.licence) == ("wct2", {"trunk": "vgg19", "unpooling": "cat5"}, "MIT")
    assert model.record["converted_from"] == "wave_encoder_cat5_l4.pth, wave_decoder_cat5_l4.pth"
    described = ["--overwrite", "--description", str(tmp_path / "x.yaml")]
    assert run(main, build_parser(), [*map(str, paths), "--out", str(out), *described]) == 2
    assert "--description: is for generators" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["v1_1", "v1_3", "v2_1"])
def test_realformer_s_files_run_on_frames_of_any_size(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames without class ids and G-buffers; whole, the picture is that of the published code."""
    theirs, source = published(version), tmp_path / f"{version}.pth"
    torch.save(OrderedDict(file_of(theirs)), source)
    out, heads = tmp_path / "m.safetensors", [] if version == "v2_1" else ["--heads", "4"]
    assert run(main, build_parser(), [str(source), "--out", str(out), *heads]) == 0
    assert "legacy published" in capsys.readouterr().out
    model = load(out)
    assert (model.channels, model.classes, model.licence) == ((), (), "Apache-2.0")
    assert model.network.spec.published
    for size in ((128, 128), (75, 203)):
        picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        frames, enhanced = tmp_path / f"frames{size[0]}", tmp_path / f"out{size[0]}"
        write(frames / "a.h5", [Frame("a", picture)], Header("test", "", (), "CC0-1.0", "test"))
        words = [str(out), str(frames), "--out", str(enhanced), "--device", "cpu"]
        assert run(enhance.main, enhance.build_parser(), words) == 0
        made = read_image(enhanced / "a" / "a.png")
        assert made.shape == picture.shape
        if size == (128, 128):
            content = torch.from_numpy(picture).movedim(-1, 0)[None] / 127.5 - 1
            with torch.inference_mode():
                wanted = (255 * (theirs(content, content)[0].movedim(0, -1) + 1) / 2).clamp(0, 255).numpy()
            assert np.abs(made - wanted).max() < 0.51  # rounding to 8 bits
    words = [str(source), "--out", str(out), "--overwrite", "--description", str(tmp_path / "x.yaml"), *heads]
    assert run(main, build_parser(), words) == 2
    assert "--description: is for generators that read G-buffers" in capsys.readouterr().err


def test_heads_are_asked_for_where_they_do_not_divide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(file_of(published("v1_3")), tmp_path / "v1_3.pth")
    for words, complaint in (
        ([str(tmp_path / "v1_3.pth")], "12 heads do not divide its 64 features; say how many it has: --heads N."),
        ([str(checkpoint(tmp_path / "c.pth.tar")), "--heads", "4"], "--heads: is for RealFormer and transformers"),
    ):
        assert run(main, build_parser(), [*words, "--out", str(tmp_path / "m.safetensors")]) == 2
        assert complaint in capsys.readouterr().err


def test_an_old_file_cannot_take_more_memory_than_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tensor is said to have 2^31 - 1 numbers, in the storage as in its size; there are 1000."""
    path = tmp_path / "old.pth"
    torch.save({"conv0.weight": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    count = b"M\xe8\x03"  # pickle's two bytes for 1000
    content = path.read_bytes()
    assert content.count(count) >= 2
    path.write_bytes(content.replace(count, b"J\xff\xff\xff\x7f"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run(main, build_parser(), [str(path), "--out", str(tmp_path / "m.safetensors")]) == 2
    assert "not a checkpoint of plain tensors" in capsys.readouterr().err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB, of 8 GB


def test_what_is_known_without_a_description() -> None:
    assert known([32] * 12).channels[31] == "x_fake_vgg.31"  # type: ignore[union-attr]
    assert known([6] + [26] * 11).streams[0] == (15, 16, 17, 18, 19, 20)  # type: ignore[union-attr]
    assert known([3, 15, 18, 15, 18, *[15] * 7]) == carla()
    assert known([13] * 12) is None


def test_carla2real_s_cut_has_as_many_parameters_as_its_own_table_gives() -> None:
    """Its class streams read 3, 15 or 18 channels; were it 18 for all, there would be 13,025,331 parameters."""
    found = [
        sum(p.numel() for p in bare(EnhancerSpec(18, streams, stages=3, rad_layers=1)).parameters())
        for streams in (carla().streams, every_channel(18, 12))
    ]
    assert found == [12_976_947, 13_025_331]


def test_known_classes_are_those_of_the_frame_files() -> None:
    named = {name for names in PFD_CLASSES for name in names} - {"*"}
    assert named == set(GROUPS) - {"other"}  # pixels of no group go where "*" stands
    carlas = [name for names in CARLA_CLASSES for name in names]
    assert len(set(carlas)) == len(carlas)
    assert set(TAGS) - set(carlas) == {"other"}


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


def grown() -> torch.Tensor:
    """One number that claims to be a million."""
    return torch.zeros(1).expand(1000, 1000)


def test_bad_checkpoints_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = checkpoint(tmp_path / "good.pth.tar")
    torch.save({"network.stem.1.weight": Evil()}, tmp_path / "evil.pth.tar")
    (tmp_path / "pickle.pth.tar").write_bytes(pickle.dumps(Evil()))
    torch.save({"a": torch.zeros(3)}, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "old.pth.tar").read_bytes()
    for part in range(1, 20):
        (tmp_path / f"half{part}.pth.tar").write_bytes(whole[: len(whole) * part // 20])
    torch.save([1, 2], tmp_path / "list.pth.tar")
    torch.save({"network.stem.1.weight": grown()}, tmp_path / "grown.pth.tar")
    torch.save({"network.stem.1.weight": torch.zeros(3, dtype=torch.int64)}, tmp_path / "whole.pth.tar")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth.tar")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(tmp_path / "packed.pth.tar", "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    (tmp_path / "cut.pth.tar").write_bytes(good.read_bytes()[:9999])
    checkpoint(tmp_path / "more.pth.tar", more=torch.zeros(1))
    for name, words in (
        ("evil", "not a checkpoint of plain tensors"),
        ("pickle", "not a checkpoint that torch wrote"),
        ("old", "not a generator of the release"),
        ("list", "holds a list"),
        *((f"half{part}", "not a checkpoint") for part in range(1, 20)),
        ("grown", "'network.stem.1.weight' is not a dense tensor"),
        ("whole", "'network.stem.1.weight' is not a dense tensor"),
        ("other", "not a generator of the release"),
        ("packed", "is compressed"),
        ("cut", "not a checkpoint that torch wrote"),
        ("more", "1 tensors are unexpected (more)"),
        ("none", "no such file"),
    ):
        assert convert(tmp_path / f"{name}.pth.tar", tmp_path / "m.safetensors") == 2, name
        complaint = capsys.readouterr().err
        assert words in complaint, (name, complaint)
        assert complaint.count("\n") == 1
        assert complaint.startswith("python -m app.convert: ")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channels: [a.0]\nclasses: [[x]]\n", "1 classes, but the checkpoint has 2 class streams"),
        (DESCRIPTION.replace("[1, 2]", "[1]"), "streams read 2, 3 channels, the description's 1, 3"),
        (DESCRIPTION.replace("[1, 2]", "[1, 7]"), "streams must each read some of the 3 channels"),
        (f"{DESCRIPTION}std: [1, 0, 1]\n", "std has 0"),
        (f"{DESCRIPTION}std: [1, .inf, 1]\n", "std has inf; wanted finite numbers above 0"),
        (f"{DESCRIPTION}mean: [1, -.inf, 1]\n", "mean has -inf; wanted finite numbers"),
        (f"{DESCRIPTION}mean: [1]\n", "1 numbers of mean for 3 channels"),
        (f"{DESCRIPTION}meen: [1]\n", "meen"),
        ("classes: [[sky], ['*']]", "channels"),
    ],
)
def test_bad_descriptions_are_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(checkpoint(tmp_path / "c.pth.tar"), tmp_path / "m.safetensors", text) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1


def test_unknown_networks_want_a_description_and_files_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = checkpoint(tmp_path / "c.pth.tar"), tmp_path / "m.safetensors"
    assert run(main, build_parser(), [str(source), "--out", str(out)]) == 2
    assert "class streams read 2, 3 channels" in capsys.readouterr().err
    out.write_bytes(b"mine")
    assert convert(source, out) == 2
    assert out.read_bytes() == b"mine"
    assert convert(source, out, DESCRIPTION, "--overwrite") == 0


def test_half_precision_becomes_float(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({name: value.half() for name, value in weights(shapes(bare(tiny("rac")))).items()}, buffer)
    (tmp_path / "c.pth.tar").write_bytes(buffer.getvalue())
    assert convert(tmp_path / "c.pth.tar", tmp_path / "m.safetensors") == 0
    assert {p.dtype for p in load(tmp_path / "m.safetensors").network.parameters()} == {torch.float32}
