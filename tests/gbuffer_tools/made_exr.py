"""EXR files made by code, and extracting them in this process."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import check, extract
from gbuffer_tools.command import run
from gbuffer_tools.frame import Frame
from gbuffer_tools.schema import Header, Shard


def write_exr(path: Path, channels: dict[str, np.ndarray], compression: str = "ZIP", **attributes: object) -> Path:
    import OpenEXR

    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
    OpenEXR.File(header | attributes, {k: np.ascontiguousarray(v) for k, v in channels.items()}).write(str(path))
    return path


def layer(name: str, array: np.ndarray, letters: str = "XYZ") -> dict[str, np.ndarray]:
    """(H,W,n) as channels `name.X` …, float32."""
    return {f"{name}.{c}": array[..., i].astype(np.float32) for i, c in enumerate(letters)}


def grey(size: tuple[int, int], prefix: str = "") -> dict[str, np.ndarray]:
    return {f"{prefix}{c}": np.full(size, 0.25, np.float32) for c in "RGB"}


def extracted(tmp_path: Path, *arguments: object, accepted: bool = True) -> tuple[Header, dict[str, Frame]]:
    """What `python -m gbuffer_tools.extract` makes: shard/frame -> frame. All of it has to be `accepted` by `check`."""
    out = tmp_path / "frames"
    assert run(extract.main, extract.build_parser(), [*map(str, arguments), "--out", str(out), "--jobs", "1"]) == 0
    frames = {}
    for path in sorted(out.glob("*.h5")):
        assert check.check(path)[1] == [] or not accepted
        with Shard(path) as shard:
            header = shard.header
            frames |= {f"{path.stem}/{name}": shard.frame(i) for i, name in enumerate(shard.names)}
    return header, frames


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that extracting ends in."""
    code = run(
        extract.main, extract.build_parser(), [*map(str, arguments), "--out", str(tmp_path / "o"), "--jobs", "1"]
    )
    assert code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]
