"""Guesses at targets, on made-up pixels."""

import numpy as np

from gbuffer_tools.renderdoc.explain import PassSummary, Target, guess, likeliest


def unit(seed: int = 0) -> np.ndarray:
    normals = np.random.default_rng(seed).normal(size=(30, 40, 3))
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def test_unit_vectors_are_told_by_their_length():
    assert "unit vectors;" in guess(unit(), "out_1")
    packed = guess(np.round((unit() / 2 + 0.5) * 255).astype(np.uint8), "out_1")
    assert "unit vectors as n / 2 + 1/2" in packed


def test_colours_are_not_taken_for_vectors():
    colours = np.random.default_rng(1).random((30, 40, 3)).astype(np.float32)
    assert "unit vectors" not in guess(colours, "out_0")
    colours[0, :3] = [[0, 0, 0], [0.5, 0, 0.25], [1, 1, 1]]
    assert guess(colours, "o_diffuse_color") == "albedo; 0 .. 1"


def test_names_decide_in_order_and_numbers_are_told():
    values = np.random.default_rng(2).random((30, 40, 1)) * 90
    assert guess(values, "gbuffer_Normal").startswith("normal; beyond 1")
    assert guess(values, "x DepthTexture").startswith("depth; beyond 1: radiance, or a distance; 0")


def test_an_empty_target_says_so():
    assert guess(np.zeros((30, 40, 4), np.uint8), "o_emit") == "emission; almost all of one value"


def test_the_g_buffer_has_depth_targets_and_meshes():
    target = Target(1, "R8G8B8A8_UNORM", (4, 4), "o", "")
    shadows = PassSummary(0, 200, 200, (), "D24S8", (), (), ())
    gbuffer = PassSummary(1, 60, 58, (target, target), "D24S8", (), (), ())
    post = PassSummary(2, 1, 0, (target, target), None, (), (), ())
    assert likeliest((shadows, gbuffer, post)) == 1
    assert likeliest((shadows, post)) is None
