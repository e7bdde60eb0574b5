"""Throughput of a run in samples per second, and its peak memory."""

import resource
import sys
import time

import torch

SPEED, MEMORY = "samples/s", "peak GB"


def tag(name: str) -> str:
    """Return the TensorBoard tag of a scalar: throughput/… or loss/…"""
    return f"throughput/{name}" if name in (SPEED, MEMORY) else f"loss/{name}"


class Throughput:
    """Measures throughput and memory from its creation.

    Args:
        samples: samples per step, over all processes.
        device: device of the run.
    """

    def __init__(self, samples: int, device: str) -> None:
        self.samples, self.device = samples, device
        self.began = self.last = time.perf_counter()
        self.steps = self.seen = 0

    def step(self) -> None:
        """Count one completed step."""
        self.steps += 1

    def read(self) -> dict[str, float]:
        """Return the samples per second since the last reading, and the peak memory so far in GB, by name."""
        now = time.perf_counter()
        speed = (self.steps - self.seen) * self.samples / max(now - self.last, 1e-9)
        self.last, self.seen = now, self.steps
        return {SPEED: speed, MEMORY: self.peak()}

    def peak(self) -> float:
        """Return the peak memory in GB of 10^9 bytes: allocated by torch on a GPU, else resident in this process."""
        if self.device.partition(":")[0] == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e9
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

    def __str__(self) -> str:
        if not self.steps:
            return "nothing left to do"
        speed = self.steps * self.samples / (time.perf_counter() - self.began)
        return f"{speed:.3g} samples/s, peak memory {self.peak():.3g} GB"
