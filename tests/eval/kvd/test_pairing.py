import numpy as np
import pytest

from eval.kvd.alignment import Crop
from eval.kvd.crops import DrawnCrops
from eval.kvd.pairing import pair, shown_pairs, unpaired
from eval.kvd.protocols import OURS
from gbuffer_tools.errors import InputError


def side(name, labels, groups):
    """One crop per entry of `labels`; each crop has one label all over."""
    crops = [Crop(f"{name}{group}", 0, 0, 17 * i + 1) for i, group in enumerate(groups)]
    cells = np.repeat(np.array(labels, np.uint8)[:, None], 256, axis=1)
    return DrawnCrops(crops, np.array(groups), cells, "")


def test_partners_and_sample_by_hand():
    fake = side("f", [1, 2, 9, 6], [0, 0, 1, 1])
    real = side("p", [5, 2, 1, 6, 7, 2], [0, 0, 0, 1, 1, 1])
    found = pair(fake, real, OURS.match(fake, real), sample=1)
    # Crop 2 shows what no photograph shows. Labels 1 and 6 have one partner; label 2 has two to choose from.
    assert found.fake.tolist() == [0, 1, 3]
    assert [found.matches[0].real, found.matches[2].real] == [2, 3]
    assert found.matches[1].real in (1, 5)
    # KVD's sample is the first crop of each photograph: 0 and 3.
    assert found.used[found.sample].tolist() == [0, 3]
    assert found.used[found.partner].tolist() == [match.real for match in found.matches]
    assert found.used.tolist() == sorted({0, 3} | {match.real for match in found.matches})


def test_without_pairs_the_sample_is_that_of_the_pairs():
    fake = side("f", [1, 2, 9, 6], [0, 0, 1, 1])
    real = side("p", [5, 2, 1, 6, 7, 2], [0, 0, 0, 1, 1, 1])
    for sample in (1, 2, 5):
        found, paired = unpaired(real, sample=sample), pair(fake, real, OURS.match(fake, real), sample=sample)
        assert found.used.tolist() == paired.used[paired.sample].tolist()
        assert found.sample.tolist() == list(range(len(found.used)))
        assert found.matches == []
        assert len(found.partner) == len(found.fake) == 0
    assert unpaired(real, sample=2).used.tolist() == [0, 1, 3, 4]


def test_no_partners_is_one_line():
    fake, real = side("f", [1, 1], [0, 1]), side("p", [2, 3, 4], [0, 1, 1])
    with pytest.raises(InputError, match="0 pairs of one layout among 2 rendered and 3 real crops"):
        pair(fake, real, OURS.match(fake, real), sample=1)


def test_partners_in_one_photograph_are_too_few():
    fake, real = side("f", [1, 1], [0, 1]), side("p", [1, 3], [0, 1])
    with pytest.raises(InputError, match="from 2 frames and 1 photographs, wanted 2 of each"):
        pair(fake, real, OURS.match(fake, real), sample=1)


def test_shown_pairs_repeat_no_picture():
    fake, real = side("f", [1, 1, 2, 2, 1], [0, 0, 1, 2, 3]), side("p", [1, 1, 2, 2], [0, 1, 2, 3])
    shown = shown_pairs(fake, real, pair(fake, real, OURS.match(fake, real), sample=1).matches, 3)
    assert len({found.frame for found in shown}) == len({found.photo for found in shown}) == len(shown)
    assert all(found.similarity == 1.0 for found in shown)
