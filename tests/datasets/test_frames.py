"""Frames as the network reads them: crops, flips, statistics, class streams, and what is refused."""

import copy
import dataclasses
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.channels import FEATURES, channel_names
from datasets.flaws import Flaw
from datasets.frames import Frames, Reading, measure, stream_table
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.schema import Shard, write
from tests.datasets.made import CLASSES, HEADER, mirrored, scene, write_frames

EVERYTHING = tuple(FEATURES)
STREAMS = (("sky",), ("road", "car"), ("*",))


def plain(features: tuple[str, ...] = EVERYTHING) -> Reading:
    """No normalisation."""
    count = len(channel_names(features))
    return Reading(features, STREAMS, (0.0,) * count, (1.0,) * count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"))


def only(folder: Path, frame: Frame, classes: tuple[str, ...] = CLASSES) -> Path:
    """A folder with one file of one frame."""
    folder.mkdir(exist_ok=True)
    write(folder / "one.h5", [frame], dataclasses.replace(HEADER, classes=classes))
    return folder


class TestRead:
    def test_keys_sizes_shapes(self, folder: Path) -> None:
        frames = Frames(folder, plain())
        assert frames.keys == ("one/a", "one/b", "two/a")
        assert frames.sizes == ((36, 64),) * 3
        sample = frames[1]
        assert sample.image.shape == (3, 36, 64)
        assert sample.gbuffers.shape == (len(channel_names(EVERYTHING)), 36, 64)
        assert sample.classes.shape == (36, 64)
        assert (sample.image.dtype, sample.gbuffers.dtype, sample.classes.dtype) == (
            torch.float32, torch.float32, torch.int64,
        )  # fmt: skip
        assert all(x.is_contiguous() for x in sample)

    def test_two_frames_of_one_key(self, tmp_path: Path) -> None:
        """Files of two systems may differ in the case of their suffix alone; pictures of both would have one name."""
        write_frames(tmp_path)
        shutil.copyfile(tmp_path / "one.h5", tmp_path / "one.H5")
        with pytest.raises(InputError, match=r"one\.h5: has the frame one/a, as .*one\.H5 has; wanted it once: rename"):
            Frames(tmp_path, plain())
        write(tmp_path / "one.H5", [scene("c")], HEADER)
        assert Frames(tmp_path, plain()).keys == ("one/c", "one/a", "one/b", "two/a")

    def test_one_file_is_its_frames_and_errors_name_it(self, folder: Path, tmp_path: Path) -> None:
        alone, all_of_them = Frames(folder / "one.h5", plain()), Frames(folder, plain())
        assert alone.keys == all_of_them.keys[:2]
        assert all(torch.equal(x, y) for x, y in zip(alone[1], all_of_them[1], strict=True))
        damaged = tmp_path / "cut.h5"
        damaged.write_bytes((folder / "one.h5").read_bytes()[:100])
        with pytest.raises(InputError, match=rf"^{damaged}: "):
            Frames(damaged, plain())

    def test_values_are_those_of_the_file(self, folder: Path) -> None:
        features = ("normal", "albedo", "motion", "roughness")
        sample, made = Frames(folder, plain(features))[1], scene("b", 1)
        wanted = np.concatenate(
            [
                made.buffers["normal"].astype(np.float32),
                made.buffers["albedo"].astype(np.float32) / 255,
                made.buffers["motion"],
                made.buffers["roughness"].astype(np.float32)[..., None] / 255,
            ],
            axis=-1,
        )
        np.testing.assert_allclose(sample.gbuffers.numpy(), wanted.transpose(2, 0, 1), rtol=1e-6)
        assert np.array_equal((sample.image.numpy() * 255).round(), made.image.transpose(2, 0, 1))
        streams = np.array([0, 1, 2, 1])  # sky, road, tree (the rest), car
        assert np.array_equal(sample.classes.numpy(), streams[made.ids["class"]])

    def test_a_crop_equals_the_same_part_of_the_whole(self, folder: Path) -> None:
        frames = Frames(folder, plain())
        whole, crop = frames[2], frames.read(2, slice(4, 30), slice(11, 40))
        assert torch.equal(crop.image, whole.image[:, 4:30, 11:40])
        assert torch.equal(crop.gbuffers, whole.gbuffers[:, 4:30, 11:40])
        assert torch.equal(crop.classes, whole.classes[4:30, 11:40])

    def test_normalisation(self, folder: Path) -> None:
        raw = Frames(folder, plain(("motion",)))[0].gbuffers
        found = Frames(folder, Reading(("motion",), STREAMS, (2.0, -1.0), (4.0, 0.5)))[0].gbuffers
        wanted = (raw - torch.tensor([2.0, -1.0]).view(2, 1, 1)) / torch.tensor([4.0, 0.5]).view(2, 1, 1)
        assert torch.allclose(found, wanted)

    @pytest.mark.parametrize("feature", EVERYTHING)
    def test_a_flipped_crop_is_the_crop_of_the_mirrored_scene(self, tmp_path: Path, feature: str) -> None:
        made = scene()
        reading = dataclasses.replace(plain((feature,)), mean=(0.3,) * FEATURES[feature].channels)
        here = Frames(only(tmp_path / "here", made), reading)
        there = Frames(only(tmp_path / "there", mirrored(made)), reading)
        flipped = here.read(0, slice(3, 33), slice(10, 50), flip=True)
        seen = there.read(0, slice(3, 33), slice(64 - 50, 64 - 10))
        # 1e-6: view vectors of mirrored pixels are computed from other numbers.
        assert torch.allclose(flipped.gbuffers, seen.gbuffers, atol=1e-6)
        assert torch.equal(flipped.image, seen.image)
        assert torch.equal(flipped.classes, seen.classes)
        assert not torch.allclose(flipped.gbuffers, here.read(0, slice(3, 33), slice(10, 50)).gbuffers, atol=1e-3) or (
            feature == "sky"
        )

    def test_goes_into_another_process_without_open_files(self, folder: Path) -> None:
        frames = Frames(folder, plain())
        before = frames[0]
        again = pickle.loads(pickle.dumps(frames))
        assert all(torch.equal(a, b) for a, b in zip(before, again[0], strict=True))
        assert all(torch.equal(a, b) for a, b in zip(before, frames[0], strict=True))
        assert copy.copy(frames).keys == frames.keys


class TestMeasure:
    def test_agrees_with_numpy_over_all_pixels(self, folder: Path) -> None:
        reading = measure(folder, EVERYTHING, STREAMS)
        frames = Frames(folder, plain())
        pixels = np.concatenate([frames[i].gbuffers.numpy().reshape(len(reading.mean), -1) for i in range(3)], axis=1)
        pixels = pixels.astype(np.float64)
        # 1e-6: the definition in two passes, ours in one.
        np.testing.assert_allclose(reading.mean, pixels.mean(1), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(reading.std, pixels.std(1), rtol=1e-6)
        assert reading.features == EVERYTHING
        normalised = np.stack([Frames(folder, reading)[i].gbuffers.numpy() for i in range(3)])
        np.testing.assert_allclose(normalised.mean((0, 2, 3)), 0, atol=1e-4)  # fp32
        np.testing.assert_allclose(normalised.std((0, 2, 3)), 1, atol=1e-4)

    @pytest.mark.parametrize("value", [0, 255, 77])
    def test_a_constant_channel_gets_deviation_one(self, tmp_path: Path, value: int) -> None:
        made = scene()
        made.buffers["roughness"][:] = value
        made.buffers["emission"][:] = value
        reading = measure(only(tmp_path / "x", made), ("roughness", "emission"), STREAMS)
        assert reading.std == (1, 1, 1, 1)
        assert reading.mean[0] == pytest.approx(value / 255, rel=1e-6)
        assert np.allclose(Frames(tmp_path / "x", reading)[0].gbuffers, 0, atol=1e-6)

    def test_refuses_an_unknown_feature(self, folder: Path) -> None:
        with pytest.raises(InputError, match="no feature 'warmth'; wanted some of normal"):
            measure(folder, ("warmth",), STREAMS)

    def test_refuses_values_that_are_not_finite(self, tmp_path: Path) -> None:
        made = scene("f")
        made.buffers["motion"][20, 20, 1] = np.nan
        with pytest.raises(InputError, match=r"one/f: channel motion\.1 is not finite"):
            measure(only(tmp_path / "x", made), ("normal", "motion"), STREAMS)

    def test_leaves_out_what_is_not_finite_where_it_may(self, tmp_path: Path) -> None:
        """Statistics are those of the other frames; with no other frame there are none."""
        bad, good = scene("bad", 1), scene("good", 2)
        bad.buffers["motion"][20, 20, 1] = np.nan
        both = only(tmp_path / "x", bad)
        write(both / "two.h5", [good], HEADER)
        found: list[Flaw] = []
        reading = measure(both, ("normal", "motion"), STREAMS, left_out=found)
        assert reading == measure(only(tmp_path / "y", good), ("normal", "motion"), STREAMS)
        assert found == [Flaw(f"{tmp_path}/x/one.h5, frame 'bad'", "channel motion.1 is not finite")]
        with pytest.raises(InputError, match=r"frame 'bad': channel motion\.1 is not finite, and no other"):
            measure(only(tmp_path / "z", bad), ("normal", "motion"), STREAMS, left_out=[])


class TestOptional:
    def test_what_a_file_lacks_is_the_mean(self, tmp_path: Path) -> None:
        """All else is as in a file that has it."""
        features = ("normal", "facing", "albedo", "log_depth")
        frame = scene("f")
        full = only(tmp_path / "full", frame)
        reading = dataclasses.replace(measure(full, features, STREAMS), optional=True)
        bare = only(tmp_path / "bare", without(frame, "normal"))
        blind = only(tmp_path / "blind", dataclasses.replace(frame, view=None, projection=None))
        whole = Frames(full, reading)[0]
        for folder, channels in ((bare, [0, 1, 2, 3]), (blind, [3])):
            found = Frames(folder, reading)[0]
            wanted = whole.gbuffers.clone()
            wanted[channels] = 0
            assert all(torch.equal(a, b) for a, b in zip(found, whole._replace(gbuffers=wanted), strict=True))
        frames = Frames(full, reading)
        dropped = frames.read(0, slice(0, 36), slice(0, 64), dropped={"normal"})
        assert torch.equal(dropped.gbuffers, Frames(bare, reading)[0].gbuffers)

    def test_is_refused_where_the_model_was_not_trained_for_it(self, tmp_path: Path) -> None:
        reading = measure(only(tmp_path / "full", scene("f")), ("normal",), STREAMS)
        with pytest.raises(InputError, match="has no buffer 'normal'"):
            Frames(only(tmp_path / "bare", without(scene("f"), "normal")), reading)
        none = dataclasses.replace(scene("f"), buffers={})
        with pytest.raises(InputError, match=r"it has none at all\. Extract it"):
            Frames(only(tmp_path / "none", none), reading)


class TestWithheld:
    def test_channels_are_the_mean_and_all_else_as_it_was(self, tmp_path: Path) -> None:
        """What is withheld cannot be seen, also where a file has it: another normal gives the same sample."""
        features = ("normal", "facing", "albedo", "log_depth")
        frame = scene("f")
        full = only(tmp_path / "full", frame)
        reading = measure(full, features, STREAMS)
        blind = dataclasses.replace(reading, withheld=("normal", "class"))
        whole, found = Frames(full, reading)[0], Frames(full, blind)[0]
        wanted = whole.gbuffers.clone()
        wanted[:4] = 0
        assert torch.equal(found.gbuffers, wanted)
        assert torch.equal(found.image, whole.image)
        assert len(whole.classes.unique()) > 1
        assert not found.classes.any(), "every pixel is in the first stream"
        other = dataclasses.replace(frame, buffers=frame.buffers | {"normal": -frame.buffers["normal"]})
        assert torch.equal(Frames(only(tmp_path / "other", other), blind)[0].gbuffers, wanted)

    def test_a_file_need_not_have_it(self, tmp_path: Path) -> None:
        features = ("normal", "albedo")
        full = only(tmp_path / "full", scene("f"))
        blind = dataclasses.replace(measure(full, features, STREAMS), withheld=("normal",))
        bare = only(tmp_path / "bare", without(scene("f"), "normal"))
        assert torch.equal(Frames(bare, blind)[0].gbuffers, Frames(full, blind)[0].gbuffers)


def without(frame: Frame, name: str) -> Frame:
    return dataclasses.replace(frame, buffers={n: x for n, x in frame.buffers.items() if n != name})


class TestStreams:
    def table(self, folder: Path, streams: tuple[tuple[str, ...], ...]) -> list[int]:
        with Shard(folder / "one.h5") as shard:
            return stream_table(shard, streams).tolist()

    def test_by_name_and_the_rest(self, folder: Path) -> None:
        assert self.table(folder, STREAMS) == [0, 1, 2, 1]
        assert self.table(folder, (("*",),)) == [0, 0, 0, 0]
        assert self.table(folder, (("*", "x"), ("tree",))) == [0, 0, 1, 0]
        assert self.table(folder, (("car", "tree"), ("road", "sky"))) == [1, 1, 0, 0]

    def test_a_class_that_no_stream_takes(self, folder: Path) -> None:
        with pytest.raises(InputError, match=r"one\.h5: class 'road' is in no stream; add it, or give one stream '\*'"):
            self.table(folder, (("sky",), ("tree", "car")))
        with pytest.raises(InputError, match="class 'sky'"):
            Frames(folder, dataclasses.replace(plain(), streams=(("road", "tree", "car"),)))

    def test_shards_may_number_their_classes_differently(self, tmp_path: Path) -> None:
        made = scene()
        write(tmp_path / "one.h5", [made], HEADER)
        write(tmp_path / "two.h5", [made], dataclasses.replace(HEADER, classes=("tree", "sky", "car", "road")))
        frames = Frames(tmp_path, plain(("sky",)))
        ids = made.ids["class"]
        assert np.array_equal(frames[0].classes, np.array([0, 1, 2, 1])[ids])
        assert np.array_equal(frames[1].classes, np.array([2, 0, 1, 1])[ids])


class TestRefused:
    def test_a_missing_buffer(self, tmp_path: Path) -> None:
        made = scene()
        del made.buffers["motion"]
        folder = only(tmp_path / "x", made)
        with pytest.raises(InputError, match=r"one\.h5: has no buffer 'motion', which the feature 'motion' needs"):
            Frames(folder, plain())
        assert len(Frames(folder, plain(tuple(f for f in EVERYTHING if f != "motion")))) == 1

    def test_missing_class_ids(self, tmp_path: Path) -> None:
        made = scene()
        folder = only(tmp_path / "x", dataclasses.replace(made, ids={}))
        with pytest.raises(InputError, match="has no ids/class"):
            Frames(folder, plain())

    def test_missing_cameras(self, tmp_path: Path) -> None:
        folder = only(tmp_path / "x", dataclasses.replace(scene(), view=None, projection=None))
        with pytest.raises(InputError, match="no camera matrices"):
            Frames(folder, plain())
        assert Frames(folder, plain(("normal", "log_depth")))[0].gbuffers.shape == (4, 36, 64)

    def test_a_class_id_that_the_file_does_not_name(self, tmp_path: Path) -> None:
        made = scene("f")
        made.ids["class"][30, 30] = 200
        frames = Frames(only(tmp_path / "x", made), plain(("sky",)))
        with pytest.raises(InputError, match=r"one\.h5: frame 'f' has class id 200 of 4"):
            frames.read(0, slice(20, 36), slice(20, 40))
        assert frames.read(0, slice(0, 20), slice(0, 20)).classes.max() <= 2

    def test_no_frame_files(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no frame files"):
            Frames(tmp_path, plain())

    def test_a_damaged_frame_file(self, tmp_path: Path) -> None:
        folder = only(tmp_path / "x", scene())
        whole = (folder / "one.h5").read_bytes()
        (folder / "one.h5").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=r"one\.h5"):
            Frames(folder, plain())
