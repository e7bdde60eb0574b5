import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from eval.features import inner_products as module
from eval.features.inner_products import crop_inner_products, inner_products
from eval.features.scratch import USABLE
from gbuffer_tools.errors import InputError

DIMENSIONS = {"a": 700, "b": 40}
COLUMN = (9 + 7) * 4
"""Bytes of one dimension of the real crops and of one method's."""
ALL = COLUMN * sum(DIMENSIONS.values())
Usage = namedtuple("Usage", "total used free")


def crops(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


class Maps:
    """Stands for a network: fixed random maps of the pixels. Counts how often it sees each crop."""

    batch, device = 4, torch.device("cpu")

    def __init__(self, dtype=torch.float32):
        self.dtype = dtype
        self.seen = {}
        self.called = lambda: None

    def widths(self, side, layers):
        assert side == 4
        return {name: DIMENSIONS[name] for name in layers}

    def __call__(self, pixels, layers):
        self.called()
        assert len(pixels) <= self.batch
        for crop in pixels:
            self.seen[crop.tobytes()] = self.seen.get(crop.tobytes(), 0) + 1
        return features(pixels, layers, self.dtype)


def features(pixels, layers, dtype=torch.float32):
    flat = torch.from_numpy(pixels.reshape(len(pixels), -1)).float() / 255
    weights = {
        n: torch.randn(48, DIMENSIONS[n], generator=torch.Generator().manual_seed(DIMENSIONS[n])) for n in layers
    }
    # A row at a time: the same bits in a batch of any size.
    return {name: torch.cat([row[None] @ weights[name] for row in flat]).to(dtype) for name in layers}


SETS = crops(9, 0), [crops(7, 1), crops(7, 2)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several strips and blocks, uneven ones among them."""
    monkeypatch.setattr(module, "STRIP", 64)
    monkeypatch.setattr(module, "BLOCK", 3)


def run(extract, memory, scratch, **options):
    real, fakes = SETS
    settings = {"layers": ("a", "b"), "memory": memory, "scratch": scratch, "progress": False} | options
    return crop_inner_products(extract, real, fakes, **settings)


def tables(found):
    return [table for layer in found.values() for table in (layer.real, *layer.fake, *layer.across)]


def test_inner_products_agree_with_numpy(monkeypatch):
    monkeypatch.setattr(module, "STRIP", 7)  # uneven: 40 dimensions in strips of 7
    x, y = torch.randn(5, 40), torch.randn(3, 40)
    wanted = x.double().numpy() @ y.double().numpy().T / 40
    # 1e-6: sums of 7 products in float32.
    assert inner_products(x, y).numpy() == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_large_equal_parts_do_not_drown_the_rest():
    # Two strips of 1024s, and a last one of 0 or 1: in float32 the sums 2^32 + 1 and 2^32 are one number.
    x = torch.full((2, 2 * 2048 + 1), 1024.0)
    x[:, -1] = torch.tensor([0.0, 1.0])
    products = inner_products(x, x) * x.shape[1]
    assert float(products[1, 1] - products[0, 0]) == 1.0


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 1e-6)]
)
def test_agrees_with_numpy(tmp_path, dtype, tolerance):
    real, fakes = SETS
    found = run(Maps(dtype), memory=ALL // 2, scratch=tmp_path)
    for name in ("a", "b"):
        # Of the features as rounded to their type: sums of 64 products of them in float32, or float64.
        r, *f = (features(pixels, (name,), dtype)[name].double().numpy() for pixels in (real, *fakes))
        d = r.shape[1]
        assert found[name].real == pytest.approx(r @ r.T / d, rel=tolerance, abs=tolerance)
        for i in range(2):
            assert found[name].fake[i] == pytest.approx(f[i] @ f[i].T / d, rel=tolerance, abs=tolerance)
            assert found[name].across[i] == pytest.approx(f[i] @ r.T / d, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("memory", [10**9, ALL, ALL // 2, 1])
def test_each_crop_is_computed_once_and_memory_changes_no_bit(tmp_path, memory):
    real, fakes = SETS
    extract = Maps()
    found = run(extract, memory, tmp_path)
    assert extract.seen == {crop.tobytes(): 1 for pixels in (real, *fakes) for crop in pixels}
    for one, other in zip(tables(found), tables(run(Maps(), 10**9, tmp_path)), strict=True):
        assert np.array_equal(one, other)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fraction", [0.5, 0.2])
def test_a_disk_that_is_too_small_costs_time_and_changes_no_bit(tmp_path, monkeypatch, capsys, fraction):
    wanted = run(Maps(), 10**9, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, int(fraction * ALL / USABLE)))
    extract = Maps()
    found = run(extract, 1, tmp_path, progress=True)
    (times,) = set(extract.seen.values())
    # Strips are whole, so that a part of the space may stay empty.
    assert 1 / fraction <= times <= 1 / fraction + 2
    assert (
        f"{tmp_path}: too little space for all features; every crop is computed {times} times"
        in capsys.readouterr().err
    )
    for one, other in zip(tables(found), tables(wanted), strict=True):
        assert np.array_equal(one, other)


def test_no_space_at_all_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 100))
    extract = Maps()
    with pytest.raises(InputError, match=f"^{tmp_path}: 0.00 GiB can be used, wanted .* or raise --memory$"):
        run(extract, 1, tmp_path)
    assert not extract.seen  # found out beforehand


def test_without_need_no_folder_is_touched(tmp_path):
    run(Maps(), 10**9, tmp_path / "absent")


def test_the_disk_is_freed_when_the_network_fails(tmp_path):
    extract = Maps()

    def fail():
        if len(extract.seen) > 12:
            raise RuntimeError("no more")

    extract.called = fail
    with pytest.raises(RuntimeError, match="no more"):
        run(extract, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fraction", [10, 0.4])
def test_bar_counts_every_crop(tmp_path, monkeypatch, fraction):
    bars = []

    class Bar:
        def __init__(self, total, **_):
            self.total, self.done = total, 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def set_postfix_str(self, text):
            pass

        def update(self, count):
            self.done += count

    monkeypatch.setattr(module, "tqdm", Bar)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, int(fraction * ALL / USABLE)))
    extract = Maps()
    run(extract, 1, tmp_path, progress=True)
    assert bars[0].done == bars[0].total == sum(extract.seen.values()) >= 9 + 7 + 7
