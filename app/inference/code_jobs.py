"""Jobs of app.sample: maps of codes to draw, each with its condition and given codes, and their pictures.

Shapes: B maps of h x w codes, f pixels per code along a side.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from app.inference.controls import mask_path, read_mask
from datasets.coding.code_maps import Codes
from datasets.coding.conditions import ConditionMaps
from datasets.coding.first_stages import FirstStages
from datasets.crops import as_pixels, as_tensor
from datasets.images import Images, read_image
from datasets.photos import to_height
from datasets.runtime.weights import load_model
from epe.models import Model, digest
from epe.networks.codes.choice import Choice
from epe.networks.codes.gpt import GPT, START
from epe.networks.codes.sampling import sample
from epe.networks.codes.windows import check_step
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file.naming import fit_name
from gbuffer_tools.io.folders import say

COUNT = 8
"""Number of pictures if no input determines it."""


@dataclass(frozen=True)
class Inputs:
    """What the user wants drawn; each attribute is an option of app.sample, with `size` as height and width."""

    condition: Path | None
    classes: Path | None
    label: Sequence[str]
    complete: Path | None
    height: int | None
    mask: Path | None
    size: tuple[int, int] | None
    count: int | None


@dataclass(frozen=True)
class SamplingJob:
    """A map of codes to draw.

    Attributes:
        key: path of its picture in the results folder, without suffix.
        number: its number among all jobs; determines its random numbers.
        size: h and w.
        condition: a label (1,), or codes (h, w).
        given: codes (h, w), -1 where a code is drawn; None: all codes are drawn.
    """

    key: str
    number: int
    size: tuple[int, int]
    condition: Codes
    given: Codes | None = None

    @property
    def codes(self) -> int:
        """Number of codes in the map."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True)
class Sampler:
    """A transformer with its first stages.

    Attributes:
        network: in evaluation mode.
        model: its model.
        stages: the first stages.
        path: file of the transformer, for messages.
        device: device of all networks.
    """

    network: GPT
    model: Model
    stages: FirstStages
    path: Path
    device: str

    @property
    def factor(self) -> int:
        """Pixels per code along a side."""
        return self.stages.pictures.network.factor

    def draw(
        self,
        jobs: Sequence[SamplingJob],
        choice: Choice,
        *,
        seed: int,
        step: int,
        bf16: bool,
        advance: Callable[[int], object],
    ) -> Tensor:
        """Draw the maps of jobs that have the same size, (B, h, w).

        Args:
            jobs: the jobs.
            choice: temperature, top-k, top-p.
            seed: seeds each job's random numbers, together with the job's number.
            step: step of the window.
            bf16: whether to compute in bfloat16.
            advance: called with the number of codes just drawn.
        """
        # Hashed, so that job 1 of seed 0 differs from job 0 of seed 1.
        seeds = [int(np.random.SeedSequence((seed, job.number)).generate_state(1, np.uint64)[0]) for job in jobs]
        condition = stacked([job.condition for job in jobs], self.device)
        given = None
        if jobs[0].given is not None:
            given = stacked([job.given for job in jobs if job.given is not None], self.device)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
            return sample(
                self.network,
                condition[:, 0] if condition.ndim == 2 else condition,
                jobs[0].size,
                [torch.Generator().manual_seed(number) for number in seeds],
                choice=choice,
                given=given,
                step=step,
                advance=lambda: advance(len(jobs)),
            )

    @torch.inference_mode()
    def pictures(self, codes: Tensor) -> Iterator[np.ndarray]:
        """Yield the pictures (f h, f w, 3) uint8 of maps of codes, decoded one at a time."""
        for found in codes:
            yield as_pixels(self.stages.pictures.network.decode(found[None])[0].float().clamp(0, 1))


def stacked(codes: Sequence[Codes], device: str) -> Tensor:
    """Stack arrays of codes into a tensor on a device."""
    return torch.from_numpy(np.stack(codes).astype(np.int64)).to(device)


