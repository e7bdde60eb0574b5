"""Checkpoints of the release: every name and shape, and the same pictures, by numbers got from the released modules."""

import hashlib

import pytest
import torch
from torch import Tensor

from epe.models import build_with_tensors
from epe.networks.enhancers.enhancer import PRESETS, Enhancer, EnhancerSpec, every_channel
from epe.released.enhancer import renamed, spec_of, stream_inputs, stripped
from tests.epe.released.made import bare, frame, shapes, tiny, weights

FIFTEEN = (*range(13), 16, 17)
CARLA = ((0, 1, 2), *(tuple(range(18)) if k in (2, 4) else FIFTEEN for k in range(1, 12)))
SKY_APART = (tuple(range(15, 21)), *every_channel(26, 11))
# Spec -> tensors in the state dict of the released modules, and SHA-256 of its sorted lines "name shape" (made with
# commits 0fc3c0b and 2711ee5 of isl-org/PhotorealismEnhancement; the last is a fork's cut of `hr_new`).
LISTED = {
    "hr, 32 channels": (EnhancerSpec(32, every_channel(32, 12)), 1828, "70e5c64b"),
    "hr, 26 channels": (EnhancerSpec(26, SKY_APART), 1828, "11e5da62"),
    "hr_new, 32 channels": (EnhancerSpec(32, every_channel(32, 12), **PRESETS["hr_new"]), 1217, "4dfb426b"),
    "hr_new, 26 channels": (EnhancerSpec(26, SKY_APART, **PRESETS["hr_new"]), 1217, "63d28a64"),
    "CARLA2Real": (EnhancerSpec(18, CARLA, stages=3, rad_layers=1), 825, "48226010"),
    "a cut": (
        EnhancerSpec(13, every_channel(13, 5), stages=3, blocks=3, rad_layers=2, conditioning="rac"), 290, "26392d46",
    ),
}  # fmt: skip
# Pictures of the released modules for `weights` and `frame`: three pixels, then mean, deviation, mean change.
GOLDEN = {
    "rad": (
        0.836951, 0.347145, 0.519186, 0.882068, 0.624515, 0.161072, 0.576985, 0.470741, 0.227426,
        0.551912, 0.287264, 0.053557,
    ),
    "rac": (
        -0.134392, 0.077303, -0.26246, -0.119364, 0.032444, -0.315745, 0.073643, 0.097323, -0.079437,
        -0.056395, 0.099562, 0.555854,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTED)
def test_every_name_and_shape_of_the_release(case: str) -> None:
    spec, number, digest = LISTED[case]
    found = shapes(bare(spec))
    assert len(found) == number
    listed = "\n".join(sorted(f"network.{name} {tuple(shape)}" for name, shape in found.items()))
    assert hashlib.sha256(listed.encode()).hexdigest().startswith(digest)


@pytest.mark.parametrize("case", LISTED)
def test_sizes_are_found_out(case: str) -> None:
    spec, _, _ = LISTED[case]
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes(bare(spec)).items()}
    assert stream_inputs(tensors) == [len(stream) for stream in spec.streams]
    assert spec_of(tensors, spec.streams, spec.channels) == spec


@pytest.mark.parametrize("conditioning", GOLDEN)
def test_the_same_picture_as_the_released_modules(conditioning: str) -> None:
    network = bare(tiny(conditioning))
    tensors = weights(shapes(network))
    made = build_with_tensors("epe", network.spec.as_dict(), renamed(tensors, network)).eval()
    image, gbuffers, classes = frame()
    with torch.inference_mode():
        out = made(image, gbuffers, classes)
    corners = [out[0, :, y, x] for y, x in ((0, 0), (6, 9), (12, 17))]
    found = torch.cat([*corners, torch.stack([out.mean(), out.std(), (out - image).abs().mean()])])
    # 1e-5: fp32 sums in another order; the numbers have six digits. Full size nets differed by 7e-7 at most.
    assert found.tolist() == pytest.approx(GOLDEN[conditioning], abs=1e-5)


def test_prefixes_of_wrappers() -> None:
    tensors = {"module.network.stem.1.weight": torch.zeros(1), "module.network.x": torch.ones(1)}
    assert stripped(tensors) == {"stem.1.weight": torch.zeros(1), "x": torch.ones(1)}
    for odd in ({"y": torch.zeros(1)}, {"stem.1.weight": torch.zeros(1)}):
        with pytest.raises(ValueError, match=r"beside|2 tensors"):
            stripped(tensors | odd)
    with pytest.raises(ValueError, match="0 tensors"):
        stripped({})


def test_one_tensor_too_few_too_many_or_of_another_shape() -> None:
    network = bare(tiny("rad"))
    tensors = weights(shapes(network))
    some = "layer1.0.conv1.1.weight"
    for changed, words in (
        ({name: value for name, value in tensors.items() if name != some}, f"1 tensors are missing \\({some}\\)"),
        (tensors | {"more": torch.zeros(1)}, r"1 tensors are unexpected \(more\)"),
        (tensors | {some: torch.zeros(16, 16, 1, 1)}, f"{some} is \\(16, 16, 1, 1\\), wanted \\(16, 16, 3, 3\\)"),
    ):
        with pytest.raises(ValueError, match=words):
            renamed(changed, network)


def test_streams_that_read_other_channels() -> None:
    network = bare(tiny("rac"))
    with pytest.raises(ValueError, match="streams read 2, 3 channels, the description's 3, 3"):
        spec_of(shapes_as_tensors(network), None, 3)
    with pytest.raises(ValueError, match="0 class streams"):
        stream_inputs({})


def shapes_as_tensors(network: Enhancer) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes(network).items()}
