"""The command: frames of known colours and depth, methods that change one thing each, and what follows from it."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from datasets.images import Images, write_png
from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD
from eval.control import build_parser, main
from eval.records import scores_record
from eval.reporting import html_report, kept, markdown_report
from eval.reporting.summary import data_sets
from gbuffer_tools.command import run
from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write

HEIGHT, WIDTH = 60, 80
SKY, ROAD, KART = 0, 1, 2
IDS = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
IDS[:20] = SKY
IDS[30:50, 30:50] = KART
# CIELAB of each class: all within sRGB, also when turned by 60 degrees.
LAB = np.array([[60, -5, -28], [45, 4, 20], [50, 35, 10]], np.float32)
# Inverse depth from 0.02 (50 m) at the top to 0.22 (4.5 m): the picture's brightness, so that a network can tell it.
DEPTH = np.repeat(1 / np.linspace(0.02, 0.22, HEIGHT)[:, None], WIDTH, 1).astype(np.float32)


def painted(lab: np.ndarray) -> np.ndarray:
    """A picture of the classes' colours."""
    return np.round(cv2.cvtColor(lab[IDS].astype(np.float32), cv2.COLOR_Lab2RGB) * 255).astype(np.uint8)


def turned(lab: np.ndarray, which: int, degrees: float) -> np.ndarray:
    a, b = lab[which, 1:]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    found = lab.copy()
    found[which, 1:] = a * cos - b * sin, a * sin + b * cos
    return found


def save(folder: Path, image: np.ndarray, count: int = 3) -> None:
    for i in range(count):
        write_png(folder / "set" / f"{i}.png", image)


def write_frames(folder: Path, image: np.ndarray, depth: np.ndarray | None = DEPTH) -> None:
    folder.mkdir()
    buffers = {} if depth is None else {"depth": depth}
    frames = [Frame(name=str(i), image=image, buffers=buffers, ids={"class": IDS}) for i in range(3)]
    write(folder / "set.h5", frames, Header("test", "none", ("sky", "road", "kart"), "CC0-1.0", "tests"))


def measured(folder: Path, *names: str, more: tuple[str, ...] = ()) -> scores_record.Scores:
    words = ["--frames", str(folder / "frames"), "--out", str(folder / "c.json"), "--resamples", "50", *more]
    assert run(main, build_parser(), [*words, *(f"--fake={folder / name}" for name in names)]) == 0
    return scores_record.read(folder / "c.json")


def value(method: scores_record.ScoredMethod, key: str) -> float:
    return method.values[key].value


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """FRAMES; a method that changes nothing, one that turns the sky, one that makes the kart pale."""
    write_frames(tmp_path / "frames", painted(LAB))
    save(tmp_path / "same", painted(LAB))
    save(tmp_path / "violet", painted(turned(LAB, SKY, 40)))
    pale = LAB.copy()
    pale[KART, 1:] *= 0.5
    save(tmp_path / "pale", painted(pale))
    return tmp_path


def test_what_stays_is_kept_to_the_last_digit(scene: Path) -> None:
    render, same = measured(scene, "same").methods
    assert [value(same, key) for key in ("edges_f1", "edges_precision", "edges_recall")] == [1, 1, 1]
    assert value(same, "geometry_recall") == value(render, "geometry_recall") > 0.95
    assert "edges_f1" not in render.values
    for name in ("sky", "road", "kart"):
        assert value(same, f"colour.{name}.dE") == 0
        assert value(same, f"colour.{name}.hue") == pytest.approx(0, abs=1e-9)
        assert same.differences[f"colour.{name}.L"].value == 0
    assert "depth_si_rmse" not in same.values  # no network was given


def test_a_hue_turn_shows_in_its_class_only(scene: Path) -> None:
    render, violet, pale = measured(scene, "violet", "pale").methods
    # 8 bits are half a unit of CIELAB, a degree at this chroma.
    assert value(violet, "colour.sky.hue") == pytest.approx(40, abs=1.5)
    assert violet.differences["colour.sky.C"].value == pytest.approx(0, abs=0.7)
    assert violet.differences["colour.sky.L"].value == pytest.approx(0, abs=0.5)
    assert value(violet, "colour.sky.dE") > 10
    for name in ("road", "kart"):
        assert value(violet, f"colour.{name}.dE") == 0
    assert value(pale, "colour.kart.hue") == pytest.approx(0, abs=2)
    chroma = value(render, "colour.kart.C")
    assert chroma == pytest.approx(np.hypot(35, 10), abs=0.5)
    assert pale.differences["colour.kart.C"].value == pytest.approx(-chroma / 2, abs=0.7)
    assert value(pale, "colour.sky.dE") == 0


