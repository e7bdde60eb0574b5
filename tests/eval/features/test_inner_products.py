import numpy as np
import pytest
import torch

from eval.features import inner_products as module
from eval.features.inner_products import crop_inner_products, inner_products

DIMENSIONS = {"a": 700, "b": 40}


def crops(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


def features(pixels, layers):
    """Stands for a network: fixed random maps of the pixels."""
    flat = torch.from_numpy(pixels.reshape(len(pixels), -1)).float() / 255
    found = {}
    for name in layers:
        weights = torch.randn(48, DIMENSIONS[name], generator=torch.Generator().manual_seed(DIMENSIONS[name]))
        found[name] = flat @ weights
    return found


class Counted:
    def __init__(self):
        self.crops, self.largest = 0, 0

    def __call__(self, pixels, layers):
        self.crops += len(pixels)
        self.largest = max(self.largest, len(pixels) * sum(DIMENSIONS[name] for name in layers) * 4)
        return features(pixels, layers)


def test_gram_agrees_with_numpy(monkeypatch):
    monkeypatch.setattr(module, "STRIP", 7)  # uneven: 40 dimensions in strips of 7
    x, y = torch.randn(5, 40), torch.randn(3, 40)
    wanted = x.double().numpy() @ y.double().numpy().T / 40
    # 1e-6: sums of 7 products in float32.
    assert inner_products(x, y).numpy() == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_large_equal_parts_do_not_drown_the_rest():
    # Two strips of 1024s, and a last one of 0 or 1: in float32 the sums 2^32 + 1 and 2^32 are one number.
    x = torch.full((2, 2 * module.STRIP + 1), 1024.0)
    x[:, -1] = torch.tensor([0.0, 1.0])
    products = inner_products(x, x) * x.shape[1]
    assert float(products[1, 1] - products[0, 0]) == 1.0


@pytest.mark.parametrize("memory", [10**9, 30_000, 2_000, 1])
def test_memory_changes_nothing(memory):
    real, fakes = crops(9, 0), [crops(7, 1), crops(7, 2)]
    counted = Counted()
    found = crop_inner_products(counted, real, fakes, layers=("a", "b"), memory=memory, progress=False)
    for name in ("a", "b"):
        r = features(real, (name,))[name].double().numpy()
        d = r.shape[1]
        # 1e-6: products of float32 rows may be rounded otherwise in a batch of another size.
        assert found[name].real == pytest.approx(r @ r.T / d, rel=1e-6, abs=1e-6)
        for i, fake in enumerate(fakes):
            f = features(fake, (name,))[name].double().numpy()
            assert found[name].fake[i] == pytest.approx(f @ f.T / d, rel=1e-6, abs=1e-6)
            assert found[name].across[i] == pytest.approx(f @ r.T / d, rel=1e-6, abs=1e-6)
    if memory == 10**9:
        assert counted.crops == 1 + 9 + 7 + 7  # one to learn the dimensions; then each crop once
    if memory == 30_000:
        assert counted.largest * 4 <= memory  # bytes of one block; four fit


def test_bar_counts_every_crop(monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, **_):
            self.total, self.done = total, 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, count):
            self.done += count

    monkeypatch.setattr(module, "tqdm", Bar)
    crop_inner_products(features, crops(9, 0), [crops(7, 1)], layers=("a", "b"), memory=15_000, progress=True)
    assert bars[0].done == bars[0].total > 16
