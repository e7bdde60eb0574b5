"""What [NAME=]DIR says where methods are judged."""

from pathlib import Path

import pytest

from eval.options import named
from gbuffer_tools.errors import InputError


def test_a_method_is_called_by_its_name_or_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run=1").mkdir()
    monkeypatch.chdir(tmp_path)
    found = named(["render=frames", "runs/lr=1e-4/out", "best=runs/lr=1e-3/out", "run=1"])
    assert found == {
        "render": Path("frames"), "out": Path("runs/lr=1e-4/out"), "best": Path("runs/lr=1e-3/out"),
        "run=1": Path("run=1"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["=frames"], "=frames: got the name '', wanted one name per method; write NAME=DIR"),
        (["runs/lr=1e-4/out", "runs/lr=1e-3/out"], "runs/lr=1e-3/out: got the name 'out', wanted one name per method"),
    ],
)
def test_names_that_are_none_or_taken(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        named(texts)
