"""What has no value is NaN; mistakes are not."""

import math

import numpy as np
import pytest
import torch

from eval.fidelity.defects import halo
from eval.fidelity.edges import fraction_found
from eval.measuring.enlargements import measured
from eval.measuring.set_distances import FeatureSets, plain
from eval.metrics.edge_psnr import edge_psnr
from eval.metrics.kid_cmmd import cmmd
from eval.metrics.niqe import FEATURES, Pristine, niqe
from eval.metrics.precision_recall import precision
from eval.metrics.psnr_ssim import psnr, ssim
from eval.metrics.spectrum import weave
from eval.no_value import NoValueError, value_or_nan

FLAT = np.full((200, 200, 3), 7, np.uint8)
SMALL = np.zeros((9, 9, 3), np.uint8)
PRISTINE = Pristine(np.zeros(FEATURES), np.eye(FEATURES))


@pytest.mark.parametrize(
    ("measure", "given"),
    [
        (niqe, (SMALL, PRISTINE)),
        (niqe, (FLAT, PRISTINE)),
        (ssim, (SMALL, SMALL)),
        (edge_psnr, (FLAT, FLAT)),
        (weave, (SMALL[..., 0],)),
        (fraction_found, (np.zeros((9, 9), bool), np.ones((9, 9), bool))),
        (halo, (np.zeros((9, 9)), np.ones((9, 9)))),
        (precision, (torch.rand(3, 4), torch.rand(9, 4))),
        (cmmd, (torch.rand(1, 4), torch.rand(9, 4))),
    ],
)
def test_nothing_to_measure(measure, given):
    with pytest.raises(NoValueError):
        measure(*given)
    assert math.isnan(value_or_nan(measure, *given))


@pytest.mark.parametrize("measure", [psnr, ssim, edge_psnr])
def test_two_shapes_are_a_mistake(measure):
    with pytest.raises(ValueError, match="wanted two pictures"):
        value_or_nan(measure, FLAT, FLAT[1:])


def test_vectors_of_two_widths_are_a_mistake():
    sets = FeatureSets(
        np.ones((5, 4), np.float32), np.ones((5, 3), np.float32), np.arange(5), np.arange(5, 10), np.ones((1, 5))
    )
    with pytest.raises(ValueError, match="wanted"):
        plain(cmmd)(sets)


def test_means_over_enlarged_pictures_leave_out_what_has_no_value():
    def judge(picture):
        if not picture.any():
            raise NoValueError("flat")
        return float(picture.max())

    pictures = [FLAT, np.zeros_like(FLAT), FLAT + 2]
    assert measured([(picture, FLAT) for picture in pictures], judge)["NIQE"] == 8
    assert "NIQE" not in measured([(pictures[1], FLAT)], judge)
    with pytest.raises(ValueError, match="reshape"):
        measured([(FLAT, FLAT)], lambda picture: float(picture.reshape(7)))
