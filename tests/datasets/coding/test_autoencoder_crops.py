"""Crops for autoencoders: what they are cut from, mirrored, one-hot, normalised; the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.coding.autoencoder_crops import AutoencoderCrops, BufferPictures, ClassPictures, ImagePictures
from datasets.coding.conditions import one_hot
from datasets.frames import measure
from datasets.images import Images
from datasets.labelling.labelled_images import LabelledImages
from datasets.labelling.taxonomy import NONE
from gbuffer_tools.errors import InputError
from tests.datasets.labelling.made import street, write_streets
from tests.datasets.made import scene, write_frames, write_photos

BOX = slice(4, 20), slice(10, 30)


class TestPictures:
    def test_images_as_they_are(self, tmp_path: Path) -> None:
        pictures, images = ImagePictures(write_photos(tmp_path)), Images(tmp_path)
        for flip in (False, True):
            pixels = images[1][BOX][:, ::-1] if flip else images[1][BOX]
            assert np.array_equal((pictures.crop(1, BOX, flip=flip) * 255).round().movedim(0, -1).numpy(), pixels)
        assert [pictures.size(n) for n in range(3)] == [(36, 64), (36, 68), (36, 72)]

    def test_images_are_shrunk_once(self, tmp_path: Path) -> None:
        pictures = ImagePictures(write_photos(tmp_path), height=18)
        assert [pictures.size(n) for n in range(3)] == [(18, 32), (18, 34), (18, 36)]

    def test_class_maps_are_one_hot_and_mirrored(self, tmp_path: Path) -> None:
        pictures = ClassPictures(LabelledImages(write_streets(tmp_path), None, None, 48))
        assert pictures.names == ("car", "road", "sky")
        ids = street(2).ids["class"][BOX]
        wanted = np.stack([ids == 2, ids == 1, ids == 0])
        assert np.array_equal(pictures.crop(2, BOX, flip=False).numpy(), wanted)
        assert np.array_equal(pictures.crop(2, BOX, flip=True).numpy(), wanted[..., ::-1])

    def test_pixels_without_a_class(self) -> None:
        found = one_hot(np.array([[0, NONE, 1]], np.int16), 2)
        assert found[:, 0].tolist() == [[1, 0, 0], [0, 0, 1]]

    def test_buffers_are_normalised_and_normals_mirrored(self, tmp_path: Path) -> None:
        reading = measure(write_frames(tmp_path), ("normal", "roughness"), ())
        pictures = BufferPictures(tmp_path, reading)
        normal = scene("a").buffers["normal"].astype(np.float32)
        flipped = pictures.crop(0, BOX, flip=True)
        mirrored = normal[BOX][:, ::-1] * np.float32([-1, 1, 1])
        wanted = (mirrored - reading.mean[:3]) / reading.std[:3]
        assert np.allclose(flipped[:3].movedim(0, -1), wanted, atol=1e-5)  # normals are stored in float16
        assert flipped.shape == (4, 16, 20)


class TestCrops:
    def test_functions_of_seed_and_index(self, tmp_path: Path) -> None:
        pictures = ImagePictures(write_photos(tmp_path))
        first, again, other = (AutoencoderCrops(pictures, size=16, length=40, seed=seed) for seed in (1, 1, 2))
        assert all(torch.equal(first[i], again[i]) for i in range(40))
        assert not any(torch.equal(first[i], other[i]) for i in range(40))
        assert first[0].shape == (3, 16, 16)

    def test_a_picture_that_is_too_small(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"town/00: is 64x36, wanted 40 pixels a side or more; lower --crop"):
            AutoencoderCrops(ImagePictures(write_photos(tmp_path)), size=40, length=1, seed=0)
