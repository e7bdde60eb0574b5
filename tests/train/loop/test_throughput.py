"""Speed and memory of a run."""

import re
import time

import pytest
import torch

from train.loop.throughput import MEMORY, SPEED, Throughput


def test_speed_is_that_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    throughput = Throughput(6, "cpu")
    assert str(throughput) == "nothing left to do"
    for seconds, wanted in ((3.0, 2.0), (1.0, 6.0)):
        throughput.step()
        now += seconds
        assert throughput.read()[SPEED] == pytest.approx(wanted)
    assert re.fullmatch(r"3 samples/s, peak memory \S+ GB", str(throughput))  # 12 samples in 4 s


def test_memory_is_the_peak_of_the_process() -> None:
    throughput = Throughput(1, "cpu")
    before = throughput.read()[MEMORY]
    assert 0.05 < before < 100  # torch alone takes some 200 MB
    size = int(before * 1e9) + 200_000_000
    block = torch.ones(size, dtype=torch.uint8)
    after = throughput.read()[MEMORY]
    del block
    assert after > before + 0.1
    assert throughput.read()[MEMORY] == after
