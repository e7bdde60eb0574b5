"""Export the model file of an enhancer, segmenter or upscaler to ONNX (opset 18, fp32), also for other programs.

Enhancer (`app.enhance --backend onnx`): inputs image (N, 3, H, W), sRGB in 0..1; gbuffers (N, G, H, W), (value - mean)
/ std per channel; classes (N, H, W), int64 class stream ids. Output: enhanced (N, 3, H, W).
Segmenter (`eval.segmentation`, `datasets.label`): input image; output scores (N, K, H, W) for the K classes.
Upscaler: inputs image and, if it is guided, guides (N, G, s H, s W), (value - mean) / std per channel; output enlarged
(N, 3, s H, s W), sRGB, not clipped to 0..1.

N, H and W are free; H and W must be multiples of the metadata entry `multiple_of`. The metadata entry `model` is the
header of the model file: JSON with kind, spec, channels, mean, std, classes.
"""

import argparse
import io
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from epe.generator import Generator
    from epe.models import Model
    from epe.upscaler import Upscaler

OPSET = 18


def export(model: "Model", network: "Generator", path: Path) -> None:
    """Write a folded generator as ONNX, whole or not at all, with the metadata that a caller needs.

    Args:
        model: the model, whose header becomes metadata.
        network: its network.
        path: file to write.
    """
    import torch
    from torch import Tensor, nn

    from epe.inference.fold import fold

    count, side = len(model.classes), 32
    ids = torch.arange(count).view(1, count, 1, 1)

    class Whole(nn.Module):
        """The network with class ids converted to masks, so that tracing does not depend on the classes in a frame."""

        def __init__(self) -> None:
            super().__init__()
            self.network = fold(network)

        def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor) -> Tensor:
            masks = (classes[:, None] == ids).to(gbuffers.dtype)
            picture: Tensor = self.network(image, gbuffers, masks)
            return picture

    frame = {
        "image": torch.rand(1, 3, side, side),
        "gbuffers": torch.randn(1, len(model.channels), side, side),
        "classes": torch.zeros(1, side, side, dtype=torch.int64),
    }
    write_onnx(model, Whole(), frame, "enhanced", path, {"tile": str(network.tile), "overlap": str(network.overlap)})


def export_upscaler(model: "Model", network: "Upscaler", path: Path) -> None:
    """Write an upscaler as ONNX, whole or not at all, with metadata; arguments as for `export`."""
    import torch

    scale, channels, side = network.spec.scale, network.spec.guides, 16
    inputs = {"image": torch.rand(1, 3, side, side)}
    if channels:
        inputs["guides"] = torch.randn(1, channels, scale * side, scale * side)
    facts = {"scale": scale, "tile": network.tile, "overlap": network.overlap, "margin": network.margin}
    texts = {name: str(value) for name, value in facts.items()}
    write_onnx(model, network, inputs, "enlarged", path, texts, large=("guides", "enlarged"))


def write_onnx(
    model: "Model",
    network: "nn.Module",
    inputs: dict[str, "Tensor"],
    output: str,
    path: Path,
    facts: dict[str, str],
    large: Sequence[str] = (),
) -> None:
    """Trace a network and write it as ONNX, whole or not at all; batch, height and width stay free.

    Args:
        model: the model, whose header becomes metadata.
        network: its network, called with the inputs in order.
        inputs: example inputs by name, (B, C, H, W) or (B, H, W).
        output: name of the output, (B, C, H, W).
        path: file to write.
        facts: further metadata.
        large: names of inputs and outputs whose height and width are larger than those of the others.
    """
    import onnx
    import torch

    from epe.models import HEADER, VERSION

    def free(name: str, axes: int) -> dict[int, str]:
        """Return names for the free axes of an input or output."""
        prefix = "large_" if name in large else ""
        return {0: "batch", axes - 2: f"{prefix}height", axes - 1: f"{prefix}width"}

    traced = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter needs another package and writes the same operators.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            traced,  # type: ignore[arg-type]  # the older exporter takes it
            input_names=list(inputs),
            output_names=[output],
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes={name: free(name, value.dim()) for name, value in inputs.items()} | {output: free(output, 4)},
        )
    made = onnx.load_from_string(traced.getvalue())
    header = {"version": VERSION} | {name: getattr(model, name) for name in HEADER}
    onnx.helper.set_model_props(made, {"model": json.dumps(header), "multiple_of": str(model.multiple_of), **facts})
    with replacing(path) as partial:
        partial.write_bytes(made.SerializeToString())


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m app.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file (.safetensors)")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="file to write (.onnx)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(args: argparse.Namespace) -> None:
    """Load the model and export it."""
    import torch

    from datasets.images import check_not_read
    from datasets.runtime.weights import load_any_model
    from epe.generator import Generator
    from epe.networks.generators import exported_kinds
    from epe.networks.segmenters.unet import UNet
    from epe.upscaler import Upscaler

    check_not_read(args.onnx, args.model)
    if args.onnx.exists() and not args.overwrite:
        raise InputError(f"{args.onnx}: already exists; pass --overwrite or another --onnx.")
    model = load_any_model(args.model)
    if model.kind == UNet.kind:
        write_onnx(model, model.network, {"image": torch.rand(1, 3, 64, 64)}, "scores", args.onnx, {})
        print_written(args.onnx, model.multiple_of)
        return
    network = model.network
    if not isinstance(network, Upscaler) and not (isinstance(network, Generator) and model.channels and model.classes):
        raise InputError(
            f"{args.model}: is a {model.kind!r}, which reads no G-buffers; wanted an enhancer (train.epe), a "
            "segmenter (train.segmenter) or an upscaler (train.upscaler)."
        )
    if not network.exports_to_onnx:
        command = "app.upscale" if isinstance(network, Upscaler) else "app.enhance"
        raise InputError(
            f"{args.model}: is a {model.kind!r}, whose attention over maps of any size cannot be exported; wanted "
            f"{', '.join(exported_kinds())}. Run it with {command}."
        )
    if isinstance(network, Upscaler):
        export_upscaler(model, network, args.onnx)
    else:
        export(model, network, args.onnx)
    print_written(args.onnx, model.multiple_of)


def print_written(path: Path, multiple_of: int) -> None:
    """Tell the user what was written, and which pictures it takes."""
    size = path.stat().st_size
    sides = f"must be multiples of {multiple_of}" if multiple_of > 1 else "are free"
    print(f"{path}: opset {OPSET}, {size:,} bytes; height and width {sides}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