def open_sampler(path: Path, autoencoder: Path, condition_autoencoder: Path | None, device: str) -> Sampler:
    """Load a transformer and its first stages.

    Raises:
        InputError: a file holds another network, or the first stages are not the transformer's.
    """
    model = load_model(path, GPT.kind, "train.codes, app.convert")
    network = model.network.to(device)
    assert isinstance(network, GPT)
    spec = network.spec
    if (spec.conditions > 1) != (condition_autoencoder is not None):
        wanted = "is conditioned on maps; give" if spec.conditions > 1 else "is conditioned on no maps; leave out"
        raise InputError(f"{path}: {wanted} --condition-autoencoder.")
    if spec.conditions not in (1, spec.side**2):
        raise InputError(f"{path}: is conditioned on {spec.conditions} tokens, which are no map; it cannot be sampled.")
    stages = FirstStages.load(autoencoder, condition_autoencoder, device)
    known = model.record.get("digests", {})
    for name, file in (("autoencoder", autoencoder), ("condition_autoencoder", condition_autoencoder)):
        if file is not None and isinstance(known, dict) and known.get(name, "") not in ("", digest(file)):
            raise InputError(
                f"{file}: is not the first stage that {path} was trained with; its codes mean other things."
            )
    if stages.pictures.network.spec.codes != spec.codes:
        raise InputError(f"{autoencoder}: has {stages.pictures.network.spec.codes} codes, {path} knows {spec.codes}.")
    max_codes = spec.condition_codes or spec.codes
    if stages.maps is not None and stages.maps.network.spec.codes > max_codes:
        raise InputError(
            f"{condition_autoencoder}: has {stages.maps.network.spec.codes} codes, {path} knows {max_codes} as a "
            "condition."
        )
    return Sampler(network, model, stages, path, device)


def make_jobs(sampler: Sampler, inputs: Inputs, step: int) -> list[SamplingJob]:
    """Read and encode all inputs.

    Raises:
        InputError: inputs are missing, do not fit the model or each other, or are too small.
    """
    spec = sampler.network.spec
    try:
        check_step(spec.side, step)
    except ValueError as error:
        raise InputError(f"--step {step}: {error}") from error
    maps, labels = open_condition(sampler, inputs), label_numbers(sampler, inputs.label)
    count = inputs.count or (1 if inputs.complete or maps else COUNT)
    jobs: list[SamplingJob] = []
    folders = label_folders(labels)
    for key, size, pixels in sources(sampler, inputs, maps):
        given = None if pixels is None else known_codes(sampler, inputs.mask, key, pixels)
        rows, cols = (slice(0, length - length % sampler.factor) for length in size)
        for label, number in labels.items():
            condition = sampler.stages.condition(maps, {key: number}).of(key, size, rows, cols, flip=False)
            name = "/".join(part for part in (folders[label], key) if part)
            for i in range(count):
                numbered = f"{name}-{i:03}" if key else f"{name}/{i:03}" if name else f"{i:03}"
                codes = rows.stop // sampler.factor, cols.stop // sampler.factor
                jobs.append(SamplingJob(name if key and count == 1 else numbered, len(jobs), codes, condition, given))
    return jobs


def open_condition(sampler: Sampler, inputs: Inputs) -> ConditionMaps | None:
    """Open the maps that pictures are conditioned on, if the model reads any.

    Raises:
        InputError: they are missing, or not wanted.
    """
    if sampler.stages.maps is None:
        for name, value in (("condition", inputs.condition), ("classes", inputs.classes)):
            if value is not None:
                raise InputError(f"--{name} {value}: {sampler.path} is conditioned on no maps; leave it out.")
        return None
    if inputs.condition is None:
        raise InputError(f"{sampler.path}: is conditioned on maps; give label maps or frame files as --condition.")
    return sampler.stages.open_maps(inputs.condition, inputs.classes)


def label_numbers(sampler: Sampler, labels: Sequence[str]) -> dict[str, int]:
    """Return the numbers of labels by name, or by the number itself if the model has no names for them.

    Without labels, return the number for a model without a condition, under the name "".

    Raises:
        InputError: a label is unknown or missing, or the model reads none.
    """
    spec, names = sampler.network.spec, [names[0] for names in sampler.model.classes if names]
    count = len(names) or spec.condition_codes or spec.codes
    if sampler.stages.maps is not None or spec.condition_codes == 1:
        if labels:
            raise InputError(f"--label {labels[0]}: {sampler.path} is not conditioned on a label; leave it out.")
        return {"": START}
    if not labels:
        if spec.condition_codes:
            raise InputError(f"{sampler.path}: wants a --label, some of {', '.join(names) or f'0 .. {count - 1}'}.")
        return {"": START}  # published models read a label or nothing; the weights do not tell which
    if len(names) > (spec.condition_codes or spec.codes):
        raise InputError(f"{sampler.path}: names {len(names)} labels, and knows fewer; fetch or train it again.")
    if names:
        unknown = [label for label in labels if label not in names]
        if unknown:
            raise InputError(f"--label {unknown[0]}: {sampler.path} knows {', '.join(names)}.")
        return {label: names.index(label) for label in labels}
    for label in labels:
        if not label.isdecimal() or int(label) >= count:
            raise InputError(f"--label {label}: wanted a number in 0 .. {count - 1}.")
    return {label: int(label) for label in labels}


