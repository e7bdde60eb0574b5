from dataclasses import replace

import numpy as np
import pytest
import torch

from datasets.images import Images, write_png
from datasets.labels import read_label
from epe import models
from epe.networks.backbones.vgg import IMAGENET_MEAN, VGG16
from eval.features.vgg_features import Extractor
from eval.kvd.judge import judge
from eval.kvd.per_class import CKVD_LAYER, masked, read_groups
from eval.kvd.protocols import FEAMGAN
from eval.kvd.vgg_file import read_vgg_file
from eval.records.estimate import Estimate
from gbuffer_tools.errors import InputError

NOTHING = Estimate(0.0, 0.0, 0.0)


def groups(path, text):
    path.write_text(text)
    return path


def test_a_class_that_covers_everything_has_skvds_value(settings, tmp_path):
    path = groups(tmp_path / "g.yaml", "groups: {all: [0, 1, 2], none: [7]}")
    record = judge(
        replace(settings, crops=2, candidates=3, per_class=True, class_groups=path),
        relative_to=tmp_path,
        progress=False,
    )
    (method,) = record.methods
    assert record.classes.pairs == {"all": record.frames.matched, "none": 0}
    assert list(method.ckvd.value) == ["all"]
    # 1e-6 of a kernel value (8000 in this unit): crops are computed in other batches, in float32.
    for found in (method.ckvd.value["all"], method.ckvd.mean):
        wanted = method.skvd[CKVD_LAYER]
        assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high), abs=8e-3)


def test_a_change_inside_a_class_moves_that_class_alone(settings, scenes, tmp_path):
    images = Images(scenes / "frames")
    for index, key in enumerate(images.keys):
        sky = read_label(settings.fake_labels, key) == 0
        write_png(tmp_path / "grey" / f"{key}.png", np.where(sky[..., None], 90, images[index]).astype(np.uint8))
    methods = {"render": scenes / "frames", "grey": tmp_path / "grey"}
    record = judge(
        replace(settings, methods=methods, crops=2, candidates=4, per_class=True), relative_to=tmp_path, progress=False
    )
    first, second = record.methods
    assert list(record.classes.groups) == ["label 0", "label 1", "label 2"]
    assert first.ckvd.difference == {name: NOTHING for name in first.ckvd.value}
    moved = {name for name, found in second.ckvd.difference.items() if found != NOTHING}
    assert moved == {"label 0"}
    assert set(second.ckvd.value) >= {"label 0", "label 1"}
    # The mean is over the classes that are there, each as much as the others.
    mean = np.mean([found.value for found in second.ckvd.value.values()])
    assert second.ckvd.mean.value == pytest.approx(mean, abs=1e-9 * 8000)


def test_hidden_pixels_are_one_colour(random_vgg):
    vgg = VGG16()
    vgg.load_state_dict(models.load(random_vgg).network.state_dict())
    rng = np.random.default_rng(0)
    pixels, shown = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8), rng.random((2, 32, 32)) < 0.5
    for colour in (IMAGENET_MEAN, (0.5, 0.5, 0.5)):
        extract = Extractor(vgg, "none", 2, torch.device("cpu"), colour)
        found = extract(masked(pixels, shown, np.array([1, 0])), (CKVD_LAYER,))[CKVD_LAYER]
        image = np.where(shown[..., None], pixels / 255, colour)[::-1].copy()
        wanted = vgg(torch.from_numpy(image).permute(0, 3, 1, 2).float(), (CKVD_LAYER,))[CKVD_LAYER].flatten(1)
        # 1e-5 of features near 1: float32, rounded at other places.
        assert torch.allclose(found, wanted, atol=1e-5)
    # ImageNet's mean is nothing to the network.
    hidden = Extractor(vgg, "none", 2, torch.device("cpu"))._pixels(masked(pixels, shown & False, np.array([0])))
    assert ((hidden - vgg.mean) == 0).all()


def test_published_groups_of_msegs_labels():
    found = read_groups(FEAMGAN.groups)
    assert len(found) == 9
    assert found["vehicle"] == (175, 176, 177, 178, 180, 181, 182, 183, 185)
    assert sum(map(len, found.values())) == 1 + 5 + 1 + 1 + 1 + 12 + 5 + 4 + 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "groups: none, wanted"),
        ("sky: [1]", "sky: unknown key, wanted groups"),
        ("groups: [1]", "groups: list of 1, wanted entries of str: value"),
        ("groups: {sky: 1}", "groups.sky: 1, wanted a list"),
        ("groups: {sky: []}", "groups.sky: .*wanted labels of 0 .. 255"),
        ("groups: {sky: [256]}", r"groups.sky: \[256\], wanted labels of 0 .. 255"),
        ("groups: {sky: [true]}", r"groups.sky\[0\]: True, wanted a whole number"),
        ("groups: {1: [2]}", "wanted entries of str: value"),
        ("groups: {sky: [1, 2], road: [2]}", "groups.road: label 2 is in 'sky', too; wanted it in one group"),
        ("groups: {sky: [1", "no YAML"),
    ],
)
def test_a_bad_file_of_groups_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_groups(groups(tmp_path / "g.yaml", text))
    assert "g.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rest_is_the_protocols_own_name(settings, tmp_path):
    path = groups(tmp_path / "g.yaml", "groups: {rest: [1]}")
    with pytest.raises(InputError, match=r"g\.yaml: the protocol feamgan has a group 'rest' of its own"):
        judge(replace(settings, protocol=FEAMGAN, per_class=True, class_groups=path), relative_to=tmp_path)


@pytest.mark.parametrize("constants", [{"relu5_3": 0}, {"relu5_3": "2"}, [1], {"relu5_3": True}])
def test_odd_constants_of_weights_are_one_line(random_vgg, tmp_path, constants):
    model = models.load(random_vgg)
    models.save(replace(model, record={"divided_by": constants}), tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match=r"odd\.safetensors: its record has an odd `divided_by`"):
        read_vgg_file(tmp_path / "odd.safetensors")
