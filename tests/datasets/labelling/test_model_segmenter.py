"""A model of train.segmenter as what labels pictures: torch and ONNX alike, its classes, files that are damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.export import build_parser as export_parser
from app.export import main as export
from datasets.images import Images, write_png
from datasets.label import build_parser, main
from datasets.labelling.segmenter import open_segmenter
from datasets.labelling.taxonomy import NONE
from datasets.labels import read_facts, read_label
from epe import models
from epe.networks.segmenters.unet import UNet, UNetSpec
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.app.made import untrained

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="needs PyPI's onnxruntime (extra onnx)")

NAMES = ("sky", "road", "car", "tree")


def save(path: Path, seed: int = 0, **changes: Any) -> Path:
    """A model with random weights, of which each class wins somewhere."""
    torch.manual_seed(seed)
    network = UNet(UNetSpec(len(NAMES), width=4, height=64))
    network(torch.rand(4, 3, 64, 64))  # statistics of the batch norms
    torch.nn.init.normal_(network.head.weight)
    facts = {"classes": tuple((name,) for name in NAMES), "spec": network.spec.as_dict(), "multiple_of": 16}
    models.save(models.Model(network.eval(), "unet", **(facts | changes)), path)
    return path


def picture(seed: int, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (size[0] // 8 + 1, size[1] // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    return blocks[: size[0], : size[1]].astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("segmenters")
    path = save(folder / "m.safetensors")
    assert run(export, export_parser(), [str(path), "--onnx", str(folder / "m.onnx")]) == 0
    return path, folder / "m.onnx"


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (35, 51), (128, 100), (200, 90)])
def test_onnx_equals_torch(files: tuple[Path, Path], size: tuple[int, int]) -> None:
    """Of pictures that need padding, and of such that are shrunk to the network's height."""
    ours, theirs = (open_segmenter(path, None) for path in files)
    found, again = ours(picture(1, size)), theirs(picture(1, size))
    assert found.shape == size
    assert len(np.unique(found)) > 1
    # Scores that are equal up to rounding may go to either class.
    assert (found != again).mean() < 1e-3


def test_scores_of_onnx_equal_torch(files: tuple[Path, Path]) -> None:
    network, session = models.load(files[0]).network, open_segmenter(files[1], None).network
    for shape in ((1, 3, 64, 64), (2, 3, 32, 80)):
        values = torch.rand(*shape)
        with torch.inference_mode():
            wanted = network(values).numpy()
        # 1e-4 of scores up to some 10: fp32, sums in another order, batch norms folded.
        assert np.abs(session(values.numpy()) - wanted).max() < 1e-4 * max(1, np.abs(wanted).max())


def test_a_picture_is_labelled_by_its_largest_score(files: tuple[Path, Path]) -> None:
    network = models.load(files[0]).network
    seen = picture(2, (48, 64))
    with torch.inference_mode():
        scores = network(torch.from_numpy(seen).movedim(-1, 0)[None].float() / 255)[0]
    segmenter = open_segmenter(files[0], None)
    assert list(segmenter.taxonomy.classes) == list(NAMES)
    assert np.array_equal(segmenter(seen), scores.argmax(0).numpy())


def test_larger_pictures_are_seen_at_the_height_of_training(files: tuple[Path, Path]) -> None:
    segmenter, small = open_segmenter(files[0], None), picture(3, (64, 80))
    large = small.repeat(3, 0).repeat(3, 1)  # by area averaging this is the small one again
    seen, wanted = segmenter(large), segmenter(small)
    assert seen.shape == (192, 240)
    # Scores are enlarged bilinearly; in the middle of three pixels they are those of the small picture.
    # Equal ones may go to either class by their rounding.
    assert (seen[1::3, 1::3] != wanted).mean() < 0.002


