"""Frames whose colours are their classes, methods that recolour some, and numbers that follow from it."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from app.export import build_parser as export_parser
from app.export import main as export
from datasets.images import Images, write_png
from epe import models
from epe.networks.segmenters.unet import UNet, UNetSpec
from eval.measuring.segmentation_metrics import agreements
from eval.records import scores_record
from eval.segmentation import build_parser, main, segmenter_files
from gbuffer_tools.command import run
from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write
from tests.eval.made.segmenters import COLOURS, write_segmenter

pytest.importorskip("onnxruntime", reason="needs PyPI's onnxruntime (extra onnx)")

GAME = ("void", "lava", "torch", "tree", "lake", "snow")
HEADER = Header("test", "none", GAME, "CC0-1.0", "tests")
# The game's classes, of 10 columns each; the picture shows void and lake in the colour of water.
STRIPES = np.repeat(np.arange(5), 10)[None].repeat(20, 0).astype(np.uint8)
SHOWN = np.array([2, 0, 0, 1, 2])
CLASSES = """
classes:
  fire: {segmenter: [0], game: [lava, torch]}
  plants: {segmenter: [1], game: [tree]}
  water: {segmenter: [2], game: [lake]}
input: {multiple_of: 16}
"""


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """FRAMES of two files, a method that changes nothing, one that burns the trees of one frame."""
    (tmp_path / "frames").mkdir()
    image = COLOURS[SHOWN[STRIPES]]
    for file, names in (("one", ("a", "b")), ("two", ("a",))):
        frames = [Frame(name=name, image=image, buffers={}, ids={"class": STRIPES}) for name in names]
        write(tmp_path / "frames" / f"{file}.h5", frames, HEADER)
    for key in Images(tmp_path / "frames").keys:
        write_png(tmp_path / "same" / f"{key}.png", image)
        burnt = np.where(STRIPES[..., None] == 3, COLOURS[0], image) if key == "one/b" else image
        write_png(tmp_path / "burnt" / f"{key}.png", burnt.astype(np.uint8))
    write_segmenter(tmp_path / "s.onnx", "scores")
    (tmp_path / "classes.yaml").write_text(CLASSES)
    return tmp_path


def judge(scene: Path, *more: str) -> int:
    files = ["--frames", "frames", "--segmenter", "s.onnx", "--classes", "classes.yaml", "--out", "out.json"]
    words = [word if word.startswith("--") else str(scene / word) for word in files]
    fakes = [f"--fake={scene / name}" for name in ("same", "burnt")]
    return run(main, build_parser(), [*words, *fakes, "--resamples=200", *more])


def measured(scene: Path) -> tuple[scores_record.ScoredMethod, ...]:
    return scores_record.read(scene / "out.json").methods


def plain(method: scores_record.ScoredMethod) -> dict[str, float]:
    return {key: estimate.value for key, estimate in method.values.items()}


def test_what_is_burnt_is_lost(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(scene) == 0
    assert scores_record.read(scene / "out.json").keys == ("one/a", "one/b", "two/a")
    render, same, burnt = measured(scene)
    assert [render.name, same.name, burnt.name] == ["render", "same", "burnt"]
    # The segmenter is right wherever the file names a class; void does not count.
    right = {"miou": 1, "pixel_accuracy": 1, "iou_fire": 1, "iou_plants": 1, "iou_water": 1}
    assert plain(render) == right
    assert plain(same) == right | {"miou_render": 1}
    # A third of the trees' pixels is taken for fire, which has 2 stripes of 200 pixels in each of 3 frames.
    mean = (1200 / 1400 + 2 / 3 + 1) / 3
    # To the render's own labels, which show void as water: in 1000 pixels a frame, the same classes.
    wanted = {"miou": mean, "pixel_accuracy": 1 - 200 / 2400, "iou_fire": 6 / 7, "iou_plants": 2 / 3, "iou_water": 1}
    assert plain(burnt) == pytest.approx(wanted | {"miou_render": mean})
    assert burnt.differences["miou"].value == pytest.approx(mean - 1)
    assert same.differences["miou"].value == 0
    # A frame of three: resamples hold it never to always.
    assert burnt.values["iou_plants"].low == pytest.approx(0)
    assert burnt.values["iou_plants"].high == pytest.approx(1)
    assert burnt.frames["iou_plants"] == (1, 0, 1)
    assert burnt.frames["miou"] == pytest.approx((1, (400 / 600 + 0 + 1) / 3, 1))
    assert "mIoU to the render" in capsys.readouterr().out


def test_a_segmenter_that_is_wrong_of_the_render_is_told_from_a_method_that_loses(scene: Path) -> None:
    # The file's plants and water change places: wrong everywhere, and nothing is lost.
    swapped = CLASSES.replace("[tree]", "[x]").replace("[lake]", "[tree]").replace("[x]", "[lake]")
    (scene / "classes.yaml").write_text(swapped)
    assert judge(scene) == 0
    render, same, _ = measured(scene)
    assert plain(render)["miou"] == pytest.approx(1 / 3)
    assert same.differences["miou"].value == 0
    assert plain(same)["miou_render"] == 1


def test_a_class_that_only_a_method_shows_has_no_difference(scene: Path) -> None:
    # No frame has snow, so that the render has no IoU of it; the method's is 0.
    (scene / "classes.yaml").write_text(CLASSES.replace("input:", "  snow: {segmenter: [3], game: [snow]}\ninput:"))
    write_png(scene / "burnt/one/b.png", np.where(STRIPES[..., None] == 3, COLOURS[3], COLOURS[SHOWN[STRIPES]]))
    assert judge(scene) == 0
    render, same, burnt = measured(scene)
    assert "iou_snow" not in render.values | same.values
    assert burnt.values["iou_snow"].value == 0
    assert set(burnt.differences) == {"miou", "pixel_accuracy", "iou_fire", "iou_plants", "iou_water"}


def test_the_same_command_writes_the_same_bits(scene: Path) -> None:
    written = set()
    for _ in range(2):
        assert judge(scene, "--seed=3") == 0
        written.add((scene / "out.json").read_bytes())
    assert len(written) == 1


def test_many_classes_and_frames_take_little_memory(tmp_path: Path) -> None:
    for i in range(16):
        write_png(tmp_path / "frames" / f"{i}.png", np.zeros((4, 4, 3), np.uint8))
    images, labels = Images(tmp_path / "frames"), np.zeros((4, 4), np.int16)
    truth = [(key, labels) for key in images.keys]
    tracemalloc.start()
    found, _ = agreements(truth, {("render", 0): (images, lambda picture: labels)}, classes=300)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["render", 0].truth.both[:, 0].tolist() == [16] * 16
    # A confusion matrix of 300 classes takes 0.7 MB: there are a few at a time, not two of each of 16 frames (23 MB).
    assert peak < 6e6


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        (lambda scene: (scene / "same/one/a.png").unlink(), (), "same lacks 1 frames, such as 'one/a'"),
        (
            lambda scene: write_png(scene / "same/one/a.png", np.zeros((20, 40, 3), np.uint8)),
            (),
            "40x20 pixels, wanted",
        ),
        (lambda scene: (scene / "classes.yaml").write_text(CLASSES.replace("tree", "bush")), (), "no class 'bush'"),
        (
            lambda scene: (scene / "classes.yaml").write_text("classes: {a: {segmenter: [0], game: []}}"),
            (),
            "no pixel is of a class",
        ),
        (lambda scene: None, ("--fake=render=x",), "the frame files are the render"),
        (lambda scene: None, ("--out=x.txt",), "wanted a name that ends in .json"),
        (lambda scene: (scene / "s.onnx").unlink(), (), "no such file; wanted a network"),
    ],
)
def test_bad_input_is_one_line(
    scene: Path, change: object, more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(scene)  # type: ignore[operator]
    assert judge(scene, *more) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert words in complaint
    assert not (scene / "out.json").exists()


class TestSegmenters:
    """Several segmenters on the same frames: how far each gets, and the difference to the first."""

    def judge(self, scene: Path, *segmenters: str, more: tuple[str, ...] = ("--resamples=200",)) -> int:
        words = ["--frames", str(scene / "frames"), "--out", str(scene / "out.json")]
        return run(main, build_parser(), [*words, *(f"--segmenter={word}" for word in segmenters), *more])

    def models(self, scene: Path, **biases: tuple[float, ...]) -> list[str]:
        """NAME=FILE of networks that find one class everywhere."""
        found = []
        for name, bias in biases.items():
            network = UNet(UNetSpec(3, width=4, height=20))
            torch.nn.init.zeros_(network.head.weight)
            network.head.bias.data = torch.tensor(bias, dtype=torch.float32)
            classes = (("lava",), ("tree",), ("lake",))
            path = scene / f"{name}.safetensors"
            models.save(models.Model(network, "unet", network.spec.as_dict(), classes=classes, multiple_of=16), path)
            found.append(f"{name.rstrip('0123456789')}={path}")
        return found

    def test_each_is_compared_with_the_first(self, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.judge(scene, *self.models(scene, all_lava=(1, 0, 0), all_tree=(0, 1, 0))) == 0
        lava, tree = measured(scene)
        assert [lava.name, tree.name] == ["all_lava", "all_tree"]
        # A stripe of each: lava, tree, lake; void and torch do not count.
        third = pytest.approx(1 / 3)
        assert plain(lava) == {
            "miou": pytest.approx(1 / 9), "pixel_accuracy": third, "iou_lava": third, "iou_tree": 0, "iou_lake": 0,
        }  # fmt: skip
        assert plain(tree) == plain(lava) | {"iou_lava": 0, "iou_tree": third}
        assert tree.differences["miou"].value == pytest.approx(0, abs=1e-12)
        assert tree.differences["iou_lava"].value == pytest.approx(-1 / 3)
        # All frames are alike, so that no resample differs.
        assert tree.differences["iou_lava"].low == tree.differences["iou_lava"].high == pytest.approx(-1 / 3)
        assert lava.differences == {}
        printed = capsys.readouterr().out
        assert "IoU, tree" in printed
        assert "mIoU to the render" not in printed

    def test_files_of_one_name_are_averaged(self, scene: Path) -> None:
        given = self.models(scene, base=(0, 0, 1), seeds1=(1, 0, 0), seeds2=(0, 1, 0), seeds3=(0, 1, 0))
        assert self.judge(scene, *given) == 0
        base, seeds = measured(scene)
        assert [base.name, seeds.name] == ["base", "seeds"]
        found = plain(seeds)
        assert [found[f"iou_{name}"] for name in ("lava", "tree", "lake")] == pytest.approx([1 / 9, 2 / 9, 0])
        assert seeds.frames["iou_tree"] == pytest.approx([2 / 9] * 3)

    def test_a_taxonomy_groups_what_they_find(self, scene: Path) -> None:
        (scene / "groups.yaml").write_text("classes: {hot: {game: [lava, torch]}, wet: {game: [lake]}}")
        given = self.models(scene, one=(1, 0, 0), two=(0, 1, 0))
        assert self.judge(scene, *given, more=("--classes", str(scene / "groups.yaml"), "--resamples=200")) == 0
        one, two = measured(scene)
        # Two stripes are hot, and one wet; trees, which are all that the other finds, are none of both.
        assert plain(one) == pytest.approx({"miou": 1 / 3, "pixel_accuracy": 2 / 3, "iou_hot": 2 / 3, "iou_wet": 0})
        assert not any(plain(two).values())

    def test_a_segmenter_knows_its_classes_for_methods_too(self, scene: Path) -> None:
        given = self.models(scene, one=(1, 0, 0))
        assert self.judge(scene, *given, more=(f"--fake={scene / 'same'}", "--resamples=200")) == 0
        render, same = measured(scene)
        assert (render.name, plain(same)["miou_render"]) == ("render", 1)

    def test_onnx_among_them(self, scene: Path) -> None:
        word = self.models(scene, one=(1, 0, 0))[0].partition("=")[2]
        assert run(export, export_parser(), [word, "--onnx", str(scene / "one.onnx")]) == 0
        assert self.judge(scene, f"torch={word}", f"onnx={scene / 'one.onnx'}") == 0
        first, second = measured(scene)
        assert plain(first) == plain(second)

    def test_a_path_may_hold_an_equals_sign(self) -> None:
        found = segmenter_files(["runs/lr=1e-4/x.onnx", "town=runs/lr=1e-4/y.onnx"])
        assert found == {"x.onnx": [Path("runs/lr=1e-4/x.onnx")], "town": [Path("runs/lr=1e-4/y.onnx")]}

    def test_refused(self, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
        one, two = self.models(scene, one=(1, 0, 0), two=(0, 1, 0))
        cases = [
            (self.judge(scene, one, two, more=(f"--fake={scene / 'same'}",)), "--fake: given with 2 segmenters"),
            (self.judge(scene, one, one), "a file twice"),
            (self.judge(scene, f"={scene / 's.onnx'}"), "got the name ''"),
            (self.judge(scene, str(scene / "s.onnx")), "does not say what its numbers mean"),
        ]
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m")]
        for (code, words), line in zip(cases, lines, strict=True):
            assert code == 2
            assert words in line

    def test_other_classes_than_the_first(self, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
        one = self.models(scene, one=(1, 0, 0))[0]
        network = UNet(UNetSpec(2, width=4))
        classes = (("lava",), ("tree",))
        models.save(models.Model(network, "unet", network.spec.as_dict(), classes=classes), scene / "x.safetensors")
        assert self.judge(scene, one, str(scene / "x.safetensors")) == 2
        assert "x.safetensors: has the classes lava, tree, wanted those of" in capsys.readouterr().err


def test_frames_without_class_ids(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scene / "frames/two.h5").unlink()
    write(scene / "frames/two.h5", [Frame("a", COLOURS[SHOWN[STRIPES]], {}, {})], HEADER)
    assert judge(scene) == 2
    assert "two.h5: has no ids/class" in capsys.readouterr().err
