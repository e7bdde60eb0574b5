"""One grade for all frames, as a person would make it with post-processing shaders, here fitted to photographs.

In order: a tone curve, a 3D lookup table (both in one .cube file), a vignette, sharpening or a blur, and grain. Each is
fitted to the frames as the previous steps leave them, and to the photographs at the frames' height. Values are sRGB as
stored. Nothing adapts to the frame being graded: the same colour becomes the same colour in all frames.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.photos import to_height
from eval.transfers import idt
from eval.transfers.grading import grain, lut, sharpness, tone_curve, vignette
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.io.atomic import write_text

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

LOOKED_AT = 64
"""How many evenly spaced pictures of a set vignette, sharpness and grain are fitted to; colours are fitted to all."""
MIN_SIDE = 64


@dataclass(frozen=True)
class Grade:
    """A grade of colours, vignette, sharpness and grain, fitted to two folders.

    Attributes:
        table: (N, N, N, 3) RGB in [0, 1]: tone curve and colours.
        tone_curve: (K,) values at evenly spaced levels of [0, 1]; already in the table.
        vignette: brightness is multiplied by 1 + vignette (r² - mean of r²), r = 1 in the corners.
        sharpness: strength as in `eval.transfers.grading.sharpness`.
        grain: deviation of the noise, values in [0, 1].
        seed: seed for the noise.
    """

    table: Array
    tone_curve: Array
    vignette: float
    sharpness: float
    grain: float
    seed: int

    def __call__(self, image: Pixels, key: str) -> Array:
        """Grade a frame (H, W, 3) uint8: (H, W, 3) RGB in [0, 1], not clipped."""
        seen = sharpness.apply(vignette.apply(lut.apply(image / 255.0, self.table), self.vignette), self.sharpness)
        return grain.apply(seen, self.grain, key, self.seed)


def fit(frames: Images, photos: Images, seed: int) -> Grade:
    """Fit a grade to whole folders.

    Args:
        frames: what will be graded.
        photos: what it should look like; those taller than the first frame are reduced to its height.
        seed: for drawing colours, and for the grain.

    Raises:
        InputError: a picture with a side below `MIN_SIDE` pixels after that.
    """
    curve = tone_curve.fit(tone_curve.quantiles(frames), tone_curve.quantiles(photos))
    table = _table(frames, photos, curve, seed)

    def ours(k: float, strength: float) -> Iterator[Array]:
        part = Grade(table, curve, k, strength, 0.0, seed)
        return (tone_curve.luma(np.clip(part(image, ""), 0, 1)) for image in _looked_at(frames))

    def theirs() -> Iterator[Array]:
        height = frames.size(0)[0]
        return (tone_curve.luma(image / 255.0) for image in _looked_at(photos, height))

    k = vignette.fit(vignette.falloff(ours(0.0, 0.0)), vignette.falloff(theirs()))
    noises = grain.noise(ours(k, 0.0)), grain.noise(theirs())
    spectra = sharpness.spectrum(ours(k, 0.0)), sharpness.spectrum(theirs())
    strength = sharpness.fit(*spectra, (noises[0] ** 2, noises[1] ** 2))
    # Sharpening amplifies noise.
    lacking = grain.fit(grain.noise(ours(k, strength)), noises[1])
    return Grade(table, curve, k, strength, lacking, seed)


def _table(frames: Images, photos: Images, curve: Array, seed: int) -> Array:
    """The table that holds the curve and, after it, the mapping of colours from frames to photographs."""
    source, target = tone_curve.apply(idt.sample(frames, seed), curve), idt.sample(photos, seed)
    moved, target = source, with_lumas(target, source)
    for one in idt.fit(source, target, seed):
        moved = one(moved)
    fitted = lut.fit(source, moved)
    return lut.sampled(lambda colours: lut.apply(tone_curve.apply(colours, curve), fitted))


def with_lumas(colours: Array, of: Array) -> Array:
    """Colours (N, 3) scaled so that their luma is distributed like that of others (M, 3); not clipped.

    The curve has already set brightness and contrast. If they were matched again here, over the pixels of all pictures,
    the photographs' different exposures would become contrast.
    """
    before, levels = tone_curve.luma(colours), np.linspace(0, 1, 1001)
    after = idt.moved_along(before, np.quantile(before, levels), np.quantile(tone_curve.luma(of), levels))
    return colours * (after / np.maximum(before, 1e-6))[:, None]


def _looked_at(images: Images, height: int = MAX_SIDE) -> Iterator[Pixels]:
    """Evenly spaced pictures of a folder, with taller ones reduced to a height."""
    for index in np.unique(np.linspace(0, len(images) - 1, LOOKED_AT).round().astype(int)):
        picture = to_height(images[index], height)
        if min(picture.shape[:2]) < MIN_SIDE:
            raise InputError(
                f"{images.path(index)}: {picture.shape[1]}x{picture.shape[0]} pixels at the frames' height, wanted "
                f"{MIN_SIDE} or more a side; take larger pictures."
            )
        yield picture


def write(grade: Grade, out: Path) -> None:
    """Write what was fitted beside the pictures: `grade.json` for reading, `grade.cube` for other programs.

    Args:
        grade: what was fitted.
        out: the folder.
    """
    lut.write_cube(grade.table, out / "grade.cube", "grade")
    strength = grade.sharpness
    facts = {
        "format": "grade",
        "version": 1,
        "colours and tone": {"file": "grade.cube", "nodes per axis": len(grade.table)},
        "tone curve, in the file already": [round(float(value), 4) for value in grade.tone_curve],
        "vignette": {"k": grade.vignette, "brightness times": "1 + k (r² - mean r²), r = 1 in the corners"},
        "unsharp mask": {"amount": max(strength, 0.0), "radius in pixels": sharpness.RADIUS, "of": "luma"},
        "Gaussian blur": {"radius in pixels": max(-strength, 0.0)},
        "grain": {"deviation in grey levels": 255 * grade.grain, "seed": grade.seed, "of": "luma"},
    }
    write_text(out / "grade.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