def test_a_taxonomy_groups_its_classes(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("classes: {nature: {game: [tree, sky]}, road: {game: [lane]}}")
    found = open_segmenter(files[0], None)(picture(1, (64, 64)))
    grouped = open_segmenter(files[0], tmp_path / "c.yaml")(picture(1, (64, 64)))
    # By the names that it lists for frame files, or by its own.
    assert np.array_equal(grouped, np.array([0, 1, NONE, 0])[found])


class TestLabel:
    @pytest.mark.parametrize("kind", [0, 1])
    def test_round_trip(self, files: tuple[Path, Path], tmp_path: Path, kind: int) -> None:
        for i in range(2):
            write_png(tmp_path / "photos" / "a" / f"{i}.png", picture(i, (40, 56)))
        words = [str(tmp_path / "photos"), "--method", "segmenter", "--out", str(tmp_path / "labels")]
        assert run(main, build_parser(), [*words, "--segmenter", str(files[kind])]) == 0
        images, segmenter = Images(tmp_path / "photos"), open_segmenter(files[kind], None)
        for i, key in enumerate(images.keys):
            assert np.array_equal(read_label(tmp_path / "labels" / "photos", key), segmenter(images[i]))
        facts = read_facts(tmp_path / "labels" / "photos")
        assert (facts["method"], facts["names"], facts["other"]) == ("segmenter", [*NAMES, "other"], 4)
        assert facts["digests"]["segmenter"] == models.digest(files[kind])  # type: ignore[index]

    def test_without_a_segmenter(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = [str(tmp_path / "photos"), "--method", "segmenter", "--out", str(tmp_path / "labels")]
        assert run(main, build_parser(), words) == 2
        assert "--segmenter is missing" in capsys.readouterr().err


class TestRefused:
    def test_onnx_on_a_gpu(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(InputError, match=r"^--device cuda: .*m\.onnx is an ONNX network, which runs on the CPU"):
            open_segmenter(files[1], None, torch.device("cuda"))

    def test_a_network_without_words(self, files: tuple[Path, Path], tmp_path: Path) -> None:
        made = onnx.load(str(files[1]))
        del made.metadata_props[:]
        onnx.save(made, str(tmp_path / "plain.onnx"))
        with pytest.raises(InputError, match=r"plain\.onnx: does not say what its numbers mean"):
            open_segmenter(tmp_path / "plain.onnx", None)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"kind": "lite"}, "is a 'lite', wanted a segmenter"),
            ({"classes": [["sky"]]}, "names 1 classes, wanted 4"),
            ({"classes": [["sky"], ["sky"], ["car"], ["tree"]]}, "wanted 4 that differ"),
            ({"classes": [["sky", "x"], [], ["car"], ["tree"]]}, "wanted 4 that differ"),
            ({"spec": {"classes": 4, "depth": 3}}, "spec does not fit"),
            ({"spec": {"classes": 4, "height": 1}}, "height must be an integer"),
            ({"version": 9}, "header version"),
        ],
    )
    def test_damaged_headers_of_onnx(
        self, files: tuple[Path, Path], tmp_path: Path, change: dict[str, Any], words: str
    ) -> None:
        made = onnx.load(str(files[1]))
        facts = {entry.key: entry.value for entry in made.metadata_props}
        del made.metadata_props[:]
        facts["model"] = json.dumps(json.loads(facts["model"]) | change)
        onnx.helper.set_model_props(made, facts)
        onnx.save(made, str(tmp_path / "odd.onnx"))
        with pytest.raises(InputError, match=words) as caught:
            open_segmenter(tmp_path / "odd.onnx", None)
        assert "odd.onnx" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_model_file_with_other_names(self, tmp_path: Path) -> None:
        path = save(tmp_path / "m.safetensors", classes=(("sky",), ("road",)))
        with pytest.raises(InputError, match="names 2 classes, wanted 4"):
            open_segmenter(path, None)

    def test_a_model_that_is_no_segmenter(self, tmp_path: Path) -> None:
        models.save(untrained(), tmp_path / "enhancer.safetensors")
        with pytest.raises(InputError, match=r"wanted a 'unet' \(train\.segmenter\)"):
            open_segmenter(tmp_path / "enhancer.safetensors", None)

    def test_a_taxonomy_without_its_classes(self, files: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "c.yaml").write_text("classes: {lava: {game: [fire]}}")
        with pytest.raises(InputError, match="has the classes sky, road, car, tree, of which --classes lists none"):
            open_segmenter(files[0], tmp_path / "c.yaml")
