"""Derived channels against geometry on paper."""

import numpy as np
import pytest

from datasets.channels import (
    FAR,
    FEATURES,
    channel_names,
    edges,
    facing,
    feature,
    feature_names,
    mirrored_channels,
    reflection,
    view_vector,
)
from tests.datasets.made import PROJECTION

SIZE = (48, 64)
ALL = slice(0, 48), slice(0, 64)


def rows(*vectors: tuple[float, float, float]) -> np.ndarray:
    """(1, n, 3)."""
    return np.array([vectors], np.float32)


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


class TestViewVector:
    def test_has_length_one_and_points_towards_the_camera(self) -> None:
        view = view_vector(PROJECTION, SIZE, *ALL)
        assert view.shape == (48, 64, 3)
        assert view.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(view, axis=-1), 1, atol=1e-6)
        assert view[..., 2].min() > 0

    def test_a_point_on_its_ray_is_projected_onto_its_pixel(self) -> None:
        """The other way round: view space -> clip space -> pixels, through the whole matrix."""
        view = view_vector(PROJECTION, SIZE, *ALL).astype(np.float64)
        points = np.concatenate([-7.5 * view, np.ones((*SIZE, 1))], axis=-1)  # 7.5 m away, in front of the camera
        clip = points @ PROJECTION.T
        ndc = clip[..., :2] / clip[..., 3:]
        x, y = (ndc[..., 0] + 1) / 2 * 64 - 0.5, (1 - ndc[..., 1]) / 2 * 48 - 0.5
        # 1e-4 px: view is stored in fp32.
        np.testing.assert_allclose(x, np.broadcast_to(np.arange(64), SIZE), atol=1e-4)
        np.testing.assert_allclose(y, np.broadcast_to(np.arange(48)[:, None], SIZE), atol=1e-4)

    def test_a_crop_equals_the_same_part_of_the_whole(self) -> None:
        whole = view_vector(PROJECTION, SIZE, *ALL)
        assert np.array_equal(view_vector(PROJECTION, SIZE, slice(5, 20), slice(30, 64)), whole[5:20, 30:64])

    def test_ninety_degrees(self) -> None:
        """Focal length 1: the right border is seen at 45 degrees; of 2 pixels, the middle of the right half at 1/2."""
        view = view_vector(np.diag([1.0, 1, 1, 1]), (1, 2), slice(0, 1), slice(0, 2))
        np.testing.assert_allclose(view, unit(rows((0.5, 0, 1), (-0.5, 0, 1))), atol=1e-7)


class TestFacing:
    def test_a_wall_seen_head_on(self) -> None:
        view = view_vector(PROJECTION, SIZE, *ALL)
        np.testing.assert_allclose(facing(view, view), 1, atol=1e-6)

    def test_is_the_cosine(self) -> None:
        normal, view = rows((0, 0, 1), (0, 1, 0), (0, 0, -1)), unit(rows((0, 1, 1), (0, 1, 1), (0, 1, 1)))
        np.testing.assert_allclose(facing(normal, view)[0, :, 0], [0.5**0.5, 0.5**0.5, -(0.5**0.5)], atol=1e-6)


class TestReflection:
    def test_mirror_law(self) -> None:
        """Same angle to the normal, in the plane of both, on the other side, of the same length."""
        rng = np.random.default_rng(0)
        normal, view = unit(rng.normal(size=(6, 7, 3))), unit(rng.normal(size=(6, 7, 3)))
        mirror = reflection(normal, view)
        np.testing.assert_allclose(np.linalg.norm(mirror, axis=-1), 1, atol=1e-5)
        np.testing.assert_allclose(facing(normal, mirror), facing(normal, view), atol=1e-5)
        across = np.sum(np.cross(normal, view) * mirror, axis=-1)
        np.testing.assert_allclose(across, 0, atol=1e-5)
        np.testing.assert_allclose(reflection(normal, mirror), view, atol=1e-5)

    def test_by_hand(self) -> None:
        view = unit(rows((1, 0, 1), (0, 0, 1), (3, 4, 0)))
        normal = rows((0, 0, 1), (0, 0, 1), (1, 0, 0))
        np.testing.assert_allclose(reflection(normal, view), unit(rows((-1, 0, 1), (0, 0, 1), (3, -4, 0))), atol=1e-6)


