import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from datasets.images import write_png
from eval import content, report
from eval.kvd.judge import judge
from eval.records import scores_record, skvd_record
from eval.records.dataclass_json import write_record
from eval.records.scores_record import Metric
from eval.records.skvd_record import CropPair
from eval.reporting import html_report, markdown, markdown_report, summary, table_formats
from gbuffer_tools import command, schema
from gbuffer_tools.errors import InputError
from tests.eval.made.records import by_class, made, method, with_floor
from tests.eval.made.scenes import changed
from tests.gbuffer_tools.made import HEADER, frame


def parts(page):
    """Tags and attributes that fetch something."""
    return re.findall(r'(?:src|href|xlink:href)="([^"]*)"', page)


def alone(path, found):
    return summary.data_sets([(path, found)])


def measured(*names, base=10.0, digest="a" * 64, photographs="c" * 64):
    """A record of two measures of another command; the first is better where it is lower, the second higher."""
    metrics = (
        Metric("low", "low & sure", "lower", "w"),
        Metric("high", "high", "higher", "w"),
    )
    spread = np.append(0.0, np.linspace(-0.1, 0.1, 100))  # the plain value, then resamples
    draws = {name: dict.fromkeys(("low", "high"), base + i + spread) for i, name in enumerate(names)}
    rows = tuple(
        scores_record.scored_method(name, f"pictures/{name}", digest, draws[name], draws[names[0]] if i else {})
        for i, name in enumerate(names)
    )
    photos = scores_record.ScoredPhotos("pictures/photos", 5, photographs, {"low": 3.5}) if photographs else None
    return scores_record.new_scores("eval.sets", metrics, ("a", "b"), rows, photos, {"seed": "0"})


def test_page_is_one_file_with_pictures_and_plots(settings, scenes, tmp_path):
    dark = changed(scenes / "frames", tmp_path / "dark", lambda image, _: 0.7 * image)
    found = judge(
        replace(settings, methods={"render": scenes / "frames", "dark": dark}), relative_to=tmp_path, progress=False
    )
    page = html_report.html(alone(tmp_path / "r.json", found))
    assert all(part.startswith(("data:image/webp;base64,", "#")) for part in parts(page))
    # 6 frames and up to 6 pairs, each in two methods, a photograph per pair, and the slider's own two; 6 of the worst
    # pairs of each method: the render's in one method, the other's in both.
    assert page.count("data:image/webp") == 6 * 2 + len(found.pairs) * 3 + 2 + 6 * 2 + 6 * 3
    assert page.count('alt="dark">dark</span>') == page.count('alt="render">render</span>') == len(found.pairs)
    assert page.count("<svg") == 3 * 5
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(set(ids)) == len(ids) == 3 * 5 + 1  # a clipping path a plot, and the section
    assert "#0a0b0c" not in page
    assert "Pictures are left out" not in page
    assert page == html_report.html(alone(tmp_path / "r.json", found))


def test_frame_files_show_their_buffers(tmp_path):
    schema.write(tmp_path / "frames" / "a.h5", [frame("a"), frame("b", 1)], HEADER)
    wording = ["--fake", f"render={tmp_path / 'frames'}", "--out", str(tmp_path / "c.json")]
    assert command.run(content.main, content.build_parser(), wording) == 0
    page = html_report.html(summary.data_sets([(tmp_path / "c.json", scores_record.read(tmp_path / "c.json"))]))
    assert "depth:" in page
    assert page.count('class="strip"') >= 1


def test_record_outlives_its_pictures(tmp_path):
    page = html_report.html(alone(tmp_path / "r.json", made()))
    assert "Pictures are left out" in page
    assert "data:image" not in page
    assert page.count("<svg") == 3 * 2


@pytest.mark.parametrize("shape", [(8, 144), (96, 8)])
def test_pictures_that_changed_their_size_are_left_out(tmp_path, shape):
    found = replace(made(), pairs=(CropPair("set/00", 30, 60, "set/03", 4, 5, 0.75),))
    for name in ("render", "enhanced", "photos"):
        for key in ("00", "01", "03"):
            size = shape if name == "enhanced" else (96, 144)
            write_png(tmp_path / "pictures" / name / "set" / f"{key}.png", np.zeros((*size, 3), np.uint8))
    page = html_report.html(alone(tmp_path / "r.json", found))
    assert re.search("Pictures are left out: .*enhanced: .*set/00.* has another size than it was judged at", page)
    assert "data:image" not in page


def test_names_are_escaped(tmp_path):
    name = '<script>alert("x")</script>|'
    found = made(method("render"), method(name))
    assert "<script>alert" not in html_report.html(alone(tmp_path / "r.json", found))
    assert "\\|" in markdown_report.table(found)
    assert "<script>" not in markdown_report.markdown(alone(tmp_path / "r.json", found)).replace(r"\<", "")
    assert r"50\% \& x\_1" in table_formats.escaped("50% & x_1")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a|b", r"a\|b"), (r"a\|b", r"a\\\|b"), ("<img>", r"\<img>"), ("x\n# y", "x # y"), ("*a* [b]", r"\*a\* \[b]")],
)
def test_markdown_shows_names_as_they_are(text, wanted):
    assert markdown.literal(text) == wanted


