"""Sources get from the user what they need, refuse what they would pass over, and travel to other processes."""

import argparse
import pickle
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr.mapped_source import ExrSource
from gbuffer_tools.extract import build_parser, configured
from gbuffer_tools.io.folders import named
from gbuffer_tools.mapping.schema import NOTHING_SAID, Mapping
from gbuffer_tools.sources import SOURCES
from gbuffer_tools.sources.renderdoc import CaptureSource

ASKED = ["x", "--mapping", "m.yaml"]


@pytest.fixture
def args() -> argparse.Namespace:
    return build_parser().parse_args(ASKED)


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith("exr")])
def test_exr_files_take_a_mapping(name: str, args: argparse.Namespace) -> None:
    mapping = Mapping(licence="MIT")
    found = configured(SOURCES[name], args, mapping)
    assert isinstance(found, ExrSource)
    assert found.mapping == mapping
    bare = configured(SOURCES[name], args, None)
    assert isinstance(bare, ExrSource)
    assert bare.mapping == NOTHING_SAID
    assert SOURCES[name] == bare


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith("exr")])
def test_others_refuse_a_mapping(name: str, args: argparse.Namespace) -> None:
    with pytest.raises(InputError, match=rf"m\.yaml: the source {name} takes no mapping; leave --mapping out"):
        configured(SOURCES[name], args, NOTHING_SAID)


@pytest.mark.parametrize(
    ("asked", "name", "patience"),
    [
        (["--profile", "godot3", "--patience", "7"], "godot3", 7),
        ([], "supertuxkart", 600),
        (["--patience", "0"], "supertuxkart", 0),
    ],
)
def test_captures_get_the_profile_and_the_patience(asked: list[str], name: str, patience: float) -> None:
    found = configured(SOURCES["renderdoc"], build_parser().parse_args(["x", *asked]), None)
    assert isinstance(found, CaptureSource)
    assert (found.profile.name, found.patience) == (name, patience)


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "renderdoc"])
@pytest.mark.parametrize(("option", "value"), [("--profile", "supertuxkart"), ("--patience", "600.0")])
def test_others_refuse_a_profile_and_a_patience(name: str, option: str, value: str) -> None:
    """Also the values that captures take by default."""
    line = rf"{option} {value}: these are files of {name}; leave {option} out"
    with pytest.raises(InputError, match=line):
        configured(SOURCES[name], build_parser().parse_args(["x", option, value]), None)


def test_help_tells_what_captures_take_by_default() -> None:
    said = " ".join(build_parser().format_help().split())
    assert "(default: supertuxkart)" in said
    assert "(600)" in said


@pytest.mark.parametrize("name", SOURCES)
def test_sources_travel_to_other_processes(name: str, args: argparse.Namespace, tmp_path: Path) -> None:
    source = configured(SOURCES[name], args, None)
    there = pickle.loads(pickle.dumps(source))
    assert type(there) is type(source)
    assert (there.name, there.reads, there.conventions, there.stepwise) == (
        source.name, source.reads, source.conventions, source.stepwise,
    )  # fmt: skip
    assert there.find(named(tmp_path)) == []
