"""Spectra class by class: one half of each frame is sharper than in photographs, the other softer."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.images import Images, write_png
from datasets.labels import write_facts, write_label
from eval.measuring.class_spectra import ClassSums, class_values
from gbuffer_tools.errors import InputError

SIZE = (128, 256)


def store(folder: Path, labels: Path, count: int, gains: tuple[float, float], seed: int) -> Images:
    """Soft noise times a gain: class 0 to the left, class 1 to the right; 2 is a thin line."""
    rng = np.random.default_rng(seed)
    label = np.zeros(SIZE, np.uint8)
    label[:, 128:] = 1
    label[:2] = 2
    for index in range(count):
        noise = cv2.GaussianBlur(rng.normal(0, 40, SIZE), (0, 0), 0.7)
        noise[:, :128] *= gains[0]
        noise[:, 128:] *= gains[1]
        picture = np.clip(128 + noise, 0, 255).astype(np.uint8)
        write_png(folder / f"{index}.png", np.repeat(picture[..., None], 3, 2))
        write_label(labels, str(index), label)
    write_facts(labels, {"method": "made", "classes": 3})
    return Images(folder)


def test_the_sign_is_that_of_each_class(tmp_path: Path) -> None:
    photos = store(tmp_path / "photos", tmp_path / "real", 4, (1.0, 1.0), 0)
    frames = store(tmp_path / "frames", tmp_path / "fake", 3, (1.5, 0.5), 1)
    draws = np.array([[1.0, 1, 1], [3, 0, 0]])
    metrics, values, facts = class_values(
        {"a": frames}, photos, tmp_path / "fake", tmp_path / "real", "area", draws, progress=False
    )
    assert [metric.key for metric in metrics] == [
        "spectral_class_0", "spectral_class_1", "spectral_excess_class_0", "spectral_excess_class_1",
    ]  # fmt: skip
    found = values["a"]
    # Gains in power, 20 log10: to 0.3 dB, from 60 patches a side.
    assert found["spectral_excess_class_0"][0] == pytest.approx(20 * np.log10(1.5), abs=0.3)
    assert found["spectral_excess_class_1"][0] == pytest.approx(20 * np.log10(0.5), abs=0.3)
    assert found["spectral_class_1"][0] == pytest.approx(20 * np.log10(2), abs=0.5)
    assert found["spectral_class_1"].shape == (2,)
    assert "3 classes" in facts["spectra by class"]


def test_means_weigh_patches_and_draws() -> None:
    sums = np.zeros((2, 1, 11))
    sums[0], sums[1] = 2 * 10.0, 1 * 40.0
    found = ClassSums(sums, np.array([[2.0], [1.0]])).mean(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]))
    assert np.allclose(found[:, 0, 0], [20, 10, 40])


def test_label_maps_of_two_taxonomies_are_refused(tmp_path: Path) -> None:
    photos = store(tmp_path / "photos", tmp_path / "real", 2, (1, 1), 0)
    frames = store(tmp_path / "frames", tmp_path / "fake", 2, (1, 1), 1)
    write_facts(tmp_path / "fake", {"method": "made", "classes": 4})
    with pytest.raises(InputError, match="classes of the labels is 3, wanted 4"):
        class_values(
            {"a": frames}, photos, tmp_path / "fake", tmp_path / "real", "area", np.ones((1, 2)), progress=False
        )
