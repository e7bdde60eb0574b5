"""The rooms, the folders inside them, who may import whom, what must not be imported where; sizes of files."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import datasets
from epe.networks.generators import kinds, preset_names

ROOT = Path(__file__).parents[1]
# The one table: per room the rooms that it may import, then its folders and root files, the lowest floor first. What
# stands in one line is of one floor, and does not import each other.
ROOMS: dict[str, set[str]] = {
    "gbuffer_tools": set(),
    "epe": set(),
    "datasets": {"gbuffer_tools", "epe"},
    "eval": {"datasets", "gbuffer_tools", "epe"},
    "train": {"eval", "datasets", "gbuffer_tools", "epe"},
    "app": {"eval", "datasets", "gbuffer_tools", "epe"},
    "benchmarks": {"app", "train", "eval", "datasets", "gbuffer_tools", "epe"},
}
FLOORS: dict[str, list[str]] = {
    "gbuffer_tools": [
        "errors frame geometry",
        "command io resampling",
        "frame_file picture_file",
        "schema source",
        "mapping checks renderdoc",
        "exr profiles streets/shapes sources/classes sources/omniverse",
        "sources streets",
        "pipeline streets/blender",
        "check export extract inspect capture town",
        "pairs",
    ],
    "epe": [
        "distributed",
        "layers",
        "generator upscaler first_stage losses losses/adversarial inference",
        "networks/autoencoders networks/backbones networks/enhancers networks/upscalers",
        "networks/segmenters networks/style_transfer networks/translators networks/codes matching",
        "released networks",
        "models",
    ],
    "datasets": [
        "runtime open_shards",
        "images",
        "photos channels flaws degradations",
        "frames labels feature_files",
        "matched_pairs labelling",
        "crops",
        "pairs coding",
        "label match degrade",
    ],
    "eval": [
        "no_value",
        "digests inputs metrics options fidelity",
        "features records",
        "kvd transfers",
        "reporting transfers/grading",
        "measuring",
        "trials",
        "skvd sets content control segmentation temporal baselines trial report",
    ],
    "train": ["loop", "recipes", "recipes/coding", "epe realformer cut spade style segmenter upscaler vqgan codes"],
    "app": [
        "fetching",
        "inference",
        "photographs",
        "assets atari models compare convert enhance export upscale sample",
    ],
}
MAX_LINES = 400
MAX_FILES = 15
# Names by which a generic file would give away that it knows a model.
MODELS = r"epe|enhancer|realformer|rrdb|srvgg|unet|dual.?attention|vqgan|vqseg|patchgan|gpt|discriminator|vgg\w*"


def files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def modules(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, at its top or inside functions; of a name out of a package, both."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; the law is read off absolute ones"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path) -> set[str]:
    """Top-level names of all that a file imports."""
    return {name.partition(".")[0] for name in modules(path)}


def unit(path: Path) -> str:
    """What stands on a floor of a room: a folder, such as `networks/enhancers`, or a file of the room's root."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return "/".join(parts[:-1]) or parts[0]


def units_imported(path: Path) -> set[str]:
    """Folders and root files of its own room that a file imports."""
    room = path.relative_to(ROOT).parts[0]
    found = set()
    for name in modules(path):
        if name.startswith(f"{room}."):
            module = ROOT.joinpath(*name.split("."))
            if module.with_suffix(".py").is_file():
                found.add(unit(module.with_suffix(".py")))
            elif (module / "__init__.py").is_file():
                found.add(unit(module / "__init__.py"))
    return found - {unit(path)}