def label_folders(labels: Iterable[str]) -> dict[str, str]:
    """Return the folder of each label's pictures in the results folder; "" for no label.

    Raises:
        InputError: two labels have the same folder.
    """
    folders = {label: fit_name(label) if label else "" for label in labels}
    for label, folder in folders.items():
        other = next(name for name, its in folders.items() if its == folder)
        if other != label:
            raise InputError(f"--label {label}: its pictures would be written over those of {other}; draw it alone.")
    return folders


def sources(
    sampler: Sampler, inputs: Inputs, maps: ConditionMaps | None
) -> Iterator[tuple[str, tuple[int, int], np.ndarray | None]]:
    """Yield key, height and width in pixels, and pixels of each input; without inputs, of one with the key "".

    Raises:
        InputError: an input is smaller than the window, --size is no multiple of a code's side, or a folder has none.
    """
    min_side = sampler.network.spec.side * sampler.factor
    if inputs.size and any(length % sampler.factor for length in inputs.size):
        height, width = inputs.size
        raise InputError(
            f"--size {width}x{height}: wanted multiples of {sampler.factor}, the side of a code in pixels."
        )
    found: Iterator[tuple[str, tuple[int, int], np.ndarray | None]]
    if inputs.complete is not None:
        found = ((key, pixels.shape[:2], pixels) for key, pixels in pictures_in(inputs.complete, inputs.height))
    elif maps is not None:
        found = ((key, inputs.size or maps.size(key), None) for key in maps.keys)
    else:
        found = iter([("", inputs.size or (min_side, min_side), None)])
    for key, size, pixels in found:
        if min(size) < min_side:
            raise InputError(
                f"{key or '--size'}: is {size[1]}x{size[0]}, wanted {min_side} pixels a side or more, the window that "
                "the model was trained on."
            )
        if any(length % sampler.factor for length in size):
            say(f"{key}: rows and columns after the last whole code ({sampler.factor} pixels) are cut off")
        yield key, size, pixels


def pictures_in(path: Path, height: int | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield key and pixels (H, W, 3) uint8 of a picture, or of each one in a folder of pictures or frame files.

    Args:
        path: the picture, or the folder.
        height: height that larger pictures are shrunk to; None: they are not shrunk.
    """
    images = Images(path) if path.is_dir() else [read_image(path)]
    keys = images.keys if isinstance(images, Images) else [path.stem]
    for key, pixels in zip(keys, images, strict=True):
        yield key, pixels if height is None else to_height(pixels, height)


def known_codes(sampler: Sampler, mask: Path | None, key: str, pixels: np.ndarray) -> Codes:
    """Return the codes (h, w) of a picture (H, W, 3) uint8, -1 where they are to be drawn anew.

    These are the lower half or, with a mask, the codes in which it is white (128 of 255 or more) at any pixel.

    Raises:
        InputError: the picture has no mask, or one of another size.
    """
    height, width = (length - length % sampler.factor for length in pixels.shape[:2])
    codes = sampler.stages.pictures(as_tensor(pixels[:height, :width], flip=False))
    if mask is None:
        codes[(len(codes) + 1) // 2 :] = -1
        return codes
    white = read_mask(mask_path(mask, key), *pixels.shape[:2])[:height, :width]
    anew = F.max_pool2d(white[None], sampler.factor)[0] >= 128 / 255
    return np.where(anew.numpy(), -1, codes).astype(np.int32)


def batches(jobs: Sequence[SamplingJob], max_size: int) -> Iterator[list[SamplingJob]]:
    """Yield jobs in order, in batches of one size and at most `max_size` jobs."""
    part: list[SamplingJob] = []
    for job in jobs:
        if part and (len(part) == max_size or job.size != part[0].size):
            yield part
            part = []
        part.append(job)
    if part:
        yield part


def entropy_of(codes: Sequence[Tensor]) -> float:
    """Return the entropy in bits of the code frequencies in some maps: 0 if all codes are the same."""
    counts = torch.bincount(torch.cat([found.flatten().cpu() for found in codes])).double()
    fractions = counts[counts > 0] / counts.sum()
    return float(-(fractions * fractions.log2()).sum())
