"""train.style on a miniature: goes on to the same bits, moves decoders alone, learns, writes what it promises."""

from pathlib import Path
from typing import Any

import pytest
import torch

from epe import models
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_photos
from train.recipes import style_transfer as style
from train.recipes.style_transfer import StyleTransferConfig


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, size=(40, 48))
    return folder


def config(photos: Path, vgg: Path, out: Path, **changes: Any) -> StyleTransferConfig:
    settings: dict[str, Any] = {
        "method": "wct2", "unpooling": "sum", "photos": photos, "out": out, "vgg": vgg, "crop": 16, "steps": 4,
        "log_every": 1, "save_every": 2, "preview_every": 4,
    }  # fmt: skip
    return StyleTransferConfig(**(settings | changes))


def test_stopped_and_resumed_equals_straight_through(
    photos: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = config(photos, vgg_file, tmp_path / "straight")
    style.train(straight, "a: 1\n")
    halves = config(photos, vgg_file, tmp_path / "halves")
    do = style.step

    def stop(*parts: Any) -> dict[str, torch.Tensor]:
        if parts[-1] == 4:
            raise KeyboardInterrupt
        return do(*parts)

    with monkeypatch.context() as patch:
        patch.setattr(style, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            style.train(halves, "a: 1\n")
    style.train(halves, "a: 1\n")
    for name in ("checkpoint.safetensors", "model.safetensors"):
        assert (straight.out / name).read_bytes() == (halves.out / name).read_bytes()
    assert (straight.out / "run.yaml").read_text() == "a: 1\n"
    assert (straight.out / "previews" / "0000004.png").is_file()
    model = models.load(straight.out / "model.safetensors")
    assert model.spec == {"trunk": "vgg16", "unpooling": "sum"}
    assert (model.kind, model.multiple_of, model.record["steps"]) == ("wct2", 8, 4)


@pytest.mark.parametrize("method", ["wct2", "photowct"])
def test_steps_move_the_decoders_alone_and_towards_the_photographs(
    photos: Path, vgg_file: Path, tmp_path: Path, method: str
) -> None:
    # Without features, of which random weights of VGG16 make no sense.
    run = config(photos, vgg_file, tmp_path, method=method, steps=40, feature_weight=0.0)
    network = style.build(run)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=run.rate)
    images = next(style.crops(style.Photos(photos, 40), run, 0))
    errors = [float(style.step(network, optimiser, run, images, n)["pixels"]) for n in range(1, 13)]
    assert errors[-1] < 0.7 * errors[0]
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("decoder")}


def test_crops_are_of_the_photographs_and_the_same_again(photos: Path, vgg_file: Path, tmp_path: Path) -> None:
    run = config(photos, vgg_file, tmp_path, batch=3)
    loaded = style.Photos(photos, 40)
    first, second = (list(style.crops(loaded, run, start)) for start in (0, 2))
    assert first[0].shape == (3, 3, 16, 16)
    assert torch.equal(first[2], second[0])
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crop": 20}, "--crop 20: wanted a multiple of 8"),
        ({"crop": 8}, "--crop 8: wanted a multiple of 8, 16 or more"),
        ({"crop": 64}, "is 48x40, wanted 64 pixels a side or more; lower --crop"),
        ({"rate": 0.0}, "--rate 0.0: wanted more than 0"),
        ({"steps": 0}, "--steps 0: wanted 1 or more"),
    ],
)
def test_settings_that_no_run_can_have(
    photos: Path, vgg_file: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        style.train(config(photos, vgg_file, tmp_path / "out", **changes), "")
    assert not (tmp_path / "out").exists()
