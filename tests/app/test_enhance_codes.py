"""app.enhance with a VQGAN: frames as codes, drawn anew by a transformer; what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.enhance import build_parser, main
from datasets.crops import as_pixels, as_tensor
from datasets.frames import Frames, Reading
from datasets.images import read_image
from epe.models import Model, save
from epe.networks.autoencoders.vqgan import build_vqgan
from epe.networks.codes.enhancement import enhance_by_codes
from gbuffer_tools.command import run
from gbuffer_tools.schema import write
from tests.app.made import untrained
from tests.datasets.made import HEADER, scene, write_frames
from tests.epe.networks.codes.made import tiny


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("files")
    write_frames(folder / "frames", size=(18, 26))
    torch.manual_seed(0)
    network = build_vqgan("vqgan-tiny")
    save(Model(network, network.kind, network.spec.as_dict()), folder / "vq")
    for name, sizes in (("prior", {"condition_codes": 1}), ("mapped", {"condition_codes": 64, "conditions": 16})):
        gpt = tiny(codes=64, **sizes)
        save(Model(gpt, "gpt", gpt.spec.as_dict()), folder / name)
    save(untrained(), folder / "enhancer")
    return folder


def enhance(files: Path, out: Path, *words: object) -> int:
    first = [files / "vq", files / "frames", "--out", out, "--device", "cpu"]
    return run(main, build_parser(), list(map(str, [*first, *words])))


def test_without_a_prior_frames_are_their_codes_pictures(files: Path, tmp_path: Path) -> None:
    assert enhance(files, tmp_path) == 0
    frames = Frames(files / "frames", Reading((), (), (), ()))
    torch.manual_seed(0)
    network = build_vqgan("vqgan-tiny").eval()
    wanted = as_pixels(enhance_by_codes(network, frames[1].image[None], None, keep_thin=True)[0].clamp(0, 1))
    assert np.array_equal(read_image(tmp_path / "one" / "b.png"), wanted)


def test_a_prior_changes_some_codes_and_strength_mixes(files: Path, tmp_path: Path) -> None:
    for name, words in (("plain", ()), ("none", ("--redraw", 0)), ("half", ("--redraw", 0.5, "--seed", 4))):
        prior = ("--prior", files / "prior") if words else ()
        assert enhance(files, tmp_path / name, *prior, *words) == 0
    pictures = {name: read_image(tmp_path / name / "one" / "a.png") for name in ("plain", "none", "half")}
    assert np.array_equal(pictures["plain"], pictures["none"])
    assert not np.array_equal(pictures["plain"], pictures["half"])
    assert enhance(files, tmp_path / "zero", "--strength", 0) == 0
    frame = Frames(files / "frames", Reading((), (), (), ()))[0].image
    assert torch.equal(as_tensor(read_image(tmp_path / "zero" / "one" / "a.png"), flip=False), frame)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prior", "mapped"), "mapped: is conditioned on labels or maps"),
        (("--prior", "vq"), "is a 'vqgan', wanted a 'gpt'"),
        (("--redraw", "0.5"), "--redraw 0.5: wanted a number in 0 .. 1, and --prior"),
        (("--prior", "prior", "--redraw", "2"), "--redraw 2.0: wanted a number in 0 .. 1"),
        (("--prior", "nothing"), "no such file"),
        (("--prior", "prior", "--seed", "-1"), "--seed -1: wanted 0 .. 9223372036854775807"),
        (("--prior", "prior", "--seed", str(2**63)), f"--seed {2**63}: wanted 0 .. 9223372036854775807"),
    ],
)
def test_refused_in_one_line(
    files: Path, tmp_path: Path, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [files / word if word in ("mapped", "vq", "prior", "nothing") else word for word in words]
    assert enhance(files, tmp_path / "out", *named) == 2
    complaint = capsys.readouterr().err
    assert says in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [(1, 1), (2, 1)])
def test_frames_of_a_pixel_or_two(size: tuple[int, int], files: Path, tmp_path: Path) -> None:
    write(tmp_path / "small.h5", [scene("a", 0, size)], HEADER)
    given = [files / "vq", tmp_path / "small.h5", "--out", tmp_path / "out", "--device", "cpu"]
    assert run(main, build_parser(), list(map(str, given))) == 0
    assert read_image(tmp_path / "out/small/a.png").shape == (*size, 3)


def test_weights_that_are_not_finite(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest code of NaN is a code: nothing later would complain."""
    network, prior = build_vqgan("vqgan-tiny"), tiny(codes=64, condition_codes=1)
    for broken, name in ((network, "vq"), (prior, "prior")):
        next(broken.parameters()).data.view(-1)[0] = float("nan")
        save(Model(broken, broken.kind, broken.spec.as_dict()), tmp_path / name)
    for model, words in ((tmp_path / "vq", ()), (files / "vq", ("--prior", tmp_path / "prior"))):
        given = [model, files / "frames", "--out", tmp_path / "out", "--device", "cpu", *words]
        assert run(main, build_parser(), list(map(str, given))) == 2
        assert "has values that are not finite; fetch or train it again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_prior_for_an_enhancer(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [files / "enhancer", files / "frames", "--out", tmp_path / "out", "--prior", files / "prior"]
    assert run(main, build_parser(), list(map(str, words))) == 2
    assert "--prior" in capsys.readouterr().err