class TestFeatures:
    def test_depth_and_sky(self) -> None:
        depth = {"depth": np.array([[[0.0], [np.e - 1], [FAR], [5 * FAR], [np.inf]]], np.float32)}
        view = np.zeros((1, 5, 3), np.float32)
        far = np.log(FAR + 1)
        wanted = [0, 1, far, far, far]
        np.testing.assert_allclose(FEATURES["log_depth"].compute(depth, view)[0, :, 0], wanted, atol=1e-6)
        assert FEATURES["sky"].compute(depth, view)[0, :, 0].tolist() == [0, 0, 0, 0, 1]

    def test_edges_are_steps_to_any_of_four_neighbours(self) -> None:
        """A step down by 3, and one to the right by the length of (3, 4)."""
        values = np.zeros((4, 4, 2), np.float32)
        values[2:, :, 0], values[:, 3] = 3, (3, 4)
        wanted = [[0, 0, 5, 5], [3, 3, 5, 5], [3, 3, 4, 4], [0, 0, 4, 4]]
        assert edges(values)[..., 0].tolist() == wanted

    def test_edges_of_classes_do_not_depend_on_their_numbers(self) -> None:
        ids = np.array([[[1], [1], [9], [9]]], np.float32)
        for other in (2, 200):
            found = FEATURES["class_edges"].compute({"class": np.where(ids == 9, other, ids)}, np.zeros((1, 4, 3)))
            assert found[0, :, 0].tolist() == [0, 1, 1, 0]

    def test_edges_of_depth_see_the_rim_of_the_sky_and_nothing_in_it(self) -> None:
        depth = np.array([[[9.0], [9.0], [np.inf], [np.inf]]], np.float32)
        found = FEATURES["depth_edges"].compute({"depth": depth}, np.zeros((1, 4, 3)))
        np.testing.assert_allclose(found[0, :, 0], np.log((FAR + 1) / 10) * np.array([0, 1, 1, 0]), rtol=1e-6)

    @pytest.mark.parametrize("name", ["emission", "irradiance", "irradiance_specular"])
    def test_light_is_a_logarithm_and_never_of_a_negative(self, name: str) -> None:
        light = {name: np.array([[[0, np.e - 1, -3]]], np.float32)}
        found = FEATURES[name].compute(light, np.zeros((1, 1, 3), np.float32))
        np.testing.assert_allclose(found[0, 0], [0, 1, 0], atol=1e-6)

    @pytest.mark.parametrize("name", list(FEATURES))
    def test_shape_is_as_declared(self, name: str) -> None:
        group = FEATURES[name]
        stored = {"depth": 1, "normal": 3, "motion": 2, "class": 1}
        buffers = {need: np.ones((4, 5, stored.get(need, group.channels)), np.float32) for need in group.needs}
        assert group.compute(buffers, np.ones((4, 5, 3), np.float32)).shape == (4, 5, group.channels)
        assert all(0 <= i < group.channels for i in group.mirrored)


def test_names_of_channels_and_back() -> None:
    features = ("normal", "sky", "motion")
    names = channel_names(features)
    assert names == ("normal.0", "normal.1", "normal.2", "sky.0", "motion.0", "motion.1")
    assert feature_names(names) == features
    assert mirrored_channels(features).tolist() == [-1, 1, 1, 1, -1, 1]
    with pytest.raises(KeyError, match="warmth"):
        channel_names(("warmth",))


def test_buffers_without_standard_meaning_are_read_as_they_are() -> None:
    features = ("x_wet:2", "sky", "x_gbuffers:11")
    names = channel_names(features)
    assert names[:3] == ("x_wet.0", "x_wet.1", "sky.0")
    assert len(names) == 14
    assert feature_names(names) == features
    assert mirrored_channels(features).tolist() == [1] * 14
    values = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    assert np.array_equal(feature("x_wet:2").compute({"x_wet": values}, values), values)


@pytest.mark.parametrize(
    ("channels", "odd"),
    [
        (("normal.0", "normal.2"), "normal.2"),
        (("normal.0", "normal.1"), "normal.2"),
        (("x_wet.1",), "x_wet.1"),
        (("x_wet.0", "sky.0", "x_wet.1"), "sky.0"),
        (("wet.0",), "wet"),
    ],
)
def test_channels_that_are_no_whole_features(channels: tuple[str, ...], odd: str) -> None:
    with pytest.raises(KeyError, match=odd):
        feature_names(channels)


@pytest.mark.parametrize("name", ["x_wet", "x_wet:0", "x_wet:-1", "x_wet:1000", "x_:1", "wet:3", "normal:3"])
def test_names_that_are_no_feature(name: str) -> None:
    with pytest.raises(KeyError):
        feature(name)
