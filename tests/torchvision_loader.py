"""torchvision beside a CPU build of torch.

There is no CPU build of torchvision on PyPI, and its CUDA build fails to import there: it registers shape functions
for operators that only its missing library defines. Defining the two operators first is enough for its networks.
"""

import importlib
import sys
from types import ModuleType

import pytest
import torch

_OPERATORS: list[torch.library.Library] = []  # must stay referenced, or the operators vanish


def load_torchvision() -> ModuleType:
    """The package; the test is skipped where it is not installed."""
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    except RuntimeError as error:
        if torch.version.cuda is not None or "torchvision::nms does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _OPERATORS.append(library)
    return importlib.import_module("torchvision")
