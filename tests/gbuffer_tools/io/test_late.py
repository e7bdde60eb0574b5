"""Packages that take long to import come when they are used, not before."""

import subprocess
import sys
from types import ModuleType

import pytest

from gbuffer_tools.io.late import LateModule

HEAVY = ("cv2", "h5py", "torch", "PIL", "yaml", "dask", "distributed", "OpenEXR", "scipy")
HELP = """
import runpy, sys
sys.argv = ["extract", "--help"]
try:
    runpy.run_module("gbuffer_tools.extract", run_name="__main__")
except SystemExit as end:
    print(end.code, *sorted(set(sys.modules) & set({heavy!r})))
"""


def test_help_of_extract_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP.format(heavy=HEAVY)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert "--source" in done.stdout


def test_a_module_is_imported_when_something_of_it_is_asked_for(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_made_up.py").write_text("VALUE = 3")
    monkeypatch.syspath_prepend(tmp_path)
    late = LateModule("heavy_made_up")
    assert isinstance(late, ModuleType)
    assert "heavy_made_up" not in sys.modules
    assert late.VALUE == 3
    assert "heavy_made_up" in sys.modules
    sys.modules["heavy_made_up"].VALUE = 4  # type: ignore[attr-defined]
    assert late.VALUE == 4
    with pytest.raises(AttributeError):
        _ = late.nothing
    del sys.modules["heavy_made_up"]
    with pytest.raises(ModuleNotFoundError):
        _ = LateModule("heavy_absent").anything
