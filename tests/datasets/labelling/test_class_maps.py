"""Label maps from class ids: names that mean the same, pixels without a class, the taxonomy that is shipped."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasets.label import build_parser, main
from datasets.labelling import taxonomy as module
from datasets.labelling.class_maps import class_maps, class_names, write_maps
from datasets.labelling.taxonomy import NONE, ClassMeaning, SegmenterTaxonomy, read_taxonomy, shared_taxonomy
from datasets.labels import check_alike, other_class, read_facts, read_label, write_facts
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write
from gbuffer_tools.sources.classes.carla_tags import TAGS
from gbuffer_tools.sources.classes.taxonomies import CAMVID, CAMVID_ORIGINAL, CITYSCAPES, VIPER

SIZE = (6, 8)
STREET = Path(module.__file__).with_name("street.yaml")
PHOTO, GAME = ("Sky", "Road", "Car", "Void"), ("kart", "road", "sky", "lane", "prop")
CLASSES = """
classes:
  sky: {game: [Sky, sky]}
  road: {game: [Road, road, lane]}
  car: {game: [Car, kart]}
"""


def ids(names: tuple[str, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, len(names), SIZE, np.uint8)


def write_labelled(folder: Path, names: tuple[str, ...]) -> Path:
    """FOLDER/a.h5 with frames 0 and 1, FOLDER/b.h5 with frame 2; their class ids are random."""
    folder.mkdir(parents=True)
    image = np.zeros((*SIZE, 3), np.uint8)
    frames = [Frame(name=str(i), image=image, buffers={}, ids={"class": ids(names, i)}) for i in range(3)]
    header = Header("test", "none", names, "CC0-1.0", "tests")
    write(folder / "a.h5", frames[:2], header)
    write(folder / "b.h5", frames[2:], header)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_labelled(tmp_path / "photos", PHOTO)
    write_labelled(tmp_path / "frames", GAME)
    (tmp_path / "classes.yaml").write_text(CLASSES)
    return tmp_path


def label(folder: Path, out: str, *names: str, classes: bool = True) -> int:
    more = ["--classes", str(folder / "classes.yaml")] if classes else []
    given = [str(folder / name) for name in names]
    return run(main, build_parser(), [*given, "--method", "classes", "--out", str(folder / out), *more])


class TestCommand:
    def test_round_trip(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert label(folder, "labels", "photos", "frames") == 0
        # By name: sky 0, road 1, car 2, all else 3.
        for name, table in (("photos", [0, 1, 2, 3]), ("frames", [2, 1, 0, 1, 3])):
            names = PHOTO if name == "photos" else GAME
            for key, seed in (("a/0", 0), ("a/1", 1), ("b/2", 2)):
                found = read_label(folder / "labels" / name, key)
                assert np.array_equal(found, np.array(table)[ids(names, seed)])
            facts = read_facts(folder / "labels" / name)
            assert (facts["method"], facts["classes"], facts["other"]) == ("classes", 4, 3)
            assert facts["names"] == ["sky", "road", "car", "other"]
        printed = capsys.readouterr().out
        assert "other in" in printed
        assert "photos: Void" in printed
        assert "frames: prop" in printed

    def test_folders_that_are_labelled_apart_are_alike(self, folder: Path) -> None:
        assert label(folder, "one", "photos", "frames") == label(folder, "two", "frames") == 0
        photos, frames = folder / "one" / "photos", folder / "two" / "frames"
        check_alike(photos, read_facts(photos), read_facts(frames), frames)

    def test_another_meaning_of_the_same_names_is_not_alike(self, folder: Path) -> None:
        assert label(folder, "one", "photos") == 0
        (folder / "classes.yaml").write_text(CLASSES.replace("road, lane", "road"))
        assert label(folder, "two", "frames") == 0
        photos, frames = folder / "one" / "photos", folder / "two" / "frames"
        with pytest.raises(InputError, match="digests of the labels"):
            check_alike(photos, read_facts(photos), read_facts(frames), frames)

    def test_equal_names_by_default(self, folder: Path) -> None:
        write_labelled(folder / "town", ("void", "road", "house", "sky"))
        assert label(folder, "labels", "frames", "town", classes=False) == 0
        assert read_facts(folder / "labels" / "town")["names"] == ["road", "sky", "other"]
        found = read_label(folder / "labels" / "town", "b/2")
        assert np.array_equal(found, np.array([2, 0, 2, 1])[ids(("",) * 4, 2)])

    def test_default_names_do_not_depend_on_their_order(self, folder: Path) -> None:
        for name, names in (("one", ("road", "sky")), ("two", ("sky", "unlabelled", "road"))):
            write_labelled(folder / name, names)
            assert label(folder, f"labels-{name}", name, classes=False) == 0
        one, two = folder / "labels-one" / "one", folder / "labels-two" / "two"
        check_alike(one, read_facts(one), read_facts(two), two)

    @pytest.mark.parametrize("classes", [True, False])
    def test_no_name_in_common(self, folder: Path, capsys: pytest.CaptureFixture[str], classes: bool) -> None:
        write_labelled(folder / "town", ("lava", "void"))
        assert label(folder, "labels", "photos", "town", classes=classes) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "Sky, Road, Car, Void" in error or "town: has the classes lava, void" in error
        assert not (folder / "labels").exists()

    def test_frames_without_class_ids(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        frame = Frame(name="x", image=np.zeros((*SIZE, 3), np.uint8), buffers={}, ids={})
        write(folder / "photos" / "c.h5", [frame], Header("test", "none", PHOTO, "CC0-1.0", "tests"))
        assert label(folder, "labels", "photos") == 2
        assert "c.h5: has no ids/class" in capsys.readouterr().err


class TestTaxonomies:
    def test_nameless_classes_are_none(self) -> None:
        names = ("Void", "road", "unlabelled", "unlabeled", "other")
        assert list(shared_taxonomy([names, names]).classes) == ["road"]

    def test_class_maps_have_none_where_there_is_no_class(self, folder: Path) -> None:
        found = dict(class_maps(folder / "photos", read_taxonomy(folder / "classes.yaml")))
        assert list(found) == ["a/0", "a/1", "b/2"]
        assert np.array_equal(found["b/2"], np.array([0, 1, 2, NONE])[ids(PHOTO, 2)])
        assert class_names(folder / "photos") == PHOTO

    def test_a_class_called_other_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="none of them called 'other'"):
            write_maps(tmp_path, [], ["road", "other"], "classes", {})

    def test_digests_follow_names_and_their_order_but_not_the_order_in_a_list(self) -> None:
        def digest(**classes: tuple[str, ...]) -> str:
            return SegmenterTaxonomy({name: ClassMeaning(game=game) for name, game in classes.items()}).digest()

        assert digest(a=("x", "y"), b=("z",)) == digest(a=("y", "x"), b=("z",))
        others = [digest(b=("z",), a=("x", "y")), digest(a=("x",), b=("y", "z")), digest(c=("x", "y"), b=("z",))]
        assert len({digest(a=("x", "y"), b=("z",)), *others}) == 4


class TestOther:
    def test_read(self, tmp_path: Path) -> None:
        write_facts(tmp_path, {"classes": 3})
        assert other_class(tmp_path) is None
        write_facts(tmp_path, {"classes": 3, "other": 2})
        assert other_class(tmp_path) == 2

    @pytest.mark.parametrize("value", [3, -1, "2", True, 1.0])
    def test_no_class(self, tmp_path: Path, value: object) -> None:
        write_facts(tmp_path, {"classes": 3, "other": value})
        with pytest.raises(InputError, match="`other` is"):
            other_class(tmp_path)


class TestStreet:
    """The taxonomy that is shipped."""

    def classes_of(self, names: tuple[str, ...]) -> dict[str, str]:
        street = read_taxonomy(STREET)
        table, classes = street.of_game(names), list(street.classes)
        return {name: classes[table[i]] if table[i] != NONE else "" for i, name in enumerate(names)}

    def test_its_classes_are_camvids(self) -> None:
        assert tuple(read_taxonomy(STREET).classes) == CAMVID.classes[:-1]
        assert self.classes_of(CAMVID.classes) == {name: name for name in CAMVID.classes[:-1]} | {"unlabelled": ""}

    def test_camvids_original_is_grouped_as_by_its_480x360_release(self) -> None:
        """The groups that MathWorks's example of SegNet on CamVid states, too (`camvidPixelLabelIDs`)."""
        groups = {
            "sky": "Sky", "building": "Bridge Building Wall Tunnel Archway", "pole": "Column_Pole TrafficCone",
            "road": "Road LaneMkgsDriv LaneMkgsNonDriv", "pavement": "Sidewalk ParkingBlock RoadShoulder",
            "tree": "Tree VegetationMisc", "sign": "SignSymbol Misc_Text TrafficLight", "fence": "Fence",
            "car": "Car SUVPickupTruck Truck_Bus Train OtherMoving",
            "pedestrian": "Pedestrian Child CartLuggagePram Animal", "bicyclist": "Bicyclist MotorcycleScooter",
            "": "Void",
        }  # fmt: skip
        wanted = {name: group for group, names in groups.items() for name in names.split()}
        assert self.classes_of(CAMVID_ORIGINAL.classes) == wanted

    @pytest.mark.parametrize(
        ("names", "without"),
        [
            (
                CITYSCAPES.classes,
                "unlabeled|ego vehicle|rectification border|out of roi|static|dynamic|ground|rail track",
            ),
            (VIPER.classes, "unlabeled|ambiguous|railtrack|firehydrant|chair|trash|trashcan|plane|boat"),
            (TAGS, "unlabeled|static|dynamic|other|water|ground|rail track"),
        ],
    )
    def test_what_has_no_class(self, names: tuple[str, ...], without: str) -> None:
        found = self.classes_of(names)
        assert [name for name, group in found.items() if not group] == without.split("|")
        assert {group for group in found.values() if group} == set(CAMVID.classes[:-1])


def test_a_stop_halfway_leaves_no_taxonomy_behind(tmp_path: Path) -> None:
    """Maps of two taxonomies in one folder would be read by the names of the first."""
    write_maps(tmp_path, [("a", np.zeros((4, 4), np.int64))], ["road"], method="classes", digests={})

    def stopped() -> Iterator[tuple[str, np.ndarray]]:
        yield "a", np.ones((4, 4), np.int64)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_maps(tmp_path, stopped(), ["sky", "road"], method="classes", digests={})
    with pytest.raises(InputError, match=r"labels\.json"):
        read_facts(tmp_path)
