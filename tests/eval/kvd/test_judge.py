"""The whole metric on small made pictures, with random VGG weights."""

import shutil
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import torch

from datasets.images import Images
from datasets.labels import read_label, write_facts, write_label
from epe import models
from eval.features.vgg_features import LAYERS
from eval.inputs import label_facts, spread
from eval.kvd import judge as module
from eval.kvd.judge import judge
from eval.kvd.protocols import FEAMGAN, OURS
from eval.kvd.setup import set_up
from eval.records.estimate import Estimate
from gbuffer_tools.errors import InputError
from tests.eval.made.scenes import SIDE, changed


def run(settings, folder):
    return judge(settings, relative_to=folder, progress=False)


def values(record, method=0, metric="skvd"):
    return {layer: getattr(record.methods[method], metric)[layer].value for layer in LAYERS}


def test_grows_with_blur_and_with_noise(settings, scenes, tmp_path):
    folders = {"plain": scenes / "frames"}
    for sigma in (1.0, 2.0, 4.0):
        folders[f"blur {sigma}"] = changed(
            scenes / "frames", tmp_path / f"blur{sigma}", lambda image, _, s=sigma: cv2.GaussianBlur(image, (0, 0), s)
        )
    for std in (30.0, 60.0, 120.0):
        folders[f"noise {std}"] = changed(
            scenes / "frames", tmp_path / f"noise{std}", lambda image, rng, s=std: image + rng.normal(0, s, image.shape)
        )
    record = run(replace(settings, methods=folders), tmp_path)
    for layer in LAYERS:
        plain, *rest = [method.skvd[layer].value for method in record.methods]
        assert plain < rest[0] < rest[1] < rest[2], f"{layer}: blur"
        assert plain < rest[3] < rest[4] < rest[5], f"{layer}: noise"
        low = record.methods[6].skvd[layer].low
        assert low is not None
        assert low > 0, f"{layer}: heavy noise is told from nothing"


def test_two_disjoint_samples_of_one_distribution_are_about_zero(settings, tmp_path):
    record = run(settings, tmp_path)
    for layer in LAYERS:
        found = record.methods[0].kvd[layer]
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0 < found.high
        # The interval is of frames alone, and these are few photographs: 3 % of a kernel value.
        assert abs(record.methods[0].skvd[layer].value) < 0.03 * 8000


def test_identical_sets_are_zero(settings, scenes, tmp_path):
    same = replace(settings, real=scenes / "frames", real_labels=settings.fake_labels, candidates=settings.crops)
    record = run(same, tmp_path)
    assert record.frames.dropped == 0
    for layer in LAYERS:
        # All three means run over the same pairs, as pairs out of one image are left out between the sides, too.
        # 1e-6 of a kernel value (8000 in this unit): products are computed in blocks of another order.
        assert values(record, metric="kvd")[layer] == pytest.approx(0, abs=1e-6 * 8000)
        # sKVD: a plain crop may choose another one of the same labels, so that the two lists differ a little.
        assert abs(values(record)[layer]) < 0.02 * 8000


def features(settings, layer, dtype=torch.float64):
    """Features of all crops of both sides, one at a time, straight from the network."""
    vgg = models.load(settings.vgg).network
    fresh = type(vgg)()
    fresh.load_state_dict(vgg.state_dict())
    fresh = fresh.to(dtype).eval()
    frames, photos = Images(next(iter(settings.methods.values()))), Images(settings.real)
    scene = set_up(settings)
    fake, real = scene.fake, scene.real
    found = []
    for images, side in ((frames, fake), (photos, real)):
        rows = []
        for crop in side.crops:
            image = images[images.keys.index(crop.key)][crop.top : crop.top + SIDE, crop.left : crop.left + SIDE]
            pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(dtype) / 255
            with torch.no_grad():
                rows.append(fresh(pixels, (layer,))[layer].numpy().astype(np.float64).reshape(-1))
        found.append(np.stack(rows))
    return found[0], found[1], fake, real


def slow_skvd(settings, layer):
    """The definition, from crops to number, in plain NumPy float64."""
    x, y, fake, real = features(settings, layer)
    pairs = []
    for i in range(len(x)):
        similarity = [np.mean(fake.cells[i] == cells) for cells in real.cells]
        ties = [j for j, s in enumerate(similarity) if s == max(similarity)]
        if max(similarity) > 0.5:
            pairs.append((i, min(ties, key=lambda j: real.crops[j].ticket ^ fake.crops[i].ticket)))
    # Two crops of each of 10 photographs stand beside 16 rendered ones.
    sample = [j for j in range(len(y)) if j % settings.candidates < 2]
    d, square = x.shape[1], (y[sample] ** 2).mean()

    def k(a, b):
        return (a @ b / d / square + 1) ** 3

    kept = [
        k(x[i], x[g]) + k(y[j], y[h]) - k(x[i], y[h]) - k(x[g], y[j])
        for i, j in pairs
        for g, h in pairs
        if fake.groups[i] != fake.groups[g] and real.groups[j] != real.groups[h]
    ]
    return 1000 * np.mean(kept), len(pairs)


