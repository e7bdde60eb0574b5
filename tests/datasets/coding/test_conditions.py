"""Class maps as one-hot vectors and normalised G-buffers: by name, nearest, mirrored with the picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.coding.conditions import Buffers, ClassMaps
from datasets.frames import measure
from datasets.labels import write_facts, write_label
from epe.models import Model
from gbuffer_tools.errors import InputError
from tests.datasets.made import CLASSES, scene, write_frames

FEATURES = ("normal", "log_depth")


class TestClassMaps:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_label(tmp_path / "labels", "a/x", np.array([[0, 1], [2, 1]], np.uint8))
        write_facts(tmp_path / "labels", {"method": "m", "classes": 3, "names": ["b", "a", "other"], "other": 2})
        return tmp_path / "labels"

    def test_label_maps_by_the_first_stages_names(self, folder: Path) -> None:
        maps = ClassMaps(folder, None, ["a", "c", "b"], 3)
        assert (maps.keys, maps.size("a/x")) == (("a/x",), (2, 2))
        found = maps.read("a/x", (2, 2), flip=False)
        assert found.argmax(0).tolist() == [[2, 0], [0, 0]]
        assert found.sum(0).tolist() == [[1, 1], [0, 1]]  # other is no class
        assert torch.equal(maps.read("a/x", (2, 2), flip=True), found.flip(-1))
        assert torch.equal(maps.read("a/x", (4, 6), flip=False), found.repeat_interleave(2, 1).repeat_interleave(3, 2))

    def test_frame_files(self, tmp_path: Path) -> None:
        maps = ClassMaps(write_frames(tmp_path / "frames"), None, CLASSES, 4)
        assert maps.keys == ("one/a", "one/b", "two/a")
        found = maps.read("one/b", (36, 64), flip=False)
        assert np.array_equal(found.argmax(0).numpy(), scene("b", 1).ids["class"])
        assert found.sum(0).min() == 1

    def test_a_taxonomy(self, tmp_path: Path) -> None:
        (tmp_path / "classes.yaml").write_text("classes:\n  above: {game: [sky]}\n  below: {game: [road, tree]}\n")
        maps = ClassMaps(write_frames(tmp_path / "frames"), tmp_path / "classes.yaml", ["below", "above"], 2)
        found, truth = maps.read("one/a", (36, 64), flip=False), scene("a", 0).ids["class"]
        assert np.array_equal(found[1].numpy() == 1, truth == 0)
        assert np.array_equal(found[0].numpy() == 1, (truth == 1) | (truth == 2))

    def test_what_does_not_fit(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="has the class 'b'; the first stage knows a, c"):
            ClassMaps(folder, None, ["a", "c"], 2)
        with pytest.raises(InputError, match="has 2 classes, and the first stage 5 without names"):
            ClassMaps(folder, None, [], 5)
        with pytest.raises(InputError, match="leave --classes out"):
            ClassMaps(folder, tmp_path / "x.yaml", ["a", "b"], 2)
        with pytest.raises(InputError, match="has no class map 'a/y'"):
            ClassMaps(folder, None, ["a", "b"], 2).read("a/y", (2, 2), flip=False)


class TestBuffers:
    @pytest.fixture
    def maps(self, tmp_path: Path) -> Buffers:
        folder = write_frames(tmp_path / "frames")
        reading = measure(folder, FEATURES, ())
        names = ("normal.0", "normal.1", "normal.2", "log_depth.0")
        model = Model(torch.nn.Identity(), "vqgan", channels=names, mean=reading.mean, std=reading.std)
        return Buffers(folder, model, tmp_path / "model")

    def test_channels_with_their_statistics(self, maps: Buffers) -> None:
        found = maps.read("one/b", (36, 64), flip=False)
        frame = scene("b", 1)
        raw = np.moveaxis(frame.buffers["normal"].astype(np.float64), -1, 0)
        mean, std = (np.array(x) for x in (maps._frames.reading.mean, maps._frames.reading.std))
        wanted = (raw - mean[:3, None, None]) / std[:3, None, None]
        np.testing.assert_allclose(found[:3], wanted, atol=1e-5)  # fp32
        assert found.shape == (4, 36, 64)

    def test_mirrored_as_the_scene_is(self, maps: Buffers) -> None:
        """Of a mirrored scene the normals' x points the other way."""
        found, mirrored = (maps.read("one/a", (36, 64), flip=flip) for flip in (False, True))
        assert torch.equal(found[1:].flip(-1), mirrored[1:])
        assert not torch.equal(found[0].flip(-1), mirrored[0])

    def test_resized_by_nearest_alone(self, maps: Buffers) -> None:
        whole, half = (maps.read("one/a", size, flip=False) for size in ((36, 64), (18, 32)))
        assert torch.equal(half, whole[:, 1::2, 1::2])
        assert maps.size("one/a") == (36, 64)

    def test_what_does_not_fit(self, maps: Buffers, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="has no frame 'gone'"):
            maps.read("gone", (4, 4), flip=False)
        for names, words in ((("wetness.0",), "which is not a channel of frames"), ((), "reads no G-buffers")):
            model = Model(
                torch.nn.Identity(), "vqgan", channels=names, mean=(0.0,) * len(names), std=(1.0,) * len(names)
            )
            with pytest.raises(InputError, match=words):
                Buffers(maps.folder, model, tmp_path / "model")
