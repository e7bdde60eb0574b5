"""Which commands several processes may share."""

import pytest

from eval import content, control, segmentation, temporal
from gbuffer_tools import command


@pytest.mark.parametrize("module", [content, control, segmentation, temporal])
def test_commands_of_one_process_refuse_more(module, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = ["--fake", f"a={tmp_path}", "--out", str(tmp_path / "a.json")]
    if module is not content:
        words += ["--frames", str(tmp_path)]
    if module is segmentation:
        words += ["--segmenter", str(tmp_path / "s.onnx")]
    assert command.run(module.main, module.build_parser(), words) == 2
    complaint = "torchrun started 2 processes, wanted 1: start this command without torchrun."
    assert capsys.readouterr().err.splitlines()[-1].endswith(complaint)
