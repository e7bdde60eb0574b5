import numpy as np
import pytest
from PIL import Image

from datasets.images import Images, write_png
from eval import baselines
from eval.transfers.reinhard import moments
from gbuffer_tools import command
from tests.datasets.made import write_frames


def run(*argv):
    return command.run(baselines.main, baselines.build_parser(), ["reinhard", *(str(part) for part in argv)])


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name, low, high in (("frames", 60, 120), ("photos", 100, 180)):
        for key in ("a/0", "a/1", "b/0"):
            write_png(tmp_path / name / f"{key}.png", rng.integers(low, high, (20, 24, 3), dtype=np.uint8))
    return ["--source", tmp_path / "frames", "--target", tmp_path / "photos"]


def test_writes_by_key_with_the_photographs_statistics(folders, tmp_path):
    assert run(*folders, "--out", tmp_path / "out") == 0
    moved, photos = Images(tmp_path / "out"), Images(tmp_path / "photos")
    assert moved.keys == ("a/0", "a/1", "b/0")
    # Rounding to 8 bits moves a value near 140 by up to 0.5, that is log10(140.5 / 140) = 0.0016, times sqrt(3).
    assert moments(moved).mean == pytest.approx(moments(photos).mean, abs=0.003)
    assert moments(moved).std == pytest.approx(moments(photos).std, abs=0.003)


def test_does_not_overwrite_unless_told(folders, tmp_path, capsys):
    assert run(*folders, "--out", tmp_path / "out") == 0
    before = (tmp_path / "out" / "b" / "0.png").read_bytes()
    (tmp_path / "out" / "a" / "0.png").write_bytes(b"mine")
    assert run(*folders, "--out", tmp_path / "out") == 2
    assert "a/0.png: is there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "a" / "0.png").read_bytes() == b"mine"
    assert run(*folders, "--out", tmp_path / "out", "--overwrite") == 0
    assert (tmp_path / "out" / "a" / "0.png").read_bytes() != b"mine"
    assert (tmp_path / "out" / "b" / "0.png").read_bytes() == before


@pytest.mark.parametrize("out", ["frames", "frames/moved"])
def test_pictures_are_not_put_among_the_frames(folders, tmp_path, capsys, out):
    assert run(*folders, "--out", tmp_path / out, "--overwrite") == 2
    assert "which is read; choose a folder outside" in capsys.readouterr().err


def test_pictures_are_not_put_among_frame_files(folders, tmp_path, capsys):
    write_frames(tmp_path / "shards")
    assert run(*folders, "--out", tmp_path / "shards") == 2
    assert "shards: holds frame files (one.h5)" in capsys.readouterr().err


def test_a_folder_onto_itself_changes_nothing(folders, tmp_path):
    assert run("--source", tmp_path / "frames", "--target", tmp_path / "frames", "--out", tmp_path / "out") == 0
    for one, other in zip(Images(tmp_path / "frames"), Images(tmp_path / "out"), strict=True):
        assert np.array_equal(one, other)


def test_corrupt_picture_is_named(folders, tmp_path, capsys):
    (tmp_path / "frames" / "a" / "1.png").write_bytes(b"no picture")
    assert run(*folders, "--out", tmp_path / "out") == 2
    assert "a/1.png: not a readable image" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_pillows(folders, tmp_path, scale):
    """Pillow's kernel is Keys's with a = -0.5, too; inside, as it weighs borders otherwise."""
    arguments = ["bicubic", "--source", tmp_path / "frames", "--out", tmp_path / "out", "--scale", scale]
    assert command.run(baselines.main, baselines.build_parser(), [*map(str, arguments)]) == 0
    inside = slice(2 * scale, -2 * scale)
    for small, large in zip(Images(tmp_path / "frames"), Images(tmp_path / "out"), strict=True):
        wanted = Image.fromarray(small).resize(
            (scale * small.shape[1], scale * small.shape[0]), Image.Resampling.BICUBIC
        )
        # Pillow rounds between the axes, too.
        assert np.abs(np.asarray(wanted).astype(int) - large)[inside, inside].max() <= 1
    arguments[-1] = 9
    assert command.run(baselines.main, baselines.build_parser(), [*map(str, arguments), "--overwrite"]) == 2
