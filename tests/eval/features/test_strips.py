import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from epe.distributed.processes import ProcessGroup
from eval.features.scratch import scratch_file
from eval.features.strips import StripStore, cut, sweeps


def test_strips_cover_each_dimension_once():
    strips = cut({"a": 700, "b": 40, "c": 512}, 256)
    for layer, width in (("a", 700), ("b", 40), ("c", 512)):
        mine = [strip for strip in strips if strip.layer == layer]
        assert [i for strip in mine for i in range(strip.start, strip.stop)] == list(range(width))
        assert all(strip.width == 256 for strip in mine[:-1])


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 60), min_size=1),
    st.integers(0, 200), st.integers(0, 200), st.integers(1, 4),
)  # fmt: skip
def test_sweeps_keep_to_memory_and_disk(widths, memory, scratch, column):
    strips = cut(widths, 8)
    if column * max(strip.width for strip in strips) > max(memory, scratch):
        with pytest.raises(ValueError, match="a strip takes"):
            sweeps(strips, column=column, memory=memory, scratch=scratch)
        return
    found = sweeps(strips, column=column, memory=memory, scratch=scratch)
    assert [strip for sweep in found for strip in sweep.strips] == strips  # in order, none twice
    for sweep in found:
        sizes = [column * strip.width for strip in sweep.strips]
        assert sweep.strips
        assert sum(sizes[: sweep.in_memory]) <= memory
        assert sum(sizes[sweep.in_memory :]) == sweep.scratch <= scratch
    if column * sum(widths.values()) <= memory:
        assert len(found) == 1
        assert found[0].scratch == 0  # a disk is not touched without need


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("memory", [0, 300, 10**6])
def test_what_is_written_is_read(tmp_path, dtype, memory):
    widths = {"a": 20, "b": 5}
    features = {layer: torch.randn(7, width).to(dtype) for layer, width in widths.items()}
    (sweep,) = sweeps(cut(widths, 8), column=7 * dtype.itemsize, memory=memory, scratch=10**6)
    with scratch_file(tmp_path, ProcessGroup()) as file:
        store = StripStore(sweep, 7, dtype, torch.device("cpu"), file)
        for rows in (slice(3, 7), slice(0, 3)):
            store.write(rows.start, {layer: values[rows] for layer, values in features.items()})
        for index, strip in enumerate(sweep.strips):
            wanted = features[strip.layer][:, strip.start : strip.stop]
            assert torch.equal(store.read(index, 7), wanted)
            assert torch.equal(store.read(index, 4), wanted[:4])
        assert bool(sweep.scratch) == (memory < 10**6)


def test_later_crops_take_the_place_of_others(tmp_path):
    (sweep,) = sweeps(cut({"a": 20}, 8), column=5 * 4, memory=0, scratch=10**6)
    with scratch_file(tmp_path, ProcessGroup()) as file:
        store = StripStore(sweep, 5, torch.float32, torch.device("cpu"), file)
        first, second = torch.zeros(5, 20), torch.ones(2, 20)
        store.write(0, {"a": first})
        store.write(3, {"a": second})
        assert np.array_equal(store.read(1, 5)[:, 0], [0, 0, 0, 1, 1])
