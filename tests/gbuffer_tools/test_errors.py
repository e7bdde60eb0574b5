"""Messages that quote damaged files stay on one line, and never command a terminal."""

import pickle

from gbuffer_tools.errors import InputError


def test_what_cannot_be_printed_is_escaped():
    said = "a\nb\r\x1b[31m\0\u2028\udcff"
    assert str(InputError(said)) == r"a\nb\r\x1b[31m\x00\u2028\udcff"
    assert str(InputError("straße × 3, 雪")) == "straße × 3, 雪"


def test_on_the_way_between_processes_nothing_is_escaped_twice():
    error = InputError("a\nb \\ c")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == r"a\nb \ c"
