"""The published procedure, typed again from its description, slowly, in plain NumPy; and its parts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.fetching.vgg_weights import rescale
from datasets.images import Images, write_png
from datasets.labels import read_label
from epe import models
from epe.networks.backbones.vgg import LAYERS, VGG16
from eval.kvd import feamgan
from eval.kvd import judge as module
from eval.kvd.alignment import Crop, crop_side
from eval.kvd.crops import DrawnCrops
from eval.kvd.judge import judge
from eval.kvd.protocols import FEAMGAN
from eval.reporting.gallery import gallery
from eval.reporting.summary import data_sets

HEIGHT, WIDTH = 90, 128
GROUPS = {"sky": (0,), "ground": (1,)}


@pytest.fixture
def small(monkeypatch, settings, tmp_path):
    """Settings of the protocol at a small size: frames of 96 x 144 become 90 x 135, of which the middle 128 stay."""
    monkeypatch.setattr(feamgan, "HEIGHT", HEIGHT)
    monkeypatch.setattr(feamgan, "WIDTH", WIDTH)
    groups = tmp_path / "groups.yaml"
    groups.write_text("groups:\n  sky: [0]\n  ground: [1]\n")
    return replace(settings, protocol=FEAMGAN, per_class=True, class_groups=groups)


def keys_weight(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def resizing(count, source, scale):
    """(count, source) matrix of cubic resizing; pixels beyond the border are those at the border."""
    matrix = np.zeros((count, source))
    for i in range(count):
        place = (i + 0.5 - count / 2) * scale + source / 2 - 0.5
        for j in range(-4, source + 4):
            matrix[i, min(max(j, 0), source - 1)] += keys_weight(place - j)
    return matrix


def slow_fit(image):
    h, w = image.shape[:2]
    width = round(w * HEIGHT / h)
    rows, columns = resizing(HEIGHT, h, h / HEIGHT), resizing(width, w, h / HEIGHT)
    found = np.stack([rows @ image[..., c].astype(float) @ columns.T for c in range(3)], axis=2)
    left = int(np.floor((width - WIDTH) / 2 + 0.5))
    return np.clip(np.round(found), 0, 255)[:, left : left + WIDTH]


def slow_fit_label(label, image):
    h, w = image.shape[:2]
    width = round(w * HEIGHT / h)
    left = int(np.floor((width - WIDTH) / 2 + 0.5))
    fitted = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i in range(HEIGHT):
        for j in range(WIDTH):
            row = (i + 0.5 - HEIGHT / 2) * h / HEIGHT + h / 2
            column = (j + left + 0.5 - width / 2) * h / HEIGHT + w / 2
            fitted[i, j] = label[int(row), int(column)]
    return fitted


def slow_crops(frames, photos, labels):
    """Crops of both sides in the order in which they are drawn."""
    rng = np.random.default_rng(42)
    half = int(np.floor(np.sqrt(HEIGHT * WIDTH / 8))) // 2
    sides = ([], [])
    for step in range(len(frames)):
        for side, images, folder in ((0, frames, labels / "frames"), (1, photos, labels / "photos")):
            index = step % len(images)
            image, label = images[index], read_label(folder, images.keys[index])
            row = rng.integers(low=half, high=HEIGHT - half)
            column = rng.integers(low=half, high=WIDTH - half)
            window = slice(row - half, row + half), slice(column - half, column + half)
            crop, ids = slow_fit(image)[window], slow_fit_label(label, image)[window]
            cells = [
                ids[int(np.floor(i * len(ids) / 16)), int(np.floor(j * len(ids) / 16))] for i, j in np.ndindex(16, 16)
            ]
            sides[side].append((crop, ids, np.array(cells)))
    return sides


def features(vgg, crop, shown=None):
    image = crop / 127.5 - 1
    if shown is not None:
        image = image * shown[..., None]
    tensor = torch.from_numpy((image + 1) / 2).permute(2, 0, 1)[None]
    with torch.no_grad():
        return vgg(tensor, ("relu5_3",))["relu5_3"].numpy().reshape(-1)


def slow_distance(vgg, real_side, fake_side, masks=(None, None)):
    """In the words of their code: "fake" ones, which are photographs, look for "real" ones, which are frames."""
    x, y = [], []
    for i, (crop, _, cells) in enumerate(fake_side):
        similarity = [np.mean(cells == other) for _, _, other in real_side]
        best = similarity.index(max(similarity))
        if similarity[best] > 0.5:
            x.append(features(vgg, crop, masks[1] and masks[1][i]))
            y.append(features(vgg, real_side[best][0], masks[0] and masks[0][best]))
    n = len(x)

    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return 1000 * (within - 2 * sum(k(a, b) for a in x for b in y) / n**2), n


def slow_class(vgg, frames, photos, name):
    chosen = []
    for side in (frames, photos):
        shown = [
            ~np.isin(ids, sum(GROUPS.values(), ())) if name == "rest" else np.isin(ids, GROUPS[name])
            for _, ids, _ in side
        ]
        has = [i for i, mask in enumerate(shown) if name == "rest" or mask.mean() > 0.05]
        chosen.append(([side[i] for i in has], [shown[i].astype(float) for i in has]))
    return slow_distance(vgg, chosen[0][0], chosen[1][0], (chosen[0][1], chosen[1][1]))


def double(path):
    network = VGG16()
    network.load_state_dict(models.load(path).network.state_dict())
    return network.double().eval()


def some(source, target, count):
    """The first pictures of a folder."""
    images = Images(source)
    for index in range(count):
        write_png(target / f"{images.keys[index]}.png", images[index])
    return target


def with_constants(path, target):
    """The same network, each layer divided by a constant that its record tells: powers of two, so no bit is lost."""
    means = [2.0 ** (i % 5 - 1) for i in range(len(LAYERS))]
    network = VGG16()
    network.load_state_dict(rescale(models.load(path).network.state_dict(), means))
    record = {"divided_by": dict(zip(LAYERS, means, strict=True)), "what": "scaled", "source_sha256": "0" * 64}
    models.save(models.Model(network, "vgg16", record=record), target)
    return target, means[-1]


def test_agrees_with_the_procedure_in_plain_numpy(small, scenes, tmp_path, monkeypatch):
    """With so few photographs that they come twice, and weights whose layers are divided by constants."""
    load = module.load_vgg
    monkeypatch.setattr(module, "load_vgg", lambda path, padding: load(path, padding).double())
    path, mean = with_constants(small.vgg, tmp_path / "scaled.safetensors")
    folders = some(scenes / "frames", tmp_path / "frames", 5), some(scenes / "photos", tmp_path / "photos", 3)
    asked = replace(small, methods={"render": folders[0]}, real=folders[1], vgg=path)
    record = judge(asked, relative_to=tmp_path, progress=False)
    vgg = double(small.vgg)
    frames, real = slow_crops(*map(Images, folders), scenes / "labels")
    wanted, pairs = slow_distance(vgg, frames, real)
    assert (record.frames.matched, record.frames.dropped) == (pairs, 5 - pairs)
    assert (record.protocol.crop_side, record.protocol.crops_per_frame, record.protocol.seed) == (36, 1, 42)
    assert (record.protocol.scales, record.weights.what) == ({"relu5_3": 1 / mean}, "scaled")
    (method,) = record.methods
    # 1e-6 of values near 10: all is in float64, and resized pixels are whole numbers.
    assert list(method.skvd) == ["relu5_3"]
    assert method.skvd["relu5_3"].value == pytest.approx(wanted, abs=1e-6)
    found = [slow_class(vgg, frames, real, name) for name in ("sky", "ground", "rest")]
    assert list(record.classes.pairs.values()) == [count for _, count in found]
    values = [value for value, _ in found]
    assert [each.value for each in method.ckvd.value.values()] == pytest.approx(values, abs=1e-6)
    assert method.ckvd.mean.value == pytest.approx(np.mean(values), abs=1e-6)
    assert gallery(data_sets([(tmp_path / "r.json", record)])[0]).missing == ""


def slow_variance_weight(m):
    """The first factor of the variance that their code computes beside each estimate, and does not use."""
    return 1 / (m * (m - 1) * (m - 2))


def test_a_group_of_two_pairs_has_an_estimate_here_where_their_run_ends(small, scenes, tmp_path, monkeypatch):
    load = module.load_vgg
    monkeypatch.setattr(module, "load_vgg", lambda path, padding: load(path, padding).double())
    folders = some(scenes / "frames", tmp_path / "frames", 4), some(scenes / "photos", tmp_path / "photos", 2)
    record = judge(
        replace(small, methods={"render": folders[0]}, real=folders[1]), relative_to=tmp_path, progress=False
    )
    vgg = double(small.vgg)
    sides = slow_crops(*map(Images, folders), scenes / "labels")
    wanted = {}
    for name, count in record.classes.pairs.items():
        if count < 3:
            with pytest.raises(ZeroDivisionError):
                slow_variance_weight(count)
        if count >= 2:
            wanted[name], pairs = slow_class(vgg, *sides, name)
            assert pairs == count
    assert 2 in record.classes.pairs.values()
    found = record.methods[0].ckvd.value
    assert {name: each.value for name, each in found.items()} == pytest.approx(wanted, abs=1e-6)


def test_size_is_that_of_the_published_rows():
    # PfD, Cityscapes; VIPER; ours.
    assert feamgan.judged_size((1052, 1914)) == (526, 957)
    assert feamgan.judged_size((1024, 2048)) == (526, 957)
    assert feamgan.judged_size((1080, 1920)) == (526, 935)
    assert (crop_side(526, 957), crop_side(526, 935)) == (250, 246)


def test_a_picture_of_the_right_size_is_left_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (526, 957, 3), dtype=np.uint8)
    assert np.array_equal(feamgan.fit(image, (526, 957)), image)
    # 960 columns: 3 too many, of which the larger half is left.
    wide = np.random.default_rng(0).integers(0, 256, (526, 960, 3), dtype=np.uint8)
    assert np.array_equal(feamgan.fit(wide, (526, 957)), wide[:, 2:959])
    assert np.array_equal(feamgan.fit_label(wide[..., 0], (526, 960), (526, 957)), wide[:, 2:959, 0])


def test_enlarging_is_that_of_torch():
    """torch's bicubic with antialias=True has a = -1/2 and, where it enlarges, no filter; its borders are others."""
    image = np.random.default_rng(0).integers(0, 256, (263, 400, 3), dtype=np.uint8)
    ours = feamgan.fit(image, (526, 957))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    theirs = F.interpolate(tensor, size=(526, 800), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    assert ours.shape == theirs.shape
    # Half a level of rounding.
    assert np.abs(ours - theirs.clip(0, 255))[4:-4, 4:-4].max() <= 0.5 + 1e-3


def test_one_generator_draws_frame_then_photograph():
    rng = np.random.default_rng(42)
    drawn = [(int(rng.integers(5, 15)), int(rng.integers(5, 25))) for _ in range(6)]
    sizes = dict.fromkeys("abc", (20, 30))
    fake, real = feamgan.draw(sizes, dict.fromkeys("xy", (20, 30)), 10, 42)
    places = [place for pair in zip(fake, real, strict=True) for place in pair]
    assert [(crop.top + 5, crop.left + 5) for crop in places] == drawn
    assert [crop.key for crop in fake] == ["a", "b", "c"]
    assert [crop.key for crop in real] == ["x", "y", "x"]
    # Surplus photographs are left out.
    assert [crop.key for crop in feamgan.draw(sizes, dict.fromkeys("vwxyz", (20, 30)), 10, 42)[1]] == ["v", "w", "x"]


def test_description_picks_what_torch_picks():
    labels = np.random.default_rng(0).integers(0, 256, (60, 70), dtype=np.uint8)
    cells = feamgan.describe(labels, Crop("a", 7, 9, 0), 36, (60, 70))
    crop = torch.from_numpy(labels[7:43, 9:45].copy())[None, None]
    assert cells.tolist() == F.interpolate(crop, size=(16, 16), mode="nearest").flatten().tolist()


def test_photographs_choose_the_first_of_the_nearest_frames():
    def side(*labels):
        cells = np.repeat(np.array(labels, np.uint8)[:, None], 256, axis=1)
        return DrawnCrops([], np.zeros(len(labels), np.int64), cells, "")

    found = feamgan.match(side(3, 1, 2, 1), side(1, 5, 2, 1))
    assert [(match.fake, match.real) for match in found] == [(1, 0), (2, 2), (1, 3)]
