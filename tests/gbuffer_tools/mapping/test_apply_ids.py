"""Id maps of channels and cryptomattes, and the classes of their ids."""

import numpy as np
import pytest

from gbuffer_tools.mapping import apply
from gbuffer_tools.mapping.schema import Classes, Depth, Ids, Image, Mapping
from gbuffer_tools.source import SourceFrame
from tests.gbuffer_tools.cryptomatte_hash import name_id

SIZE = H, W = 40, 60
RGB = {c: np.full(SIZE, v, np.float32) for c, v in zip("RGB", (0.0, 0.5, 1.0), strict=True)}
IMAGE = Image(("R", "G", "B"))


def made(channels: dict[str, np.ndarray], **mapping: object) -> SourceFrame:
    return apply.to_frame("a", RGB | channels, Mapping(image=IMAGE, **mapping), {})


def crypto() -> tuple[dict[str, np.ndarray], dict[str, object]]:
    ids = np.full(SIZE, name_id("Oak.001"), np.uint32)
    ids[:, 30:] = name_id("Road")
    ids[:, 50:] = name_id("unlisted")
    coverage = np.ones(SIZE, np.float32)
    manifest = ", ".join(f'"{n}": "{name_id(n):08x}"' for n in ("Oak.001", "Road"))
    attributes = {"cryptomatte/0/name": "C", "cryptomatte/0/manifest": f"{{{manifest}}}"}
    return {"C00.R": ids.view(np.float32), "C00.G": coverage}, attributes


def test_names_of_a_cryptomatte_become_classes():
    channels, attributes = crypto()
    depth = np.ones(SIZE, np.float32)
    depth[0] = 0
    mapping = Mapping(
        image=IMAGE,
        depth=Depth("Z"),
        ids={"object": Ids(cryptomatte="C")},
        classes=Classes(("sky", "other", "tree", "road"), rules={"^Oak": "tree", "(?i)road": "road"}),
    )
    found = apply.to_frame("a", RGB | channels | {"Z": depth}, mapping, attributes)
    frame = found.frame
    oak, road = (name_id(name) for name in ("Oak.001", "Road"))
    assert found.names == {"ids/object": {oak: {"name": "Oak.001"}, road: {"name": "Road"}}}
    assert frame.ids["object"][1, 0] == oak
    assert not frame.ids["object"][0].any()
    assert np.array_equal(np.unique(frame.ids["class"][0]), [0])
    assert frame.ids["class"][1, [0, 30, 50]].tolist() == [2, 3, 1]


def test_only_names_that_are_seen_are_told_and_each_id_map_has_its_own():
    channels, attributes = crypto()
    coverage = {"C00.G": (np.arange(W) < 30) * np.ones(SIZE, np.float32)}  # the road covers nothing
    mapping = Mapping(image=IMAGE, ids={"object": Ids(cryptomatte="C"), "material": Ids("m")})
    stored = {"m": np.full(SIZE, 7, np.float32)}
    found = apply.to_frame("a", RGB | channels | coverage | stored, mapping, attributes)
    assert found.names == {"ids/object": {name_id("Oak.001"): {"name": "Oak.001"}}}


def test_ids_of_a_channel_are_whole_numbers_and_become_classes_by_number():
    stored = np.full(SIZE, 7, np.float32)
    stored[0, 0], stored[0, 1], stored[0, 2] = 6.5, -3, np.nan
    stored[1] = 0
    classes = Classes(("nothing", "other", "car"), of="material", numbers={7: "car"})
    found = made({"m": stored}, ids={"material": Ids("m")}, classes=classes)
    assert found.frame.ids["material"][0, :4].tolist() == [0, 0, 0, 7]
    assert found.frame.ids["class"][:, 3].tolist() == [2, 0] + [2] * (H - 2)
    assert "ids/material: 0.12% are no whole numbers" in found.note


def test_ids_that_are_classes():
    classes = Classes(("a", "b"), of="class")
    stored = np.zeros(SIZE, np.float32)
    stored[3] = 1
    assert made({"c": stored}, ids={"class": Ids("c")}, classes=classes).frame.ids["class"][3, 0] == 1
    with pytest.raises(ValueError, match=r"ids\.class holds 2, wanted 0\.\.1"):
        made({"c": stored * 2}, ids={"class": Ids("c")}, classes=classes)
