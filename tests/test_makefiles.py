"""The long procedures are typed right: make knows how to reach each, by commands and options that there are.

They take hours; a wrong option in the last stage would show after all of them.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.frozen import FROZEN

ROOT = Path(__file__).parents[1]
TARGETS = (
    "demo", "report", "ablation", "pairs", "bench", "town", "benchmark-town", "recipes", "showcase", "students",
    "gallery", "upscalers", "codes",
)  # fmt: skip
CAMVID = f"CAMVID={ROOT / 'samples/photos'}"
"""Make looks no further than for a folder train/."""
START = re.compile(r"-m ((?:gbuffer_tools|datasets|train|eval|app|benchmarks)\.\w+)([^\n;&|>]*)")


def commands_of(target: str, *words: str) -> list[tuple[str, list[str]]]:
    """What make would run for a target whose files are all missing: modules, and their words."""
    make = shutil.which("make")
    assert make is not None
    # `make test` hands its own flags down; -B: as if nothing had been made.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    command = [make, "-nB", target, *words]
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("\\\n", " ")
    return [(found[1], found[2].split()) for found in START.finditer(lines)]


def options_of(module: str, first: str) -> set[str]:
    """The options of a command, or of its part that the first word names; a shell's variable may be any part."""
    lines = [line for line in FROZEN if line.split()[0] == module]
    if first.startswith("$"):
        return set().union(*(FROZEN[line] for line in lines))
    return FROZEN[f"{module} {first}" if f"{module} {first}" in lines else module]


@pytest.mark.parametrize("target", TARGETS)
def test_every_command_and_option_exists(target: str) -> None:
    commands = commands_of(target, CAMVID)
    assert commands
    for module, words in commands:
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
        if module.startswith("benchmarks."):
            continue
        known = options_of(module, words[0])
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known, (module, words[:1], options - known)


@pytest.mark.parametrize("target", TARGETS)
def test_every_run_file_exists(target: str) -> None:
    words = [word for _, found in commands_of(target) for word in found]
    files = {words[i + 1] for i, word in enumerate(words) if word == "--config"}
    assert all(Path(ROOT, file).is_file() for file in files), files


def test_real_streets_are_judged_only_where_there_are_any(tmp_path: Path) -> None:
    """`make showcase` does not ask for CamVid, and uses it where it is."""
    (tmp_path / "train").mkdir()
    without, beside = (commands_of("showcase", f"CAMVID={folder}") for folder in (tmp_path / "none", tmp_path))
    judged = [[module for module, _ in found if module.startswith("eval.")] for found in (without, beside)]
    assert [found.count("eval.skvd") for found in judged] == [1, 3]
    assert [found.count("eval.segmentation") for found in judged] == [0, 1]


def test_frames_that_networks_are_judged_on_are_held_against_those_they_learn_from() -> None:
    """No more of the town is rendered for the showcase than it shows."""
    checked = [words for module, words in commands_of("showcase") if module == "gbuffer_tools.check"]
    assert checked == [["demo/town/train", "demo/town/heldout"]]


def test_a_stage_of_the_showcase_keeps_the_benchmarks_folders() -> None:
    """The showcase starts stages of `benchmark-town`, which write into folders of their own."""
    words = " ".join(word for _, found in commands_of("showcase", CAMVID) for word in found)
    assert "--out demo/benchmark/real" in words
    assert "demo/showcase/real" not in words


@pytest.mark.parametrize(("work", "code"), [("true", 0), ("false", 2), ("kill -TERM $$$$", 2)])
def test_a_stage_notes_its_seconds_however_it_ends(work: str, code: int, tmp_path: Path) -> None:
    """What a stage took before it was stopped counts, too; only what has ended well is not done again."""
    text = (ROOT / "benchmarks/town.mk").read_text(encoding="utf-8")
    timed = text[text.index("timed = ") : text.index("each   = ")]
    (tmp_path / "Makefile").write_text(f"BENCH := bench\n{timed}\nout/done:\n\t$(call timed,{work},part/0)\n")
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-s", "out/done"], cwd=tmp_path, env=alone, capture_output=True, check=False)
    assert done.returncode == code
    name, seconds = (tmp_path / "bench/seconds.txt").read_text().split()
    assert (name, int(seconds) < 60) == ("part/0", True)
    assert (tmp_path / "out/done").exists() == (code == 0)
