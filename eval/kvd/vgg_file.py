"""What a file of VGG16 weights says about itself: where they come from, and how they were scaled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.runtime.weights import unusable
from epe import models
from eval.records import skvd_record
from gbuffer_tools.errors import InputError

TORCHVISION_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
"""SHA-256 of torchvision's own file of VGG16, whose weights are behind most published numbers."""


@dataclass(frozen=True)
class VggFile:
    """A file of VGG16 weights.

    Attributes:
        weights: names and digests, for the record.
        divided_by: what each layer's activations were divided by; layers that are absent were not divided.
    """

    weights: skvd_record.VggWeights
    divided_by: dict[str, float]

    def scale(self, layer: str) -> float:
        """What a layer's features are divided by to become those of the network as trained."""
        return 1.0 / self.divided_by.get(layer, 1.0)


def read_vgg_file(path: Path) -> VggFile:
    """Read what a file of VGG16 weights says about itself.

    Raises:
        InputError: the file is not a model file, or its constants are not numbers above 0.
    """
    try:
        found: dict[str, Any] = models.read_header(path)["record"]
    except models.ModelError as error:
        raise unusable(path, error) from error
    divided_by = found.get("divided_by", {})
    numbers = isinstance(divided_by, dict) and all(type(value) in (int, float) for value in divided_by.values())
    if not numbers or not all(0 < value < float("inf") for value in divided_by.values()):
        raise InputError(
            f"{path}: its record has an odd `divided_by`, wanted a number above 0 per layer; fetch it again"
        )
    what, source = (str(found.get(name, "")) for name in ("what", "source_sha256"))
    return VggFile(skvd_record.VggWeights(path.name, models.digest(path), what, source), divided_by)
