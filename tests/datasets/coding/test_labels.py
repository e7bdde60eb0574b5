"""Labels of pictures by folder and by file."""

from pathlib import Path

import pytest

from datasets.coding.labels import labels_by_file, labels_by_folder, numbered
from gbuffer_tools.errors import InputError

KEYS = ("cats/1", "dogs/small/2")


def test_by_folder() -> None:
    assert labels_by_folder(Path("x"), KEYS) == {"cats/1": "cats", "dogs/small/2": "dogs"}
    with pytest.raises(InputError, match="'3' lies in no sub-folder"):
        labels_by_folder(Path("x"), (*KEYS, "3"))


def test_by_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('cats/1.jpg,cat\n\ndogs/small/2,"dog, small"\nanother.png,bird\n')
    assert labels_by_file(path, KEYS) == {"cats/1": "cat", "dogs/small/2": "dog, small"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cats/1,cat\n", r"says nothing of 'dogs/small/2' \(1 such pictures\)"),
        ("cats/1,cat\ncats/1,dog\n", "has the labels 'cat' and 'dog'"),
        ("cats/1,cat,dog\n", "line 1 has 3 columns"),
        ("cats/1, \n", "line 1 has"),
        ("\xff\xfe\x00", "says nothing|not UTF-8|columns"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        labels_by_file(tmp_path / "x.csv", KEYS)
    with pytest.raises(InputError, match="cannot be read"):
        labels_by_file(tmp_path / "gone.csv", KEYS)


def test_numbers() -> None:
    assert numbered({"a": "y", "b": "x"}, ("x", "y"), Path("f")) == {"a": 1, "b": 0}
    with pytest.raises(InputError, match=r"f: has the label 'z'; wanted some of x, y\."):
        numbered({"a": "z"}, ("x", "y"), Path("f"))
