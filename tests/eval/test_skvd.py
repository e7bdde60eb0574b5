import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from datasets.images import Images, write_png
from eval import skvd
from eval.kvd.protocols import PROTOCOLS
from eval.records import skvd_record
from gbuffer_tools import command


def run(*argv):
    return command.run(skvd.main, skvd.build_parser(), [str(part) for part in argv])


@pytest.fixture
def sides(scenes):
    labels = scenes / "labels"
    return ["--real", scenes / "photos", "--fake-labels", labels / "frames", "--real-labels", labels / "photos"]


def test_writes_json_markdown_and_page(scenes, sides, random_vgg, tmp_path, capsys):
    shutil.copytree(scenes / "frames", tmp_path / "second")
    out = tmp_path / "out" / "report.json"
    fakes = ["--fake", f"render={scenes / 'frames'}", "--fake", tmp_path / "second"]
    few = ["--crops", 2, "--candidates", 3, "--resamples", 20, "--pooling", "mean"]
    assert run(*fakes, *sides, "--out", out, "--vgg", random_vgg, *few) == 0
    assert {path.name for path in out.parent.iterdir()} == {"report.json", "report.md", "report.html"}
    found = skvd_record.read(out)
    assert [method.name for method in found.methods] == ["render", "second"]
    # The same pictures under another name: the same digest and the same values, bit for bit.
    assert found.methods[0].digest == found.methods[1].digest
    assert found.methods[0].skvd == found.methods[1].skvd
    assert found.weights.sha256 == hashlib.sha256(random_vgg.read_bytes()).hexdigest()
    assert str(out.with_suffix(".html")) in capsys.readouterr().out
    # Folders are relative to the record, so that both can be moved together.
    assert (out.parent / found.methods[1].folder).resolve() == (tmp_path / "second").resolve()


def test_two_processes_come_to_the_same_bits(scenes, sides, random_vgg, tmp_path):
    (tmp_path / "scratch").mkdir()
    few = ["--crops", 2, "--candidates", 3, "--resamples", 20, "--memory", 0.02, "--vgg", random_vgg, "--per-class"]
    few += ["--scratch", tmp_path / "scratch"]
    rest = ["--fake", f"render={scenes / 'frames'}", *sides, *few]
    assert run(*rest, "--out", tmp_path / "one.json") == 0
    assert skvd_record.read(tmp_path / "one.json").methods[0].ckvd.value
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
        "-m", "eval.skvd", *map(str, rest), "--out", str(tmp_path / "two.json"),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("two.html") == 1
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_photographs_can_be_as_soft_as_a_cameras_frames(scenes, sides, random_vgg, tmp_path):
    large = tmp_path / "photos"
    for key, photo in zip(Images(scenes / "photos").keys, Images(scenes / "photos"), strict=True):
        write_png(large / f"{key}.png", photo.repeat(2, axis=0).repeat(2, axis=1))
    few = ["--crops", 2, "--candidates", 3, "--resamples", 20, "--pooling", "mean", "--vgg", random_vgg]
    fakes = ["--fake", f"render={scenes / 'frames'}", "--fake", f"photos={scenes / 'frames'}", *sides]
    found = {}
    for name, option in (
        ("default", []),
        ("area", ["--photo-filter", "area"]),
        ("camera", ["--photo-filter", "camera"]),
    ):
        assert run(*fakes, *few, "--real", large, *option, "--out", tmp_path / f"{name}.json") == 0
        found[name] = skvd_record.read(tmp_path / f"{name}.json")
    assert found["default"] == found["area"]
    assert found["area"].protocol.photo_size != found["camera"].protocol.photo_size
    assert "camera's blur" in found["camera"].protocol.photo_size
    # The frames have the noise that the blur takes from photographs.
    layers = ("relu1_2", "relu2_2")
    assert all(found["camera"].methods[0].kvd[x].value > found["area"].methods[0].kvd[x].value for x in layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crops", "0"], "--crops: got 0, wanted 1 or more"),
        (["--candidates", "0"], "--candidates: got 0, wanted 1 or more"),
        (["--memory", "0"], "--memory: got 0.0"),
        (["--memory", "inf"], "--memory: got inf, wanted a finite number"),
        (["--memory", "1e308"], "--memory: got 1e+308"),
        (["--memory", "nan"], "--memory: got nan"),
        (["--scratch", "none"], "--scratch none: not a folder that can be written into"),
        (["--fake", "render=elsewhere"], "got the name 'render', wanted one name per method"),
        (["--device", "tpu"], "--device tpu: cannot be used"),
        (["--class-groups", "groups.yaml"], "--class-groups groups.yaml: wanted together with --per-class only"),
        (["--per-class", "--class-groups", "none.yaml"], "none.yaml: "),
        (["--protocol", "feamgan", "--crops", "8"], "--crops: the protocol feamgan wants 1; leave the option out"),
        (["--protocol", "feamgan", "--candidates", "1"], "--candidates: the protocol feamgan wants 1"),
        (["--protocol", "feamgan", "--pooling", "mean"], "--pooling: the protocol feamgan wants none"),
        (
            ["--protocol", "feamgan", "--photo-filter", "camera"],
            "--photo-filter: the protocol feamgan has a filter of its",
        ),
        (["--protocol", "feamgan", "--scaling", "rms"], "--scaling: the protocol feamgan wants as trained"),
        (["--protocol", "feamgan", "--seed", "0"], "--seed: the protocol feamgan wants 42"),
    ],
)
def test_senseless_options_are_one_line(scenes, sides, random_vgg, tmp_path, capsys, options, message):
    out = tmp_path / "report.json"
    assert run("--fake", f"render={scenes / 'frames'}", *sides, "--out", out, "--vgg", random_vgg, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_missing_labels_tell_how_to_make_them(scenes, tmp_path, capsys):
    assert run("--fake", scenes / "frames", "--real", scenes / "photos", "--out", tmp_path / "r.json") == 2
    assert "python -m datasets.label" in capsys.readouterr().err


def test_the_published_protocol_wants_torchvisions_weights(scenes, sides, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path))
    assert run("--fake", scenes / "frames", *sides, "--out", tmp_path / "r.json", "--protocol", "feamgan") == 2
    error = capsys.readouterr().err
    assert "fetch them with `python -m app.assets fetch vgg16-torchvision`" in error
    assert error.count("\n") == 1


def test_every_protocol_can_be_asked_for():
    (action,) = [each for each in skvd.build_parser()._actions if each.dest == "protocol"]
    assert set(action.choices) == set(PROTOCOLS)


def test_weights_of_another_kind_are_refused(scenes, sides, tmp_path, capsys):
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    argv = ["--fake", scenes / "frames", *sides, "--out", tmp_path / "r.json", "--vgg", tmp_path / "w.safetensors"]
    assert run(*argv) == 2
    assert "w.safetensors: not a safetensors file" in capsys.readouterr().err
