"""Records made by hand, of pictures that need not exist."""

from dataclasses import replace

from eval.records import skvd_record
from eval.records.estimate import Estimate
from eval.records.scores_record import Metric
from eval.records.skvd_record import (
    ClassEstimates,
    ClassGroups,
    CropPair,
    ProtocolFacts,
    SkvdFloor,
    SkvdFrames,
    SkvdMethod,
    SkvdPhotos,
    SkvdRecord,
    VggWeights,
)
from eval.records.trial_record import (
    DegradationResult,
    FeatureSpace,
    OrderResult,
    TrialPictures,
    new_trial,
)

LAYERS = ("relu1_2", "relu5_3")


def method(name, scale=1.0):
    def values(base):
        return {layer: Estimate(scale * base, scale * base * 0.8, scale * base * 1.2) for layer in LAYERS}

    less = 300.0 * (scale - 1)
    difference = {layer: Estimate(less, less - 20, less + 20) for layer in LAYERS}
    ratio = {layer: Estimate(scale, scale * 0.9, scale * 1.1) for layer in LAYERS}
    return SkvdMethod(name, f"pictures/{name}", "a" * 64, values(300.0), values(500.0), difference, ratio, None, ())


def by_class(found):
    """The same record with cKVD of two groups, a third left out."""
    values = {"sky": Estimate(20.0, 15.0, 25.0), "road | way": Estimate(40.0, 35.0, 45.0)}
    less = {name: Estimate(-5.0, -8.0, -2.0) for name in values}
    ckvd = ClassEstimates(values, less, Estimate(30.0, 25.0, 35.0), Estimate(-5.0, -7.0, -3.0))
    groups = {"sky": (0,), "road | way": (1, 2), "person": (3,)}
    classes = ClassGroups(groups, {"sky": 30, "road | way": 12, "person": 4}, 10, 0.05, "relu5_3", "partners", "grey")
    return replace(found, classes=classes, methods=tuple(replace(method, ckvd=ckvd) for method in found.methods))


def with_floor(found, value=30.0):
    """The same record with other photographs at `value`, and no way to go at relu5_3."""
    floor = {layer: Estimate(value, value - 20, value + 20) for layer in LAYERS}
    ways = [{"relu1_2": Estimate(0.25 * i, 0.25 * i - 0.5, 0.25 * i + 0.5), "relu5_3": None} for i in range(9)]
    return replace(
        found,
        methods=tuple(replace(method, toward_floor=way) for method, way in zip(found.methods, ways, strict=False)),
        floor=SkvdFloor("pictures/others", 6, 18, 15, "1" * 64, "2" * 64, floor, floor),
    )


def made(*methods):
    """A record with two layers, of pictures that need not exist."""
    return SkvdRecord(
        format=skvd_record.FORMAT,
        version=skvd_record.VERSION,
        tool="photorealism-enhancement 0",
        methods=methods or (method("render"), method("enhanced", 0.7)),
        frames=SkvdFrames(4, 96, 144, 12, 10, 2, "b" * 64),
        photos=SkvdPhotos("pictures/photos", 5, 1, 3, 24, 7, 4, 0.3, 12, "c" * 64, "d" * 64),
        classes=None,
        protocol=ProtocolFacts(
            "ours", "rendered",
            "m", "1000 x MMD²", "e", "k", LAYERS, "p", "s", {"relu1_2": 1.5, "relu5_3": 2.0}, 40, 3, 6, "cells",
            0.5, "clusters", 12, "reduced", 0, 200, "frames", 0.95,
        ),
        weights=VggWeights("vgg16.safetensors", "e" * 64, "VGG16", "f" * 64),
        shown=("set/00", "set/01"),
        pairs=(CropPair("set/00", 1, 2, "set/03", 4, 5, 0.75),),
    )  # fmt: skip


def trial(spearman=None, *, kept=True):
    """A record of a trial of two measures, with one degradation and one order."""
    found = {"skvd_relu1_2": 0.4, "skvd_relu5_3": 1.0} if spearman is None else spearman
    metrics = tuple(Metric(key, key.replace("_", " "), "lower", "made") for key in found)
    estimates = {key: Estimate(10.0, 5.0, 15.0) for key in found}
    kind = DegradationResult(
        "blur", "sigma", (0.0, 1.0), {key: (one, one) for key, one in estimates.items()},
        {key: (Estimate(0.0, 0.0, 0.0), one) for key, one in estimates.items()},
        {key: Estimate(value, value, value) for key, value in found.items()}, dict(found), dict.fromkeys(found, 3),
    )  # fmt: skip
    sides = [TrialPictures(name, f"pictures/{name}", 4, "a" * 64) for name in ("real", "render")]
    difference = {key: Estimate(5.0, 1.0, 9.0) if kept else Estimate(-5.0, -9.0, 1.0) for key in found}
    order = OrderResult(*sides, False, estimates, estimates, difference, dict.fromkeys(found))
    photos = TrialPictures("photographs", "pictures/photos", 7, "c" * 64)
    space = FeatureSpace("means", 3.5, 0.8)
    return new_trial(metrics, photos, (space,), photos, (kind,), (order,), 0.9, {"height": "of 96 lines"})
