"""Exported networks: onnxruntime gives what torch gives, at other sizes too, and knows how to be fed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.enhance import build_parser as enhance_parser
from app.enhance import main as enhance
from app.export import build_parser, main
from app.inference.backends import onnx_backend
from datasets.channels import channel_names
from datasets.images import read_image
from datasets.runtime.onnx_session import open_session
from epe.models import Model, load, save
from epe.networks.backbones.vgg import VGG16
from epe.networks.generators import build_generator, build_upscaler
from epe.networks.segmenters.unet import UNet, UNetSpec
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from gbuffer_tools import schema
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.app.made import untrained
from tests.gbuffer_tools.made import HEADER, frame

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="needs PyPI's onnxruntime (extra onnx)")

CHANNELS = ("normal.0", "normal.1", "normal.2", "sky.0")


def model(name: str) -> Model:
    torch.manual_seed(0)
    network = build_generator(name, 4, ((0, 1, 2, 3), (3,))).eval()
    for parameter in network.parameters():
        if not parameter.any():  # what is zero at the start
            torch.nn.init.normal_(parameter, std=0.1)
    spec = network.spec
    return Model(
        network=network,
        kind=network.kind,
        spec=spec.as_dict(),
        channels=CHANNELS,
        mean=(0.0, 0.5, 0.0, 0.0),
        std=(1.0, 2.0, 1.0, 1.0),
        classes=(("sky",), ("*",)),
        multiple_of=spec.multiple_of,
        licence="CC0-1.0",
    )


def exported(folder: Path, name: str) -> Path:
    save(model(name), folder / "m.safetensors")
    out = folder / f"{name}.onnx"
    assert run(main, build_parser(), [str(folder / "m.safetensors"), "--onnx", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", ["lite-tiny", "hr-tiny", "spade-small", "none-small"])
def test_the_same_as_torch_at_any_size_and_batch(name: str, tmp_path: Path) -> None:
    path = exported(tmp_path, name)
    backend, network = onnx_backend(path), load(tmp_path / "m.safetensors").network
    for batch, height, width in ((1, 32, 32), (2, 40, 24)) + (((1, 35, 41),) if name == "hr-tiny" else ()):
        inputs = (
            torch.rand(batch, 3, height, width),
            torch.randn(batch, 4, height, width),
            torch.randint(2, (batch, height, width)),
        )
        with torch.inference_mode():
            wanted = network(*inputs)
        assert (wanted - inputs[0]).abs().max() > 0.02
        # 1e-5: fp32, sums in another order.
        assert (backend.run(*inputs) - wanted).abs().max() < 1e-5


def upscaler(preset: str, sizes: dict[str, Any]) -> Model:
    torch.manual_seed(0)
    network = build_upscaler(preset, **sizes).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    spec, names = network.spec, tuple(f"x_any.{i}" for i in range(network.spec.guides))
    return Model(
        network=network,
        kind=network.kind,
        spec=spec.as_dict(),
        channels=names,
        mean=(0.5,) * len(names),
        std=(2.0,) * len(names),
        multiple_of=spec.multiple_of,
    )


@pytest.mark.parametrize(
    ("preset", "sizes"),
    [
        ("rrdb-x4-tiny", {}),
        ("rrdb-x4-tiny", {"scale": 2}),
        ("rrdb-x4-tiny", {"scale": 2, "guides": 5}),
        ("srvgg-16", {"convolutions": 2, "width": 8}),
        ("srvgg-16", {"convolutions": 2, "width": 8, "scale": 3, "guides": 5}),
        ("guided-x4", {"width": 8, "blocks": 1, "detail": 4, "guides": 5}),
    ],
)
def test_upscalers_compute_the_same_as_in_torch(preset: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    """At sizes and batches that were not traced, odd ones where the network needs no multiples."""
    model = upscaler(preset, sizes)
    save(model, tmp_path / "m.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]) == 0
    session, scale, guides = open_session(tmp_path / "m.onnx"), model.spec["scale"], len(model.channels)
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["scale"], facts["multiple_of"]) == (str(scale), str(model.multiple_of))
    assert json.loads(facts["model"])["mean"] == [0.5] * guides
    for batch, height, width in ((1, 16, 16), (2, 13, 22), (1, 9, 5)):
        height, width = (side - side % model.multiple_of for side in (height, width))
        inputs = {"image": torch.rand(batch, 3, height, width)}
        if guides:
            inputs["guides"] = torch.randn(batch, guides, scale * height, scale * width)
        (made,) = session.run(["enlarged"], {name: value.numpy() for name, value in inputs.items()})
        with torch.inference_mode():
            wanted = model.network(*inputs.values())
        assert made.shape == (batch, 3, scale * height, scale * width)
        # fp32, sums in another order; relative, as random weights give large values.
        assert np.abs(made - wanted.numpy()).max() < 1e-5 * max(1, float(wanted.abs().max()))


def test_an_upscaler_of_attention_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(upscaler("dual-attention-x4", {"pairs": 1, "width": 16, "heads": 2}), tmp_path / "m.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]) == 2
    error = capsys.readouterr().err
    assert "is a 'dual-attention', whose attention over maps of any size cannot be exported" in error
    assert "guided-upscaler, lite, rrdb, srvgg. Run it with app.upscale." in error
    assert not (tmp_path / "m.onnx").exists()


def test_metadata_says_how_to_feed_it(tmp_path: Path) -> None:
    made = onnx.load(str(exported(tmp_path, "lite-tiny")))
    facts = {entry.key: entry.value for entry in made.metadata_props}
    header = json.loads(facts["model"])
    assert (header["channels"], header["mean"]) == (list(CHANNELS), [0.0, 0.5, 0.0, 0.0])
    assert (header["classes"], header["multiple_of"], facts["multiple_of"]) == ([["sky"], ["*"]], 8, "8")
    assert made.opset_import[0].version == 18
    backend = onnx_backend(tmp_path / "lite-tiny.onnx")
    assert (channel_names(backend.reading.features), backend.reading.std) == (CHANNELS, (1, 2, 1, 1))
    assert (backend.tiling.tile, backend.tiling.overlap) == (1024, 128)


def test_enhance_gives_the_same_pictures_with_both(tmp_path: Path) -> None:
    save(untrained(), tmp_path / "m.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]) == 0
    schema.write(tmp_path / "one.h5", [frame("a", 0)], HEADER)
    for file, backend in (("m.safetensors", "torch"), ("m.onnx", "onnx")):
        words = [str(tmp_path / file), str(tmp_path / "one.h5"), "--out", str(tmp_path / backend), "--backend", backend]
        assert run(enhance, enhance_parser(), words) == 0
    one, other = (read_image(tmp_path / backend / "one/a.png").astype(int) for backend in ("torch", "onnx"))
    assert np.abs(one - other).max() <= 1  # a value on the edge of rounding
    assert np.abs(one - frame("a", 0).image).mean() > 2


def test_bad_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(Model(network=VGG16(), kind="vgg16"), tmp_path / "vgg.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "vgg.safetensors"), "--onnx", str(tmp_path / "x.onnx")]) == 2
    assert "reads no G-buffers" in capsys.readouterr().err
    save(model("realformer-tiny"), tmp_path / "rf.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "rf.safetensors"), "--onnx", str(tmp_path / "x.onnx")]) == 2
    assert "is a 'realformer', whose attention over maps of any size cannot be exported" in capsys.readouterr().err
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    for path, words in (
        (tmp_path / "none.onnx", "no such file"),
        (tmp_path / "noise.onnx", "not a network that onnxruntime reads"),
        (bare(tmp_path / "bare.onnx"), "has no model header"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            onnx_backend(path)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (SRVGG(SRVGGSpec(scale=2, convolutions=1, width=4)), "is a 'srvgg', which makes enlarged of image; wanted an"),
        (UNet(UNetSpec(2, width=8)), "is a 'unet', which makes scores of image; wanted an enhancer"),
    ],
)
def test_exports_of_other_networks_enhance_nothing(
    network: SRVGG | UNet, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(Model(network, network.kind, network.spec.as_dict()), tmp_path / "m.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]) == 0
    schema.write(tmp_path / "one.h5", [frame("a", 0)], HEADER)
    given = [str(tmp_path / "m.onnx"), str(tmp_path / "one.h5"), "--out", str(tmp_path / "out"), "--backend", "onnx"]
    assert run(enhance, enhance_parser(), given) == 2
    assert words in (line := capsys.readouterr().err)
    assert line.count("\n") == 1


def bare(path: Path) -> Path:
    """A network that is none of ours."""
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(made, str(path))
    return path
