import json
from dataclasses import asdict

import pytest

from eval.records import skvd_record
from eval.records.estimate import Estimate
from eval.records.skvd_record import SkvdMethod
from gbuffer_tools.errors import InputError
from tests.eval.made.records import by_class, made, method, with_floor


def test_what_is_written_is_read(tmp_path):
    gaps = method("gaps")
    gaps = SkvdMethod(
        gaps.name, gaps.folder, gaps.digest, {"relu1_2": Estimate(1.0, None, None)}, {}, {}, {"relu1_2": None}, None, ()
    )
    for found in (made(), made(gaps), by_class(made()), with_floor(made())):
        skvd_record.write(found, tmp_path / "r.json")
        assert skvd_record.read(tmp_path / "r.json") == found
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("entry", ["floor", "toward_floor", "precision"])
def test_a_record_from_before_an_entry_is_read(tmp_path, entry):
    def older(content):
        for holder in (content, content["protocol"], *content["methods"]):
            holder.pop(entry, None)

    path = damaged(older, tmp_path / "r.json")
    assert f'"{entry}"' not in path.read_text(encoding="utf-8")
    assert skvd_record.read(path) == made()


def damaged(change, path):
    content = json.loads(json.dumps(asdict(made())))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(version=1), "not a skvd-record of version 2"),
        (lambda r: r.pop("frames"), "record wants the entries format, version"),
        (lambda r: r["frames"].update(images="4"), "record.frames.images is a str, wanted int"),
        (
            lambda r: r["methods"][1]["skvd"]["relu1_2"].update(value=None),
            r"record.methods\[1\].skvd.relu1_2.value is a NoneType",
        ),
        (lambda r: r["photos"].update(more=1), "record.photos wants the entries folder"),
        (lambda r: r.update(methods={}), "record.methods is a dict, wanted tuple"),
        (lambda r: r["protocol"]["scales"].update(relu1_2=float("nan")), "NaN is no value"),
        (lambda r: r["protocol"]["scales"].update(relu1_2=10**400), "relu1_2 is beyond all numbers"),
        (lambda r: r["frames"].update(images=10**400), "record.frames.images is beyond all numbers"),
        (lambda r: r["methods"][0].update(name="\ud800"), "surrogates not allowed"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_one_line(tmp_path, change, message):
    path = damaged(change, tmp_path / "r.json")
    with pytest.raises(InputError, match=message) as caught:
        skvd_record.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_that_overflows_is_one_line(tmp_path):
    path = damaged(lambda r: None, tmp_path / "r.json")
    path.write_text(path.read_text("utf-8").replace('"level": 0.95', '"level": 1e999'), "utf-8")
    with pytest.raises(InputError, match=r"record\.protocol\.level is beyond all numbers"):
        skvd_record.read(path)


@pytest.mark.parametrize("text", ["", "[1]", "not json", "{}", 100_000 * "[", 100_000 * '{"a":'])
def test_other_files_are_one_line(tmp_path, text):
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.json: not a"):
        skvd_record.read(tmp_path / "r.json")
