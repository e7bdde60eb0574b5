"""Throughput of a run in samples per second, and the memory that it takes."""

import resource
import sys
import time

import torch

SPEED, MEMORY = "samples/s", "peak GB"


def tag(name: str) -> str:
    """TensorBoard's name of a scalar: throughput/… or loss/…"""
    return f"throughput/{name}" if name in (SPEED, MEMORY) else f"loss/{name}"


class Throughput:
    """Counts from now on.

    Args:
        samples: per step, of all processes.
        device: of the run.
    """

    def __init__(self, samples: int, device: str) -> None:
        self.samples, self.device = samples, device
        self.began = self.last = time.perf_counter()
        self.steps = self.seen = 0

    def step(self) -> None:
        """A step was done."""
        self.steps += 1

    def read(self) -> dict[str, float]:
        """Samples per second since the last reading, and the peak of memory until now."""
        now = time.perf_counter()
        speed = (self.steps - self.seen) * self.samples / max(now - self.last, 1e-9)
        self.last, self.seen = now, self.steps
        return {SPEED: speed, MEMORY: self.peak()}

    def peak(self) -> float:
        """Most memory at once, in GB of 10^9 bytes: of the GPU what torch had allocated, else of this process."""
        if self.device.partition(":")[0] == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e9
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

    def __str__(self) -> str:
        if not self.steps:
            return "nothing left to do"
        speed = self.steps * self.samples / (time.perf_counter() - self.began)
        return f"{speed:.3g} samples/s, peak memory {self.peak():.3g} GB"
