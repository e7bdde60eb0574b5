"""The pictures of a train.vqgan run, how their reconstructions are judged and shown, and the initial codebook."""

from pathlib import Path

import faiss
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datasets.coding.autoencoder_crops import AutoencoderPictures, BufferPictures, ClassPictures, ImagePictures
from datasets.frames import Reading
from datasets.labelling.labelled_images import LabelledImages
from epe.first_stage import Content
from epe.losses.perceptual import perceptual_distance
from epe.networks.autoencoders.codebook_usage import perplexity
from epe.networks.autoencoders.vqgan import VQGAN
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.errors import InputError
from train.loop.config import NumberFormat
from train.loop.preview import colours
from train.recipes.features import compared_features

ROUNDS = 20
"""Iterations of k-means."""
TALL = 1 << 14
"""Height of class maps if none is given: they are not shrunk."""


def open_pictures(
    folder: Path,
    content: Content,
    *,
    labels: Path | None,
    classes: Path | None,
    height: int | None,
    reading: Reading | None,
) -> AutoencoderPictures:
    """Open a folder of pictures, of the kind that a run trains on.

    Args:
        folder: folder of images or frame files.
        content: kind of the pictures.
        labels, classes, height: as in the configuration.
        reading: how buffers are read.

    Raises:
        InputError: there are no pictures, or they cannot be read.
    """
    if content == "classes":
        return ClassPictures(LabelledImages(folder, labels, None if labels else classes, height or TALL))
    if content == "buffers":
        assert reading is not None
        return BufferPictures(folder, reading)
    return ImagePictures(folder, height)


def class_names(pictures: AutoencoderPictures) -> tuple[str, ...]:
    """Return the channel names of class maps; none for other pictures."""
    return pictures.names if isinstance(pictures, ClassPictures) else ()


def check_latents(network: VQGAN, crops: int, size: int) -> None:
    """Check that crops have enough latents for `cluster_codes`.

    Args:
        network: the autoencoder.
        crops: number of crops.
        size: their side in pixels.

    Raises:
        InputError: there are fewer latents than codes.
    """
    latents, codes = crops * (size // network.factor) ** 2, network.spec.codes
    if latents < codes:
        wanted = -(-crops * codes // latents)
        raise InputError(f"--kmeans {crops}: {latents} latents for {codes} codes; wanted {wanted} or more.")


@torch.no_grad()
def cluster_codes(network: VQGAN, crops: list[Tensor], seed: int) -> None:
    """Set the initial codebook to the cluster centres of latents (k-means).

    Args:
        network: its codebook is replaced.
        crops: pictures (C, s, s), with at least as many latents as there are codes.
        seed: seed of the initial centres.
    """
    quantiser, device = network.quantiser, network.quantiser.codebook.device
    found = torch.cat([quantiser.scaled(network.latents(crop[None].to(device)), 1) for crop in crops])
    vectors = found.movedim(1, -1).flatten(0, 2).float().cpu().numpy()
    codes, width = quantiser.codebook.shape
    # By default FAISS warns about fewer than 39 points per centre, and draws a subset of more than 256.
    clusters = faiss.Kmeans(
        width, codes, niter=ROUNDS, seed=seed, min_points_per_centroid=1, max_points_per_centroid=len(vectors)
    )
    clusters.train(np.ascontiguousarray(vectors))
    quantiser.codebook.copy_(torch.from_numpy(clusters.centroids))


def whole(pictures: AutoencoderPictures, number: int, factor: int) -> Tensor:
    """Return the middle of a picture, (1, C, H, W), as large as multiples of a factor allow."""
    height, width = pictures.size(number)
    top, left = height % factor // 2, width % factor // 2
    box = slice(top, top + height // factor * factor), slice(left, left + width // factor * factor)
    return pictures.crop(number, box, flip=False)[None]


@torch.inference_mode()
def judge_reconstructions(
    network: VQGAN, pictures: AutoencoderPictures, vgg: VGG16 | None, precision: NumberFormat
) -> dict[str, float]:
    """Judge reconstructions of whole pictures: means over pictures, and code usage.

    Args:
        network: the autoencoder.
        pictures: pictures to encode and decode.
        vgg: VGG16 for the perceptual distance of images; None: the distance is left out.
        precision: number format of VGG16's convolutions, fp32 or bf16; the network runs in fp32.

    Returns:
        For images, PSNR in dB and the perceptual distance; for class maps, the share of pixels with the right class;
        for buffers, the mean absolute difference. For all, the share of codes used at least once, and the perplexity.
    """
    network, device = network.eval(), network.quantiser.codebook.device
    values: dict[str, list[float]] = {}
    counts = torch.zeros(network.spec.codes)
    for number in range(len(pictures.keys)):
        picture = whole(pictures, number, network.factor).to(device)
        made, found = network(picture)
        counts += torch.bincount(found.ids.flatten().cpu(), minlength=len(counts))
        for name, value in compared(made, picture, network.spec.content, vgg, precision).items():
            values.setdefault(name, []).append(float(value))
    codes = {"codes used": float((counts > 0).float().mean()), "perplexity": float(perplexity(counts))}
    return {name: float(np.mean(of)) for name, of in values.items()} | codes


def compared(
    made: Tensor, picture: Tensor, content: Content, vgg: VGG16 | None, precision: NumberFormat
) -> dict[str, Tensor]:
    """Compare one picture (1, C, H, W) with its reconstruction; return scalars by name."""
    if content == "classes":
        there = picture.sum(1) > 0
        return {"accuracy": (made.argmax(1) == picture.argmax(1))[there].float().mean()}
    if content == "buffers":
        return {"mean absolute difference": F.l1_loss(made, picture)}
    made = made.clamp(0, 1)
    values = {"PSNR": -10 * F.mse_loss(made, picture).clamp_min(1e-10).log10()}
    if vgg is not None:
        values["perceptual"] = perceptual_distance(*compared_features(vgg, made, picture, precision)).mean()
    return values


def visible(picture: Tensor, content: Content) -> Tensor:
    """Turn a picture (C, H, W) of any kind into an image (3, H, W): classes in colours, buffers by the first three."""
    if content == "image":
        return picture.clamp(0, 1)
    if content == "classes":
        return colours(picture.argmax(0))
    shown = picture[:3] if len(picture) >= 3 else picture[:1].expand(3, -1, -1)
    return (0.5 + shown / 4).clamp(0, 1)  # black and white are two standard deviations from the mean
