"""Models and files that tests of several commands need."""

from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from app.fetching.vgg_weights import (
    convolutions,
)
from datasets.channels import channel_names
from epe.models import Model, save
from epe.networks.enhancers.enhancer import Enhancer, EnhancerSpec, every_channel
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from epe.upscaler import Upscaler

FEATURES = ("normal", "albedo", "log_depth", "sky")
STREAMS = (("sky",), ("*",))


def untrained(features: tuple[str, ...] = FEATURES, multiple_of: int = 1) -> Model:
    """An enhancer that changes its input: the last layer, zero at the start, is set at random."""
    torch.manual_seed(0)
    channels = channel_names(features)
    spec = EnhancerSpec(
        len(channels),
        every_channel(len(channels), 2),
        width=8,
        stages=2,
        blocks=1,
        encoded=8,
        stream_width=8,
        rad_layers=0,
    )
    network = Enhancer(spec).eval()
    torch.nn.init.normal_(network.image.head.out.weight, std=0.2)
    return Model(
        network=network,
        kind="epe",
        spec=spec.as_dict(),
        channels=channels,
        mean=(0.5,) * len(channels),
        std=(2.0,) * len(channels),
        classes=STREAMS,
        multiple_of=multiple_of,
        licence="CC0-1.0",
    )


def onnx_file(drop: str = "", half: bool = False) -> bytes:
    """An ONNX file with tensors named as in the published one; zeros, for size only."""
    tensors = []
    for layer, _, shape in convolutions():
        prefix = f"functional_1/block{layer[4]}_conv{layer[6]}_1"
        for name, size in ((f"{prefix}/convolution/ReadVariableOp:0", shape), (f"{prefix}/Squeeze:0", shape[:1])):
            if drop and drop in name:
                continue
            values = np.full(size, float(layer[4]), np.float16 if half else np.float32)
            tensors.append(numpy_helper.from_array(values, name))
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "vgg",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        tensors,
    )
    content: bytes = helper.make_model(graph).SerializeToString()
    return content


def plain_upscaler(scale: int = 2, *, repeats: bool = False) -> SRVGG:
    """The smallest network of convolutions, with random weights; `repeats`: it repeats pixels, and nothing else."""
    torch.manual_seed(0)
    network = SRVGG(SRVGGSpec(scale=scale, convolutions=1, width=4)).eval()
    if repeats:
        for parameter in network.body[-1].parameters():
            torch.nn.init.zeros_(parameter)
    return network


def upscaler_file(network: Upscaler, path: Path) -> Path:
    """A model file of an upscaler without guides."""
    save(Model(network=network, kind=network.kind, spec=network.spec.as_dict()), path)
    return path
