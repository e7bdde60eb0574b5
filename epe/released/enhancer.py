"""Generators from the authors' release and its forks: infers their sizes from their tensors, and converts the names.

Based on facts from isl-org/PhotorealismEnhancement (code/epe/network) and stefanos50/CARLA2Real: names, order and
layout of their modules, and weights with torch's old spectral norm (`weight_orig`, `weight_u`, `weight_v`, and biases).

Paddings and activations are modules in their sequences, so the index of a convolution depends on its neighbours: in
`hr` every convolution of the image stream is followed by a normalisation, in `hr_new` none is.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from torch import Tensor, nn

from epe.layers.convolutions import ScaledBlock, SpectralBlock
from epe.layers.spectral_norm import SpectralNorm
from epe.networks.enhancers.enhancer import MAX_STREAMS, Enhancer, EnhancerSpec

STEM = "stem.1.weight"
# Our tensor names of a spectrally normalised convolution, with theirs.
SPECTRAL = {
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
    "bias": "bias",
}


def stripped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefix that wrappers add to tensor names ("network.", "module.").

    Raises:
        ValueError: there is no stem, or a name lacks the stem's prefix.
    """
    stems = [name for name in tensors if name == STEM or name.endswith("." + STEM)]
    if len(stems) != 1:
        raise ValueError(f"has {len(stems)} tensors {STEM}, wanted one: not a generator of the release")
    prefix = stems[0].removesuffix(STEM)
    odd = [name for name in tensors if not name.startswith(prefix)]
    if odd:
        raise ValueError(f"has {odd[0]:.80} beside {stems[0]:.80}")
    return {name.removeprefix(prefix): value for name, value in tensors.items()}


def count(names: Collection[str], prefix: str) -> int:
    """Count the modules in a sequence: PREFIX.0., PREFIX.1., …"""
    pattern = re.compile(re.escape(prefix) + r"\.(\d{1,4})\.")
    return len({match[1] for name in names if (match := pattern.match(name))})


def spec_of(
    tensors: Mapping[str, Tensor], stream_channels: tuple[tuple[int, ...], ...] | None, channels: int
) -> EnhancerSpec:
    """Infer the spec of a generator from its tensors.

    Args:
        tensors: tensors with `stripped` names.
        stream_channels: channels that each class stream reads; None: all channels, which the weights must confirm.
        channels: G.

    Raises:
        ValueError: a tensor that determines a size is missing, a stream reads a different number of channels, or a size
            is not supported.
    """

    def shape(name: str) -> tuple[int, ...]:
        value = tensors.get(name, tensors.get(f"{name}_orig"))
        if value is None or value.ndim != 4:
            raise ValueError(f"lacks {name}, a convolution's")
        return tuple(value.shape)

    read = stream_inputs(tensors)
    if stream_channels is None:
        stream_channels = (tuple(range(channels)),) * len(read)
    if [len(stream) for stream in stream_channels] != read:
        raise ValueError(
            f"its class streams read {', '.join(map(str, read))} channels, the description's "
            f"{', '.join(str(len(stream)) for stream in stream_channels)}"
        )
    return EnhancerSpec(
        channels=channels,
        streams=stream_channels,
        width=shape(STEM)[0],
        stages=count(tensors, "gbuffer_encoder.joint_encoder_layers"),
        blocks=count(tensors, "layer1"),
        encoded=shape("layer1.0.bn1._scale.weight")[1],
        stream_width=shape("gbuffer_encoder.class_encoders.0.0.conv.1.weight")[0],
        rad_layers=count(tensors, "layer1.0.bn1._conv"),
        conditioning="rad" if "layer1.0.bn2._scale.weight" in tensors else "rac",
    )


def stream_inputs(tensors: Mapping[str, Tensor]) -> list[int]:
    """Return the number of channels that each class stream reads.

    Raises:
        ValueError: there are no class streams, or too many.
    """
    number = count(tensors, "gbuffer_encoder.class_encoders")
    if not 1 <= number <= MAX_STREAMS:
        raise ValueError(f"has {number} class streams, wanted 1 .. {MAX_STREAMS}: not a generator with G-buffers")
    inputs = []
    for k in range(number):
        name = f"gbuffer_encoder.class_encoders.{k}.0.conv.1.weight"
        value = tensors.get(name, tensors.get(f"{name}_orig"))
        if value is None or value.ndim != 4:
            raise ValueError(f"lacks {name}, a convolution's")
        inputs.append(value.shape[1])
    return inputs


def names(network: Enhancer) -> dict[str, str]:
    """Return the release's name for each of our tensors; the network may be on the meta device."""
    found = {}
    theirs = dict(modules(network))
    for path, module in network.named_modules():
        if path not in theirs:
            continue
        spectral = any(isinstance(child, SpectralNorm) for child in module.modules())
        for name in module.state_dict():
            found[f"{path}.{name}"] = f"{theirs[path]}.{SPECTRAL[name] if spectral else name}"
    return found


