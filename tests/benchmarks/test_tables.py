"""Tables out of records that are made by hand."""

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from benchmarks.tables import build_parser, main
from eval.measuring.differences import differences_to
from eval.metrics.bootstrap import draw_resamples
from eval.records import scores_record, skvd_record
from eval.records.scores_record import CLASS_COLOUR, Metric
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.eval.made.records import made, method, with_floor


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    assert run(main, build_parser(), [str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_skvd_has_a_floor_and_the_way_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = with_floor(made(method("render"), method("grade", 0.99), method("lite-0", 0.7), method("lite-1", 0.6)))
    skvd_record.write(record, tmp_path / "r.json")
    lines = printed(capsys, "skvd", tmp_path / "r.json")
    assert lines[0] == "| sKVD x 1000 | relu1_2 | relu5_3 |"
    assert lines[2] == "| render | 300 (240 to 360) | 300 (240 to 360) |"
    assert lines[3] == "| grade | 297 (238 to 356) 0/1 | 297 (238 to 356) 0/1 |"
    assert lines[4] == "| lite | 195 (144 to 252) 2/2 | 195 (144 to 252) 2/2 |"
    assert lines[5] == "| other photographs | 30.0 (10.0 to 50.0) | 30.0 (10.0 to 50.0) |"
    # `with_floor` has the ways 0, 0.25, 0.5, 0.75, each half a way to both sides, and none at relu5_3.
    assert lines[7:] == [
        "| of the way | relu1_2 | relu5_3 |",
        "|---|---|---|",
        "| grade | 0.25 (−0.25 to 0.75) | – |",
        "| lite | 0.62 (0.00 to 1.25) | – |",
    ]


def test_ratios_are_shares_of_the_render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [method("hr-small-0", 0.7), method("hr-small-1", 0.8), method("lite-0", 0.99), method("lite-1", 0.6)]
    skvd_record.write(made(method("render"), *runs), tmp_path / "r.json")
    lines = printed(capsys, "ratios", tmp_path / "r.json")
    assert lines[0] == "|  | relu1_2 | relu5_3 |"
    assert lines[2] == "| render | 300 (240 to 360) | 300 (240 to 360) |"
    # Means of 0.7 and 0.8, of 0.99 and 0.6; intervals are 10 % around each; -3 ± 20 is not told apart.
    assert lines[3] == "| hr-small | 0.75 (0.63 to 0.88) 2/2 | 0.75 (0.63 to 0.88) 2/2 |"
    assert lines[4].endswith("(0.54 to 1.09) 1/2 |")
    assert len(lines) == 5


def test_buffers_are_compared_seed_by_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, scale in enumerate((1.5, 1.02)):
        skvd_record.write(made(method("all"), method("no normal", scale)), tmp_path / f"{seed}.json")
    lines = printed(capsys, "buffers", tmp_path / "0.json", tmp_path / "1.json")
    assert lines[2] == "| all | 300 (240 to 360) | 300 (240 to 360) |"
    # Differences of 150 and 6, each ± 20.
    assert lines[3] == "| no normal | +78.0 (−14.0 to 170) 1/2 | +78.0 (−14.0 to 170) 1/2 |"
    skvd_record.write(made(method("all"), method("other")), tmp_path / "2.json")
    assert run(main, build_parser(), ["buffers", str(tmp_path / "0.json"), str(tmp_path / "2.json")]) == 2


def segmented(*names: str, base: float) -> scores_record.Scores:
    """mIoU and the IoU of roads: `base` for the first method, 0.1 more for each further one, ± 0.05."""
    metrics = (Metric("miou", "mIoU", "higher", "w"), Metric("iou_road", "IoU, road", "higher", "w"))
    spread = np.append(0.0, np.linspace(-0.05, 0.05, 101))
    draws = {name: {m.key: base + 0.1 * i + spread for m in metrics} for i, name in enumerate(names)}
    rows = tuple(
        scores_record.scored_method(name, name, "a" * 64, draws[name], draws[names[0]] if i else {})
        for i, name in enumerate(names)
    )
    return scores_record.new_scores("eval.segmentation", metrics, ("a", "b"), rows, None, {})


def test_segmentation_joins_records_and_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, base in enumerate((0.3, 0.4)):
        scores_record.write(segmented("town", "lite-0", "lite-1", base=base), tmp_path / f"{seed}.json")
    lines = printed(capsys, "segmentation", tmp_path / "0.json", tmp_path / "1.json")
    assert lines[0] == "|  | miou | road |"
    assert lines[2].startswith("| town | 0.35 (0.25 to 0.45) |")
    # 0.4, 0.5 and 0.5, 0.6.
    assert lines[3].startswith("| lite | 0.50 (0.35 to 0.65) 4/4 |")


def test_scores_know_which_side_is_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = segmented("bicubic", "net-0", "net-1", base=0.3)
    metrics = (Metric("miou", "PSNR", "higher", "w"), Metric("iou_road", "NIQE", "lower", "w"))
    colours = Metric(f"{CLASS_COLOUR}road.L", "road", "", "w")
    scores_record.write(replace(record, metrics=(*metrics, colours)), tmp_path / "r.json")
    assert printed(capsys, "scores", tmp_path / "r.json") == [
        "|  | PSNR | NIQE |",
        "|---|---|---|",
        "| bicubic | 0.30 (0.25 to 0.35) | 0.30 (0.25 to 0.35) |",
        "| net | 0.45 (0.35 to 0.55) 2/2 | 0.45 (0.35 to 0.55) 0/2, 2 against |",
    ]


def test_differences_have_signs_and_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All draws of a method lie 0.1 above those of the one before it, so the intervals are points."""
    scores_record.write(segmented("plain", "net-0", "net-1", "other", base=0.3), tmp_path / "r.json")
    assert printed(capsys, "differences", tmp_path / "r.json") == [
        "| less plain | mIoU | IoU, road |",
        "|---|---|---|",
        "| net | +0.15 (0.10 to 0.20) | +0.15 (0.10 to 0.20) |",
        "| other | +0.30 (0.30 to 0.30) | +0.30 (0.30 to 0.30) |",
    ]


def test_differences_to_any_method_are_those_of_its_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the first method they are what the record has; to another, its own values are taken away, frame by frame."""
    rng = np.random.default_rng(0)
    frames = {name: rng.normal(20, 3, 8) for name in ("plain", "a", "b")}
    frames["b"] = frames["a"] + 0.5  # an interval that is a point
    metric = Metric("psnr", "PSNR", "higher", "")
    rows = {name: {"psnr": draw_resamples(np.arange(8), count=1000, seed=0) @ x / 8} for name, x in frames.items()}
    methods = tuple(
        scores_record.scored_method(name, name, "a" * 64, rows[name], rows["plain"], {"psnr": frames[name]})
        for name in frames
    )
    record = scores_record.new_scores("eval.content", (metric,), tuple("abcdefgh"), methods, None, {})
    scores_record.write(record, tmp_path / "r.json")
    stored = {one.name: one.differences["psnr"] for one in methods[1:]}
    again = {name: found["psnr"] for name, found in differences_to(record, "plain").items()}
    for name, found in again.items():
        np.testing.assert_allclose(astuple(found), astuple(stored[name]), rtol=1e-12)  # sums in another order
    assert set(again) == {"a", "b"}
    with pytest.raises(InputError, match="--against c: wanted one of plain, a, b"):
        differences_to(record, "c")
    lines = printed(capsys, "differences", tmp_path / "r.json", "--against", "a")
    assert lines[0] == "| less a | PSNR |"
    assert lines[3] == "| b | +0.50 (0.50 to 0.50) |"


@pytest.mark.parametrize(
    ("words", "said"),
    [(("differences", "--against", "plain"), "wanted one of eval.content"),
     (("scores", "--against", "plain"), "is for the table of differences")],
)  # fmt: skip
def test_what_nothing_can_be_compared_with(words, said: str, tmp_path: Path, capsys) -> None:
    scores_record.write(segmented("plain", "other", base=0.3), tmp_path / "r.json")
    assert run(main, build_parser(), [words[0], str(tmp_path / "r.json"), *words[1:]]) == 2
    assert said in capsys.readouterr().err


def test_photographs_stand_below_where_there_are_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = scores_record.ScoredPhotos("photos", 3, "b" * 64, {"iou_road": 0.5})
    scores_record.write(replace(segmented("plain", base=0.3), photos=photos), tmp_path / "r.json")
    assert printed(capsys, "scores", tmp_path / "r.json")[-1] == "| photographs | – | 0.50 |"


def test_seconds_are_those_of_all_calls_of_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stage that was stopped goes on where it was."""
    (tmp_path / "s.txt").write_text("train/lite/0 600\ntrain/lite/0 60\ntrain/lite/1 120\nreal 30\n")
    lines = printed(capsys, "seconds", tmp_path / "s.txt")
    assert lines[2:] == ["| train | 2 | 13.0 |", "| real | 1 | 0.5 |"]


def test_validation_is_the_last_of_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed, last in (("right", 0, 20.0), ("right", 1, 22.0), ("legacy", 0, 19.0)):
        with SummaryWriter(tmp_path / name / str(seed) / "tensorboard") as writer:
            for step, value in ((100, 1.0), (200, last)):
                writer.add_scalar("validation/PSNR", value, step)
            writer.add_scalar("loss/l1", 5.0, 200)
    runs = [tmp_path / name for name in ("right/0", "right/1", "legacy/0")]
    assert printed(capsys, "validation", *runs) == [
        "|  | PSNR |", "|---|---|", "| right | 21.0 (20.0 to 22.0) |", "| legacy | 19.0 (19.0 to 19.0) |",
    ]  # fmt: skip
    assert run(main, build_parser(), ["validation", str(tmp_path)]) == 2


def test_a_table_of_one_record_takes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skvd_record.write(replace(made(), floor=None), tmp_path / "r.json")
    assert run(main, build_parser(), ["skvd", *2 * [str(tmp_path / "r.json")]]) == 2
    assert "this table is of one file" in capsys.readouterr().err
