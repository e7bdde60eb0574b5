"""Pages of docs/ as their code blocks, and what a reader does with them: write a file, apply a diff, run a command."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CODE = ("gbuffer_tools", "epe", "datasets", "eval", "train", "app", "tests")


class Block(NamedTuple):
    """A fenced block: the second-level heading that it stands under, its language, its text."""

    heading: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page of docs/, in order."""
    found, heading = [], ""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for match in re.finditer(r"^## (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", text, re.M | re.S):
        if match["heading"]:
            heading = match["heading"]
        else:
            found.append(Block(heading, match["language"], match["text"]))
    return found


def copy_of_the_project(folder: Path) -> Path:
    """The project's code in a folder of its own, to be changed as a page says."""
    for room in CODE:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def follow(block: Block, project: Path) -> str:
    """Do what a block says.

        python    begins with "# path/of/a/file.py": write that file; else run it
        diff      begins with "--- path/of/a/file.py": change that file
        bash      run it; `python` is this interpreter

    Returns:
        What was printed.
    """
    first, _, rest = block.text.partition("\n")
    if block.language == "diff":
        change(project / first.removeprefix("--- "), rest)
        return ""
    if block.language == "python" and re.fullmatch(r"# [\w/]+\.py", first):
        path = project / first.removeprefix("# ")
        assert not path.exists(), path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest, encoding="utf-8")
        return ""
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    if block.language == "python":
        command = [sys.executable, "-c", block.text]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def change(path: Path, diff: str) -> None:
    """Apply a diff without line numbers: what it keeps and takes away stands in the file exactly once."""
    lines = [line for line in diff.splitlines() if line]
    assert all(line[0] in " +-" for line in lines), diff
    old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has this {text.count(old)} times, wanted once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")
