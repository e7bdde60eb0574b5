"""Convert published VGG16 weights to our VGG16, in which every layer has mean activation 1.

The weights change in two ways, both exact up to rounding: the input convention is folded into the first convolution,
and every layer is scaled by a constant.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from app.fetching.plain_weights import read_weights
from epe.networks.backbones.vgg import CHANNELS, IMAGENET_MEAN, IMAGENET_STD, LAYERS, LAYOUT, VGG16
from gbuffer_tools.errors import InputError

# Subtracted from blue, green, red in 0..255 before the first convolution by the weights' authors (Caffe's convention).
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)

# Mean activation of each layer of the Oxford weights, in the order of `LAYERS`: `mean_activations` over the 38
# photographs of samples/photos/train at their stored size, padding "zeros". The authors trained on a scale of 0..255.
OXFORD_MEANS: tuple[float, ...] = (
    21.4131, 108.666, 164.241, 168.025, 202.792, 220.359, 130.943,
    113.979, 60.8252, 13.5419, 14.2323, 5.29331, 0.523982,
)  # fmt: skip


def convolutions() -> list[tuple[str, str, tuple[int, int, int, int]]]:
    """Return, for each convolution, our layer's name, its torchvision key without suffix, and its weight's shape."""
    rows, width, index = [], 3, 0
    names = iter(LAYERS)
    for item in LAYOUT:
        if isinstance(item, int):
            rows.append((next(names), f"features.{index}", (item, width, 3, 3)))
            width = item
        index += 2 if isinstance(item, int) else 1  # a convolution is followed by its ReLU
    return rows


def read_onnx(content: bytes, source: str) -> dict[str, Tensor]:
    """Read the 13 convolutions of a Keras VGG16 from an ONNX file, as published: for BGR, 0..255 minus the means.

    Args:
        content: the file.
        source: name of the file, for error messages.

    Returns:
        float32, by torchvision's names.

    Raises:
        InputError: not ONNX, or a convolution is missing or has another type or shape.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load_model_from_string(content).graph
    except DecodeError as error:
        raise InputError(f"{source}: not an ONNX file ({len(content):,} bytes); fetch it again.") from error
    stored = {tensor.name: tensor for tensor in graph.initializer}
    state = {}
    for layer, key, shape in convolutions():
        prefix = f"functional_1/block{layer[4]}_conv{layer[6]}_1"
        for suffix, name, wanted in (
            ("weight", f"{prefix}/convolution/ReadVariableOp:0", shape),
            ("bias", f"{prefix}/Squeeze:0", shape[:1]),
        ):
            tensor = stored.get(name)
            if tensor is None:
                raise InputError(f"{source}: has no tensor {name!r}; it is not the published Keras VGG16.")
            size = 4 * int(np.prod(wanted))
            if (
                tensor.data_type != onnx.TensorProto.FLOAT
                or tuple(tensor.dims) != wanted
                or len(tensor.raw_data) != size
            ):
                raise InputError(
                    f"{source}: {name!r} is {tuple(tensor.dims)}, {len(tensor.raw_data):,} bytes; "
                    f"wanted float32 {wanted}, {size:,} bytes."
                )
            values = np.frombuffer(tensor.raw_data, "<f4").reshape(wanted)
            state[f"{key}.{suffix}"] = torch.from_numpy(values.copy())
    return state


def read_torchvision(content: bytes, source: str) -> dict[str, Tensor]:
    """Read the convolutions of torchvision's VGG16 file, which take normalised RGB as ours do.

    Args:
        content: the file.
        source: name of the file, for error messages.

    Raises:
        InputError: not a file of plain tensors, or a convolution is missing or has another shape.
    """
    wanted: dict[str, tuple[int, ...]] = {}
    for _, key, shape in convolutions():
        wanted |= {f"{key}.weight": shape, f"{key}.bias": shape[:1]}
    return read_weights(content, wanted, source)


def fold_input(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Convert the first convolution from BGR 0..255 minus means to RGB normalised by ImageNet's mean and deviation.

    With x = (v - mean) / std the old input is 255 v - m = 255 std x + (255 mean - m), channel by channel; the factor
    is folded into the weight, the constant into the bias. This is exact except at a zero-padded border, where the old
    zero stood for another colour.

    Args:
        weight: (C, 3, 3, 3), with inputs blue, green, red.
        bias: (C,).

    Returns:
        The weight, with inputs red, green, blue, and the bias; float64.
    """
    column = (1, 3, 1, 1)
    mean = torch.tensor(IMAGENET_MEAN, dtype=torch.float64).view(column)
    std = torch.tensor(IMAGENET_STD, dtype=torch.float64).view(column)
    offset = torch.tensor(CAFFE_MEAN_BGR, dtype=torch.float64).flip(0).view(column)
    weight = weight.double().flip(1)
    return 255 * std * weight, bias.double() + (weight * (255 * mean - offset)).sum((1, 2, 3))


def rescale(state: Mapping[str, Tensor], means: Sequence[float]) -> dict[str, Tensor]:
    """Divide the output of every layer by a constant.

    ReLU and max pooling commute with a positive factor, so dividing layer l by m_l needs only
    weight_l * m_(l-1) / m_l and bias_l / m_l.

    Args:
        state: `features.N.weight` and `.bias` of the 13 convolutions.
        means: m_l, positive, one per layer in the order of `LAYERS`.

    Returns:
        The scaled state, float32.

    Raises:
        ValueError: the number of constants is wrong, or one is not positive.
    """
    if len(means) != len(LAYERS) or not all(mean > 0 for mean in means):
        raise ValueError(f"wanted {len(LAYERS)} positive constants, got {list(means)}.")
    scaled, before = {}, 1.0
    for (_, key, _), mean in zip(convolutions(), means, strict=True):
        scaled[f"{key}.weight"] = (state[f"{key}.weight"].double() * (before / mean)).float()
        scaled[f"{key}.bias"] = (state[f"{key}.bias"].double() / mean).float()
        before = mean
    return scaled


@torch.inference_mode()
def mean_activations(state: Mapping[str, Tensor], photos: Iterable[np.ndarray]) -> list[float]:
    """Return the mean activation of each layer: over channels and pixels, then over photographs with equal weight.

    Args:
        state: as in `rescale`.
        photos: (H, W, 3) uint8, sRGB.

    Raises:
        ValueError: there are no photographs.
    """
    network = VGG16().eval()
    network.load_state_dict(dict(state))
    totals, count = torch.zeros(len(CHANNELS), dtype=torch.float64), 0
    for photo in photos:
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        totals += torch.stack([features.double().mean() for features in network(image, LAYERS).values()])
        count += 1
    if not count:
        raise ValueError("got no photographs; wanted one or more for the mean activations.")
    return (totals / count).tolist()


def oxford(content: bytes, source: str) -> dict[str, Tensor]:
    """Return the Oxford weights with the input convention folded in, not yet scaled, float32."""
    state = read_onnx(content, source)
    weight, bias = fold_input(state["features.0.weight"], state["features.0.bias"])
    return state | {"features.0.weight": weight.float(), "features.0.bias": bias.float()}
