"""The table of several seeds, by hand."""

from pathlib import Path

import pytest

from benchmarks.ablation import build_parser, main, seeds_of, table
from eval.records.skvd_record import write
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.eval.made.records import made, method


def test_seeds_are_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [method("hr-small-0", 0.7), method("hr-small-1", 0.8), method("lite-0", 0.99), method("lite-1", 0.6)]
    write(made(method("render"), *runs), tmp_path / "report.json")
    assert run(main, build_parser(), [str(tmp_path / "report.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | relu1_2 | relu5_3 |"
    assert lines[2] == "| render | 300 (240 to 360) | 300 (240 to 360) |"
    # Means of 0.7 and 0.8, of 0.99 and 0.6; intervals are 10 % around each; -3 ± 20 is not told apart.
    assert lines[3] == "| `hr-small` | 0.75 (0.63 to 0.88) 2/2 | 0.75 (0.63 to 0.88) 2/2 |"
    assert lines[4].endswith("(0.54 to 1.09) 1/2 |")
    assert len(lines) == 5


def test_records_without_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="PRESET-SEED"):
        seeds_of(made())
    with pytest.raises(InputError, match="PRESET-SEED"):
        list(table(made(method("render"), method("lite"), method("7"))))
