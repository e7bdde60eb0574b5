"""The settings of train.epe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.photos import PhotoFilter
from epe.losses.adversarial.diff_augment import Augmentation
from epe.losses.adversarial.gradient_penalty import Penalised
from epe.losses.perceptual import LAYERS, VGGLayer
from epe.networks.generators import preset_names
from epe.networks.perceptual_discriminator import RELEASED_TAPS, LabelReduction
from gbuffer_tools.errors import InputError
from train.loop.config import GanConfig, PrecisionConfig, check_preset, check_ranges


@dataclass(frozen=True, kw_only=True)
class EPEConfig(GanConfig, PrecisionConfig):
    """Configuration of a run. The defaults are those released for `hr`, without their defects, applied to our `lite`.

    Attributes:
        frames: folder of frame files
        photos: folder of photographs
        photo_filter: how photographs are shrunk to the frames' height: area, as crisp as can be; camera, as soft as a
            camera's own frames of that height
        matches: matches.npz written by datasets.match
        frame_labels: label maps of the frames, made by datasets.label
        photo_labels: label maps of the photographs
        features: frame features that the network reads (datasets/channels.py)
        streams: names of the classes of each class stream; "*" takes the rest
        sky_features: features that the sky's class stream reads; null: all, like the others
        drop_buffers: probability that a sample lacks a buffer (its channels, such as all made from "normal", become 0,
            their mean), so one model also serves frames that lack some buffers
        withheld: buffers that the network never gets ("class": the class ids), neither in training nor, because the
            model file says so, in use; for experiments on their worth, with the same network and crops
        preset: the generator (python -m app.models): lite, or hr as in the paper
        initial: model file to start from, with the same preset, features and streams; null: random weights
        trainable: shell patterns of the generator's weights to train ("*.rad*"); "!PATTERN" excludes
        taps: VGG16 layers; each has a critic
        critic_layers: convolutions per critic
        critic_width: channels of the widest convolution of a critic
        vgg: VGG16 weights; null: those that app.assets fetched
        crop: side of the training crops, at most 196 pixels
        accumulate: batches per step; their gradients are averaged, using the memory of one batch
        steps: total number of updates of the generator
        weight_decay: L2 penalty, added to the gradient
        decay_every: steps after which the learning rates are multiplied by decay_factor
        decay_factor: see decay_every
        clip: maximum gradient norm of the generator
        critic_clip: the same for all critics together; null: not clipped
        clip_norm: l2, or inf, as released: the largest component
        perceptual_weight: weight of the perceptual distance to the input, relative to the summed adversarial losses
        perceptual_layers: VGG16 layers that it sums over; without the first ones, texture is free
        class_colour_weight: weight of the colour guard (epe/losses/class_colour.py): the squared change of each class
            stream's mean colour; 0: the GAN may tint classes as it likes
        class_colour_side: side in pixels of the squares that each take a mean; null: one mean over the whole crop
        penalty_weight: weight of the gradient penalty on photographs
        penalty_every: steps between gradient penalties, whose weight grows by the same factor (lazy regularisation)
        penalty_input: penalise the gradient at the image (as in the paper) or at the features (cheaper)
        penalty_of: penalise the gradient of the scores (R1) or, as released, of the critics' loss on photographs
        critic_labels: a critic's cell sees the mean of its pixels' labels (pooled), or a sample (sampled, as released)
        diff_augment: how pictures and photographs are changed before critics see them: any of colour, translation and
            cutout; keeps critics from memorising a small set of photographs; costs two more VGG16 passes
        adaptive_target: accuracy above which a critic is updated less often
        adaptive_start: critics' initial level; 0: updated in all of their first steps; 1, as released: in half
        ema: decay of the averaged weights
        checkpoint_activations: recompute the generator's blocks in the backward pass instead of storing their
            activations: slower, with less memory, and with the same gradients
        compile: run generator and critics through torch.compile (except the gradient penalty, which it cannot do)
    """

    frames: Path
    photos: Path
    matches: Path
    frame_labels: Path
    photo_labels: Path
    features: tuple[str, ...] = (
        "normal", "reflection", "facing", "log_depth", "albedo", "roughness", "metallic", "emission",
        "irradiance", "irradiance_specular", "occlusion", "sky",
    )  # fmt: skip
    streams: tuple[tuple[str, ...], ...] = (("*",),)
    sky_features: tuple[str, ...] | None = None
    drop_buffers: float = 0.0
    photo_filter: PhotoFilter = "area"
    withheld: tuple[str, ...] = ()
    preset: str = "lite"
    initial: Path | None = None
    trainable: tuple[str, ...] = ("*",)
    taps: tuple[str, ...] = RELEASED_TAPS
    critic_layers: int = 4
    critic_width: int = 256
    vgg: Path | None = None
    crop: int = 196
    accumulate: int = 1
    rate: float = 1e-4
    critic_rate: float = 1e-4
    beta1: float = 0.9
    weight_decay: float = 1e-4
    decay_every: int = 100_000
    decay_factor: float = 0.5
    clip: float = 1000.0
    critic_clip: float | None = None
    clip_norm: Literal["l2", "inf"] = "l2"
    perceptual_weight: float = 5.0
    perceptual_layers: tuple[VGGLayer, ...] = LAYERS
    class_colour_weight: float = 0.0
    class_colour_side: int | None = None
    penalty_weight: float = 0.03
    penalty_every: int = 1
    penalty_input: Literal["image", "features"] = "image"
    penalty_of: Penalised = "scores"
    critic_labels: LabelReduction = "pooled"
    diff_augment: tuple[Augmentation, ...] = ()
    adaptive_target: float = 0.6
    adaptive_start: int = 0
    ema: float = 0.999
    checkpoint_activations: bool = False
    compile: bool = False

    def learning_rate(self, rate: float, step: int) -> float:
        return rate * self.decay_factor ** ((step - 1) // self.decay_every)

    def check(self) -> None:
        super().check()
        check_ranges(
            self,
            minimum={
                "accumulate": 1,
                "decay_every": 1,
                "penalty_every": 1,
                "adaptive_start": 0,
                "crop": 16,
                "weight_decay": 0,
                "perceptual_weight": 0,
                "penalty_weight": 0,
                "class_colour_weight": 0,
                "class_colour_side": 1,
            },
            positive=("clip", "critic_clip", "decay_factor"),
            fractions=("ema", "drop_buffers"),
        )
        if not self.perceptual_layers:
            raise InputError(
                "--perceptual_layers: got none, wanted at least one; --perceptual_weight 0 is no distance."
            )
        if self.class_colour_side is not None and not self.class_colour_weight:
            raise InputError(
                f"--class_colour_side {self.class_colour_side}: is of the colour guard, which --class_colour_weight 0 "
                "turns off; give a weight, or leave it out."
            )
        if self.compile and self.checkpoint_activations:
            raise InputError(
                "--compile --checkpoint_activations: wanted only one of them; compiled networks save memory, too."
            )
        unread = [name for name in self.sky_features or () if name not in self.features]
        if unread:
            raise InputError(f"--sky_features: {unread[0]!r} is not one of the features {', '.join(self.features)}.")
        check_preset(self.preset, preset_names())
