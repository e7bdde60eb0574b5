import re
from dataclasses import replace
from pathlib import Path

from eval import record, report
from eval.judge import judge
from gbuffer_tools import command
from tests.eval.made import changed
from tests.eval.records import by_class, made, method


def parts(page):
    """Tags and attributes that fetch something."""
    return re.findall(r'(?:src|href|xlink:href)="([^"]*)"', page)


def test_page_is_one_file_with_pictures_and_plots(settings, scenes, tmp_path):
    dark = changed(scenes / "frames", tmp_path / "dark", lambda image, _: 0.7 * image)
    found = judge(
        replace(settings, methods={"render": scenes / "frames", "dark": dark}), relative_to=tmp_path, progress=False
    )
    page = report.html([(tmp_path / "r.json", found)])
    assert all(part.startswith(("data:image/webp;base64,", "#")) for part in parts(page))
    # 6 frames and up to 6 pairs, each in two methods, a photograph per pair, and the slider's own two.
    assert page.count("data:image/webp") == 6 * 2 + len(found.pairs) * 3 + 2
    assert page.count("<svg") == 3 * 5
    assert "#0a0b0c" not in page
    assert "Pictures are left out" not in page
    assert page == report.html([(tmp_path / "r.json", found)])


def test_record_outlives_its_pictures(tmp_path):
    page = report.html([(tmp_path / "r.json", made())])
    assert "Pictures are left out" in page
    assert "data:image" not in page
    assert page.count("<svg") == 3 * 2


def test_names_are_escaped(tmp_path):
    name = '<script>alert("x")</script>|'
    found = made(method("render"), method(name))
    assert "<script>alert" not in report.html([(tmp_path / "r.json", found)])
    assert "\\|" in report.table(found)


def test_markdown_tells_the_values():
    text = report.markdown([made()])
    assert "| relu1_2 | 300 (240 to 360) | 210 (168 to 252, closer −30 %) |" in text
    assert "| relu5_3 | 500 (400 to 600) | 350 (280 to 420) |" in text


def test_classes_are_a_table():
    text = report.markdown([by_class(made())])
    assert "| sky | 30 | 20.0 (15.0 to 25.0) | 20.0 (15.0 to 25.0, closer) |" in text
    assert "| road \\| way | 12 |" in text
    assert "| mean of 2 |  | 30.0 (25.0 to 35.0) |" in text
    assert "for fewer than 10 of them or for pairs of one picture alone: person (4)." in text
    page = report.html([(Path("r.json"), by_class(made()))])
    assert "<th>road | way</th><td>12</td>" in page
    assert "By class" not in report.markdown([made()]) + report.html([(Path("r.json"), made())])


def test_command_makes_one_page_of_several_records(tmp_path, capsys):
    record.write(made(), tmp_path / "a.json")
    record.write(made(method("alone")), tmp_path / "b.json")
    page = tmp_path / "page.html"
    argv = [str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--out", str(page)]
    assert command.run(report.main, report.build_parser(), argv) == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "a.json" in text
    assert "b.json" in text
    assert (tmp_path / "page.md").is_file()


def test_command_names_what_is_no_record(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    argv = [str(tmp_path / "a.json"), "--out", str(tmp_path / "page.html")]
    assert command.run(report.main, report.build_parser(), argv) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()
