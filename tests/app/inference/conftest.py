"""What tests of enhancing share."""

from pathlib import Path

import pytest

from epe.models import save
from gbuffer_tools import schema
from tests.app.made import untrained
from tests.gbuffer_tools.made import HEADER, frame


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a file of two frames."""
    folder = tmp_path_factory.mktemp("setting")
    save(untrained(), folder / "m.safetensors")
    schema.write(folder / "one.h5", [frame("a", 0), frame("b", 1)], HEADER)
    return folder / "m.safetensors", folder / "one.h5"
