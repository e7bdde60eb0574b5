"""The rooms and who may import whom; what must not be imported where; the size of files."""

import ast
import re
import sys
from pathlib import Path

import pytest

import datasets
from epe.models import SPECS

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "gbuffer_tools": set(),
    "epe": set(),
    "datasets": {"gbuffer_tools", "epe"},
    "eval": {"datasets", "gbuffer_tools", "epe"},
    "train": {"eval", "datasets", "gbuffer_tools", "epe"},
    "app": {"eval", "datasets", "gbuffer_tools", "epe"},
    "benchmarks": {"app", "train", "eval", "datasets", "gbuffer_tools", "epe"},
}
LONGEST = 400
# Names by which a generic file would give away that it knows a model.
MODELS = r"epe|enhancer|realformer|rrdb|srvgg|unet|dual.?attention|vqgan|vqseg|patchgan|gpt|discriminator|vgg\w*"


def files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of all that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; the law is read off absolute ones"
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_the_walk_sees_every_kind_of_import(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("import a.b, c as d\nfrom e.f import g\ndef h():\n    if 1:\n        import i\n")
    assert imported(path) == {"a", "c", "e", "i"}


def test_every_room_is_under_the_law() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_downwards(room: str) -> None:
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[room] - {room} | {"tests"}
    wrong = {f"{path.relative_to(ROOT)} -> {name}" for path in files(room) for name in imported(path) & forbidden}
    assert not wrong


def test_the_capture_machine_needs_no_torch() -> None:
    heavy = {"torch", "torchvision", "kornia", "faiss", "safetensors"}
    assert not {str(path) for path in files("gbuffer_tools") if imported(path) & heavy}


def test_torchvision_is_for_tests_alone() -> None:
    """It has no CPU build: where it cannot be imported nothing may break."""
    assert not {str(path) for path in files(*MAY_IMPORT) if "torchvision" in imported(path)}


def test_nothing_unpickles_code() -> None:
    """Pickles of other projects are for `app` alone, and there for tensors alone."""
    for path in files(*MAY_IMPORT):
        text = path.read_text(encoding="utf-8")
        assert not imported(path) & {"dill", "joblib", "shelve"}, path
        assert "allow_pickle=True" not in text, path
        calls = re.findall(r"torch\.load\((.*)", text)
        assert all("weights_only=True" in call for call in calls), path
        if path.parent.name != "app":
            assert not calls, path
            assert "pickle" not in imported(path), path
        assert not re.search(r"pickle\.loads?\(|Unpickler\(", text), path


def test_datasets_is_ours() -> None:
    """Hugging Face has a package of that name."""
    assert Path(datasets.__file__).resolve() == ROOT / "datasets" / "__init__.py"
    assert sys.modules["datasets"] is datasets


def test_no_file_is_long() -> None:
    paths = files(*MAY_IMPORT, "tests")
    assert len(paths) > 100
    assert not {f"{p.relative_to(ROOT)}" for p in paths if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST}


@pytest.mark.parametrize("name", ["engine", "config", "checkpoint", "ema"])
def test_generic_files_of_training_know_no_model(name: str) -> None:
    path = ROOT / "train" / f"{name}.py"
    assert re.findall(rf"(?i)\b({MODELS})\b", path.read_text(encoding="utf-8")) == []
    assert not imported(path) & {"epe", "datasets", "eval"}


def test_saving_and_loading_name_a_model_in_the_table_alone() -> None:
    """Whatever is particular to a network stays in its line of `SPECS`, its imports, and its own file."""
    path = ROOT / "epe" / "models.py"
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    table = [n for n in tree.body if isinstance(n, ast.AnnAssign) and getattr(n.target, "id", "") == "SPECS"]
    assert len(table) == 1
    bodies = [ast.get_source_segment(text, node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(bodies) >= 5
    own = re.compile(rf"(?i)\b({MODELS}|{'|'.join(map(re.escape, SPECS))})\b")
    # `train.epe`, the command, is whom an error sends the user to.
    assert not [found for body in bodies for found in own.findall(body.replace("train.epe", ""))]