def test_the_walk_sees_every_kind_of_import(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("import a.b, c as d\nfrom e.f import g\ndef h():\n    if 1:\n        import i\n")
    assert imported(path) == {"a", "c", "e", "i"}
    assert set(modules(path)) == {"a.b", "c", "e.f", "e.f.g", "i"}


def test_every_room_is_under_the_law() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_downwards(room: str) -> None:
    forbidden = set(ROOMS) - ROOMS[room] - {room} | {"tests"}
    wrong = {f"{path.relative_to(ROOT)} -> {name}" for path in files(room) for name in imported(path) & forbidden}
    assert not wrong


@pytest.mark.parametrize("room", FLOORS)
def test_imports_inside_a_room_point_downwards(room: str) -> None:
    floor = {name: number for number, names in enumerate(FLOORS[room]) for name in names.split()}
    here = [path for path in files(room) if path != ROOT / room / "__init__.py"]
    assert {unit(path) for path in here} == set(floor), "every folder and root file is in FLOORS, and nothing else"
    wrong = {
        f"{path.relative_to(ROOT)} -> {name}"
        for path in here
        for name in units_imported(path)
        if floor[name] >= floor[unit(path)]
    }
    assert not wrong


def test_the_law_inside_a_room_sees_what_it_forbids() -> None:
    """Files that are known to import a higher floor than this one, were they on it."""
    assert "networks/enhancers" in units_imported(ROOT / "epe/networks/generators.py")
    assert {"loop"} == units_imported(ROOT / "train/recipes/epe.py")
    assert unit(ROOT / "epe/networks/generators.py") == "networks"
    assert unit(ROOT / "epe/models.py") == "models"


def test_no_folder_has_many_files() -> None:
    folders = {path.parent for path in files(*ROOMS)}
    assert len(folders) > 30
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert not {name: count for name, count in counts.items() if count > MAX_FILES}


def test_no_folder_bears_a_command_s_name() -> None:
    for path in files(*ROOMS):
        if path.parent.parent == ROOT and 'if __name__ == "__main__"' in path.read_text(encoding="utf-8"):
            assert not path.with_suffix("").is_dir(), path


def test_the_capture_machine_needs_no_torch() -> None:
    heavy = {"torch", "torchvision", "kornia", "faiss", "safetensors"}
    assert not {str(path) for path in files("gbuffer_tools") if imported(path) & heavy}


def test_torchvision_is_for_tests_alone() -> None:
    """It has no CPU build: where it cannot be imported nothing may break."""
    assert not {str(path) for path in files(*ROOMS) if "torchvision" in imported(path)}


def test_nothing_unpickles_code() -> None:
    """Pickles of other projects are for `app` alone, and there for tensors alone."""
    for path in files(*ROOMS):
        text = path.read_text(encoding="utf-8")
        assert not imported(path) & {"dill", "joblib", "shelve"}, path
        assert "allow_pickle=True" not in text, path
        calls = re.findall(r"torch\.load\((.*)", text)
        assert all("weights_only=True" in call for call in calls), path
        if path.relative_to(ROOT).parts[0] != "app":
            assert not calls, path
            assert "pickle" not in imported(path), path
        assert not re.search(r"pickle\.loads?\(|Unpickler\(", text), path


def test_datasets_is_ours() -> None:
    """Hugging Face has a package of that name."""
    assert Path(datasets.__file__).resolve() == ROOT / "datasets" / "__init__.py"
    assert sys.modules["datasets"] is datasets


def test_no_file_is_long() -> None:
    paths = files(*ROOMS, "tests")
    assert len(paths) > 100
    assert not {f"{p.relative_to(ROOT)}" for p in paths if len(p.read_text(encoding="utf-8").splitlines()) > MAX_LINES}


@pytest.mark.parametrize(
    "name", ["engine", "command_line", "config", "checkpoint", "ema", "optimiser", "throughput", "fine_tuning"]
)
def test_generic_files_of_training_know_no_model(name: str) -> None:
    path = ROOT / "train" / "loop" / f"{name}.py"
    assert re.findall(rf"(?i)\b({MODELS})\b", path.read_text(encoding="utf-8")) == []
    assert not imported(path) & {"epe", "datasets", "eval"}


@pytest.mark.parametrize("name", ["epe/models.py", "epe/generator.py"])
def test_saving_and_the_contract_name_no_model(name: str) -> None:
    """Whatever is particular to a network stays in its own file and its line of epe/networks/generators.py."""
    text = (ROOT / name).read_text(encoding="utf-8")
    own = re.compile(rf"(?i)(?<![\w./])({MODELS}|{'|'.join(map(re.escape, {*kinds(), *preset_names()}))})(?![\w./])")
    # `train.epe`, the command, is whom an error sends the user to; the room is called epe.
    assert not own.findall(re.sub(r"train\.epe|(?<!\w)epe[./]", "", text))


def test_tests_import_helpers_and_no_other_tests() -> None:
    """What two tests share stands in a module of its own, such as made.py."""
    paths = [path for path in files("tests") if path.name.startswith("test_")]
    assert len(paths) > 200
    shared = {path: [name for name in modules(path) if re.search(r"\.test_\w+(\.\w+)?$", name)] for path in paths}
    assert not {path: names for path, names in shared.items() if names}
