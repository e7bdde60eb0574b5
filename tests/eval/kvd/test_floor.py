"""The floor of sKVD: other photographs judged as if they were frames, on small made pictures."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from datasets.labels import write_facts
from eval.features.vgg_features import LAYERS
from eval.kvd.floor import toward_floor
from eval.kvd.judge import judge
from gbuffer_tools.errors import InputError
from tests.eval.made.scenes import changed, write_scenes


@pytest.fixture
def with_floor(settings, tmp_path):
    """Settings whose first method is the frames made darker, with other scenes of the same kind as the floor."""
    others, labels = tmp_path / "others", tmp_path / "labels-of-others"
    write_scenes(others, labels, count=8, seed=77)
    plain = next(iter(settings.methods.values()))
    dark = changed(plain, tmp_path / "dark", lambda image, _: 0.2 * image)
    return replace(settings, methods={"render": dark, "plain": plain}, floor=others, floor_labels=labels)


def run(settings, folder):
    return judge(settings, relative_to=folder, progress=False)


def test_other_photographs_are_at_zero_and_frames_of_their_kind_go_the_whole_way(with_floor, tmp_path):
    record = run(with_floor, tmp_path)
    assert record.floor is not None
    for layer in LAYERS:
        found = record.floor.skvd[layer]
        assert found.low < 0 < found.high, "they are of the photographs' own distribution"
        way = record.methods[1].toward_floor[layer]
        assert way.low < 1 < way.high, "so are the plain frames"
        itself = record.methods[0].toward_floor[layer]
        assert (itself.value, itself.low, itself.high) == (0, 0, 0)


def test_the_floor_is_what_judging_the_others_as_frames_gives(with_floor, tmp_path):
    as_frames = replace(
        with_floor, methods={"others": with_floor.floor}, fake_labels=with_floor.floor_labels, floor=None,
        floor_labels=None, scaling="none",
    )  # fmt: skip
    expected = run(as_frames, tmp_path).methods[0]
    floor = run(replace(with_floor, scaling="none"), tmp_path).floor
    for layer in LAYERS:
        # Float32 sums of features in blocks of other shapes: 1e-5 of the kernel's own size, which grows with d.
        assert floor.skvd[layer].value == pytest.approx(expected.skvd[layer].value, rel=1e-4)
    assert floor.matched == run(as_frames, tmp_path).frames.matched


def test_methods_have_the_values_that_they_have_without_a_floor(with_floor, tmp_path):
    alone = run(replace(with_floor, floor=None, floor_labels=None), tmp_path)
    record = run(with_floor, tmp_path)
    assert alone.floor is None
    assert alone.methods[1].toward_floor is None
    for layer in LAYERS:
        for found, wanted in zip(record.methods, alone.methods, strict=True):
            # 1e-6 of a kernel value (8000 in this unit): products are computed in blocks of another order.
            assert found.skvd[layer].value == pytest.approx(wanted.skvd[layer].value, abs=1e-6 * 8000)
            assert found.kvd[layer].value == pytest.approx(wanted.kvd[layer].value, abs=1e-6 * 8000)


def test_a_copy_among_the_photographs_is_refused(with_floor, tmp_path):
    with pytest.raises(InputError, match=r"10 photographs, such as 'set/00', are in"):
        run(replace(with_floor, floor=with_floor.real, floor_labels=with_floor.real_labels), tmp_path)


def test_the_way_in_closed_form():
    rng = np.random.default_rng(0)
    first = np.concatenate([[100.0], 100 + rng.normal(0, 3, 200)])
    floor = np.concatenate([[20.0], 20 + rng.normal(0, 3, 200)])
    assert toward_floor(first, first, floor).value == 0
    assert toward_floor(floor, first, floor).value == 1
    assert toward_floor(0.5 * (first + floor), first, floor).value == pytest.approx(0.5)
    assert toward_floor(first + 40, first, floor).value == pytest.approx(-0.5)
    assert toward_floor(first, floor, first) is None, "the first method is nearer than the floor"
    assert toward_floor(first, first, floor + 80) is None, "or not known to be farther"


def test_what_nobody_named_is_like_nothing_on_the_floor_either(with_floor, tmp_path):
    """Of the made scenes two thirds are sky and ground; without a class they leave few cells that can agree."""
    named = run(with_floor, tmp_path).floor
    folders = {}
    for name in ("fake_labels", "real_labels", "floor_labels"):
        folders[name] = tmp_path / name
        shutil.copytree(getattr(with_floor, name), folders[name])
        write_facts(folders[name], {"method": "made", "classes": 3, "other": 1})
    unnamed = run(replace(with_floor, **folders), tmp_path).floor
    assert unnamed.matched < named.matched
