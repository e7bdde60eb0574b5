"""What benchmarks cannot do is one line, said before anything is measured."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import enlarging
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import write
from tests.gbuffer_tools.made import HEADER, frame


def refused(capsys: pytest.CaptureFixture[str], module: str, *words: object) -> str:
    """The one line with which a benchmark refuses an option; nothing is printed before."""
    benchmark = import_module(f"benchmarks.{module}")
    assert run(benchmark.main, benchmark.build_parser(), [*map(str, words)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("folded", ("--name", "nope"), "--name nope: wanted one of lite, lite-small, lite-tiny, hr, "),
        ("folded", ("--name", "realformer-tiny"), "--name realformer-tiny: wanted one of lite, "),
        ("enlarging", ("--name", "nope"), "--name nope: wanted one of rrdb-x4, "),
        ("enlarging", ("--name", "guided-x4"), "--name guided-x4: reads guides"),
        ("enlarging", ("--sizes", "3840x2160", "3"), "--sizes 3: wanted WIDTHxHEIGHT"),
        ("enlarging", ("--crop", "3"), "--crop 3: wanted WIDTHxHEIGHT"),
        ("enlarging", ("--texture", "3"), "--texture 3: wanted WIDTHxHEIGHT"),
        ("frame_files", ("--frames", "nowhere"), "nowhere: holds no frame files"),
        ("frame_files", ("--crops", "0"), "--crops 0: wanted 1 or more"),
        ("frame_files", ("--append", "0"), "--append 0: wanted 1 or more"),
    ],
)
def test_unknown_names_and_sizes(
    capsys: pytest.CaptureFixture[str], module: str, words: tuple[str, ...], said: str
) -> None:
    assert refused(capsys, module, *words).startswith(f"python -m benchmarks.{module}: {said}")


def test_a_measured_command_that_fails(tmp_path: Path) -> None:
    said = r"^--sizes 24x16: app\.upscale ended with exit code 2 \(python -m app\.upscale: .*nowhere.*\)$"
    with pytest.raises(InputError, match=said):
        enlarging.measure("nowhere.safetensors", (16, 24), tmp_path, 1)


@pytest.mark.parametrize("more", [(), ("--append", "1")])
@pytest.mark.parametrize(
    ("count", "side", "said"), [(3, 128, "fewer than the four frames"), (4, 64, "frames of 64x64")]
)
def test_frames_that_make_no_mosaics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], count: int, side: int, said: str
) -> None:
    frames = [frame(str(i), size=(side, side)) for i in range(count)]
    write(tmp_path / "a.h5", frames, HEADER)
    assert said in refused(capsys, "frame_files", "--frames", tmp_path, *more)
