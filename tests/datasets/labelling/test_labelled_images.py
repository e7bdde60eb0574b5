"""Labelled pictures out of frame files and of label maps; how often classes occur, and what they weigh."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import Images, write_png
from datasets.labelling.labelled_images import LabelledImages, median_frequency_weights
from datasets.labelling.taxonomy import NONE
from datasets.labels import write_facts, write_label
from gbuffer_tools.errors import InputError
from tests.datasets.labelling.made import street, write_streets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_streets(tmp_path / "photos").parent


def by_name(pictures: LabelledImages, index: int) -> np.ndarray:
    return np.array([*pictures.names, ""])[pictures[index][1]]


def truth(seed: int) -> np.ndarray:
    return np.array(["sky", "road", "car", ""])[street(seed).ids["class"]]


def test_class_ids_of_frame_files(folder: Path) -> None:
    pictures = LabelledImages(folder / "photos", None, None, 48)
    assert (pictures.names, len(pictures)) == (("car", "road", "sky"), 4)
    assert pictures.keys == tuple(f"street/{i:02}" for i in range(4))
    for i in range(4):
        assert np.array_equal(pictures[i][0], street(i).image)
        assert np.array_equal(by_name(pictures, i), truth(i))


def test_a_taxonomy_of_class_ids(folder: Path) -> None:
    (folder / "c.yaml").write_text("classes: {thing: {game: [car]}, rest: {game: [road, sky]}}")
    pictures = LabelledImages(folder / "photos", None, folder / "c.yaml", 48)
    wanted = np.array(["rest", "rest", "thing", ""])[street(1).ids["class"]]
    assert np.array_equal(by_name(pictures, 1), wanted)


@pytest.mark.parametrize("other", [None, 0, 1, 3])
def test_label_maps_with_their_names(folder: Path, other: int | None) -> None:
    for i in range(4):
        write_label(folder / "labels", f"street/{i:02}", street(i).ids["class"])
    names = ["a", "b", "c", "d"]
    write_facts(folder / "labels", {"classes": 4, "names": names} | ({} if other is None else {"other": other}))
    pictures = LabelledImages(folder / "photos", folder / "labels", None, 48)
    wanted = np.array(["" if i == other else name for i, name in enumerate(names)])
    assert pictures.names == tuple(wanted[wanted != ""])
    assert np.array_equal(by_name(pictures, 2), wanted[street(2).ids["class"]])


def test_label_maps_without_names_have_numbers(folder: Path) -> None:
    write_png(folder / "pictures" / "x.png", np.zeros((8, 8, 3), np.uint8))
    write_label(folder / "labels", "x", np.full((4, 4), 2, np.uint8))
    write_facts(folder / "labels", {"classes": 3})
    pictures = LabelledImages(folder / "pictures", folder / "labels", None, 48)
    assert pictures.names == ("0", "1", "2")
    assert (pictures[0][1] == 2).all()
    assert pictures[0][1].shape == (8, 8)  # the picture's, whatever the map's


def test_larger_pictures_are_shrunk_with_their_labels(folder: Path) -> None:
    pictures = LabelledImages(folder / "photos", None, None, 24)
    pixels, labels = pictures[0]
    assert pixels.shape == (24, 32, 3)
    assert np.array_equal(np.array([*pictures.names, ""])[labels], truth(0)[1::2, 1::2])


def test_frequencies(folder: Path) -> None:
    pictures = LabelledImages(folder / "photos", None, None, 48)
    pixels, around = pictures.frequencies()
    shown = np.stack([by_name(pictures, i) for i in range(4)])
    assert pixels.tolist() == [(shown == name).sum() for name in pictures.names]
    assert around.tolist() == [(shown != "").sum()] * 3  # all four pictures have all classes


class TestWeights:
    def test_as_published(self) -> None:
        # A class in two pictures of 100 pixels, one in one of them: frequencies 0.5, 0.1, 0.4; their median is 0.4.
        weights = median_frequency_weights(np.array([100, 10, 80]), np.array([200, 100, 200]), 1)
        assert weights.tolist() == pytest.approx([0.4 / 0.5, 0.4 / 0.1, 1])

    def test_power(self) -> None:
        given = np.array([100, 10, 80]), np.array([200, 100, 200])
        assert median_frequency_weights(*given, 0).tolist() == [1, 1, 1]
        assert median_frequency_weights(*given, 0.5) == pytest.approx(np.sqrt(median_frequency_weights(*given, 1)))

    @pytest.mark.parametrize("power", [0, 0.5, 1])
    def test_a_class_that_does_not_occur_has_none(self, power: float) -> None:
        weights = median_frequency_weights(np.array([50, 0, 50]), np.array([100, 0, 100]), power)
        assert weights.tolist() == [1, 0, 1]


class TestRefused:
    def test_class_ids_with_label_maps_and_a_taxonomy(self, folder: Path) -> None:
        with pytest.raises(InputError, match="have classes already"):
            LabelledImages(folder / "photos", folder / "labels", folder / "c.yaml", 48)

    def test_no_pixel_with_a_class(self, folder: Path) -> None:
        (folder / "c.yaml").write_text("classes: {thing: {game: [tree]}}")
        with pytest.raises(InputError, match="no pixel has a class"):
            LabelledImages(folder / "photos", None, folder / "c.yaml", 48)

    def test_pictures_without_class_ids(self, folder: Path) -> None:
        write_png(folder / "pictures" / "x.png", np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(InputError, match="holds no frame files"):
            LabelledImages(folder / "pictures", None, None, 48)

    @pytest.mark.parametrize("names", [["a"], "abcd", [1, 2, 3, 4]])
    def test_names_that_are_none(self, folder: Path, names: object) -> None:
        for key in Images(folder / "photos").keys:
            write_label(folder / "labels", key, np.zeros((4, 4), np.uint8))
        write_facts(folder / "labels", {"classes": 4, "names": names})
        with pytest.raises(InputError, match="are not the names of 4 classes"):
            LabelledImages(folder / "photos", folder / "labels", None, 48)


def test_none_is_beyond_all_names() -> None:
    assert np.array(["a", ""])[np.array([NONE])] == [""]
