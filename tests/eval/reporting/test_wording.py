from dataclasses import replace

import pytest

from app.assets import find
from eval.records.estimate import Estimate
from eval.reporting.wording import cautions, change, counts, ends, number, protocol, verdict
from tests.eval.made.records import made, method


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (312.4, "312"),
        (99.96, "100"),
        (45.23, "45.2"),
        (1.239, "1.24"),
        (0.01234, "0.012"),
        (0, "0.00"),
        (-64.81, "-64.8"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_interval_and_change():
    assert ends(Estimate(1.0, 0.5, 2.25)) == "0.50 to 2.25"
    assert ends(Estimate(1.0, None, None)) == "no interval"
    assert change(Estimate(0.7, 0.6, 0.8)) == "−30 %"
    assert change(Estimate(1.3, 1.2, 1.4)) == "+30 %"
    assert change(None) == "–"


@pytest.mark.parametrize(
    ("scale", "closer", "farther", "text"),
    [(0.7, 2, 0, "closer to the photographs than render at 2 of 2 layers; sKVD −30 % to −30 %."),
     (1.0, 0, 0, "closer to the photographs than render at 0 of 2 layers, undecided at 2; sKVD +0 % to +0 %."),
     (2.0, 0, 2, "closer to the photographs than render at 0 of 2 layers, farther at 2; sKVD +100 % to +100 %.")],
)  # fmt: skip
def test_verdict(scale, closer, farther, text):
    record = made(method("render"), method("other", scale))
    found = verdict(record, record.methods[1])
    assert (len(found.closer), len(found.farther), found.text) == (closer, farther, text)


def test_every_fact_of_the_record_is_told():
    record = made()
    facts = " ".join(f"{name} {text}" for name, text in counts(record) + protocol(record))
    for digest in "abcde":
        assert digest * 64 in facts
    for fact in (
        "12: 10 matched, 2 dropped",
        "1 dropped as smaller",
        "40 px",
        "above 0.5",
        "12 classes",
        "seed 0",
        "95 %",
    ):
        assert fact in facts


def test_other_weights_than_the_published_ones_are_said():
    record = made()
    published = replace(record, protocol=replace(record.protocol, name="feamgan"))
    assert "torchvision's VGG16; these are other weights (vgg16.safetensors)" in cautions(published)[0]
    theirs = replace(record.weights, source_sha256=find("vgg16-torchvision").sha256)
    assert cautions(replace(published, weights=theirs)) == []


def test_thin_ground_is_said():
    record = made()
    assert cautions(record) == []
    few = replace(record, frames=replace(record.frames, matched=5, dropped=7))
    assert [text.split(" rendered")[0] for text in cautions(few)] == ["Only 5 of 12"]
    one = replace(record, photos=replace(record.photos, largest_fraction=0.62))
    assert cautions(one)[0].startswith("One photograph serves 62 % of the pairs")
