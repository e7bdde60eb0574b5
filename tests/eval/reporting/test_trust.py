"""What a trial found, in the tables that show a measure's numbers, and the trial's own tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from eval import report
from eval.records import skvd_record, trial_record
from eval.records.estimate import Estimate
from eval.reporting import trial_tables
from eval.reporting.trust import distrusted, kept, marked, merged_questions, questions, trial_verdict
from gbuffer_tools import command
from gbuffer_tools.errors import InputError
from tests.eval.made.records import made, trial


def test_a_measure_is_trusted_from_nine_tenths_on() -> None:
    found = trial({"a": 0.89, "b": 0.9, "c": 1.0})
    assert trial_verdict([found], "a") == "not trusted for blur (0.89)"
    assert trial_verdict([found], "b") == trial_verdict([found], "c") == "trusted for every question of the trial"
    assert trial_verdict([found], "d") == trial_verdict([], "a") == ""
    assert questions(found, "a") == {"blur": 0.89, "known orders": 1.0}
    assert marked("a", trial_verdict([found], "a")) == "a †"
    assert marked("b", trial_verdict([found], "b")) == "b"


def test_an_order_that_is_reversed_counts() -> None:
    found = trial({"a": 1.0}, kept=False)
    assert trial_verdict([found], "a") == "not trusted for known orders (0.00)"
    order = found.orders[0]
    assert kept(order, "a") == "reversed?"
    assert kept(replace(order, difference={"a": Estimate(-5.0, -9.0, -1.0)}), "a") == "reversed"
    assert kept(trial({"a": 1.0}).orders[0], "a") == "kept"
    assert kept(replace(order, difference={"a": Estimate(5.0, None, None)}), "a") == "kept?"


def test_of_several_trials_the_worst_counts() -> None:
    both = [trial({"a": 0.95}), trial({"a": 0.5}, kept=False)]
    assert merged_questions(both, "a") == {"blur": 0.5, "known orders": 0.0}
    assert distrusted(both, "a") == {"blur": 0.5, "known orders": 0.0}


def test_likeness_to_the_render_has_the_trial_of_likeness_to_the_original() -> None:
    found = trial({"truth_lpips": 0.5})
    assert trial_verdict([found], "lpips") == trial_verdict([found], "truth_lpips") == "not trusted for blur (0.50)"


def run(*argv: object) -> int:
    return command.run(report.main, report.build_parser(), [str(part) for part in argv])


def test_the_report_says_it_beside_each_number(tmp_path: Path) -> None:
    skvd_record.write(made(), tmp_path / "skvd.json")
    trial_record.write(trial(), tmp_path / "trial.json")
    assert run(tmp_path / "skvd.json", tmp_path / "trial.json", "--out", tmp_path / "page.html") == 0
    text = (tmp_path / "page.md").read_text()
    assert "sKVD relu1_2 † ↓" in text
    assert "sKVD relu5_3 ↓" in text
    assert "- † sKVD relu1_2: not trusted for blur (0.40)" in text
    assert "- sKVD relu5_3: trusted for every question of the trial" in text
    assert "| relu1_2 † |" in text  # layer by layer
    assert "7 photographs in pictures/photos" in text
    page = (tmp_path / "page.html").read_text()
    assert "sKVD relu1_2 †" in page
    assert "not trusted for blur (0.40)" in page
    rows = (tmp_path / "page.csv").read_text().splitlines()
    assert rows[0].endswith(",trial")
    assert any(row.startswith("p") and row.endswith("not trusted for blur (0.40)") for row in rows)
    # Without a trial there are no marks.
    assert run(tmp_path / "skvd.json", "--out", tmp_path / "plain.html") == 0
    assert "†" not in (tmp_path / "plain.md").read_text() + (tmp_path / "plain.html").read_text()


def test_a_trial_alone_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial_record.write(trial(), tmp_path / "trial.json")
    assert run(tmp_path / "trial.json", "--out", tmp_path / "page.html") == 2
    assert "trial.json: a trial alone" in capsys.readouterr().err


def test_records_come_back_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    found = trial()
    trial_record.write(found, tmp_path / "a.json")
    assert trial_record.read(tmp_path / "a.json") == found
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "b.json").write_text(text.replace('"trusted_from": 0.9', '"trusted_from": "0.9"'))
    with pytest.raises(
        InputError, match=r"trusted_from is a str, wanted float; make it again with .python -m eval.trial"
    ):
        trial_record.read(tmp_path / "b.json")


def test_tables_of_a_trial() -> None:
    text = trial_tables.markdown(trial())
    assert "| skvd relu1\\_2" not in text
    assert "| skvd relu1 2 | 0.40 / 0.40 ✗ |" in text
    assert "| skvd relu5 3 | 1.00 / 1.00 |" in text
    assert "kept: 10.0 \\< 10.0 (difference 1.00 to 9.00)" in text
    assert "| skvd relu1 2 | 3 | more |" in text
    assert "| means | 3.5 | 0.80 |" in text
    assert "| skvd relu1 2 | 10.0 | 10.0 + |" in text
    page = trial_tables.html(trial())
    assert '<td class="bad">0.40 / 0.40 ✗</td>' in page
    assert "<td>1.00 / 1.00</td>" in page
