"""Networks that label by colour, for tests: a 1 x 1 convolution whose largest score is the nearest colour's."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD

COLOURS = np.array([[220, 40, 30], [40, 200, 60], [30, 60, 230], [250, 250, 250]], np.uint8)


def write_segmenter(path: Path, kind: str, size: tuple[int, int] | None = None) -> Path:
    """A network of pictures that are normalised as ImageNet's.

    Args:
        kind: "scores" (1, 4, h, w), "coarse" scores of means over 8 x 8 pixels, "numbers" (1, h, w), or "sum": the
            rounded sum of the channels (1, h, w), whatever the colours.
        size: (H, W) of the input; None: any.
    """
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    colours = (COLOURS / 255 - mean) / std
    if kind == "sum":
        weight, bias = np.ones((1, 3)), np.zeros(1)
    else:
        # -|x - c|² without what all classes share; distances in colours as they are, not as they are normalised.
        weight, bias = 2 * colours * std**2, -np.square(colours * std).sum(1)
    tensors = [
        numpy_helper.from_array(weight[:, :, None, None].astype(np.float32), "w"),
        numpy_helper.from_array(bias.astype(np.float32), "b"),
    ]
    source = "x"
    nodes = []
    if kind == "coarse":
        nodes.append(helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]))
        source = "pooled"
    nodes.append(helper.make_node("Conv", [source, "w", "b"], ["scores"]))
    last = "scores"
    if kind == "numbers":
        nodes.append(helper.make_node("ArgMax", ["scores"], ["numbers"], axis=1, keepdims=0))
        last = "numbers"
    if kind == "sum":
        nodes.append(helper.make_node("Round", ["scores"], ["round"]))
        nodes.append(helper.make_node("Cast", ["round"], ["numbers"], to=TensorProto.INT32))
        last = "numbers"
    kinds = {"numbers": TensorProto.INT64, "sum": TensorProto.INT32}
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *(size or ("h", "w"))])
    out = helper.make_tensor_value_info(last, kinds.get(kind, TensorProto.FLOAT), None)
    graph = helper.make_graph(nodes, "g", [value], [out], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
    return path
