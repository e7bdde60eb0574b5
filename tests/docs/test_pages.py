"""The pages are true: links, files, commands and options that they name exist; retired words are gone."""

import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MAX_LINES = 130
ROOMS = "app|benchmarks|datasets|eval|gbuffer_tools|train"
# Paths in the tree start with one of these folders; user's files, such as run/model.safetensors, do not.
PATH = re.compile(rf"(?<![\w./*<-])(?:{ROOMS}|docs|epe|models|samples|tests)/(?:[\w.*-]+/)*[\w.*-]*")
ROOT_FILE = re.compile(r"`([A-Za-z]+\.(?:md|cfg|toml|txt)|Makefile|LICENSE|NOTICE)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
STARTED = re.compile(r"-m ((?:\w+\.)+\w+)")
COMMAND = re.compile(rf"(?<![\w./-])((?:{ROOMS})\.[a-z_]+)(?![\w(.])((?: [a-z0-9]+)?)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
# Options of the programs that a line may start beside ours.
FOREIGN = {"--nproc_per_node", "--debug", "--help"}
# Its examples are written and run by a test of its own, with the options that they add.
FOLLOWED = "extending.md"
# The first line of an example, which says what file it becomes.
WRITTEN = re.compile(r"^# (\S+\.(?:py|yaml|html))$", re.MULTILINE)
# Names that the project had before it took the field's.
RETIRED = re.compile(
    r"\b(Players|Pace|Ring|Course|Descent|Meanings|carry_out|descend|tell_apart|fool|likeness|rematerialise)\b|"
    r"\b(least_pairs|share_above|largest_share)\b|"
    r"\bpace/"
)


def paths(text: str) -> set[str]:
    """What a page says of files and folders of the tree, from its root."""
    found = {match.group().rstrip(".-") for match in PATH.finditer(text)}
    return found | set(ROOT_FILE.findall(text))


def lines(text: str) -> Iterator[str]:
    """Lines of a page; those that a shell continues count as one."""
    return iter(text.replace("\\\n", " ").splitlines())


def has_main(path: Path) -> bool:
    return path.is_file() and 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")


def is_command(module: str) -> bool:
    """Whether `python -m MODULE` starts something of ours."""
    path = ROOT.joinpath(*module.split("."))
    return has_main(path.with_suffix(".py")) or has_main(path / "__main__.py")


def shown_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `python -m MODULE [SUBCOMMAND] --help` prints, in this process."""
    monkeypatch.setattr(sys, "argv", [*words, "--help"])
    monkeypatch.setenv("COLUMNS", "1000")
    # Otherwise runpy warns of a module that another test has imported.
    monkeypatch.delitem(sys.modules, words[0], raising=False)
    with pytest.raises(SystemExit):
        runpy.run_module(words[0], run_name="__main__", alter_sys=False)
    return capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert not [link for link in links if link and "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = paths(text) - set(WRITTEN.findall(text)) if page.name == FOLLOWED else paths(text)
    assert not [path for path in sorted(named) if not list(ROOT.glob(path))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_started_commands_are_commands(page: Path) -> None:
    ours = [name for name in STARTED.findall(page.read_text(encoding="utf-8")) if (ROOT / name.split(".")[0]).is_dir()]
    assert not [name for name in ours if not is_command(name)]


@cache
def options_on_pages() -> dict[tuple[str, str], set[str]]:
    """Options by the command, and the word after it, of the lines that name one command."""
    found: dict[tuple[str, str], set[str]] = {}
    for page in PAGES:
        if page.name == FOLLOWED:
            continue
        for line in lines(page.read_text(encoding="utf-8")):
            named = {match.group(1): match.group(2).strip() for match in COMMAND.finditer(line)}
            named = {name: word for name, word in named.items() if is_command(name)}
            options = set(OPTION.findall(line)) - FOREIGN
            if len(named) == 1 and options:
                found.setdefault(named.popitem(), set()).update(options)
    return found


@pytest.mark.parametrize("command", sorted({name for name, _ in options_on_pages()}))
def test_named_options_are_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    whole = shown_help(monkeypatch, capsys, command)
    for (name, word), wanted in options_on_pages().items():
        if name == command:
            # Its help lists the subcommands of a command in braces; any other word is prose, or an argument.
            listed = re.search(r"^  \{([^}]*)\}", whole, flags=re.MULTILINE)
            parts = listed[1].split(",") if listed else []
            named = [word] if word in parts else parts
            text = whole + "".join(shown_help(monkeypatch, capsys, command, part) for part in named)
            assert wanted <= set(re.findall(r"--[a-z][\w-]*", text)), f"{command} {word}"


def test_the_checks_see_what_they_forbid() -> None:
    """Patterns that find nothing would hold everywhere."""
    text = "see `epe/nowhere.py`, epe/losses/, `nowhere.md`; run/epe/x.py is a user's"
    assert paths(text) == {"epe/nowhere.py", "epe/losses/", "nowhere.md"}
    assert LINK.findall("[a](docs/a.md#b), [c](https://d)") == ["docs/a.md#b", "https://d"]
    assert STARTED.findall("python -m app.enhance x; -m eval.skvd") == ["app.enhance", "eval.skvd"]
    assert is_command("app.enhance")
    assert not is_command("app.nowhere")
    assert not is_command("eval.options")
    assert ("eval.skvd", "") in options_on_pages()
    assert sum(map(len, options_on_pages().values())) > 40


def test_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_retired_words_are_gone(page: Path) -> None:
    assert RETIRED.findall(page.read_text(encoding="utf-8")) == []


def test_retired_words_are_gone_from_the_code() -> None:
    rooms = [path.parent for path in ROOT.glob("*/__init__.py")]
    texts = {path: path.read_text(encoding="utf-8") for room in rooms for path in room.rglob("*.py")}
    assert len(texts) > 500
    # A paper's title, and this file.
    found = {path: RETIRED.findall(text.replace("Ring Attention", "")) for path, text in texts.items()}
    assert not {path: words for path, words in found.items() if words and path != Path(__file__)}


def test_the_map_names_every_folder() -> None:
    block = re.search(r"## The map\n.*?```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    named = set(re.findall(r"(?<![\w/])(\w+)/(?!\w)", block[1]))
    rooms = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    folders = {path.parent.relative_to(ROOT) for room in rooms for path in room.rglob("__init__.py")}
    assert {path.name for path in folders} <= named
    assert not {
        name for name in named if not list(ROOT.glob(name)) and not any(list(room.rglob(name)) for room in rooms)
    }