def test_no_line_of_latex_is_a_name_s(tmp_path):
    found = made(method("render\n\\input{x}"))
    text = table_formats.latex(alone(tmp_path / "r.json", found))
    assert r"\input" not in text
    assert r"render \textbackslash{}input\{x\}" in text


def test_names_are_no_formulas_and_file_names_no_tags(tmp_path):
    name = '"><script>alert(1)<' + "b>.json"
    page = html_report.html(alone(tmp_path / name, made(method("render"), method("$x^$"))))
    assert "<script>alert" not in page
    assert "$x^$" in page[page.index("<svg") :]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (made(method("render"), method("render")), "methods .*each once"),
        (replace(made(), methods=()), "methods .*one or more"),
        (replace(made(), protocol=replace(made().protocol, layers=("relu9_9",))), "has not the layers"),
        (replace(made(), frames=replace(made().frames, height=0)), "frames are 144x0"),
        (replace(by_class(made()), classes=None), "other groups of classes"),
        (replace(made(), floor=replace(with_floor(made()).floor, kvd={})), "other photographs have not the layers"),
        (replace(measured("render"), methods=()), "methods .*one or more"),
        (
            replace(measured("render"), metrics=(Metric("low", "low", "nearer", "w"),)),
            "better is 'nearer'",
        ),
    ],
)
def test_a_record_that_does_not_fit_together_is_one_line(tmp_path, capsys, found, message):
    write_record(found, tmp_path / "a.json")
    argv = [str(tmp_path / "a.json"), "--out", str(tmp_path / "b.html")]
    assert command.run(report.main, report.build_parser(), argv) == 2
    assert re.fullmatch(f"[^\n]*a\\.json: [^\n]*{message}[^\n]*\n", capsys.readouterr().err)


def test_markdown_tells_the_values(tmp_path):
    text = markdown_report.markdown(alone(tmp_path / "r.json", made()))
    assert "| relu1_2 | 300 (240 to 360) | 210 (168 to 252, closer −30 %) |" in text
    assert "| relu5_3 | 500 (400 to 600) | 350 (280 to 420) |" in text


def test_the_floor_is_a_column_a_row_and_a_table_of_its_own(tmp_path):
    found = with_floor(made())
    text = markdown_report.markdown(alone(tmp_path / "r.json", found))
    assert "| sKVD | render | enhanced | other photographs |" in text
    assert "30.0 (10.0 to 50.0) |" in text
    assert "| photographs | 30.0 | 30.0 |" in text
    assert "| relu1_2 | 0.25 (−0.25 to 0.75) |" in text
    assert "| relu5_3 | – |" in text
    page = html_report.html(alone(tmp_path / "r.json", found))
    assert "<td>0.25 (−0.25 to 0.75)</td>" in page
    assert page.count("other photographs</text>") == 4, "a bar in each layer of sKVD and of KVD"
    assert "18 crops, 15 matched" in page


def test_classes_are_a_table(tmp_path):
    found = alone(tmp_path / "r.json", by_class(made()))
    text = markdown_report.markdown(found)
    assert "| sky | 30 | 20.0 (15.0 to 25.0) | 20.0 (15.0 to 25.0, closer) |" in text
    assert "| road \\| way | 12 |" in text
    assert "| mean of 2 |  | 30.0 (25.0 to 35.0) |" in text
    assert "for fewer than 10 of them or for pairs of one picture alone: person (4)." in text
    assert "<th>road | way</th><td>12</td>" in html_report.html(found)
    plain = alone(tmp_path / "r.json", made())
    assert "By class" not in markdown_report.markdown(plain) + html_report.html(plain)


def test_records_of_the_same_frames_are_one_table(tmp_path):
    (data,) = summary.data_sets(
        [(tmp_path / "a.json", made()), (tmp_path / "b.json", measured("render", "enhanced", "third"))]
    )
    assert [column.key for column in data.columns] == ["skvd_relu1_2", "skvd_relu5_3", "low", "high"]
    render, enhanced, third = data.rows
    assert set(third.cells) == {"low", "high"}
    assert enhanced.cells["skvd_relu1_2"].against == "better"
    # One above the render, for certain: worse where lower is better, else better.
    assert (enhanced.cells["low"].against, enhanced.cells["high"].against) == ("worse", "better")
    assert [row.cells["low"].best for row in data.rows] == [False, True, False]
    assert [row.cells["high"].best for row in data.rows] == [False, False, True]
    assert render.cells["low"].against == ""
    assert data.photographs == {"low": 3.5}


