"""Commands that torchrun must not start several times over."""

import pytest

from datasets.runtime.one_process import check_one_process
from gbuffer_tools.errors import InputError


def test_one_process_and_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check_one_process()
    monkeypatch.setenv("WORLD_SIZE", "1")
    check_one_process()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="torchrun started 2 processes, wanted 1: start this command without torchrun"):
        check_one_process()