def test_means_are_over_pixels_and_greys_have_no_hue(scene: Path) -> None:
    """One of three frames is turned, and has a sky as large as the others'."""
    write_png(scene / "same" / "set" / "1.png", painted(turned(LAB, SKY, 60)))
    grey = LAB.copy()
    grey[ROAD, 1:] = 1.0
    save(scene / "grey", painted(grey))
    record = measured(scene, "same", "grey")
    _, same, greyed = record.methods
    frames = same.frames["colour.sky.dE"]
    assert value(same, "colour.sky.dE") == pytest.approx(sum(frames) / 3)
    assert frames[0] == frames[2] == 0
    assert same.values["colour.sky.dE"].low == 0
    # Of 0, 60 and 0 degrees at equal chroma: the angle of the mean.
    wanted = np.degrees(np.angle(2 + np.exp(1j * np.radians(60))))
    assert value(same, "colour.sky.hue") == pytest.approx(wanted, abs=1)
    assert "colour.road.hue" not in greyed.values
    assert greyed.frames["colour.road.hue"] == (None, None, None)


def test_classes_are_known_by_name_in_all_files(scene: Path) -> None:
    """A second file numbers them the other way round, and has one more."""
    ids = np.where(IDS == SKY, 3, np.where(IDS == KART, 0, 1)).astype(np.uint8)
    ids[55:] = 2
    frame = Frame(name="x", image=painted(LAB), buffers={}, ids={"class": ids})
    write(scene / "frames" / "other.h5", [frame], Header("test", "none", ("kart", "road", "fence", "sky"), "", "tests"))
    for name, lab in (("same", LAB), ("violet", turned(LAB, SKY, 40))):
        write_png(scene / name / "other" / "x.png", painted(lab))
    record = measured(scene, "same", "violet")
    render, same, violet = record.methods
    names = {"sky", "road", "kart", "fence"}
    assert {metric.key.split(".")[1] for metric in record.metrics if metric.key.startswith("colour.")} == names
    for name, index in (("sky", SKY), ("kart", KART), ("fence", ROAD)):
        assert value(render, f"colour.{name}.L") == pytest.approx(LAB[index, 0], abs=0.5)
    assert record.keys == ("other/x", "set/0", "set/1", "set/2")
    assert [x is None for x in render.frames["colour.fence.L"]] == [False, True, True, True]
    assert all(abs(turn - 40) < 1.5 for turn in violet.frames["colour.sky.hue"])
    assert value(same, "colour.fence.dE") == 0


def test_moved_edges_are_lost_and_invented(scene: Path) -> None:
    save(scene / "moved", np.roll(painted(LAB), 5, axis=1))
    found = measured(scene, "moved").methods[1]
    assert value(found, "edges_f1") < 0.95
    assert value(found, "geometry_recall") < value(measured(scene, "same").methods[1], "geometry_recall")


def test_plain_pictures_give_the_edges_alone(scene: Path) -> None:
    (scene / "frames" / "set.h5").unlink()
    save(scene / "frames", painted(LAB))
    found = measured(scene, "violet")
    assert {metric.key for metric in found.metrics} == {
        "edges_f1", "edges_precision", "edges_recall", "corner_lightness",
    }  # fmt: skip


def write_depth_network(path: Path, size: tuple[int, int] | None = None, rank: int = 4) -> Path:
    """Says that what is brighter is nearer: 70 times the green channel, less 3, undoing ImageNet's normalisation."""
    weight = np.zeros((1, 3, 1, 1), np.float32)
    weight[0, 1] = 70 * IMAGENET_STD[1]
    tensors = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.array([70 * IMAGENET_MEAN[1] - 3], np.float32), "b"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
    ]
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["four"]), helper.make_node("Squeeze", ["four", "axes"], ["y"])]
    last = "four" if rank == 4 else "y"
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *(size or ("h", "w"))])
    target = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes[: 1 if rank == 4 else 2], "g", [source], [target], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path


