"""Model files: the same bits come back; everything else is refused in one line, before memory is taken."""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from epe import models
from epe.models import Model, ModelError, digest, load, save
from epe.networks.backbones.vgg import VGG16
from epe.networks.enhancers.enhancer import PRESETS, Enhancer, EnhancerSpec
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator

SPEC = EnhancerSpec(3, ((0, 1, 2), (2,)), **PRESETS["hr-tiny"])


def trained() -> Enhancer:
    """An enhancer with no parameter at its default, spectral norms after a few power iterations."""
    torch.manual_seed(0)
    network = Enhancer(SPEC)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    network.train()
    for _ in range(2):
        network(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.zeros(1, 16, 16, dtype=torch.int64))
    return network.eval()


def enhancer_model() -> Model:
    return Model(
        network=trained(),
        kind="epe",
        spec=SPEC.as_dict(),
        channels=("log_depth.0", "sky.0", "facing.0"),
        mean=(0.1, 1 / 3, -2.0),
        std=(1.0, 0.1, 7.5),
        classes=(("sky",), ("*",)),
        multiple_of=4,
        licence="CC0-1.0 — ©",
        record={"steps": 7, "frames": "a\nb"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(enhancer_model(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewrite(path: Path, *, header: Any = None, drop: str = "", **changes: Any) -> None:
    """The same file with another header or other tensors."""
    with safetensors.safe_open(path, framework="pt") as file:
        old = json.loads(file.metadata()["model"])
    tensors = safetensors.torch.load_file(path)
    tensors = {name: value for name, value in tensors.items() if name != drop} | changes.pop("tensors", {})
    text = json.dumps(old | changes if header is None else header)
    safetensors.torch.save_file(tensors, path, metadata={"model": text})


def refusal(path: Path) -> str:
    """The reason why `path` is refused, one line that names it."""
    with pytest.raises(ModelError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


class TestRoundTrip:
    def test_an_enhancer_to_the_bit(self, path: Path) -> None:
        wanted, found = enhancer_model(), load(path)
        before, after = wanted.network.state_dict(), found.network.state_dict()
        assert list(before) == list(after)
        assert any("parametrizations" in name and name.endswith("._u") for name in before)
        assert all(
            torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before
        )
        inputs = torch.rand(2, 3, 16, 20), torch.rand(2, 3, 16, 20), torch.randint(2, (2, 16, 20))
        assert torch.equal(wanted.network(*inputs), found.network(*inputs))
        for name in models.HEADER:
            if name != "spec":
                assert getattr(found, name) == getattr(wanted, name), name
        assert EnhancerSpec.from_dict(found.spec) == SPEC
        assert not any(module.training for module in found.network.modules())

    def test_vgg16(self, vgg_file: Path) -> None:
        found = load(vgg_file)
        torch.manual_seed(0)
        wanted = VGG16().state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in found.network.state_dict().items())
        assert (found.kind, found.spec, found.channels) == ("vgg16", {}, ())

    def test_a_discriminator(self, tmp_path: Path) -> None:
        spec = DiscriminatorSpec(("relu2_2", "relu4_3"), classes=5, layers=2, max_width=16)
        network = PerceptualDiscriminator(spec)
        kind = "perceptual-discriminator"
        save(Model(network, kind, {"taps": spec.taps, "classes": 5, "layers": 2, "max_width": 16}), tmp_path / "d")
        found = load(tmp_path / "d").network.state_dict()
        assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())

    def test_channels_last_weights_are_the_same_weights(self, tmp_path: Path, path: Path) -> None:
        model = enhancer_model()
        model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        save(model, tmp_path / "last")
        assert (tmp_path / "last").read_bytes() == path.read_bytes()


class TestSave:
    def test_leaves_nothing_behind(self, path: Path) -> None:
        assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]

    def test_the_umask_decides_who_reads_it(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_file_system_without_permissions(self, path: Path, tmp_path: Path, monkeypatch) -> None:
        """As CIFS and FAT may be mounted."""

        def refuse(*_: object) -> None:
            raise PermissionError("Operation not permitted")

        monkeypatch.setattr(Path, "chmod", refuse)
        save(load(path), tmp_path / "again.safetensors")
        assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()

    def test_a_save_that_fails_keeps_the_old_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = path.read_bytes()

        def full(_tensors: object, partial: Path, metadata: object) -> None:
            partial.write_bytes(b"half")
            raise OSError("No space left on device")

        monkeypatch.setattr(safetensors.torch, "save_file", full)
        with pytest.raises(OSError, match="No space"):
            save(enhancer_model(), path)
        assert path.read_bytes() == before
        assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]

    def test_refuses_statistics_that_do_not_fit_and_unknown_kinds(self, tmp_path: Path) -> None:
        model = enhancer_model()
        with pytest.raises(ValueError, match="3 channels, 1 means, 3 deviations"):
            save(Model(model.network, "epe", SPEC.as_dict(), model.channels, (0.0,), model.std), tmp_path / "x")
        with pytest.raises(ValueError, match="'resnet' is not one of clip-vision, cut, dual-attention, epe"):
            save(Model(model.network, "resnet"), tmp_path / "x")
        assert not list(tmp_path.iterdir())


class TestRefused:
    def test_no_file_and_a_folder(self, tmp_path: Path) -> None:
        assert "no such file" in refusal(tmp_path / "absent.safetensors")
        assert "no such file" in refusal(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"\xff" * 64, b"\x00" * 8])
    def test_not_safetensors(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x").write_bytes(content)
        assert "not a safetensors file" in refusal(tmp_path / "x")

    def test_cut_off(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-5])
        assert "not a safetensors file" in refusal(path)

    def test_without_our_header(self, tmp_path: Path) -> None:
        safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x")
        assert "has no model header" in refusal(tmp_path / "x")

    @pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
    def test_a_header_that_is_no_json(self, tmp_path: Path, text: str) -> None:
        safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x", metadata={"model": text})
        assert "has no model header" in refusal(tmp_path / "x")

    @pytest.mark.parametrize("version", [2, "1", None, "2\n3", {"a": "b" * 10_000}])
    def test_another_version(self, path: Path, version: object) -> None:
        rewrite(path, version=version)
        assert "wanted 1" in refusal(path)

    def test_a_header_of_another_type(self, path: Path) -> None:
        rewrite(path, header=[1])
        assert "list" in refusal(path)

    def test_a_header_that_lacks_an_entry(self, path: Path) -> None:
        rewrite(path, header={"version": 1, "kind": "epe"})
        assert "lacks 'spec'" in refusal(path)

    @pytest.mark.parametrize("kind", ["resnet", "epe\n"])
    def test_an_unknown_kind(self, path: Path, kind: str) -> None:
        rewrite(path, kind=kind)
        assert "this version knows clip-vision, cut, dual-attention, epe" in refusal(path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("kind", ["epe"]), ("licence", 1), ("spec", []), ("record", "x"), ("multiple_of", 0), ("multiple_of", "4"),
            ("multiple_of", True), ("channels", [1, 2, 3]), ("channels", "abc"), ("classes", ["sky"]),
            ("classes", [[1]]), ("mean", [0, 0, "0"]), ("mean", [0, 0, float("nan")]), ("std", [1, 1, 0]),
            ("std", [1, 1, float("inf")]), ("std", None),
        ],
    )  # fmt: skip
    def test_an_entry_of_another_type(self, path: Path, name: str, value: Any) -> None:
        rewrite(path, **{name: value})
        assert f"a malformed {name!r}" in refusal(path)

    def test_statistics_that_do_not_fit(self, path: Path) -> None:
        rewrite(path, mean=[0.0])
        assert "different numbers" in refusal(path)

    def test_a_missing_tensor(self, path: Path) -> None:
        rewrite(path, drop="image.head.out.weight")
        assert "image.head.out.weight is None, wanted [3, 16, 3, 3]" in refusal(path)

    def test_a_reshaped_and_a_surplus_tensor(self, path: Path) -> None:
        rewrite(path, tensors={"image.head.out.weight": torch.zeros(3, 16, 3, 1)})
        assert "image.head.out.weight is [3, 16, 3, 1]" in refusal(path)
        rewrite(path, tensors={"image.head.out.weight": torch.zeros(3, 16, 3, 3), "zzz": torch.zeros(1)})
        assert "zzz is [1], wanted None" in refusal(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"width": 1 << 20}, {"blocks": 10**9}, {"stages": 10**6}, {"stages": 0},
            {"rad_layers": 10**9}, {"channels": 10**9}, {"encoded": "16"}, {"width": 16.0}, {"blocks": True},
            {"streams": [[0]] * 10_000}, {"streams": []}, {"streams": [[]]}, {"streams": [[5]]}, {"streams": 3},
            {"streams": [["a"]]}, {"streams": [[[0]]]}, {"surplus": 1}, {"stream_width": None},
        ],
    )  # fmt: skip
    def test_a_spec_of_another_or_a_giant_network(self, path: Path, change: dict[str, Any]) -> None:
        rewrite(path, spec=SPEC.as_dict() | change)
        tracemalloc.start()
        reason = refusal(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "do not fit a 'epe' network" in reason
        # Python's own memory; the weights would be torch's, which the meta device never takes (next test).
        assert peak < 50e6

    def test_a_giant_network_takes_no_memory_for_weights(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes: list[int] = []
        build = models.build_network

        def watched(kind: str, spec: dict[str, Any]) -> torch.nn.Module:
            network = build(kind, spec)
            sizes.append(sum(p.numel() for p in network.parameters() if not p.is_meta))
            return network

        monkeypatch.setattr(models, "build_network", watched)
        rewrite(path, spec=SPEC.as_dict() | {"width": 1024, "encoded": 1024, "stages": 2})
        refusal(path)
        assert sizes == [0]

    @pytest.mark.parametrize(
        ("kind", "spec"),
        [
            *(("perceptual-discriminator", spec) for spec in (
                {"taps": ["relu9_9"]}, {"taps": []}, {"taps": ["x"]}, {"taps": ["relu1_1"], "layers": 10**9},
                {"classes": -1}, {"taps": ["relu1_1", "relu1_1"]}, {"max_width": 12}, {"a": 1}, {"taps": None},
            )),
            *(("clip-vision", spec) for spec in (
                {"depth": 10**9}, {"patch": 0}, {"heads": 3}, {"side": "336"}, {"layers": 1},
            )),
            *(("vgg16", spec) for spec in ({"padding": "reflect"}, {"padding": 3}, {"depth": 19})),
        ],
    )  # fmt: skip
    def test_an_impossible_spec(self, path: Path, kind: str, spec: dict[str, Any]) -> None:
        rewrite(path, kind=kind, spec=spec)
        assert "do not fit" in refusal(path)


def test_digest_is_sha256_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    content = bytes(range(256)) * 5000
    (tmp_path / "y").write_bytes(content)
    assert digest(tmp_path / "y") == hashlib.sha256(content).hexdigest()
