"""The frames that ship: whole, of the tracks that were promised, and not too large."""

from pathlib import Path

import numpy as np
import pytest

from eval.measuring.warping_metrics import flows
from eval.metrics.warping import seen_again, warping_error
from gbuffer_tools.check import check
from gbuffer_tools.schema import Shard, shards

SAMPLES = Path(__file__).parents[2] / "samples" / "frames"
TRAIN, HELDOUT, SEQUENCE = (shards(SAMPLES / name) for name in ("train", "heldout", "sequence"))


@pytest.mark.parametrize("path", TRAIN + HELDOUT + SEQUENCE, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_nothing_is_found_and_surfaces_have_names(path):
    summary, findings = check(path)
    assert findings == []
    assert (summary.size, summary.classes) == ("480x270", 16)
    assert summary.relight is not None
    with Shard(path) as shard:
        unknown = shard.header.classes.index("unknown")
        assert np.mean([(shard.id("class", i) == unknown).mean() for i in range(len(shard))]) < 0.02


def test_tracks_are_apart_and_none_is_kept_for_others():
    train, heldout = {p.stem for p in TRAIN}, {p.stem for p in HELDOUT}
    assert not train & heldout
    assert not (train | heldout) & {"hacienda", "lighthouse"}
    assert len(train) >= 3


def test_every_file_has_its_names_and_all_are_below_55_mb():
    files = [p for p in SAMPLES.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 55e6
    assert all(p.with_suffix(".json").is_file() for p in TRAIN + HELDOUT + SEQUENCE)
    text = (SAMPLES / "LICENSES.md").read_text()
    assert all(p.stem in text for p in TRAIN + HELDOUT + SEQUENCE)


def test_the_sequence_shows_the_same_things_again():
    (path,) = SEQUENCE
    with Shard(path) as shard:
        assert len(shard) == 6
        pairs = [(flows(shard, i, "cameras"), shard.image(i), shard.image(i + 1)) for i in range(len(shard) - 1)]
    for (forward, backward, _), here, there in pairs:
        seen = seen_again(forward, backward)
        assert seen.mean() > 0.4
        # Along the motion of the cameras pictures differ far less than where they stand.
        assert warping_error(here, there, forward, seen) < 0.3 * warping_error(here, there, 0 * forward, seen)
