"""What scorers keep gives the values that the commands give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.images import Images
from datasets.labels import write_facts, write_label
from datasets.runtime.weights import load_vgg
from eval.features.spectra import Spectra
from eval.features.vgg_features import LAYERS, Extractor
from eval.features.vgg_statistics import MEANS, VggStatistics, part
from eval.kvd.judge import judge
from eval.kvd.pairing import pair, unpaired
from eval.kvd.protocols import OURS
from eval.kvd.settings import SkvdSettings
from eval.measuring.set_distances import FeatureSets, gram_mmd, spectral_distance
from eval.measuring.set_metrics import SPECTRAL_METRICS, VGG_METRICS
from eval.metrics.bootstrap import draw_resamples
from eval.no_value import NoValueError
from eval.records.scores_record import Metric
from eval.trials.crop_scorer import CropScorer
from eval.trials.degradations import DEGRADATIONS
from eval.trials.frame_scorer import FrameScorer
from eval.trials.pictures import PictureSet, degraded, read_pictures
from eval.trials.scorer import ArrayCache
from eval.trials.set_scorer import SetScorer
from gbuffer_tools.errors import InputError
from tests.eval.made.scenes import SIDE

CPU = torch.device("cpu")


def side(scenes: Path, name: str, *, labelled: bool = True) -> PictureSet:
    folder = scenes / name
    return read_pictures(folder, 96, scenes / "labels" / name if labelled else None, Images(folder).keys)


@pytest.fixture(scope="module")
def extract(random_vgg: Path) -> Extractor:
    return Extractor(load_vgg(random_vgg, "zeros"), "none", 8, CPU)


def crop_scorer(extract: Extractor, photos: PictureSet, judged: PictureSet) -> CropScorer:
    return CropScorer(extract, "w", photos, judged, side=SIDE, crops=3, candidates=6, seed=0)


def test_crops_have_the_distances_of_eval_skvd(scenes: Path, extract: Extractor, settings: SkvdSettings) -> None:
    frames, photos = side(scenes, "frames"), side(scenes, "photos")
    scorer = crop_scorer(extract, photos, frames)
    draws = draw_resamples(np.arange(len(frames)), count=5, seed=3)
    found = scorer.values(scorer.common(), scorer.measure(frames), draws)
    wanted = judge(settings, relative_to=scenes, progress=False).methods[0]
    assert set(found) == {metric.key for metric in scorer.metrics}
    for layer in LAYERS:
        # 1e-4 of 1000 x MMD²: features of crops are computed in other batches.
        assert found[f"skvd_{layer}"][0] == pytest.approx(wanted.skvd[layer].value, rel=1e-4, abs=1e-3)
        assert found[f"kvd_{layer}"][0] == pytest.approx(wanted.kvd[layer].value, rel=1e-4, abs=1e-3)
        assert found[f"skvd_{layer}"].shape == (6,)
    # A selection of frames is those frames alone.
    some = np.array([[1.0, 1, 1, 1, 1, 0, 0, 0]])
    few = scorer.values(scorer.common(), scorer.measure(frames), some)
    kept = PictureSet(frames.folder, frames.keys[:5], frames.pixels[:5], None)
    alone = crop_scorer(extract, photos, kept)
    alone_values = alone.values(alone.common(), alone.measure(kept), np.ones((1, 5)))
    if len(alone.pairing.sample) == len(scorer.pairing.sample):
        assert few["kvd_relu3_3"][0] == pytest.approx(alone_values["kvd_relu3_3"][0], rel=1e-4, abs=1e-3)


def test_crops_are_paired_as_eval_skvd_pairs_them(scenes: Path, extract: Extractor) -> None:
    """The same to the bit, with label maps and without."""
    photos = side(scenes, "photos")
    aligned = crop_scorer(extract, photos, side(scenes, "frames"))
    fake, real = aligned.fake, aligned.real
    # 24 crops of 8 frames, 10 photographs: three of each.
    pairs = pair(fake, real, OURS.match(fake, real), sample=3)
    alone = crop_scorer(extract, photos, side(scenes, "frames", labelled=False))
    assert aligned.pairing.matches == pairs.matches
    for found, wanted in ((aligned.pairing, pairs), (alone.pairing, unpaired(real, sample=3))):
        for name in ("used", "sample", "partner", "fake"):
            ours, theirs = getattr(found, name), getattr(wanted, name)
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs)


def test_degraded_crops_lie_where_the_crops_lay(scenes: Path, extract: Extractor) -> None:
    frames, photos = side(scenes, "frames"), side(scenes, "photos")
    scorer = crop_scorer(extract, photos, frames)
    noise = next(kind for kind in DEGRADATIONS if kind.name == "noise")
    changed = degraded(frames, noise, 32, 0)
    ones = np.ones((1, len(frames)))
    before, after = (scorer.values(scorer.common(), scorer.measure(x), ones) for x in (frames, changed))
    assert after["kvd_relu1_2"][0] > before["kvd_relu1_2"][0]
    assert changed.labels is frames.labels
    assert changed.originals is frames.pixels


def test_without_label_maps_there_is_kvd_alone(scenes: Path, extract: Extractor) -> None:
    frames, photos = side(scenes, "frames", labelled=False), side(scenes, "photos")
    scorer = crop_scorer(extract, photos, frames)
    found = scorer.values(scorer.common(), scorer.measure(frames), np.ones((1, len(frames))))
    assert set(found) == {f"kvd_{layer}" for layer in LAYERS}
    aligned = crop_scorer(extract, photos, side(scenes, "frames"))
    whole = aligned.values(aligned.common(), aligned.measure(frames), np.ones((1, len(frames))))
    assert found["kvd_relu2_2"][0] == pytest.approx(whole["kvd_relu2_2"][0], rel=1e-5)


def test_sets_have_the_values_of_eval_sets(scenes: Path, random_vgg: Path) -> None:
    frames, photos = side(scenes, "frames"), side(scenes, "photos")
    statistics = VggStatistics(load_vgg(random_vgg, "zeros"), "w", CPU)
    scorer = SetScorer(statistics, VGG_METRICS, LAYERS, photos)
    draws = draw_resamples(np.arange(len(frames)), count=4, seed=0)
    found = scorer.values(scorer.common(), scorer.measure(frames), draws)
    rows = [[statistics(picture) for picture in one.pixels] for one in (frames, photos)]
    for name in (MEANS, part("relu2_2")):
        judged, real = (np.stack([row[name] for row in one]) for one in rows)
        sets = FeatureSets(judged, real, frames.numbers, photos.numbers, draws)
        if name == MEANS:
            for row in VGG_METRICS:
                assert found[row.metric.key][0] == pytest.approx(row.measure(sets)[0], rel=1e-5)
            assert found["kernel_vgg16"] == pytest.approx(VGG_METRICS[1].measure(sets), rel=1e-5)
            fewer = replace(sets, judged=judged[1:], judged_numbers=frames.numbers[1:], draws=np.ones((1, 7)))
            selections = np.array([[0.0, 1, 1, 1, 1, 1, 1, 1], [2, 0, 1, 1, 1, 1, 1, 1]])
            drawn = scorer.values(scorer.common(), scorer.measure(frames), selections)["frechet_vgg16"]
            assert drawn[0] == pytest.approx(VGG_METRICS[0].measure(fewer)[0], rel=1e-5)
            assert np.isnan(drawn[1])  # copies would make the set look narrower than it is
            assert np.isnan(found["frechet_vgg16"][1:]).all()
        else:
            assert found["gram_mmd_relu2_2"] == pytest.approx(gram_mmd(sets), rel=1e-4, abs=1e-3)


def test_spectra_have_the_values_of_eval_sets(scenes: Path) -> None:
    frames, photos = side(scenes, "frames"), side(scenes, "photos")
    scorer = SetScorer(Spectra(), SPECTRAL_METRICS, (), photos)
    found = scorer.values(scorer.common(), scorer.measure(frames), np.ones((1, len(frames))))
    judged, real = (np.stack([Spectra()(x)["spectrum"] for x in one.pixels]) for one in (frames, photos))
    sets = FeatureSets(judged, real, frames.numbers, photos.numbers, np.ones((1, len(frames))))
    assert found["spectral"][0] == pytest.approx(spectral_distance(sets)[0])


def test_frames_have_means_and_compare_with_their_originals(scenes: Path) -> None:
    frames = side(scenes, "frames")
    light = Metric("light", "light", "", "mean value")
    apart = Metric("apart", "apart", "lower", "mean difference")

    def fails_when_dark(picture: np.ndarray) -> float:
        if picture.mean() < 1:
            raise NoValueError("too dark")
        return float(picture.mean())

    scorer = FrameScorer({light: fails_when_dark}, {apart: lambda a, b: float(a.mean() - b.mean())}, "w")
    assert set(scorer.measure(frames)) == {"light"}
    pixels = (np.zeros_like(frames.pixels[0]), *(x // 2 for x in frames.pixels[1:]))
    changed = PictureSet(frames.folder, frames.keys, pixels, None, frames.pixels)
    draws = np.array([np.ones(8), [1, 2, 0, 0, 0, 0, 0, 0]])
    found = scorer.values({}, scorer.measure(changed), draws)
    means = [x.mean() for x in pixels]
    assert found["light"] == pytest.approx([np.mean(means[1:]), means[1]])
    differences = [x.mean() - y.mean() for x, y in zip(pixels, frames.pixels, strict=True)]
    assert found["apart"] == pytest.approx([np.mean(differences), (differences[0] + 2 * differences[1]) / 3])


def test_a_cache_keeps_what_was_made_and_refuses_what_is_damaged(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    made = {"a": np.arange(6.0).reshape(2, 3), "numbers": np.arange(3)}
    assert cache.get(("x", "1"), lambda: made) is made
    again = cache.get(("x", "1"), lambda: pytest.fail("made again"))
    assert all(np.array_equal(again[name], made[name]) for name in made)
    assert cache.get(("x", "2"), lambda: {"b": np.zeros(1)}).keys() == {"b"}
    for path in (tmp_path / "trials").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="not a file of a trial's arrays"):
        cache.get(("x", "1"), lambda: made)
    assert ArrayCache(None).get(("x", "1"), lambda: made) is made


def test_pictures_are_known_by_what_they_show(scenes: Path) -> None:
    frames = side(scenes, "frames")
    same = PictureSet(Path("elsewhere"), frames.keys, frames.pixels, None)
    assert frames.digest == same.digest
    assert degraded(frames, DEGRADATIONS[0], 1.0, 0).digest != frames.digest
    assert PictureSet(frames.folder, frames.keys, frames.pixels, None, frames.pixels).digest != frames.digest


def test_label_maps_of_another_aspect_are_refused(scenes: Path, tmp_path: Path) -> None:
    keys = Images(scenes / "frames").keys
    for key in keys:
        write_label(tmp_path, key, np.zeros((50, 50), np.uint8))
    write_facts(tmp_path, {"method": "made", "classes": 3})
    with pytest.raises(InputError, match="50x50 for a picture of 144x96"):
        read_pictures(scenes / "frames", 96, tmp_path, keys)
