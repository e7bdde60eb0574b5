"""From a transformer and its first stages to PNGs: new, completed, by label, by map; or one line."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.inference.code_jobs import SamplingJob, batches, entropy_of
from app.inference.sheet import GAP, TITLE, sheet
from app.sample import build_parser, main
from datasets.images import read_image, write_png
from epe.models import Model, digest, save
from epe.networks.codes.choice import Choice
from epe.networks.codes.sampling import sample
from gbuffer_tools.command import run
from tests.datasets.coding.made import NAMES, use_blocks, write_pictures
from tests.epe.networks.codes.made import Blocks, BlocksSpec, codes_of, tiny, write_blocks


@pytest.fixture(autouse=True, scope="module")
def blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_blocks(patch)
        yield


@pytest.fixture(scope="module")
def files(blocks: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First stages, and transformers with windows of 4 codes: plain, with labels, with maps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("files")
    write_pictures(folder / "pictures", folder / "labels", size=(18, 27))
    write_blocks(folder / "blocks")
    write_blocks(folder / "classes", BlocksSpec(2, 2, "classes"), classes=tuple((name,) for name in NAMES))
    for name, sizes, names in (
        ("plain", {"condition_codes": 1}, ()),
        ("published", {}, ()),
        ("named", {"condition_codes": 2}, (("cat",), ("dog",))),
        ("paths", {"condition_codes": 3}, (("../cat",), (".._cat",), ("/dog",))),
        ("damaged", {"condition_codes": 2}, (("cat",), ("dog",), ("cow",))),
        ("numbers", {"condition_codes": 5}, ()),
        ("maps", {"condition_codes": 2, "conditions": 16}, ()),
    ):
        network = tiny(codes=8, **sizes)
        save(Model(network, "gpt", network.spec.as_dict(), classes=names), folder / name)
    return folder


def start(files: Path, model: str, out: Path, *words: object) -> int:
    first = ["--autoencoder", files / "blocks", *(("--condition-autoencoder", files / "classes") * (model == "maps"))]
    return run(main, build_parser(), [*map(str, [files / model, "--out", out, *first, *words, "--device", "cpu"])])


def greys(path: Path) -> np.ndarray:
    """Codes of a picture of `Blocks`."""
    pixels = read_image(path)
    assert (pixels == pixels[..., :1]).all()
    return np.rint(pixels[::4, ::4, 0] / 255 * 7).astype(int)


def test_pictures_are_the_samples_and_the_same_again(files: Path, tmp_path: Path) -> None:
    words = ("--count", 3, "--size", "24x16", "--seed", 7, "--temperature", 0.7, "--top-k", 5, "--top-p", 0.9)
    assert start(files, "plain", tmp_path / "a", *words, "--batch", 2) == 0
    assert start(files, "plain", tmp_path / "b", *words) == 0
    seeds = [int(np.random.SeedSequence((7, n)).generate_state(1, np.uint64)[0]) for n in range(3)]
    network = tiny(codes=8, condition_codes=1)
    wanted = sample(
        network, torch.zeros(3, dtype=torch.int64), (4, 6), [torch.Generator().manual_seed(s) for s in seeds],
        choice=Choice(0.7, 5, 0.9),
    )  # fmt: skip
    for n in range(3):
        assert np.array_equal(greys(tmp_path / "a" / f"{n:03}.png"), wanted[n].numpy())
        assert (tmp_path / "a" / f"{n:03}.png").read_bytes() == (tmp_path / "b" / f"{n:03}.png").read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 3


def test_several_temperatures_make_a_sheet(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(files, "published", tmp_path, "--count", 2, "--temperature", 0.1, 1, 4) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "temperature-0.1",
        "temperature-1",
        "temperature-4",
        "sheet.png",
    }
    pictures = [read_image(tmp_path / f"temperature-{t}" / f"00{n}.png") for n in range(2) for t in ("0.1", "1", "4")]
    found = read_image(tmp_path / "sheet.png")
    assert found.shape == (TITLE + 2 * (16 + GAP), 3 * (16 + GAP), 3)
    for number, picture in enumerate(pictures):
        top, left = TITLE + number // 3 * (16 + GAP), number % 3 * (16 + GAP)
        assert np.array_equal(found[top : top + 16, left : left + 16], picture)
    entropies = [float(line.split()[-2]) for line in capsys.readouterr().out.splitlines() if "entropy" in line]
    for temperature, entropy in zip(("0.1", "1", "4"), entropies, strict=True):
        drawn = np.stack([greys(path) for path in (tmp_path / f"temperature-{temperature}").iterdir()])
        fractions = np.unique(drawn, return_counts=True)[1] / drawn.size
        assert entropy == pytest.approx(-(fractions * np.log2(fractions)).sum(), abs=0.006)  # two digits are printed
    assert entropies[2] > entropies[1] + 0.2


class TestComplete:
    def test_the_upper_half_stays(self, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert start(files, "plain", tmp_path, "--complete", files / "pictures") == 0
        assert "rows and columns after the last whole code (4 pixels) are cut off" in capsys.readouterr().err
        for key in ("dark/0", "light/1", "dark/2", "light/3"):
            pixels = read_image(files / "pictures" / f"{key}.png")[:16, :24, 0]
            known = np.rint(pixels.reshape(4, 4, 6, 4).mean((1, 3)) / 255 * 7)
            found = greys(tmp_path / f"{key}.png")
            assert np.array_equal(found[:2], known[:2])
            assert not np.array_equal(found[2:], known[2:])

    def test_a_mask(self, files: Path, tmp_path: Path) -> None:
        mask = np.zeros((18, 27), np.uint8)
        mask[5, 9] = 255  # one pixel of the code in row 1, column 2
        write_png(tmp_path / "mask.png", mask)
        picture, seen = files / "pictures" / "dark" / "0.png", set()
        words = ("--mask", tmp_path / "mask.png", "--count", 6)
        assert start(files, "plain", tmp_path / "out", "--complete", picture, *words) == 0
        pixels = read_image(picture)[:16, :24, 0]
        known = np.rint(pixels.reshape(4, 4, 6, 4).mean((1, 3)) / 255 * 7).astype(int)
        for n in range(6):
            found = greys(tmp_path / "out" / f"0-00{n}.png")
            seen.add(int(found[1, 2]))
            found[1, 2] = known[1, 2]
            assert np.array_equal(found, known)
        assert len(seen) > 1

    def test_shrunk_as_in_training(self, files: Path, tmp_path: Path) -> None:
        large = np.repeat(np.repeat(read_image(files / "pictures" / "dark" / "0.png"), 2, 0), 2, 1)
        write_png(tmp_path / "large.png", large)
        assert start(files, "plain", tmp_path / "out", "--complete", tmp_path / "large.png", "--height", 18) == 0
        assert start(files, "plain", tmp_path / "own", "--complete", files / "pictures" / "dark" / "0.png") == 0
        assert (tmp_path / "out" / "large.png").read_bytes() == (tmp_path / "own" / "0.png").read_bytes()

    def test_with_the_maps_of_the_same_pictures(self, files: Path, tmp_path: Path) -> None:
        words = ("--complete", files / "pictures", "--condition", files / "labels")
        assert start(files, "maps", tmp_path, *words) == 0
        assert len(list(tmp_path.rglob("*.png"))) == 4


def test_labels_by_name_or_number(files: Path, tmp_path: Path) -> None:
    assert start(files, "named", tmp_path / "a", "--label", "dog", "cat", "--count", 2) == 0
    assert {path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.png")} == {
        "dog/000.png", "dog/001.png", "cat/000.png", "cat/001.png",
    }  # fmt: skip
    assert start(files, "numbers", tmp_path / "b", "--label", "4", "--count", 1) == 0
    network = tiny(codes=8, condition_codes=5)
    seed = int(np.random.SeedSequence((0, 0)).generate_state(1, np.uint64)[0])
    wanted = sample(network, torch.tensor([4]), (4, 4), [torch.Generator().manual_seed(seed)])
    assert np.array_equal(greys(tmp_path / "b" / "4" / "000.png"), wanted[0].numpy())


def test_labels_that_look_like_paths_stay_in_the_folder(files: Path, tmp_path: Path) -> None:
    assert start(files, "paths", tmp_path / "a", "--label", "../cat", "/dog", "--count", 1) == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "a/_._cat/000.png", "a/_dog/000.png",
    }  # fmt: skip


def test_temperatures_that_are_nearly_equal_are_kept_apart(files: Path, tmp_path: Path) -> None:
    assert start(files, "plain", tmp_path, "--count", 1, "--temperature", 0.5, 0.5000001, 1e-7) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"temperature-0.5", "temperature-0.5000001", "temperature-1e-07", "sheet.png"}


def test_maps_are_resized_by_nearest_alone(files: Path, tmp_path: Path) -> None:
    """At their own size, and at another one that repeats each pixel."""
    assert start(files, "maps", tmp_path / "own", "--condition", files / "labels") == 0
    assert read_image(tmp_path / "own" / "dark" / "0.png").shape == (16, 24, 3)
    network = tiny(codes=8, condition_codes=2, conditions=16)
    assert start(files, "maps", tmp_path / "large", "--condition", files / "labels", "--size", "28x16") == 0
    labels = np.zeros((1, 4, 7), np.int64)
    labels[0, 2:] = 1  # dark above: grass, then sky
    seed = int(np.random.SeedSequence((0, 0)).generate_state(1, np.uint64)[0])
    wanted = sample(network, torch.from_numpy(labels), (4, 7), [torch.Generator().manual_seed(seed)])
    assert np.array_equal(greys(tmp_path / "large" / "dark" / "0.png"), wanted[0].numpy())


@pytest.mark.parametrize(
    ("model", "words", "line"),
    [
        ("plain", "--temperature 0", "--temperature 0.0: wanted more than 0"),
        ("plain", "--temperature 1 1", "--temperature 1.0: is given twice"),
        ("named", "--label dog cat dog", "--label dog: is given twice"),
        ("paths", "--label ../cat .._cat", "--label .._cat: its pictures would be written over those of ../cat"),
        ("plain", "--top-k -1", "--top-k -1: wanted 0"),
        ("plain", "--top-p 2", "--top-p 2.0: wanted more than 0"),
        ("plain", "--step 3", "--step 3: windows of 4 codes a side move by 1 .. 2"),
        ("plain", "--batch 0", "--batch 0: wanted 1 or more"),
        ("plain", "--size 18x20", "--size 18x20: wanted multiples of 4"),
        ("named", "--size 32x12 --label cat", "wanted WIDTHxHEIGHT with both in 16"),
        ("plain", "--mask x", "--mask x: is for pictures to --complete"),
        ("plain", "--height 99", "--height 99: is for pictures to --complete"),
        ("plain", "--label 1", "is not conditioned on a label"),
        ("plain", "--condition x", "is conditioned on no maps; leave it out"),
        ("plain", "--condition-autoencoder x", "is conditioned on no maps; leave out --condition-autoencoder"),
        ("named", "", "wants a --label, some of cat, dog"),
        ("named", "--label cow", "--label cow: "),
        ("numbers", "", "wants a --label, some of 0 .. 4"),
        ("numbers", "--label 5", "--label 5: wanted a number in 0 .. 4"),
        ("damaged", "--label cow", "names 3 labels, and knows fewer"),
        ("maps", "", "is conditioned on maps; give label maps or frame files as --condition"),
        ("blocks", "", "is a 'vqgan', wanted a 'gpt'"),
    ],
)
def test_what_is_refused_in_one_line(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, words: str, line: str
) -> None:
    assert start(files, model, tmp_path / "out", *words.split()) == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed.startswith("python -m app.sample: ")
    assert line in printed
    assert not (tmp_path / "out").exists()


def test_first_stages_of_others_are_refused(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = tiny(codes=8, condition_codes=1)
    for model, words in (
        (
            Model(network, "gpt", network.spec.as_dict(), record={"digests": {"autoencoder": "0"}}),
            "is not the first stage",
        ),
        (Model(tiny(), "gpt", tiny().spec.as_dict()), "has 8 codes, "),
    ):
        save(model, tmp_path / "model")
        words_of = ["--out", str(tmp_path / "out"), "--autoencoder", str(files / "blocks"), "--device", "cpu"]
        assert run(main, build_parser(), [str(tmp_path / "model"), *words_of]) == 2
        assert words in capsys.readouterr().err
    known = Model(network, "gpt", network.spec.as_dict(), record={"digests": {"autoencoder": digest(files / "blocks")}})
    save(known, tmp_path / "model")
    assert run(main, build_parser(), [str(tmp_path / "model"), *words_of, "--count", "1"]) == 0


@pytest.mark.parametrize("broken", ["plain", "blocks"])
def test_weights_that_are_not_finite(broken: str, files: Path, tmp_path: Path, capsys) -> None:
    network = tiny(codes=8, condition_codes=1) if broken == "plain" else Blocks(BlocksSpec())
    next(iter(network.state_dict().values())).view(-1)[0] = float("inf")
    save(Model(network, network.kind, asdict(network.spec)), tmp_path / broken)
    other = files / ("blocks" if broken == "plain" else "plain")
    model, stage = (tmp_path / broken, other)[:: 1 if broken == "plain" else -1]
    words = [model, "--out", tmp_path / "out", "--autoencoder", stage, "--device", "cpu"]
    assert run(main, build_parser(), list(map(str, words))) == 2
    assert f"{tmp_path / broken}: " in (line := capsys.readouterr().err)
    assert "has values that are not finite" in line
    assert not (tmp_path / "out").exists()


def test_small_pictures_and_existing_ones(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(tmp_path / "small.png", np.zeros((15, 30, 3), np.uint8))
    assert start(files, "plain", tmp_path / "out", "--complete", tmp_path / "small.png") == 2
    assert "small: is 30x15, wanted 16 pixels a side or more" in capsys.readouterr().err
    assert start(files, "plain", tmp_path / "out", "--count", 1) == 0
    assert start(files, "plain", tmp_path / "out", "--count", 1) == 2
    assert "already exists (1 of 1); pass --overwrite" in capsys.readouterr().err
    assert start(files, "plain", tmp_path / "out", "--count", 1, "--overwrite") == 0


def test_too_little_memory_is_one_line(files: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("app.inference.code_jobs.sample", lambda *_, **__: torch.empty(2**56))
    assert start(files, "plain", tmp_path / "out") == 2
    assert "out of memory (288230376151711744 bytes more were wanted); use a smaller --batch" in capsys.readouterr().err


def test_batches_are_of_one_size() -> None:
    job = SamplingJob("", 0, (4, 4), np.zeros(1, np.int32))
    jobs = [replace(job, number=i, size=(4, 4 + (i > 2))) for i in range(6)]
    assert [[job.number for job in part] for part in batches(jobs, 2)] == [[0, 1], [2], [3, 4], [5]]


def test_entropy_and_sheet() -> None:
    assert entropy_of([torch.tensor([[[1, 1], [5, 5]]]), torch.tensor([[[0, 3], [0, 3]]])]) == pytest.approx(2)
    assert entropy_of([codes_of(1, 3, 3) * 0]) == 0
    small, large = (np.full((side, side, 3), side, np.uint8) for side in (5, 9))
    found = sheet(["a", "b"], [[small, small], [large, large]])
    assert found.shape == (TITLE + 5 + 9 + 2 * GAP, 2 * (9 + GAP), 3)
    assert (found[TITLE : TITLE + 5, 13 : 13 + 5] == 5).all()
