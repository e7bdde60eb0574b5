import shutil

import numpy as np
import pytest

from datasets.images import Images, write_png
from datasets.labels import write_label
from datasets.photos import to_height
from eval.digests import folder_digest
from eval.kvd.alignment import Crop, describe
from eval.kvd.crops import LabelMaps, UsablePictures, cut, read_crops, read_labels, same_size, usable_photos
from eval.kvd.protocols import OURS
from gbuffer_tools.errors import InputError
from tests.eval.made.scenes import HEIGHT, SIDE, WIDTH


def picture(height, width, value=0):
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = value, np.arange(height)[:, None] % 256, np.arange(width) % 256
    return image


def fill(folder, sizes):
    for name, (height, width) in sizes.items():
        write_png(folder / "p" / f"{name}.png", picture(height, width))
        write_label(folder / "l", name, np.zeros((height // 2, width // 2), np.uint8))
    return Images(folder / "p"), folder / "l"


def plain(image, _):
    return image


def at_100(image):
    return to_height(image, 100)


def same(label, _):
    return label


def test_pixels_are_those_at_the_crops_place(tmp_path):
    write_png(tmp_path / "a.png", picture(40, 50, 1))
    write_png(tmp_path / "b.png", picture(40, 50, 2))
    crops = [Crop("b", 3, 5, 0), Crop("a", 0, 42, 0), Crop("b", 32, 0, 0)]
    pixels, _ = read_crops(Images(tmp_path), crops, side=8, fit=plain)
    assert pixels[:, 0, 0].tolist() == [[2, 3, 5], [1, 0, 42], [2, 32, 0]]
    assert pixels[:, -1, -1].tolist() == [[2, 10, 12], [1, 7, 49], [2, 39, 7]]


def test_digest_follows_pixels_and_keys_not_files(tmp_path):
    crops = [Crop("x/a", 0, 0, 0), Crop("x/b", 0, 0, 0)]

    def digest(name, pixels, order="ab"):
        for key in order:
            write_png(tmp_path / name / "x" / f"{key}.png", pixels[key])
        return folder_digest(read_crops(Images(tmp_path / name), crops, side=8, fit=plain)[1])

    pixels = {"a": picture(20, 20, 1), "b": picture(20, 20, 2)}
    assert digest("one", pixels) == digest("two", pixels, order="ba")
    assert digest("one", pixels) != digest("three", {"a": pixels["b"], "b": pixels["a"]})
    assert digest("one", pixels) != digest("four", pixels | {"b": picture(20, 20, 3)})


def test_photographs_are_reduced_to_the_frames_height_or_dropped(tmp_path):
    photos, labels = fill(tmp_path, {"large": (200, 300), "small": (60, 90), "tall": (400, 60), "tiny": (30, 30)})
    found = usable_photos(photos, min_size=(40, 40), fit=at_100)
    # large -> 100 x 150. small stays. tall -> 100 x 15 and tiny are narrower than a crop.
    assert (found.resized, found.dropped) == (1, 2)
    assert found.sizes == {"large": (100, 150), "small": (60, 90)}
    assert found.own == {"large": (200, 300), "small": (60, 90)}
    assert len(found.pixels) == 4
    crops = [Crop("small", 0, 0, 0), Crop("large", 60, 110, 0), Crop("small", 20, 50, 0)]
    side = cut(crops, LabelMaps(labels, found, same), lambda label, crop, size: describe(label, crop, 40, size))
    assert side.groups.tolist() == [1, 0, 1]
    assert side.cells.shape == (3, 256)


def test_too_few_photographs_is_one_line(tmp_path):
    photos, _ = fill(tmp_path, {"only": (200, 300), "tiny": (30, 30)})
    with pytest.raises(InputError, match="1 of 2 photographs are smaller than 40x40 px"):
        usable_photos(photos, min_size=(40, 40), fit=at_100)


def test_frames_of_another_size_are_named(tmp_path):
    write_png(tmp_path / "odd.png", picture(40, 52))
    with pytest.raises(InputError, match=r"odd\.png: got 52x40 pixels, wanted 50x40"):
        read_crops(Images(tmp_path), [Crop("odd", 0, 0, 0)], side=8, fit=same_size((40, 50), at_100))


def test_labels_of_another_aspect_are_named(tmp_path):
    _, labels = fill(tmp_path, {"a": (100, 100), "b": (100, 100)})
    write_label(labels, "b", np.zeros((50, 80), np.uint8))
    with pytest.raises(InputError, match=r"b\.png: got a map of 80x50 for an image of 100x100"):
        LabelMaps(labels, UsablePictures({"b": (100, 100)}, {"b": (50, 50)}), same).read("b")


def test_pixels_without_a_class_get_a_label_of_their_side(tmp_path):
    labels = np.array([[0, 1], [2, 1]], np.uint8)
    write_label(tmp_path, "a", labels)
    pictures = UsablePictures({"a": (2, 2)}, {"a": (2, 2)})
    plain, digest = LabelMaps(tmp_path, pictures, same).read("a")
    assert np.array_equal(plain, labels)
    shown, other_digest = LabelMaps(tmp_path, pictures, same, other=1, unlike=254).read("a")
    assert shown.dtype == np.uint8
    assert shown.tolist() == [[0, 254], [2, 254]]
    assert digest == other_digest  # of the file as it is


def test_labels_of_pixels_are_those_at_the_crops_place(tmp_path):
    write_label(tmp_path, "a", np.arange(200, dtype=np.uint8).reshape(10, 20))
    maps = LabelMaps(tmp_path, UsablePictures({"a": (20, 40)}, {"a": (20, 40)}), same)
    labels = read_labels([Crop("a", 4, 6, 0), Crop("a", 16, 36, 0)], maps, side=4)
    # A pixel of the map covers 2 x 2 pixels of the picture.
    assert labels[0].tolist() == [[43, 43, 44, 44]] * 2 + [[63, 63, 64, 64]] * 2
    assert labels[1, -1, -1] == 199


def test_a_crop_does_not_depend_on_other_files(scenes, tmp_path):
    shutil.copytree(scenes / "frames", tmp_path / "frames")
    for name in ("00", "03", "07"):
        (tmp_path / "frames" / "set" / f"{name}.png").unlink()

    def drawn(folder):
        sizes = dict.fromkeys(Images(folder).keys, (HEIGHT, WIDTH))
        return OURS.draw(sizes, {}, SIDE, crops=3, candidates=6, seed=0)[0]

    all_crops, some = drawn(scenes / "frames"), drawn(tmp_path / "frames")
    assert len(some) == 15
    assert set(some) <= set(all_crops)
