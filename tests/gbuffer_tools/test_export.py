"""Frame files become EXR files and come back; PNGs are what a sheet shows."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import check, export
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import frame_as_exr, reader
from gbuffer_tools.frame import Frame
from gbuffer_tools.schema import Shard, write
from tests.gbuffer_tools.made import HEADER, frame
from tests.gbuffer_tools.made_exr import extracted, refused, write_exr

pytest.importorskip("OpenEXR")

SIZE = 36, 64


def command(*arguments: object) -> int:
    return run(export.main, export.build_parser(), [*map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two frames: float16, float32 and fixed point buffers of 1, 2, 3 and 5 channels."""
    rng = np.random.default_rng(1)
    more = {
        "x_five": rng.normal(size=(*SIZE, 5)).astype(np.float32),
        "x_one": rng.normal(size=(*SIZE, 1)).astype(np.float32),
        "roughness": rng.integers(0, 65536, SIZE, np.uint16),
        "emission": rng.random((*SIZE, 3)).astype(np.float16),
        "motion": rng.normal(size=(*SIZE, 2)).astype(np.float32),
    }
    made = [replace(f, buffers=f.buffers | more) for f in (frame("a", 0, SIZE), frame("b é", 1, SIZE))]
    write(tmp_path / "town.h5", made, HEADER)
    return tmp_path / "town.h5"


def frames(path: Path) -> dict[str, Frame]:
    with Shard(path) as shard:
        return {name: shard.frame(i) for i, name in enumerate(shard.names)}


def test_a_frame_file_goes_to_exr_and_back(tmp_path, file):
    assert command(file, "--out", tmp_path / "town") == 0
    assert sorted(path.name for path in (tmp_path / "town").iterdir()) == ["a.exr", "b é.exr"]
    header, back = extracted(tmp_path, tmp_path / "town", accepted=False)  # its normals are random
    findings = [[f.what for f in check.check(path)[1]] for path in (file, tmp_path / "frames" / "town.h5")]
    assert findings[0] == findings[1]
    assert (header.source, header.profile, header.classes, header.licence) == (
        HEADER.source, HEADER.profile, HEADER.classes, HEADER.licence,
    )  # fmt: skip
    for name, wanted in frames(file).items():
        found = back[f"town/{name}"]
        assert np.array_equal(found.image, wanted.image)
        assert list(found.buffers) == list(wanted.buffers)
        for key, array in wanted.buffers.items():
            if array.dtype.kind == "f":
                assert found.buffers[key].dtype == array.dtype
                assert np.array_equal(found.buffers[key], array)
            else:
                scaled = array / np.float64(np.iinfo(array.dtype).max)
                assert np.array_equal(found.buffers[key], scaled.astype(np.float32))
        for key, array in wanted.ids.items():
            assert found.ids[key].dtype == array.dtype
            assert np.array_equal(found.ids[key], array)
        assert np.array_equal(found.view, wanted.view)
        assert np.array_equal(found.projection, wanted.projection)
        assert (found.time, found.relight) == (wanted.time, wanted.relight)


def test_every_byte_of_an_image_survives_half_floats():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    channels, attributes = frame_as_exr.to_channels(Frame("a", image), HEADER)
    assert channels["R"].dtype == np.float16
    assert np.array_equal(frame_as_exr.from_channels("a", channels, attributes).image, image)


def test_other_programs_find_the_usual_names(tmp_path, file):
    command(file, "--out", tmp_path / "out", "--frame", "a")
    header = reader.header(tmp_path / "out" / "a.exr")
    assert {
        "R",
        "G",
        "B",
        "depth.Z",
        "normal.X",
        "albedo.R",
        "roughness.V",
        "motion.Y",
        "x_five.c04",
        "ids.class",
    } <= set(header.channels)
    # OpenEXR's camera space is left-handed: x right, y up, z in the direction of view; row vectors.
    ahead, right, up = (0, 0, -5, 1), (1, 0, 0, 1), (0, 1, 0, 1)  # in view space, which is the world's here
    for point, seen in ((ahead, (0, 0, 5, 1)), (right, right), (up, up)):
        assert (point @ header.attributes["worldToCamera"]).tolist() == [*seen]


def test_one_frame_only_and_unknown_frames(tmp_path, file, capsys):
    assert command(file, "--out", tmp_path / "out", "--frame", "b é") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b é.exr"]
    assert command(file, "--out", tmp_path / "out", "--frame", "c") == 2
    assert "has no frame 'c'; wanted one of a, b é" in capsys.readouterr().err


