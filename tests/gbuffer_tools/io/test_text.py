"""JSON of others, and lists that may not name what is elsewhere."""

from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.text import inside, plain, read_json, read_text


def test_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}')
    assert read_json(tmp_path / "x.json") == {"a": [1, 2.5, None]}


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 200_000, b"\xff", b"1" * 5000])
def test_what_is_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not .*write it again") as caught:
        read_json(tmp_path / "x.json")
    assert len(str(caught.value).splitlines()) == 1


def test_the_size_is_checked_before_reading(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="1,099,511,627,776 bytes, wanted at most 100"):
        read_text(tmp_path / "x", 100)
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "gone", 100)


def test_paths_stay_inside_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.png").touch()
    (tmp_path / "secret.png").touch()
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "in.png").symlink_to(folder / "a.png")
    (folder / "circle").symlink_to(folder / "circle")
    assert inside(folder, "a.png") == inside(folder, "deep/../a.png") == inside(folder, str(folder / "a.png"))
    assert inside(folder, "in.png") == (folder / "a.png").resolve()
    for named in (
        "../secret.png",
        "out.png",
        str(tmp_path / "secret.png"),
        "/etc/passwd",
        "a\0b",
        "circle/x",
        "x" * 300,
    ):
        assert inside(folder, named) is None, named


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("Car,  red", "Car, red"), ("a\0b\n\ud800\x1b[31m", "a b [31m"), ("\u2028", ""), ("é" * 300, "é" * 256), (7, "7")],
)
def test_names_become_one_plain_line(text: object, wanted: str) -> None:
    assert plain(text) == wanted
