"""What files of a data set say about each other, and the numbers of frames."""

import pytest

from gbuffer_tools.checks.dataset import Summary, differences, duplicates, gaps, missing_numbers


def summary(file: str, **facts: object) -> Summary:
    return Summary(file, **{"frames": 1, "size": "8x6", "buffers": ("depth", "normal"), **facts})  # type: ignore[arg-type]


def lines(findings: object) -> list[str]:
    return [f"{f.file}/{f.frame}: {f.what}" for f in findings]  # type: ignore[attr-defined]


def test_files_unlike_most_of_their_folder():
    files = [
        summary("d/a.h5", size="9x9"),
        summary("d/b.h5", class_names=("sky", "road"), classes=2),
        summary("d/c.h5", class_names=("sky", "road"), classes=2),
        summary("d/d.h5", class_names=("road", "sky"), classes=2, buffers=("albedo", "depth")),
        summary("d/broken.h5", frames=0, size="-"),
        summary("e/a.h5", size="7x7", buffers=()),
    ]
    assert lines(differences(files)) == [
        "d/a.h5/: frames are 9x9, in most files of the folder 8x6",
        "d/d.h5/: buffers differ from most files of the folder: lacks normal, adds albedo",
        "d/a.h5/: classes differ from most files of the folder: lacks road, sky",
        "d/d.h5/: classes differ from most files of the folder: another order",
    ]


def test_images_that_are_there_twice():
    files = [
        summary("d/a.h5", images={"f1": "x", "f2": "y", "f3": "x"}),
        summary("e/b.h5", images={"f1": "z", "f9": "y"}),
    ]
    assert lines(duplicates(files)) == [
        "d/a.h5/f3: image is the same as that of d/a.h5/f1",
        "e/b.h5/f9: image is the same as that of d/a.h5/f2",
    ]


@pytest.mark.parametrize(
    ("numbers", "missing", "step"),
    [
        ([60, 210, 360, 510], [], 150),
        ([60, 210, 510, 660], [360], 150),
        ([1, 2, 3, 7, 8], [4, 5, 6], 1),
        ([110, 410, 860, 1010, 1160], [260, 560, 710], 150),
        ([60, 210, 510], [], 0),  # too few
        ([60, 210, 511, 661], [], 0),  # no multiples
        ([1, 3, 6, 10, 11], [], 0),  # no step that most have
        ([1, 2, 3, 4, 10**30], [], 0),  # more missing than there
    ],
)
def test_missing_numbers(numbers, missing, step):
    assert missing_numbers(numbers) == (missing, step)


def test_gaps_are_named_as_frames_are_over_the_files_of_a_row():
    def images(*numbers: int) -> dict[str, str]:
        return {f"frame{n:05d}": str(n) for n in numbers}

    files = [
        summary("d/town.h5", images=images(10, 20, 30)),
        summary("d/town-001.h5", images=images(60, 70)),
        summary("d/other.h5", images=images(10, 20, 30, 40) | {"extra": "e", "take9": "t"}),
        summary("d/long.h5", images=images(*range(0, 200, 2), *range(240, 300, 2))),
    ]
    assert lines(gaps(files)) == [
        "d/town.h5/: missing in a row with steps of 10: frame00040, frame00050",
        "d/long.h5/: missing in a row with steps of 2: "
        + ", ".join(f"frame{n:05d}" for n in range(200, 216, 2))
        + " and 12 more",
    ]