def test_exports_of_files_with_other_classes_are_not_mixed_up(tmp_path, file, capsys):
    write(tmp_path / "farm.h5", [frame("c", 2, SIZE)], replace(HEADER, classes=("barn", "field")))
    for each in (file, tmp_path / "farm.h5"):
        assert command(each, "--out", tmp_path / "both") == 0
    line = refused(tmp_path, capsys, tmp_path / "both")
    assert "c.exr: comes from another frame file than a.exr" in line
    (tmp_path / "both" / "c.exr").unlink()
    write_exr(tmp_path / "both" / "d.exr", {c: np.zeros(SIZE, np.float32) for c in "RGB"})
    assert "d.exr: comes from another frame file than a.exr" in refused(tmp_path, capsys, tmp_path / "both")
    assert not list(tmp_path.glob("o/*.h5"))


def test_an_unknown_frame_of_thousands_is_one_short_line(tmp_path, capsys):
    many = [Frame(f"frame{i}", np.zeros((1, 1, 3), np.uint8)) for i in range(200)]
    write(tmp_path / "many.h5", many, HEADER)
    assert command(tmp_path / "many.h5", "--out", tmp_path / "out", "--frame", "c") == 2
    line = capsys.readouterr().err
    assert "… (200 in all)" in line
    assert len(line) < 500


@pytest.mark.parametrize("kind", export.FORMATS)
def test_nothing_is_overwritten_unless_told(tmp_path, file, capsys, kind):
    out = tmp_path / "out"
    assert command(file, "--out", out, "--format", kind) == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    last = out / f"b é.{'exr' if kind == 'exr' else 'image.png'}"
    for path in set(out.iterdir()) - {last}:
        path.unlink()
    last.write_bytes(b"mine")
    assert command(file, "--out", out, "--format", kind) == 2
    assert "is there already; add --overwrite" in capsys.readouterr().err
    assert [path.read_bytes() for path in out.iterdir()] == [b"mine"]
    assert command(file, "--out", out, "--format", kind, "--overwrite") == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept


def test_pngs_show_the_image_and_every_buffer(tmp_path, file):
    assert command(file, "--out", tmp_path / "out", "--format", "png", "--frame", "a") == 0
    wanted = frames(file)["a"]
    found = {path.name: cv2.imread(str(path))[..., ::-1] for path in (tmp_path / "out").iterdir()}
    assert set(found) == {f"a.{name}.png" for name in ("image", *wanted.buffers, "ids.class", "ids.object")}
    assert np.array_equal(found["a.image.png"], wanted.image)
    assert all(picture.shape == (*SIZE, 3) for picture in found.values())
    assert not found["a.depth.png"][0].any()  # nothing drawn is black
    assert np.array_equal(np.unique(found["a.ids.class.png"].reshape(-1, 3), axis=0).shape, (2, 3))


def test_a_place_that_is_no_folder_is_one_line(tmp_path, file, capsys):
    (tmp_path / "out").write_bytes(b"a file, no folder")
    assert command(file, "--out", tmp_path / "out") == 2
    err = capsys.readouterr().err.strip()
    assert len(err.splitlines()) == 1
    assert "is a file; wanted a folder" in err
    with pytest.raises(InputError, match=r"a\.exr: cannot be written"):
        export.write_exr(tmp_path / "out" / "a.exr", {"Z": np.zeros((2, 2), np.float32)}, {})


def test_a_stopped_export_leaves_no_half_file(tmp_path, file, monkeypatch):
    import OpenEXR

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OpenEXR, "File", stop)
    with pytest.raises(KeyboardInterrupt):
        export.write_exr(tmp_path / "out" / "a.exr", {}, {})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gbuffer/version": 2.0}, "gbuffer/version is 2.0, this program reads 1"),
        ({"gbuffer/buffers": "{"}, "gbuffer/buffers is damaged"),
        ({"gbuffer/buffers": '{"depth": -5}'}, "gbuffer/buffers is damaged"),
        ({"gbuffer/buffers": '{"roughness": 0}'}, "lacks the channel 'roughness.V'"),
        ({"gbuffer/ids": '{"class": "float64"}'}, "gbuffer/ids is damaged"),
        ({"gbuffer/ids": "[]"}, "gbuffer/ids is damaged"),
        ({"gbuffer/classes": "[1]"}, "gbuffer/classes is no list of texts"),
        ({"gbuffer/source": 5.0}, "lacks the attribute gbuffer/source"),
        ({"gbuffer/view": np.eye(4)}, "has one of view and projection"),
        ({"gbuffer/classes": '["\\ud800"]'}, "a class is"),
        ({"gbuffer/classes": str(["a"] * 257).replace("'", '"')}, "257 classes, wanted at most 256"),
    ],
)
def test_damaged_exports_are_refused(tmp_path, capsys, change, message):
    plain = Frame("a", np.zeros((*SIZE, 3), np.uint8))
    channels, attributes = frame_as_exr.to_channels(plain, HEADER)
    write_exr(tmp_path / "s" / "a.exr", channels, **attributes | change)
    assert message in refused(tmp_path, capsys, tmp_path / "s")
