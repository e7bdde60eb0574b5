"""EXR files that hold more than one frame takes: view layers, eyes, parts, and channels that nobody uses."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io import colour
from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import extracted, grey, layer, refused, write_exr

OpenEXR = pytest.importorskip("OpenEXR")

SIZE = 24, 32
BLENDER = {"BlenderMultiChannel": "Blender V2.55.1 and newer"}


def view_layers(path: Path, *names: str, depth: tuple[str, ...] = ()) -> Path:
    """View layers of one object each, which is called as its layer is; the brightness is the number of the layer."""
    channels, attributes = {}, dict(BLENDER)
    for i, name in enumerate(names):
        ids = np.full(SIZE, name_id(name), np.uint32).view(np.float32)
        crypto = np.stack([ids, np.ones(SIZE), np.zeros(SIZE), np.zeros(SIZE)], -1)
        channels |= layer(f"{name}.Combined", np.full((*SIZE, 3), i / 4), "RGB")
        channels |= layer(f"{name}.CryptoObject00", crypto, "RGBA")
        channels |= {f"{name}.Depth.Z": np.full(SIZE, i + 1, np.float32)} if name in depth else {}
        start = f"cryptomatte/{i:07x}/"
        attributes |= {
            f"{start}name": f"{name}.CryptoObject",
            f"{start}manifest": f'{{"{name}": "{name_id(name):08x}"}}',
        }
    return write_exr(path, channels, **attributes)


def only_frame(tmp_path: Path, *arguments: object, accepted: bool = True):
    _, frames = extracted(tmp_path, *arguments, accepted=accepted)
    (frame,) = frames.values()
    return frame


@pytest.mark.parametrize(
    ("names", "fullest"),
    [
        (("Background", "ViewLayer"), "ViewLayer"),
        (("ViewLayer", "ViewLayer2"), "ViewLayer2"),
        (("ViewLayer2", "ViewLayer"), "ViewLayer"),
        (("ViewLayer", "ViewLayer.Car"), "ViewLayer"),
        (("ViewLayer.Car", "ViewLayer"), "ViewLayer.Car"),
        (("Car", "car"), "car"),
        (("View Layer", "View Layer.1 of 2"), "View Layer.1 of 2"),
    ],
)
def test_all_of_a_frame_is_of_one_view_layer(tmp_path, capsys, names, fullest):
    path = view_layers(tmp_path / "s" / "a.exr", *names, depth=(fullest,))
    found = only_frame(tmp_path, path)
    number = names.index(fullest)
    assert (found.buffers["depth"] == number + 1).all()
    assert (found.ids["object"] == name_id(fullest)).all()
    line = capsys.readouterr().out
    assert f"view layer {fullest!r} of " in line
    assert all(repr(name) in line for name in names)
    assert "not used" not in line


@pytest.mark.parametrize("names", [("Background", "ViewLayer"), ("ViewLayer", "ViewLayer.Car"), ("Car", "car")])
def test_the_layer_that_the_user_names(tmp_path, names):
    path = view_layers(tmp_path / "s" / "a.exr", *names, depth=names)
    for i, name in enumerate(names):
        found = only_frame(tmp_path / str(i), path, "--layer", name)
        assert (found.buffers["depth"] == i + 1).all()
        assert (found.ids["object"] == name_id(name)).all()
        assert (found.image == (0 if i == 0 else 137)).all()


def test_a_layer_that_is_not_there_is_named(tmp_path, capsys):
    path = view_layers(tmp_path / "s" / "a.exr", "A", "A.b")
    assert "has no view layer 'B'; wanted 'A' or 'A.b'" in refused(tmp_path, capsys, path, "--layer", "B")
    plain = write_exr(tmp_path / "p" / "a.exr", grey(SIZE) | grey(SIZE, "Left.Combined."))
    assert "has no layer 'Right'; it has Left.Combined; see --layer" in refused(
        tmp_path, capsys, plain, "--layer", "Right"
    )
    alone = write_exr(tmp_path / "q" / "a.exr", grey(SIZE))
    assert "has no layer 'x'; it has none; see --layer" in refused(tmp_path, capsys, alone, "--layer", "x")


def test_sources_without_layers_do_not_pass_the_option_over(tmp_path, capsys):
    (tmp_path / "s").mkdir()
    write_png(tmp_path / "s" / "a.png", np.zeros((4, 5, 3), np.uint8))
    assert "--layer x: the source images has no layers" in refused(tmp_path, capsys, tmp_path / "s", "--layer", "x")


def test_a_layer_of_any_other_file(tmp_path, capsys):
    channels = grey(SIZE) | grey(SIZE, "Hero.Combined.") | {"Hero.Depth.Z": np.full(SIZE, 3, np.float32)}
    path = write_exr(tmp_path / "s" / "a.exr", channels)
    assert (only_frame(tmp_path, path, "--layer", "Hero").buffers["depth"] == 3).all()
    assert "layer Hero, 3 channels are of others" in capsys.readouterr().out


def test_channels_that_became_nothing_are_named(tmp_path, capsys):
    channels = grey(SIZE, "") | {"A": np.ones(SIZE, np.float32), "Z": np.ones(SIZE, np.float32)}
    channels |= grey(SIZE, "diffuse.") | {"mask": np.ones(SIZE, np.float32), "AOV one.V": np.ones(SIZE, np.float32)}
    path = write_exr(tmp_path / "s" / "a.exr", channels)
    only_frame(tmp_path, path, accepted=False)
    line = capsys.readouterr().out
    assert "a: depth; not used: mask, AOV one.V, diffuse.R G B (a --mapping says what they mean)" in line
    (tmp_path / "m.yaml").write_text("buffers: {x_one: {channels: [AOV one.V]}, x_mask: {channels: [mask]}}")
    only_frame(tmp_path / "2", path, "--mapping", tmp_path / "m.yaml", accepted=False)
    assert "not used: diffuse.R G B (" in capsys.readouterr().out


def test_where_there_is_no_image_the_channels_are_listed(tmp_path, capsys):
    channels = grey(SIZE, "odd.") | {"depth.V": np.ones(SIZE, np.float32)}
    line = refused(tmp_path, capsys, write_exr(tmp_path / "s" / "a.exr", channels))
    assert line.endswith("under image.channels of a --mapping; it has depth.V, odd.R G B")


def test_the_passes_of_a_file_output_node(tmp_path, capsys):
    channels = grey(SIZE, "Image.") | grey(SIZE, "DiffCol.")
    channels |= {
        "Depth.V": np.where(np.arange(24)[:, None] < 3, 1e10, 5).astype(np.float32) * np.ones(SIZE, np.float32)
    }
    channels |= layer("Normal", np.tile((0.0, 0, 1), (*SIZE, 1))) | {"IndexOB.V": np.full(SIZE, 7, np.float32)}
    channels |= {"Denoised.R": np.ones(SIZE, np.float32)}
    found = only_frame(tmp_path, write_exr(tmp_path / "s" / "a.exr", channels, **BLENDER), accepted=False)
    assert set(found.buffers) == {"depth", "x_world_normal", "albedo"}
    assert np.isinf(found.buffers["depth"][:3]).all()
    assert (found.ids["object"][3:] == 7).all()
    line = capsys.readouterr().out
    assert "passes by the names that a File Output node gave them: Depth, Image, Normal, DiffCol, IndexOB" in line
    assert "not used: Denoised.R (" in line


def test_parts_as_nuke_writes_them(tmp_path):
    z = np.full(SIZE, 4, np.float32)
    half = {name: np.full(SIZE, 0.25, np.float32) for name in ("red", "green", "blue")}
    parts = [OpenEXR.Part({"name": "rgba"}, half), OpenEXR.Part({"name": "depth"}, {"Z": z})]
    (tmp_path / "s").mkdir()
    OpenEXR.File(parts).write(str(tmp_path / "s" / "a.exr"))
    found = only_frame(tmp_path, tmp_path / "s" / "a.exr", accepted=False)
    assert (found.image == 137).all()
    assert (found.buffers["depth"] == 4).all()


def stereo() -> dict[str, np.ndarray]:
    right = {f"right.{c}": np.zeros(SIZE, np.float32) for c in "RGB"}
    return grey(SIZE) | right | {f"Z.{eye}.V": np.full(SIZE, z, np.float32) for eye, z in (("left", 2), ("right", 3))}


@pytest.mark.parametrize(("eye", "grey_level", "z"), [((), 137, 2), (("--layer", "right"), 0, 3)])
def test_one_eye_of_a_stereo_file(tmp_path, capsys, eye, grey_level, z):
    path = write_exr(tmp_path / "s" / "a.exr", stereo(), multiView=["left", "right"])
    found = only_frame(tmp_path, path, *eye, accepted=False)
    assert (found.image == grey_level).all()
    assert (found.buffers["depth"] == z).all()
    line = capsys.readouterr().out
    assert f"view {eye[1] if eye else 'left'} of left, right (--layer)" in line
    assert "not used" not in line


@pytest.mark.parametrize("attributes", [{"multiView": ["left", "right"]}, {}])
def test_eyes_of_blenders_view_layers(tmp_path, capsys, attributes):
    channels = {}
    for i, eye in enumerate(("left", "right")):
        channels |= {f"View.Combined.{eye}.{c}": np.full(SIZE, i / 4, np.float32) for c in "RGB"}
        channels |= {f"View.Depth.{eye}.Z": np.full(SIZE, i + 1, np.float32)}
    path = write_exr(tmp_path / "s" / "a.exr", channels, **attributes, **BLENDER)
    assert (only_frame(tmp_path, path, accepted=False).buffers["depth"] == 1).all()
    assert (only_frame(tmp_path / "2", path, "--layer", "right", accepted=False).buffers["depth"] == 2).all()
    assert "view left of left, right (--layer)" in capsys.readouterr().out


@pytest.mark.parametrize(("eye", "grey_level", "z"), [((), 0, 1), (("--layer", "left"), 137, 2)])
def test_eyes_of_parts(tmp_path, capsys, eye, grey_level, z):
    """As OpenEXR's own Beachball has them: the first part is the main eye's."""
    parts = []
    for i, view in enumerate(("right", "left")):
        colours = {c: np.full(SIZE, i / 4, np.float32) for c in "RGB"}
        parts += [OpenEXR.Part({"name": f"rgba_{view}", "view": view}, colours)]
        parts += [OpenEXR.Part({"name": f"depth_{view}", "view": view}, {"Z": np.full(SIZE, i + 1, np.float32)})]
    (tmp_path / "s").mkdir()
    OpenEXR.File(parts).write(str(tmp_path / "s" / "a.exr"))
    found = only_frame(tmp_path, tmp_path / "s" / "a.exr", *eye, accepted=False)
    assert (found.image == grey_level).all()
    assert (found.buffers["depth"] == z).all()
    line = capsys.readouterr().out
    assert f"view {eye[1] if eye else 'right'} of right, left (--layer)" in line
    assert "not used" not in line


def test_an_eye_beside_the_picture_is_named(tmp_path, capsys):
    path = write_exr(tmp_path / "s" / "a.exr", grey(SIZE) | grey(SIZE, "left."))
    only_frame(tmp_path, path)
    assert "not used: left.R G B (" in capsys.readouterr().out


def windows(data: tuple[int, ...], display: tuple[int, ...]) -> dict[str, object]:
    """Windows of x0, y0, x1, y1 as the library wants them."""
    return {
        name: (np.array(box[:2], np.int32), np.array(box[2:], np.int32))
        for name, box in (("dataWindow", data), ("displayWindow", display))
    }


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"pixelAspectRatio": 2.0}, "its pixels are 2 times as wide as high (pixelAspectRatio), taken for square ones"),
        (
            windows((-4, 0, 27, 23), (0, 0, 23, 23)),
            "25.0% of its pixels lie outside of the picture (overscan) and are cut",
        ),
        (
            windows((0, 0, 31, 23), (0, 0, 31, 47)),
            "only 50.0% of the picture have pixels (data window), the rest is 0",
        ),
    ],
)
def test_pixels_that_are_not_square_and_windows_are_said(tmp_path, capsys, header, words):
    only_frame(tmp_path, write_exr(tmp_path / "s" / "a.exr", grey(SIZE), **header))
    assert words in capsys.readouterr().out


def test_a_picture_without_any_of_its_pixels_is_refused(tmp_path, capsys):
    path = write_exr(tmp_path / "s" / "a.exr", grey(SIZE), **windows((50, 0, 81, 23), (0, 0, 31, 23)))
    assert "lie outside of its picture" in refused(tmp_path, capsys, path)


@pytest.mark.parametrize("name", ["VRayCryptomatte", "cryptomatte", "MyMattes", "CryptoObject"])
def test_the_only_cryptomatte_is_that_of_objects(tmp_path, name):
    ids = np.full(SIZE, name_id("Wall"), np.uint32).view(np.float32)
    channels = grey(SIZE) | {f"{name}00.R": ids, f"{name}00.G": np.ones(SIZE, np.float32)}
    attributes = {"cryptomatte/1/name": name, "cryptomatte/1/hash": "MurmurHash3_32\0"}
    found = only_frame(tmp_path, write_exr(tmp_path / "s" / "a.exr", channels, **attributes))
    assert set(found.ids) == {"object"}
    assert (found.ids["object"] == name_id("Wall")).all()


def test_a_manifest_beside_the_file_and_one_that_is_missing(tmp_path, capsys):
    ids = np.full(SIZE, name_id("Wall"), np.uint32).view(np.float32)
    channels = grey(SIZE) | {"C00.R": ids, "C00.G": np.ones(SIZE, np.float32)}
    path = write_exr(
        tmp_path / "s" / "a.exr", channels, **{"cryptomatte/1/name": "C", "cryptomatte/1/manif_file": "a.json"}
    )
    only_frame(tmp_path, path)
    assert "ids/object have no names: the manifest of cryptomatte 'C' is to lie beside it" in capsys.readouterr().out
    (tmp_path / "s" / "a.json").write_text(f'{{"Wall": "{name_id("Wall"):08x}"}}')
    only_frame(tmp_path / "2", path)
    assert "Wall" in (tmp_path / "2" / "frames" / "s.json").read_text()


def test_colours_of_other_primaries_give_the_same_picture(tmp_path, capsys):
    rng = np.random.default_rng(0)
    light = rng.random((*SIZE, 3))
    write_exr(tmp_path / "s" / "rec709.exr", {c: light[..., i].astype(np.float32) for i, c in enumerate("RGB")})
    for name in ("XYZ", "ACEScg (AP1)", "Rec.2020", "ACES AP0", "P3-D65"):
        theirs = light @ np.linalg.inv(colour.to_rec709(colour.SPACES[name])).T
        channels = {c: theirs[..., i].astype(np.float32) for i, c in enumerate("RGB")}
        points = tuple(float(n) for n in colour.SPACES[name].ravel())
        write_exr(tmp_path / "s" / f"{name}.exr", channels, chromaticities=points)
    _, frames = extracted(tmp_path, tmp_path / "s", accepted=False)
    wanted = frames.pop("s/rec709").image.astype(int)
    for frame in frames.values():
        assert np.abs(frame.image - wanted).max() <= 1
    assert capsys.readouterr().out.count("colours converted from") == 5
