"""The table of presets, for people and with stable keys for programs."""

import json

import pytest

from app.models import build_parser, main
from epe.networks import preset_sizes
from gbuffer_tools.command import run


def test_json_has_the_promised_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preset_sizes, "builders", lambda: {"vgg16": preset_sizes.vgg16})
    assert run(main, build_parser(), ["--json", "--size", "64x32"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry == {"name": "vgg16", "parameters": 14_714_688, "macs": entry["macs"], "size": "64x32"}
    assert isinstance(entry["macs"], int)


def test_the_table_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preset_sizes, "builders", lambda: {"vgg16": preset_sizes.vgg16})
    run(main, build_parser(), ["--size", "224x224"])
    # 15.35 GMAC is VGG16's well-known figure at 224 x 224, its fully connected layers (0.12) aside.
    assert "15.35" in capsys.readouterr().out
