"""What --order and --labels say."""

from pathlib import Path

import pytest

from eval.trials.orders import NamedFolder, Order, parse_labels, parse_order
from gbuffer_tools.errors import InputError


def test_an_order_names_two_folders() -> None:
    assert parse_order("real=a > render=out/b") == Order(
        NamedFolder("real", Path("a")), NamedFolder("render", Path("out/b"))
    )


def test_a_folder_may_hold_an_equals_sign() -> None:
    found = parse_order("real=runs/lr=1e-4/a > render=b=c")
    assert found == Order(NamedFolder("real", Path("runs/lr=1e-4/a")), NamedFolder("render", Path("b=c")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("real=a", "got 1 sides"),
        ("runs/lr=1e-4/a > b=b", "got the side 'runs/lr=1e-4/a', wanted NAME=DIR"),
        ("a=a > b=b > c=c", "got 3 sides"),
        ("a > b=b", "got the side 'a', wanted NAME=DIR"),
        ("a= > b=b", "wanted NAME=DIR"),
        ("a=x > b=./x", "the same name or folder twice"),
        ("a=x > a=y", "the same name or folder twice"),
    ],
)
def test_other_orders_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_order(text)


def test_labels_by_folder() -> None:
    assert parse_labels(["a=L/a", "b=L/b"]) == {Path("a").resolve(): Path("L/a"), Path("b").resolve(): Path("L/b")}
    for texts in (["a"], ["=L"], ["a="], ["a=L", "./a=M"]):
        with pytest.raises(InputError, match="wanted DIR=LABELS"):
            parse_labels(texts)
