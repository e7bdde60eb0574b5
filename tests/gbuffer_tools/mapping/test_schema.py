"""Mapping files: every key is read, and nothing but known keys."""

from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.io import yaml
from gbuffer_tools.mapping import schema
from tests.gbuffer_tools.mapping.mapping_text import WHOLE


def read(tmp_path: Path, text: str) -> schema.Mapping:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    return schema.read_mapping(path)


def test_every_key_is_read(tmp_path):
    found = read(tmp_path, WHOLE)
    assert found.image == schema.Image(("R", "G", "B"), "srgb")
    assert found.depth == schema.Depth("d.Z", "ray", 0.01, (0.0, -1.0), 1e4)
    assert found.normal == schema.Normal(("n.X", "n.Y", "n.Z"), "world", ("x", "-z", "y"), "unit")
    assert found.motion == schema.Motion(("v.X", "v.Y"), (1.0, -1.0), 0.5)
    assert found.buffers["x_wet"] == schema.Buffer(("w.V",), 0.5, 1.0)
    assert found.ids == {
        "object": schema.Ids(cryptomatte="View.CryptoObject"),
        "material": schema.Ids(channel="m.X"),
    }
    assert found.camera == schema.PinholeCamera(50.0, centre=(4.0, 3.0), planes=(0.5, 90.0))
    assert found.licence == "CC0-1.0"


def test_the_sample_in_the_text_is_a_mapping(tmp_path):
    sample = "\n".join(line for line in schema.__doc__.splitlines() if line.startswith("    "))
    assert read(tmp_path, sample).classes.names == ("nothing", "other", "road", "tree")


def test_an_empty_file_says_nothing(tmp_path):
    assert read(tmp_path, "") == schema.Mapping()


def test_classes_of_ids_go_by_number_then_by_the_first_rule_then_default():
    classes = schema.Classes(
        ("nothing", "other", "road", "tree"), rules={"Oak": "tree", "a": "road"}, numbers={7: "nothing"}
    )
    assert classes.index(1, "Oak.001") == 3
    assert classes.index(1, "paved") == 2
    assert classes.index(1, "zzz") == 1
    assert classes.index(1, None) == 1
    assert classes.index(7, "Oak") == 0
    assert schema.Classes(("a", "b"), default="a").index(1, "x") == 0


