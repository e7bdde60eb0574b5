"""A network made here that tells colours apart, at its input's size or at a quarter of it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from datasets.labelling.segmenter import OnnxNetwork, Segmenter, open_segmenter
from datasets.labelling.taxonomy import NONE, SegmenterTaxonomy, read_taxonomy
from gbuffer_tools.errors import InputError
from tests.eval.made.segmenters import COLOURS, write_segmenter

pytest.importorskip("onnxruntime", reason="needs PyPI's onnxruntime (extra onnx)")

CLASSES = """
classes:
  fire: {segmenter: [0], game: [lava, torch]}
  plants: {segmenter: [1], game: [tree]}
  water: {segmenter: [2], game: []}
"""


def taxonomy(folder: Path, text: str = CLASSES) -> SegmenterTaxonomy:
    (folder / "classes.yaml").write_text(text)
    return read_taxonomy(folder / "classes.yaml")


def opened(path: Path, text: str = CLASSES) -> Segmenter:
    taxonomy(path.parent, text)
    return open_segmenter(path, path.parent / "classes.yaml")


def painted(labels: np.ndarray) -> np.ndarray:
    return COLOURS[labels]


@pytest.mark.parametrize("kind", ["scores", "numbers"])
@pytest.mark.parametrize("size", [(32, 64), (33, 50)])
def test_colours_are_told_apart(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 4, size)
    found = opened(write_segmenter(tmp_path / "s.onnx", kind))(painted(labels))
    # The fourth colour is in no class of the file.
    assert np.array_equal(found, np.where(labels == 3, NONE, labels))


def test_input_is_normalised_as_the_file_says_and_padded(tmp_path: Path) -> None:
    # Numbers that the network makes of the sum of all channels: 3 where the value is mean + std.
    text = CLASSES + "input: {mean: [0.2, 0.4, 0.6], std: [0.4, 0.2, 0.2], multiple_of: 16}\n"
    path = write_segmenter(tmp_path / "s.onnx", "sum")
    segmenter = opened(path, text.replace("[2]", "[3]"))
    colour = np.array([0.6, 0.6, 0.8]) * 255
    fed = []
    network = segmenter.network
    assert isinstance(network, OnnxNetwork)
    run = network.session.run
    network.session = type("Spy", (), {"run": lambda _, names, feed: fed.append(feed["x"]) or run(names, feed)})()
    assert (segmenter(np.full((20, 31, 3), colour, np.uint8)) == 2).all()
    assert fed[0].shape == (1, 3, 32, 32)
    assert np.allclose(fed[0], 1, atol=1e-6)


def test_coarse_scores_are_enlarged_before_the_largest_is_taken(tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.int64)
    labels[:, 28:] = 1
    found = opened(write_segmenter(tmp_path / "s.onnx", "coarse"))(painted(labels))
    # The border lies in the middle of a cell of 8; of the cells' own labels it would lie at a multiple of 8.
    assert (found == found[0]).all()
    assert abs(int((found[0] == 0).sum()) - 28) <= 1
    assert set(found[0]) == {0, 1}


def test_a_fixed_size_is_resized_to(tmp_path: Path) -> None:
    labels = np.zeros((90, 120), np.int64)
    labels[:, 60:] = 2
    segmenter = opened(write_segmenter(tmp_path / "s.onnx", "scores", size=(32, 64)))
    found = segmenter(painted(labels))
    assert found.shape == (90, 120)
    assert (found[:, :58] == 0).all()
    assert (found[:, 62:] == 2).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: {}", "classes: 0, wanted 1"),
        ("classes: {a: {segmenter: [0], game: [x]}, b: {segmenter: [0], game: []}}", "segmenter 0 is listed twice"),
        ("classes: {a: {segmenter: [0], game: [x, x]}}", "game 'x' is listed twice"),
        ("classes: {a: {segmenter: [-1], game: []}}", "segmenter -1"),
        ("classes: {a: {segmenter: [70000], game: []}}", "wanted 0 .. 65535"),
        ("classes: {a: {segmenter: [0]}}", "classes.a.game: missing"),
        ("classes: {a: {segmenter: ['0'], game: []}}", "wanted a whole number"),
        (CLASSES + "input: {std: [1, 0, 1]}", "deviations above 0"),
        (CLASSES + "input: {mean: [1, 0]}", "three means"),
        (CLASSES + "input: {multiple_of: 0}", "multiple_of is 0"),
        (CLASSES + "output: 3", "output: unknown key"),
        ("classes: !!python/object:os.system {}", "no YAML"),
    ],
)
def test_bad_files_of_classes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        taxonomy(tmp_path, text)
    assert "classes.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def odd(path: Path, shape: list[object], kind: int, op: str) -> Path:
    """A network of one node, for inputs and outputs that are not a segmenter's."""
    value = helper.make_tensor_value_info("x", kind, shape)
    out = helper.make_tensor_value_info("y", TensorProto.INT64 if op == "Shape" else kind, None)
    constant = numpy_helper.from_array(np.ones((2, 5), np.float32), "w")
    inputs = ["x", "w"] if op == "MatMul" else ["x"]
    graph = helper.make_graph([helper.make_node(op, inputs, ["y"])], "g", [value], [out], [constant])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "op", "words"),
    [
        ([1, 3, 8], TensorProto.FLOAT, "Relu", "wanted one picture, float"),
        ([1, 1, "h", "w"], TensorProto.FLOAT, "Relu", "wanted one picture, float"),
        ([1, 3, "h", "w"], TensorProto.DOUBLE, "Relu", "wanted one picture, float"),
        ([1, 3, "h", "w"], TensorProto.FLOAT, "Shape", "gives int64"),
        ([1, 3, "h", "w"], TensorProto.FLOAT, "Flatten", "gives float32"),
        ([1, 3, 0, 8], TensorProto.FLOAT, "Relu", r"wants pictures of 8x0; wanted sides of 1\.\.16384"),
        ([1, 3, 10**9, 10**9], TensorProto.FLOAT, "Relu", "wants pictures of 1000000000x1000000000"),
        ([1, 3, "h", "w"], TensorProto.FLOAT, "Log", "gives scores that are not finite"),  # of what is below the mean
        ([1, "c", "h", "w"], TensorProto.FLOAT, "MatMul", "fails on a picture of 32x32"),
    ],
)
def test_other_networks_are_one_line(tmp_path: Path, shape: list[object], kind: int, op: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        opened(odd(tmp_path / "odd.onnx", shape, kind, op))(np.zeros((20, 20, 3), np.uint8))
    assert "odd.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("last", [None, "ArgMax"])
def test_an_output_without_pixels_is_one_line(tmp_path: Path, last: str | None) -> None:
    """Rows 0 .. 0 of the picture, as scores or as the numbers of the largest."""
    nodes = [helper.make_node("Slice", ["x", "zero", "zero", "axis"], ["rows"])]
    nodes += [helper.make_node(last, ["rows"], ["numbers"], axis=1)] if last else []
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])
    out = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.INT64 if last else TensorProto.FLOAT, None)
    constants = [
        numpy_helper.from_array(np.array([number], np.int64), name) for name, number in (("zero", 0), ("axis", 2))
    ]
    graph = helper.make_graph(nodes, "g", [value], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(tmp_path / "empty.onnx"))
    wanted = r"empty\.onnx: gives (int64 \(1, 1|float32 \(1, 3), 0, 32\); wanted"
    with pytest.raises(InputError, match=wanted):
        opened(tmp_path / "empty.onnx")(np.zeros((20, 20, 3), np.uint8))
