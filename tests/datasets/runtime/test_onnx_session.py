"""Without onnxruntime one line says so; tests/app/test_export.py and tests/eval/metrics/test_segmenter.py run it."""

import sys
from pathlib import Path

import pytest

from datasets.runtime.onnx_session import open_session
from gbuffer_tools.errors import InputError


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnxruntime.capi.onnxruntime_pybind11_state", None)
    with pytest.raises(InputError, match=r"x.onnx: needs the package onnxruntime: pip install"):
        open_session(Path("x.onnx"))


def test_what_a_network_is_instead(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "m.onnx"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(InputError, match=r"m\.onnx: .*: a Git LFS pointer; run git lfs pull"):
        open_session(path)