def test_agrees_with_the_definition_in_plain_numpy(settings, tmp_path, monkeypatch):
    small = replace(settings, crops=2, candidates=3)
    load = module.load_vgg
    monkeypatch.setattr(module, "load_vgg", lambda path, padding: load(path, padding).double())
    record = run(small, tmp_path)
    for layer in ("relu1_2", "relu3_3", "relu5_3"):
        wanted, pairs = slow_skvd(small, layer)
        assert record.frames.matched == pairs
        # 1e-8 relative to the kernel's size (8000 = 1000 * (1 + 1)³): all in float64.
        assert values(record)[layer] == pytest.approx(wanted, abs=1e-8 * 8000)


def test_single_precision_costs_little(settings, tmp_path, monkeypatch):
    plain = values(run(settings, tmp_path))
    load = module.load_vgg
    monkeypatch.setattr(module, "load_vgg", lambda path, padding: load(path, padding).double())
    double = values(run(settings, tmp_path))
    # Kernel values are about 8000 in the record's unit; float32 features are good to 1e-6 of that.
    assert plain == pytest.approx(double, abs=1e-6 * 8000)


@pytest.mark.parametrize("change", [{"batch": 1}, {"memory": 10_000_000}])
def test_batch_and_memory_do_not_matter(settings, tmp_path, change):
    one, other = run(settings, tmp_path), run(replace(settings, **change), tmp_path)
    # As above: float32 convolutions choose their algorithm by batch size.
    assert values(other) == pytest.approx(values(one), abs=1e-6 * 8000)
    assert values(other, metric="kvd") == pytest.approx(values(one, metric="kvd"), abs=1e-6 * 8000)