def test_what_is_told_replaces_sections_and_adds_entries():
    known = schema.Mapping(
        image=schema.Image(("R",)),
        depth=schema.Depth("Z"),
        buffers={"albedo": schema.Buffer(("a", "b", "c"))},
        licence="known",
    )
    user = schema.Mapping(depth=schema.Depth("Z", "ray"), buffers={"x_wet": schema.Buffer(("w",))})
    found = schema.merged(known, user)
    assert found.image == known.image
    assert found.depth.along == "ray"
    assert set(found.buffers) == {"albedo", "x_wet"}
    assert found.licence == "known"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imge: {}", "imge: unknown key, wanted image, depth"),
        ("depth: {channel: Z, meters: 1}", "depth.meters: unknown key"),
        ("depth: {along: axis}", "depth.channel: missing"),
        ("depth: Z", "depth: 'Z', wanted a section of keys"),
        ("- a", "the file: list of 1, wanted a section of keys"),
        ("depth: {channel: Z, along: sideways}", "depth: along: 'sideways', wanted axis or ray"),
        ("depth: {channel: Z, metres: far}", "depth.metres: 'far', wanted a number"),
        ("depth: {channel: Z, metres: 0}", "metres: 0, wanted more than 0"),
        ("depth: {channel: Z, metres: .nan}", "wanted a number"),
        ("depth: {channel: Z, metres: true}", "wanted a number"),
        (f"depth: {{channel: Z, metres: {10**400}}}", "wanted a number"),
        ("depth: {channel: 7}", "depth.channel: 7, wanted text"),
        ("image: {channels: R}", "image.channels: 'R', wanted a list"),
        ("image: {channels: [R, 5, B]}", "image.channels[1]: 5, wanted text"),
        ("image: {channels: [R, G]}", "image: channels: 2 entries, wanted 1 or 3"),
        ("image: {channels: [R, G, B], colour: log}", "colour: 'log'"),
        ("normal: {channels: [a, b, c], axes: [x, x, z]}", "axes: ['x', 'x', 'z']"),
        ("normal: {channels: [a, b, c], space: tangent}", "space: 'tangent'"),
        ("motion: {channels: [a]}", "motion: channels: 1 entries, wanted 2"),
        ("buffers: {albedo: {channels: [a]}}", "albedo has 1 channels, wanted 3"),
        ("buffers: {wet: {channels: [a]}}", "buffer 'wet' is not standard"),
        ("buffers: {depth: {channels: [a]}}", "depth has a section of its own"),
        ("buffers: {x_a: {channels: [a], plus: [b, c]}}", "buffers.x_a: plus: 2 entries, wanted 0 or 1"),
        ("buffers: []", "buffers: list of 0, wanted entries of str"),
        ("ids: {object: {}}", "ids.object: wanted one of channel and cryptomatte"),
        ("ids: {'../x': {channel: a}}", "ids: '../x', wanted a name"),
        ("classes: {names: [a, a]}", "different classes"),
        ("classes: {names: [a], rules: {x: b}}", "'b' is not among the names"),
        ("classes: {names: [a], rules: {'(': a}}", "'(' is no regular expression"),
        ("classes: {names: [a], numbers: {x: a}}", "classes.numbers: dict of 1, wanted entries of int"),
        ("camera: {centre: [1, 2]}", "has no lens"),
        ("camera: {degrees: 50, focal: [9, 9]}", "has degrees and focal"),
        ("camera: {degrees: 200}", "degrees: 200"),
        ("camera: {degrees: 50, planes: [5, 1]}", "0 < near < far"),
        ("camera: {degrees: 50, pose: [[1, 0], [0, 1]]}", "pose: wanted 4 rows of 4"),
        ("camera: {degrees: 50, planes: [1, .inf]}", "camera: has numbers that are not finite"),
        ("camera: {focal: [9, -9]}", "focal: -9, wanted more than 0"),
        ("camera: {focal: [.inf, 9]}", "has numbers that are not finite"),
        ("camera: {degrees: 9, pose: [[1,0,0,.inf],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}", "has numbers that are not finite"),
        *(
            (f"camera: {{projection: {rows}}}", "projection: wanted OpenGL's for column vectors, without shear")
            for rows in (
                "[[1,0,0,0],[0,1,0,0],[0,0,-1,-1],[0,0,-0.2,0]]",  # for row vectors
                "[[1,0,0,0],[0,1,0,0],[0,0,-1,-1],[0,0,0,1]]",  # parallel
                "[[1,0,0,0],[0,-1,0,0],[0,0,-1,-0.2],[0,0,-1,0]]",  # upside down
                "[[1,0.1,0,0],[0,1,0,0],[0,0,-1,-0.2],[0,0,-1,0]]",  # sheared
            )
        ),
        ("depth: {channel: Z, metres: .inf}", "metres: inf, wanted more than 0"),
        ("camera: {degrees: 50, view: [[2,0,0,0],[0,2,0,0],[0,0,2,0],[0,0,0,1]]}", "view: wanted a rotation"),
        ("a: [", "no YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nimage: {channels: *b}", "a: unknown key"),
        (f"image: {{channels: [{'R, ' * 600}]}}", "list of 600, wanted a list of at most 512"),
        ("!!python/object/apply:os.system [x]", "no YAML"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'm.yaml'}: ")
    assert "\n" not in str(caught.value)


def test_large_and_absent_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="wanted at most"):
        read(tmp_path, "#" * (yaml.MAX_BYTES + 1))
    with pytest.raises(InputError, match="cannot be read"):
        schema.read_mapping(tmp_path / "absent.yaml")