def test_each_protocol_has_columns_of_its_own(tmp_path):
    theirs = replace(made(), protocol=replace(made().protocol, name="feamgan", layers=("relu5_3",)))
    (data,) = summary.data_sets([(tmp_path / "a.json", made()), (tmp_path / "b.json", theirs)])
    assert [column.key for column in data.columns] == ["skvd_relu1_2", "skvd_relu5_3", "skvd_feamgan_relu5_3"]
    assert data.columns[-1].name == "sKVD relu5_3 (feamgan)"


def test_other_frames_are_another_table(tmp_path):
    found = summary.data_sets(
        [(tmp_path / "a.json", made()), (tmp_path / "b.json", measured("render", digest="f" * 64))]
    )
    assert len(found) == 2


def test_other_photographs_are_another_table(tmp_path):
    """What was measured without photographs belongs to the frames, and so to both tables."""
    of_frames = replace(measured("render", photographs=None), metrics=(Metric("high", "high", "higher", "w"),))
    names = [f"{letter}.json" for letter in "abc"]
    records = [made(), measured("render", base=20.0, photographs="d" * 64), of_frames]
    records[1] = replace(records[1], metrics=records[1].metrics[:1])
    one, other = summary.data_sets([(tmp_path / name, found) for name, found in zip(names, records, strict=True)])
    assert [column.key for column in one.columns] == ["skvd_relu1_2", "skvd_relu5_3", "high"]
    assert [column.key for column in other.columns] == ["low", "high"]
    assert other.rows[0].cells["low"].value.value == 20.0


def test_one_column_of_two_values_is_refused(tmp_path):
    once, again, other = (measured("render", "enhanced", base=base) for base in (10.0, 10.0, 11.0))
    assert len(summary.data_sets([(tmp_path / "a.json", once), (tmp_path / "b.json", again)])) == 1
    with pytest.raises(InputError, match=r"b\.json: low of 'render' is not that of .*a\.json"):
        summary.data_sets([(tmp_path / "a.json", once), (tmp_path / "b.json", other)])
    other = replace(once, photos=replace(once.photos, values={"low": 4.5}))
    with pytest.raises(InputError, match=r"b\.json: low of the photographs is not that of .*a\.json"):
        summary.data_sets([(tmp_path / "a.json", once), (tmp_path / "b.json", other)])


def test_one_name_for_two_methods_is_refused(tmp_path):
    other = measured("render", "enhanced")
    other = replace(other, methods=(other.methods[0], replace(other.methods[1], digest="f" * 64)))
    with pytest.raises(InputError, match=r"b\.json: 'enhanced' shows other pictures"):
        summary.data_sets([(tmp_path / "a.json", made()), (tmp_path / "b.json", other)])


def test_command_writes_all_kinds(tmp_path, capsys):
    skvd_record.write(made(), tmp_path / "a.json")
    scores_record.write(measured("render", "enhanced", "third"), tmp_path / "b.json")
    page = tmp_path / "page.html"
    argv = [str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--out", str(page)]
    assert command.run(report.main, report.build_parser(), argv) == 0
    assert str(page) in capsys.readouterr().out
    assert "a.json" in page.read_text(encoding="utf-8")
    lines = list(csv.DictReader((tmp_path / "page.csv").open(encoding="utf-8")))
    assert len(lines) == 2 * 2 + 3 * 2
    third = next(line for line in lines if (line["method"], line["measure"]) == ("third", "high"))
    assert (float(third["value"]), third["against the first"]) == (12.0, "better")
    tables = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["data_sets"]
    assert tables[0]["rows"][2]["cells"]["high"]["value"]["value"] == 12.0
    tex = (tmp_path / "page.tex").read_text(encoding="utf-8")
    assert r"low \& sure $\downarrow$" in tex
    assert r"third & 12.0 & \textbf{12.0} \\" in tex
    assert "| third | 12.0 (11.9 to 12.1) − | **12.0** (11.9 to 12.1) + |" in (tmp_path / "page.md").read_text("utf-8")


def test_a_record_is_not_replaced(tmp_path, capsys):
    skvd_record.write(made(), tmp_path / "a.json")
    before = (tmp_path / "a.json").read_bytes()
    argv = [str(tmp_path / "a.json"), "--out", str(tmp_path / "a.html")]
    assert command.run(report.main, report.build_parser(), argv) == 2
    assert "would replace" in capsys.readouterr().err
    assert (tmp_path / "a.json").read_bytes() == before


def test_what_is_no_record_is_one_line(tmp_path, capsys):
    (tmp_path / "a.json").write_text('{"format": "other"}')
    argv = [str(tmp_path / "a.json"), "--out", str(tmp_path / "b.html")]
    assert command.run(report.main, report.build_parser(), argv) == 2
    assert "a.json: its format is 'other'" in capsys.readouterr().err
