"""One walk for every command: which files it finds, in which order, and what it says of the others."""

import os
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.folders import counted, files_below, in_time, key_in_time, walk


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(folder: Path, files: tuple[Path, ...] | list[Path]) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


@pytest.mark.parametrize(
    "ordered",
    [
        ("frame_1", "frame_2", "frame_10", "frame_11"),
        ("rgb_9999", "rgb_10000"),
        ("seq.-0002", "seq.-0001", "seq.0000", "seq.0001"),
        ("seq.-10", "seq.-9", "seq.1"),
        ("-3", "-1", "2"),
        ("day-01", "day-02", "day-10"),
        ("2023-12-20", "2023-12-21", "2024-01-01"),
        ("a1b2", "a1b10", "a2b1"),
        ("01", "1", "2"),
        ("shot 2 take 9", "shot 2 take 10", "shot 10 take 1"),
    ],
)
def test_numbers_are_compared_as_numbers_with_their_sign(ordered: tuple[str, ...]) -> None:
    assert tuple(sorted(reversed(ordered), key=in_time)) == ordered


def test_keys_are_sorted_folder_by_folder() -> None:
    ordered = ["X/1", "X/2", "X/10", "X-001/1", "X-002/1", "X-010/1"]
    assert sorted(reversed(ordered), key=key_in_time) == ordered


def test_files_of_a_row_follow_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "X.h5", "X-001.h5", "X-002.h5", "X-010.h5", "X-100.h5", "X-1000.h5")
    assert names(tmp_path, walk(tmp_path).files) == [f"X{n}.h5" for n in ("", "-001", "-002", "-010", "-100", "-1000")]


def test_hidden_files_and_what_systems_leave_are_left_out_and_counted(tmp_path: Path) -> None:
    hidden = ("._a.png", ".DS_Store", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/a.png", "d/Thumbs.db")
    touch(tmp_path, "a.png", "d/b.PNG", *hidden)
    found = walk(tmp_path)
    assert names(tmp_path, found.files) == ["a.png", "d/b.PNG"]
    assert names(tmp_path, found.hidden) == [".DS_Store", "._a.png", ".ipynb_checkpoints", "__MACOSX", "d/Thumbs.db"]
    assert found.left_out(found.files, "unread") == [
        f"left out of {tmp_path}: 1 .DS_Store, 1 .png, 1 .ipynb_checkpoints, 1 __MACOSX, 1 .db "
        "(.DS_Store, ._a.png, .ipynb_checkpoints, …): hidden"
    ]


def test_a_folder_that_is_hidden_itself_is_walked(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/a.png")
    assert len(walk(tmp_path / ".cache").files) == 1


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.png", "photos/0.png")
    photos = tmp_path / "photos"
    (photos / "day2").symlink_to(tmp_path / "elsewhere")
    (photos / "one.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (photos / "gone.png").symlink_to(tmp_path / "nowhere")
    (photos / "day2" / "back").symlink_to(photos)
    os.mkfifo(photos / "pipe")
    found = walk(photos)
    assert names(photos, found.files) == ["0.png", "day2/1.png", "one.png"]
    assert names(photos, found.broken) == ["day2/back", "gone.png", "pipe"]
    (tmp_path / "link").symlink_to(photos)
    assert len(walk(tmp_path / "link").files) == 3


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n}.txt" for n in range(12)), "a.JSON", "README", "1.png")
    found = walk(tmp_path)
    assert found.left_out(found.of([".png"]), "no images") == [
        f"left out of {tmp_path}: 12 .txt, 1 README, 1 .json (0.txt, 1.txt, 2.txt, …): no images"
    ]
    assert found.left_out(found.files, "no images") == []
    assert counted([tmp_path / "a.txt"], tmp_path) == "1 .txt (a.txt)"


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def guarded(path: Path) -> object:  # root may read every folder, so its bits would not do
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(InputError, match=r"closed: cannot be read \(Permission denied\)"):
        walk(tmp_path)


def test_suffixes_are_those_of_either_case(tmp_path: Path) -> None:
    touch(tmp_path, "a.PNG", "b.png", "c.jpg")
    assert names(tmp_path, files_below(tmp_path, (".png",))) == ["a.PNG", "b.png"]