class TestDepth:
    @pytest.fixture
    def lit(self, tmp_path: Path) -> Path:
        """Frames as bright as they are near; a method of less contrast, and one that is bright where it is far."""
        pytest.importorskip("onnxruntime", reason="needs PyPI's onnxruntime (extra onnx)")
        grey = np.repeat((1000 / DEPTH + 20)[..., None], 3, 2)
        write_frames(tmp_path / "frames", np.round(grey).astype(np.uint8))
        save(tmp_path / "paler", np.round(grey * 0.6 + 60).astype(np.uint8))
        wave = 60 * np.sin(np.arange(WIDTH) / 5)[None, :, None]
        save(tmp_path / "odd", np.clip(np.round(grey + wave), 0, 255).astype(np.uint8))
        return tmp_path

    @pytest.mark.parametrize(("size", "rank"), [(None, 4), (None, 3), ((30, 40), 4)])
    def test_scale_and_shift_are_free_and_the_rest_counts(
        self, lit: Path, size: tuple[int, int] | None, rank: int
    ) -> None:
        network = write_depth_network(lit / "d.onnx", size, rank)
        more = ("--depth", str(network), "--depth-multiple", "20")
        render, paler, odd = measured(lit, "paler", "odd", more=more).methods
        # A grey level is 0.001 of inverse depth: 5 % of the farthest, less than 1 % of most. At half the size the rows
        # are put together again at the upper and lower edge with an error of a row.
        assert value(render, "depth_si_rmse") < (0.02 if size is None else 0.03)
        assert value(paler, "depth_si_rmse") < (0.02 if size is None else 0.03)
        assert value(odd, "depth_si_rmse") > 0.2

    def test_frames_without_depth_are_one_line(self, lit: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (lit / "frames" / "set.h5").unlink()
        (lit / "frames").rmdir()
        write_frames(lit / "frames", painted(LAB), depth=None)
        network = write_depth_network(lit / "d.onnx")
        words = ["--frames", str(lit / "frames"), "--fake", str(lit / "odd"), "--out", str(lit / "c.json")]
        assert run(main, build_parser(), [*words, "--depth", str(network)]) == 2
        assert "frames: has no depth, which --depth compares with" in capsys.readouterr().err
        assert run(main, build_parser(), [*words, "--depth", str(network), "--depth-multiple", "0"]) == 2
        assert "--depth-multiple: got 0, wanted 1 .. 1024" in capsys.readouterr().err

    def test_other_networks_are_one_line(self, lit: Path, capsys: pytest.CaptureFixture[str]) -> None:
        value_in = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])
        value_out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value_in], [value_out])
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(lit / "i.onnx")
        )
        words = ["--frames", str(lit / "frames"), "--fake", str(lit / "odd"), "--out", str(lit / "c.json")]
        assert run(main, build_parser(), [*words, "--depth", str(lit / "i.onnx")]) == 2
        assert "i.onnx: gives float32 (1, 3, 56, 84); wanted inverse depth" in capsys.readouterr().err


def test_other_sizes_are_one_line(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(scene / "same" / "set" / "2.png", np.zeros((HEIGHT, WIDTH - 4, 3), np.uint8))
    words = ["--frames", str(scene / "frames"), "--fake", str(scene / "same"), "--out", str(scene / "c.json")]
    assert run(main, build_parser(), words) == 2
    assert "2.png: 76x60 pixels, wanted 80x60 as the frame has" in capsys.readouterr().err
    assert not (scene / "c.json").exists()


def test_the_panel_tells_what_moved_most(scene: Path) -> None:
    record = measured(scene, "violet", "same")
    found = data_sets([(scene / "c.json", record)])
    panel = kept.panel(found[0])
    assert panel is not None
    assert panel.heads == (
        "edges, F1", "edges of the geometry found", "halos, grey levels", "corners, L*",
        "colours that moved most",
    )  # fmt: skip
    render, violet, same = panel.rows
    assert render[1][0] == ("–",)
    assert render[1][-1] == ("–",)
    assert violet[1][-1][0].startswith("sky: ΔE00 1")
    assert f"hue in degrees {value(record.methods[1], 'colour.sky.hue'):+.1f}" in violet[1][-1][0]
    assert same[1][0] == ("1.00 (1.00 to 1.00)",)
    page = html_report.html(found)
    assert page.count("What was kept") == 1
    assert page.count("<summary>control, colour of") == 3
    # Neither the table of all metrics nor the plots hold six columns for each class.
    assert page.index("All metrics") < page.index("What was kept") < page.index("sky, chroma")
    assert page.count("<svg") == 6
    assert "sky: ΔE00" in markdown_report.markdown(found)
    assert Images(scene / "same").keys == record.keys


def test_other_records_have_no_panel(scene: Path) -> None:
    record = scores_record.new_scores("eval.sets", (), ("a",), measured(scene, "same").methods, None, {})
    assert kept.panel(data_sets([(scene / "c.json", record)])[0]) is None
