"""Records of measuring commands: what they hold, and what is said of those that cannot be read."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from eval.records import scores_record
from eval.records.scores_record import Metric
from gbuffer_tools.errors import InputError


def written(path: Path, **changed: object) -> Path:
    """A record of eval.temporal, some of its entries changed."""
    resampled = {"warping": np.array([3.0, 2.0, 4.0, 3.5])}
    method = scores_record.scored_method("render", "frames", "a" * 64, resampled, {}, {"warping": np.array([2.0, 4.0])})
    metrics = (Metric("warping", "warping error", "lower", "w"),)
    scores_record.write(scores_record.new_scores("eval.temporal", metrics, ("a", "b"), (method,), None, {}), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = scores_record.read(written(tmp_path / "a.json"))
    assert found.command == "eval.temporal"
    assert found.methods[0].values["warping"].value == 3
    assert found.methods[0].frames["warping"] == (2, 4)


@pytest.mark.parametrize("command", ["eval.sets", "eval.content", "eval.segmentation", "eval.temporal"])
@pytest.mark.parametrize("change", [{"version": 0}, {"keys": 3}], ids=["of another version", "damaged"])
def test_a_stale_record_is_made_again_by_its_own_command(
    tmp_path: Path, command: str, change: dict[str, object]
) -> None:
    path = written(tmp_path / "a.json", command=command, **change)
    with pytest.raises(InputError, match=f"a.json: .*make it (again )?with `python -m {re.escape(command)}`"):
        scores_record.read(path)


@pytest.mark.parametrize("command", ["rm -r", 7, ["eval.content"], None])
def test_a_command_that_is_not_ours_is_not_named(tmp_path: Path, command: object) -> None:
    with pytest.raises(InputError, match=r"with `python -m eval\.sets`"):
        scores_record.read(written(tmp_path / "a.json", command=command, version=0))
