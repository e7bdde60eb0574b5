"""Names of frames from foreign names."""

from pathlib import Path

import pytest

from gbuffer_tools.frame import check_name
from gbuffer_tools.frame_file.naming import fit_name, shard_name


@pytest.mark.parametrize("text", ["a", "0001", "", ".hidden", "a/b:c", "x" * 200, "ä" * 60, "bad\udcff", "a\nb", " a"])
def test_every_text_becomes_a_name(text: str) -> None:
    check_name(fit_name(text))


def test_good_names_stay_and_long_ones_stay_apart() -> None:
    assert fit_name("town01_000012 b") == "town01_000012 b"
    first, second = fit_name("x" * 100 + "a"), fit_name("x" * 100 + "b")
    assert first != second
    assert first.startswith("x" * 50)


def test_numbers_keep_their_sign() -> None:
    assert [fit_name(name) for name in ("-001", "001", "seq.-0001", "seq.0001")] == [
        "-001",
        "001",
        "seq.-0001",
        "seq.0001",
    ]


def test_frame_files_are_named_after_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    root.mkdir()
    assert shard_name(root, root) == "data"
    assert shard_name(root, root / "a" / "b") == "a-b"
    monkeypatch.chdir(root)
    assert shard_name(Path(), Path()) == "data"
    assert shard_name(Path("/"), Path("/")) == "frames"