def modules(network: Enhancer) -> Iterator[tuple[str, str]]:
    """Yield the paths of our convolutions and normalisations that have weights, and their released paths."""
    spec = network.spec
    normalised = spec.conditioning == "rad"
    for k in range(len(spec.streams)):
        for b in range(2):
            yield from encoder_block(network, f"encoder.streams.{k}.{b}", f"gbuffer_encoder.class_encoders.{k}.{b}")
    for s in range(spec.stages):
        for b in range(2):
            yield from encoder_block(network, f"encoder.joint.{s}.{b}", f"gbuffer_encoder.joint_encoder_layers.{s}.{b}")
    yield from in_sequence("image.stem", (0, 3), "stem", normalised, padded=True)
    for s in range(spec.stages):
        for b in range(s + 1):
            for n in range(spec.blocks):
                path = f"layer1.{n}" if s == 0 else f"stages.{s - 1}.0.branches.{b}.{n}"
                yield from image_block(network, f"image.stages.{s}.{b}.blocks.{n}", path)
    for s in range(spec.stages - 1):
        # Here `hr` pads inside the convolution.
        yield from in_sequence(
            f"image.transitions.{s}", (0,), f"transitions.{s}.{s + 1}.0", normalised, padded=not normalised
        )
        yield from fusion(s, s + 2, normalised)
        yield from in_sequence(f"image.head.merge.{s}", (0,), f"up_layers.{s}", normalised, padded=True)
    yield "image.head.out", f"up_layers.{spec.stages - 2}.{5 if normalised else 4}"


def in_sequence(
    ours: str, places: tuple[int, ...], theirs: str, normalised: bool, *, padded: bool
) -> Iterator[tuple[str, str]]:
    """Yield the convolutions at `places` of our sequence, each followed by its normalisation, if it has one.

    The released sequence is padding (if `padded`), convolution, normalisation (if `normalised`), ReLU.
    """
    at = 0
    for place in places:
        at += padded
        yield f"{ours}.{place}", f"{theirs}.{at}"
        if normalised:
            yield f"{ours}.{place + 1}", f"{theirs}.{at + 1}"
        at += 2 + normalised


def encoder_block(network: nn.Module, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    """Yield the two convolutions of a block, and its skip connection if width or resolution change."""
    block = network.get_submodule(ours)
    assert isinstance(block, SpectralBlock | ScaledBlock)
    yield f"{ours}.first", f"{theirs}.conv.1"
    yield f"{ours}.second", f"{theirs}.conv.4"
    if isinstance(block.skip, nn.Sequential):
        # A 1x1 convolution has no padding before it.
        yield f"{ours}.skip.0", f"{theirs}.down.{0 if isinstance(block, ScaledBlock) else 1}"


def image_block(network: Enhancer, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    """Yield the two convolutions of a block, and their conditioning modules."""
    yield f"{ours}.conv1", f"{theirs}.conv1.1"
    yield f"{ours}.conv2", f"{theirs}.conv2.1.1"
    rad = network.spec.conditioning == "rad"
    for name, norm in (("rad1", "bn1"), ("rad2", "bn2")) if rad else (("rac", "bn1"),):
        yield f"{ours}.{name}.scale", f"{theirs}.{norm}._scale"
        yield f"{ours}.{name}.shift", f"{theirs}.{norm}._bias"
        for layer in range(network.spec.rad_layers):
            for conv, place in (("conv", 1),) if rad else (("first", 1), ("second", 4)):
                yield f"{ours}.{name}.tower.{layer}.{conv}", f"{theirs}.{norm}._conv.{layer}.conv.{place}"


def fusion(s: int, branches: int, normalised: bool) -> Iterator[tuple[str, str]]:
    """Yield the modules on the paths between branches at the end of a stage."""
    for i in range(branches):
        for j in range(branches):
            ours, theirs = f"image.fusions.{s}.paths.{i}.{j}", f"stages.{s}.0.fuse_layers.{i}.{j}"
            if j > i:
                yield from in_sequence(ours, (0,), theirs, normalised, padded=False)
            for step in range(i - j):
                for mine, other in in_sequence("", (3 * step,), f"{theirs}.{step}", normalised, padded=True):
                    yield f"{ours}{mine}", other


def renamed(tensors: Mapping[str, Tensor], network: Enhancer) -> dict[str, Tensor]:
    """Return the released tensors under our names.

    Args:
        tensors: tensors with `stripped` names.
        network: an enhancer built from their `spec_of`; may be on the meta device.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape.
    """
    return by_table(tensors, network.state_dict(), names(network))


def by_table(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], table: Mapping[str, str]
) -> dict[str, Tensor]:
    """Rename tensors by a table.

    Args:
        tensors: all tensors to rename.
        wanted: tensors with the new names and the right shapes; may be on the meta device.
        table: the old name for each new name.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape.
    """
    assert wanted.keys() == table.keys()
    missing, surplus = sorted(table.values() - tensors.keys()), sorted(tensors.keys() - set(table.values()))
    if missing or surplus:
        raise ValueError(
            "; ".join(
                f"{len(some)} tensors {word} ({some[0]:.80}{', …' if some[1:] else ''})"
                for word, some in (("are missing", missing), ("are unexpected", surplus))
                if some
            )
        )
    for ours, theirs in table.items():
        if tensors[theirs].shape != wanted[ours].shape:
            raise ValueError(f"{theirs} is {tuple(tensors[theirs].shape)}, wanted {tuple(wanted[ours].shape)}")
    return {ours: tensors[theirs] for ours, theirs in table.items()}
