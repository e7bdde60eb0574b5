"""Every finding, made on purpose."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools import check, geometry
from gbuffer_tools.command import run
from gbuffer_tools.schema import Frame, Header, write

HEADER = Header("test", "none", ("sky", "wall"), "CC0-1.0", "tests")
PROJECTION = np.array([[1.0, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, -1.002, -2.002], [0, 0, -1, 0]])
H, W = 24, 32


def good() -> Frame:
    """A tilted wall under a sky: depth in closed form, so that its normals are exact."""
    n = np.array([0.3, 0.4, 0.866])
    n /= np.linalg.norm(n)
    depth = -6.0 / (geometry.position(np.ones((H, W)), PROJECTION) @ n)
    depth[:3] = np.inf
    drawn = np.isfinite(depth)
    return Frame(
        name="f",
        image=np.full((H, W, 3), 90, np.uint8),
        buffers={
            "depth": depth.astype(np.float32),
            "normal": np.where(drawn[..., None], n, 0).astype(np.float16),
            "albedo": np.full((H, W, 3), 99, np.uint8),
            "irradiance": np.full((H, W, 3), 1.5, np.float16),
        },
        ids={"class": drawn.astype(np.uint8)},
        view=np.eye(4),
        projection=PROJECTION,
        relight=0.9999,
    )


def with_buffer(name: str, change: Callable[[np.ndarray], object]) -> Frame:
    frame = good()
    array = frame.buffers[name].copy()
    change(array)
    return replace(frame, buffers={**frame.buffers, name: array})


def put(where: object, value: float) -> Callable[[np.ndarray], object]:
    return lambda array: array.__setitem__(where, value)


def problems(path: Path, frame: Frame) -> list[str]:
    write(path, [frame], HEADER)
    return [f.what for f in check.check(path)[1]]


def test_nothing_is_found_in_a_good_frame(tmp_path):
    assert problems(tmp_path / "s.h5", good()) == []


SHIFTED = np.eye(4)
SHIFTED[0, 0] = 2
FLIPPED = PROJECTION * [[1], [1], [1], [-1]]
SHEARED = PROJECTION + np.eye(4, k=1) * [[0.2], [0], [0], [0]]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (with_buffer("irradiance", put((9, 9), np.nan)), "irradiance has 1 pixels that are not a number"),
        (with_buffer("irradiance", put((0, 0), np.nan)), "not a number"),  # in the sky, too
        (with_buffer("irradiance", put((9, 9), np.inf)), "irradiance has 1 infinite pixels"),
        (with_buffer("irradiance", put((9, 9), -1)), "irradiance is in -1..1.5, wanted 0..inf"),
        (with_buffer("normal", put((9, 9), 1.5)), "normal is in"),
        (with_buffer("normal", put((9, 9), 0.2)), "unit length in 0.15%"),
        (with_buffer("depth", put((9, 9), -2)), "depth"),
        (with_buffer("depth", put((9, 9), 0)), "depth reaches 0"),
        (with_buffer("normal", lambda a: np.multiply(a, [1, 1, -1], out=a, casting="unsafe")), "faces the camera"),
        (with_buffer("normal", lambda a: np.multiply(a, [-1, -1, 1], out=a, casting="unsafe")), "degrees off"),
        (replace(good(), ids={"class": np.full((H, W), 2, np.uint8)}), "class id 2 is not among the 2 classes"),
        (replace(good(), relight=0.99), "relight correlation 0.99000 is below"),
        (replace(good(), relight=float("nan")), "relight correlation nan"),
        (replace(good(), view=SHIFTED), "camera/view"),
        (replace(good(), view=np.full((4, 4), np.nan)), "not finite"),
        (replace(good(), projection=FLIPPED), "camera/projection"),
        (replace(good(), projection=SHEARED), "camera/projection"),
        (with_buffer("depth", put((0, 0), -np.inf)), "depth reaches -inf"),
        (with_buffer("depth", put((9, 9), 65504)), "of the depth are 65504 m, where half floats end: sky, or too far"),
        (with_buffer("depth", put((9, 9), 65504 * 0.01)), "of the depth are 655.04 m, where half floats end"),
    ],
)
def test_each_problem_is_found(tmp_path, frame, says):
    found = problems(tmp_path / "s.h5", frame)
    assert any(says in what for what in found), found


def test_a_surface_that_is_as_far_away_as_half_floats_reach_is_no_problem(tmp_path):
    def street(depth):
        depth[9, 9], depth[9, 10] = 65.504, 90

    assert problems(tmp_path / "s.h5", with_buffer("depth", street)) == []


def test_infinite_values_in_the_sky_are_no_problem(tmp_path):
    assert problems(tmp_path / "s.h5", with_buffer("irradiance", put((0, 0), np.inf))) == []


def command(*arguments: object) -> int:
    return run(check.main, check.build_parser(), [str(a) for a in arguments])


def test_command_ends_with_1_on_findings_and_0_without(tmp_path, capsys):
    write(tmp_path / "a.h5", [good()], HEADER)
    assert command(tmp_path) == 0
    assert "1 frames, 0 findings" in capsys.readouterr().out
    write(tmp_path / "b.h5", [replace(good(), relight=0.5)], HEADER)
    assert command(tmp_path) == 1
    out = capsys.readouterr().out
    assert f"{tmp_path / 'b.h5'}/f: relight correlation 0.50000" in out
    assert "24" in out


def test_a_file_that_cannot_be_opened_is_a_finding_and_the_others_are_checked(tmp_path, capsys):
    write(tmp_path / "b.h5", [good()], HEADER)
    (tmp_path / "a.h5").write_text("no")
    with h5py.File(tmp_path / "c.h5", "w"):
        pass
    assert command(tmp_path, "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert [s["frames"] for s in result["files"]] == [0, 1, 0]
    assert [Path(f["file"]).name for f in result["findings"]] == ["a.h5", "c.h5"]
    assert result["files"][1]["relight"] == 0.9999


def moving(i: int, hud: bool = False) -> Frame:
    """A wall that comes nearer, with a pattern, large enough to judge what is constant."""
    rng = np.random.default_rng(i)
    image = rng.integers(0, 99, (120, 160, 3), np.uint8)
    if hud:
        image[10:20, 30:60] = 200
    depth = rng.uniform(4, 5, (120, 160)).astype(np.float32)
    return Frame(f"f{10 * i:03d}", image, {"depth": depth, "metallic": np.zeros((120, 160), np.uint8)})


def test_what_may_be_meant_is_a_note_and_no_reason_to_end_with_1(tmp_path, capsys):
    write(tmp_path / "a.h5", [moving(i) for i in (1, 2, 3, 5)], HEADER)
    assert command(tmp_path) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split()[-2:] == ["0", "2"]
    assert out[2:] == [
        f"{tmp_path / 'a.h5'}: note: metallic is 0 in every drawn pixel",
        f"{tmp_path / 'a.h5'}: note: missing in a row with steps of 10: f040",
        "4 frames, 0 findings, 2 notes",
    ]


def test_what_all_frames_of_a_file_show_is_found(tmp_path):
    frames = [moving(i, hud=True) for i in range(5)]
    for frame in frames:
        frame.buffers["depth"][:60] += 1
        frame.buffers["roughness"] = np.full((120, 160), 51, np.uint8)
    write(tmp_path / "a.h5", frames, HEADER)
    summary, findings = check.check(tmp_path / "a.h5")
    assert [f.what for f in findings] == [
        "roughness is 0.2 in every drawn pixel",
        "image has a HUD? 1.56% of it stay the same in 5 frames, whatever is behind: columns 30..59, rows 10..19",
    ]
    assert summary.findings == 2
    assert summary.overlay is not None
    assert summary.overlay.boxes == ((30, 10, 30, 10),)


def test_files_of_a_folder_are_compared_and_counted(tmp_path, capsys):
    write(tmp_path / "a.h5", [moving(1)], HEADER)
    write(tmp_path / "b.h5", [moving(1), moving(2)], replace(HEADER, classes=("sky",)))
    assert command(tmp_path, tmp_path / "a.h5", "--json", "--jobs", "1") == 1
    result = json.loads(capsys.readouterr().out)
    assert [Path(s["file"]).name for s in result["files"]] == ["a.h5", "b.h5"]
    assert [(Path(f["file"]).name, f["frame"], f["what"][:20]) for f in result["findings"]] == [
        ("b.h5", "", "classes differ from "),
        ("b.h5", "f010", "image is the same as"),
    ]
    assert [s["findings"] for s in result["files"]] == [0, 2]


def test_json_tells_the_angle_between_the_normals(tmp_path, capsys):
    frame = good()
    turned = frame.buffers["normal"].copy()
    n, drawn = turned[9, 9].astype(np.float64), np.isfinite(frame.buffers["depth"])
    across = np.cross(n, [0, 1, 0]) / np.linalg.norm(np.cross(n, [0, 1, 0]))
    half = drawn & (np.arange(W) < W * 0.3)
    turned[half] = np.cos(np.radians(12)) * n + np.sin(np.radians(12)) * across
    write(tmp_path / "a.h5", [replace(frame, buffers={**frame.buffers, "normal": turned})], HEADER)
    assert command(tmp_path, "--json") == 0
    angle = json.loads(capsys.readouterr().out)["files"][0]["normal_angle"]
    assert angle["median"] <= 0.2
    assert angle["p90"] == pytest.approx(12, abs=0.2)
    # The border and the rows next to the sky have no normal of depth.
    assert angle["histogram"][:4] == [(H - 5) * (W - 2 - 9), 0, (H - 5) * 9, 0]
    assert sum(angle["histogram"][4:]) == 0


def test_processes_change_nothing(tmp_path, capsys):
    for name in "cab":
        write(tmp_path / f"{name}.h5", [moving(ord(name))], HEADER)
    outputs = set()
    for jobs in (1, 2):
        assert command(tmp_path, "--json", "--jobs", jobs) == 0
        outputs.add(capsys.readouterr().out)
    assert len(outputs) == 1
    assert command(tmp_path, "--jobs", "0") == 2


def test_json_is_json_whatever_is_in_the_files(tmp_path, capsys):
    frames = [replace(good(), name=str(i), relight=relight) for i, relight in enumerate((0.9995, np.nan, -np.inf))]
    write(tmp_path / "s.h5", frames, HEADER)
    command(tmp_path, "--json")
    found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert found["files"][0]["relight"] == 0.9995


def test_an_empty_folder_is_bad_input(tmp_path, capsys):
    assert command(tmp_path) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_path_that_does_not_exist_is_bad_input(tmp_path, capsys):
    assert command(tmp_path / "no.h5") == 2
    assert "no.h5: no such file or folder" in capsys.readouterr().err
