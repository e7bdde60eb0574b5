"""What can be set in a run of train.epe, and what no run can have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.runtime.device import device_of
from epe.losses.gradient_penalty import Penalised
from epe.networks.generators import NAMES
from epe.networks.perceptual_discriminator import RELEASED_TAPS
from gbuffer_tools.errors import InputError
from train.loop.checks import check_preset, check_ranges


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. The defaults are the released configuration of `hr`, without its defects, for our own generator `lite`.

    Attributes:
        frames: folder of frame files
        photos: folder of photographs
        matches: matches.npz of datasets.match
        frame_labels: label maps of the frames, by datasets.label
        photo_labels: label maps of the photographs
        out: folder of the run
        licence: of the trained weights, for the model file
        features: what the network reads of a frame (datasets/channels.py)
        streams: per class stream the names of its classes; "*" takes the rest
        sky_features: what the stream of the sky reads; null: all, as the others
        drop_buffers: probability with which a sample lacks a buffer (all channels that are made from "normal", say, are
            0, their mean), so that one model serves frames that lack some
        preset: the generator (python -m app.models): lite, or hr as in the paper
        initial: model file to begin with, of the same preset, features and streams; null: weights drawn at random
        trainable: names of the generator's weights that learn, as shell patterns ("*.rad*"); "!PATTERN" takes away
        taps: VGG16 layers with a critic each
        critic_layers: convolutions per critic
        critic_width: widest convolution of a critic
        vgg: VGG16 weights; null: the fetched ones
        crop: side of the training crops, at most 196 pixels
        batch: crops that go through the networks at once, per process
        accumulate: batches per step; their gradients are averaged, for the memory of one
        steps: updates of the generator in all
        rate: learning rate of the generator
        critic_rate: learning rate of the critics
        beta1: Adam's
        beta2: Adam's
        weight_decay: L2, added to the gradient
        decay_every: steps after which the rates are multiplied by decay_factor
        decay_factor: see decay_every
        clip: largest gradient norm of the generator
        perceptual_weight: of the distance to the input, against the summed critics
        penalty_weight: of the gradient penalty on photographs
        penalty_every: steps between penalties; each then weighs as much more (lazy regularisation)
        penalty_input: penalise the gradient at the image (as the paper) or at the features (cheaper)
        penalty_of: penalise the gradient of the scores (R1) or, as released, of the critics' loss on photographs
        adaptive_target: accuracy above which a critic learns more rarely
        ema: decay of the averaged weights
        precision: bf16 runs convolutions in bfloat16; weights, statistics of normalisations and losses stay fp32
        checkpoint_activations: compute the generator's blocks again in the backward pass instead of keeping what is
            inside them: slower, for less memory, to the same gradients
        compile: run generator and critics through torch.compile (but for the critics' penalty, which it cannot do)
        device: cpu, cuda, …; under torchrun process i of a machine takes cuda:i
        workers: processes that read crops
        seed: of everything
        log_every: steps between scalars
        preview_every: steps between previews
        save_every: steps between checkpoints
    """

    frames: Path
    photos: Path
    matches: Path
    frame_labels: Path
    photo_labels: Path
    out: Path
    licence: str = "as the data it was trained on"
    features: tuple[str, ...] = (
        "normal", "reflection", "facing", "log_depth", "albedo", "roughness", "metallic", "emission",
        "irradiance", "irradiance_specular", "occlusion", "sky",
    )  # fmt: skip
    streams: tuple[tuple[str, ...], ...] = (("*",),)
    sky_features: tuple[str, ...] | None = None
    drop_buffers: float = 0.0
    preset: str = "lite"
    initial: Path | None = None
    trainable: tuple[str, ...] = ("*",)
    taps: tuple[str, ...] = RELEASED_TAPS
    critic_layers: int = 4
    critic_width: int = 256
    vgg: Path | None = None
    crop: int = 196
    batch: int = 1
    accumulate: int = 1
    steps: int = 500_000
    rate: float = 1e-4
    critic_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-4
    decay_every: int = 100_000
    decay_factor: float = 0.5
    clip: float = 1000.0
    perceptual_weight: float = 5.0
    penalty_weight: float = 0.03
    penalty_every: int = 1
    penalty_input: Literal["image", "features"] = "image"
    penalty_of: Penalised = "scores"
    adaptive_target: float = 0.6
    ema: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_activations: bool = False
    compile: bool = False
    device: str = "cpu"
    workers: int = 1
    seed: int = 0
    log_every: int = 10
    preview_every: int = 250
    save_every: int = 250


# The least that makes sense of what is counted.
LEAST = {
    "batch": 1, "accumulate": 1, "steps": 1, "decay_every": 1, "penalty_every": 1, "log_every": 1, "preview_every": 1,
    "save_every": 1, "workers": 0, "seed": 0,
}  # fmt: skip


def check(config: Config) -> None:
    """Refuse what no run can have, before anything is read.

    Raises:
        InputError: names the setting.
    """
    check_ranges(
        config,
        least=LEAST,
        positive=("rate", "critic_rate", "clip"),
        shares=("beta1", "beta2", "ema", "drop_buffers"),
    )
    if config.compile and config.checkpoint_activations:
        raise InputError("--compile --checkpoint_activations: wanted one of them; compiled networks save memory, too.")
    unread = [name for name in config.sky_features or () if name not in config.features]
    if unread:
        raise InputError(f"--sky_features: {unread[0]!r} is none of the features {', '.join(config.features)}.")
    check_preset(config.preset, NAMES)
    device_of(config.device)
