"""Sources that know what their files mean do not pass over a mapping in silence."""

from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.source import Options
from gbuffer_tools.sources import SOURCES
from gbuffer_tools.unmapped import licence


def test_licences() -> None:
    assert licence(Options(), "x") == "not stated"
    assert licence(Options(licence="CC0-1.0"), "x") == "CC0-1.0"


@pytest.mark.parametrize("name", ["images", "labelled", "epe", "carla", "replicator", "blenderproc"])
def test_a_mapping_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"m\.yaml: the source {name} takes no mapping; leave --mapping out"):
        SOURCES[name].about([], Options(mapping=Path("m.yaml")))