def test_order_of_files_does_not_matter(settings, scenes, tmp_path):
    for name in ("frames", "photos"):
        for path in sorted((scenes / name).rglob("*.png"), reverse=True):
            target = tmp_path / name / path.relative_to(scenes / name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    moved = replace(settings, methods={"render": tmp_path / "frames"}, real=tmp_path / "photos")
    one, other = run(settings, scenes), run(moved, tmp_path)
    assert asdict(one) == asdict(other)


def test_methods_of_one_call_do_not_touch_each_other(settings, scenes, tmp_path):
    dark = changed(scenes / "frames", tmp_path / "dark", lambda image, _: 0.6 * image)
    both = run(replace(settings, methods={"render": scenes / "frames", "dark": dark}), tmp_path)
    alone = run(replace(settings, methods={"dark": dark}), tmp_path)
    assert values(both, method=1) == pytest.approx(values(alone), abs=1e-6 * 8000)
    assert both.methods[1].digest == alone.methods[0].digest
    for layer in LAYERS:
        wanted = values(both, method=1)[layer] - values(both)[layer]
        assert both.methods[1].difference[layer].value == pytest.approx(wanted, abs=1e-9 * 8000)
        assert both.methods[0].difference[layer] == Estimate(0.0, 0.0, 0.0)


def test_corrupt_picture_is_named(settings, scenes, tmp_path):
    shutil.copytree(scenes / "frames", tmp_path / "frames")
    (tmp_path / "frames" / "set" / "03.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(InputError, match=r"set/03\.png: not a readable image") as caught:
        run(replace(settings, methods={"render": tmp_path / "frames"}), tmp_path)
    assert "\n" not in str(caught.value)


def test_methods_must_show_the_same_frames(settings, scenes, tmp_path):
    shutil.copytree(scenes / "frames", tmp_path / "fewer")
    (tmp_path / "fewer" / "set" / "03.png").unlink()
    with pytest.raises(InputError, match=r"fewer lacks 1 frames, such as 'set/03'"):
        run(replace(settings, methods={"render": scenes / "frames", "fewer": tmp_path / "fewer"}), tmp_path)


def test_frames_that_are_too_small_are_refused(settings, scenes, tmp_path):
    small = changed(scenes / "frames", tmp_path / "small", lambda image, _: cv2.resize(image, (96, 64)))
    with pytest.raises(InputError, match="crops of 26 px, wanted 32 or more"):
        run(replace(settings, methods={"render": small}), tmp_path)


# feamgan's frames are 957 columns at most, so that only high ones are narrow.
@pytest.mark.parametrize(
    ("protocol", "size"),
    [(OURS, (120, 1200)), (OURS, (1200, 120)), (OURS, (64, 512)), (FEAMGAN, (120, 1200))],
)
def test_frames_that_are_too_narrow_for_their_crops_are_refused(settings, scenes, tmp_path, protocol, size):
    narrow = changed(scenes / "frames", tmp_path / "narrow", lambda image, _: cv2.resize(image, size))
    with pytest.raises(InputError, match=f"^{narrow}: frames of {size[0]}x{size[1]} .* wanted .* less than 8 to 1$"):
        set_up(replace(settings, methods={"render": narrow}, protocol=protocol))


def test_sides_labelled_differently_are_refused(scenes, tmp_path):
    write_facts(tmp_path, {"method": "made", "classes": 4})
    with pytest.raises(InputError, match="classes of the labels is 4, wanted 3"):
        label_facts(scenes / "labels" / "frames", tmp_path)


def relabelled(labels, folder, change, **facts):
    """A copy of a folder of label maps with every map changed."""
    for path in labels.rglob("*.png"):
        key = path.relative_to(labels).with_suffix("").as_posix()
        write_label(folder, key, change(read_label(labels, key)))
    write_facts(folder, {"method": "made", "classes": 4, **facts})
    return folder


def empty_corner(label):
    """A fifth of a map, of whatever classes, gets the class 3."""
    return np.where(np.arange(label.shape[1]) < label.shape[1] // 5, 3, label).astype(np.uint8)


@pytest.mark.parametrize("protocol", [OURS, FEAMGAN])
def test_pixels_without_a_class_are_like_none(settings, scenes, tmp_path, protocol):
    """The similarity of a pair counts only cells of a class that both have."""

    def paired(**facts):
        sides = [
            relabelled(scenes / "labels" / side, tmp_path / str(len(facts)) / side, empty_corner, **facts)
            for side in ("frames", "photos")
        ]
        return set_up(replace(settings, fake_labels=sides[0], real_labels=sides[1], protocol=protocol))

    as_class, as_nothing = paired(), paired(other=3)
    assert 3 in as_class.fake.cells
    assert 3 not in as_nothing.fake.cells
    for found in as_nothing.pairing.matches:
        ours, theirs = as_class.fake.cells[found.fake], as_class.real.cells[found.real]
        assert found.similarity == ((ours == theirs) & (ours != 3)).mean()
    # Each rendered crop (in FeaMGAN's protocol, each real one) seeks one partner.
    before, after = (
        {found.fake if protocol is OURS else found.real: found.similarity for found in setup.pairing.matches}
        for setup in (as_class, as_nothing)
    )
    assert all(similarity <= before[crop] for crop, similarity in after.items())
    assert sum(after.values()) < sum(before.values())


def test_crops_without_any_class_have_no_partner(settings, scenes, tmp_path):
    for name, facts in (("class", {}), ("nothing", {"other": 3})):
        for side in ("frames", "photos"):
            labels = scenes / "labels" / side
            relabelled(labels, tmp_path / name / side, lambda label: np.full_like(label, 3), **facts)
    as_class, as_nothing = (
        replace(settings, fake_labels=tmp_path / name / "frames", real_labels=tmp_path / name / "photos")
        for name in ("class", "nothing")
    )
    assert {found.similarity for found in set_up(as_class).pairing.matches} == {1}
    with pytest.raises(InputError, match="0 pairs of one layout"):
        set_up(as_nothing)


@pytest.mark.parametrize("side", ["black", "photos"])
def test_pictures_that_are_all_the_same_are_refused_before_features(settings, scenes, tmp_path, monkeypatch, side):
    monkeypatch.setattr(module.Extractor, "__call__", lambda *_: pytest.fail("computed features"))
    source = scenes / ("photos" if side == "photos" else "frames")
    folder = changed(source, tmp_path / side, lambda image, _: 0 * image)
    fakes = {"render": scenes / "frames"} | ({"dark": folder} if side == "black" else {})
    settings = replace(settings, methods=fakes, real=folder if side == "photos" else settings.real)
    whose = "frames of dark" if side == "black" else "photographs"
    with pytest.raises(InputError, match=f"{folder}: all {whose} that have partners are the same picture"):
        run(settings, tmp_path)


def test_black_photographs_are_refused(settings, scenes, tmp_path):
    # With zero biases a random network sees nothing in the mean colour only; black needs weights of zero.
    model = models.load(settings.vgg)
    for parameter in model.network.parameters():
        torch.nn.init.zeros_(parameter)
    models.save(models.Model(model.network, "vgg16"), tmp_path / "zero.safetensors")
    with pytest.raises(InputError, match="relu1_2 sees nothing"):
        run(replace(settings, vgg=tmp_path / "zero.safetensors"), tmp_path)


def test_spread_takes_first_and_last():
    assert spread(tuple("abcdefgh"), 3) == ("a", "e", "h")
    assert spread(("a", "b"), 6) == ("a", "b")


def test_the_worst_crops_are_those_of_a_ruined_frame(settings, scenes, tmp_path):
    noisy = changed(scenes / "frames", tmp_path / "noisy", lambda image, rng: image + rng.normal(0, 70, image.shape))
    images = Images(scenes / "frames")
    for key in images.keys[1:]:
        shutil.copy(images.path(images.keys.index(key)), noisy / f"{key}.png")
    both = replace(settings, methods={"render": scenes / "frames", "noisy": noisy}, crops=6)
    worst = judge(both, relative_to=tmp_path, progress=False).methods[1].worst
    assert worst[0].frame == images.keys[0]
    assert len({pair.frame for pair in worst}) == len(worst) == 6
