"""Checkpoints: the same bits come back, whole files only, nothing runs while reading."""

from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

from gbuffer_tools.errors import InputError
from train.loop.checkpoint import Checkpoint, ravel, unravel
from train.recipes.adaptive_updates import AdaptiveUpdates


def parts(seed: int) -> dict[str, Any]:
    """A network, an optimiser in the middle of its work, and plain numbers."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.LazyLinear(1))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3 * (seed + 1), weight_decay=0.1)
    adaptive = AdaptiveUpdates(["a", "b"], 0.6)
    network(torch.randn(2, 2, 5, 5))
    for _ in range(3 * seed):
        optimiser.zero_grad()
        network(torch.randn(2, 2, 5, 5)).square().sum().backward()
        optimiser.step()
        adaptive.observe("a", 0.7)
    return {"network": network, "optimiser": optimiser, "adaptive": adaptive}


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a nested state by its path; integer keys keep their type in it."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}/{key!r}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{path}/{i}").items()}
    return {path: value}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    left, right = ({n: flat(p.state_dict()) for n, p in x.items()} for x in (a, b))
    return {n: set(v) for n, v in left.items()} == {n: set(v) for n, v in right.items()} and all(
        torch.equal(value, right[name][path]) and value.dtype == right[name][path].dtype
        if isinstance(value, torch.Tensor)
        else value == right[name][path]
        for name, leaves in left.items()
        for path, value in leaves.items()
    )


def test_round_trip_to_the_bit_and_on_from_there(tmp_path: Path) -> None:
    before, after = parts(1), parts(2)
    assert not same(before, after)
    Checkpoint(tmp_path / "c", before).save(17)
    assert Checkpoint(tmp_path / "c", after).load() == 17
    assert same(before, after)
    state = after["optimiser"].state_dict()
    assert all(type(key) is int for key in state["state"])
    assert state["param_groups"][0]["lr"] == 2e-3
    for made in (before, after):
        torch.manual_seed(9)
        made["optimiser"].zero_grad()
        made["network"](torch.randn(2, 2, 5, 5)).sum().backward()
        made["optimiser"].step()
    assert same(before, after)


def test_none_there_is_step_0(tmp_path: Path) -> None:
    made = parts(1)
    assert Checkpoint(tmp_path / "c", made).load() == 0
    assert same(made, parts(1))


def test_saving_does_not_disturb_and_leaves_one_file(tmp_path: Path) -> None:
    made = parts(1)
    checkpoint = Checkpoint(tmp_path / "new" / "c", made)
    checkpoint.save(1)
    checkpoint.save(2)
    assert same(made, parts(1))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["c"]
    assert checkpoint.load() == 2


def test_equal_states_are_equal_bytes(tmp_path: Path) -> None:
    # Ten: two entries of metadata would come out in the same order in one of two files.
    for i in range(10):
        Checkpoint(tmp_path / str(i), parts(1)).save(1)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_a_save_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "c", parts(1))
    checkpoint.save(1)
    before = (tmp_path / "c").read_bytes()

    def full(_tensors: object, partial: Path, metadata: object) -> None:
        partial.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(2)
    assert (tmp_path / "c").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_values_that_json_knows_survive() -> None:
    state = {"a": [1, 2.5, None, True, "x", {"y": (3, torch.ones(2))}], 7: {"-1": float("inf")}}
    tensors: dict[str, torch.Tensor] = {}
    again = ravel(unravel(state, "p", tensors), tensors)
    assert list(tensors) == ["p/a/5/y/1"]
    assert again["a"][:5] == [1, 2.5, None, True, "x"]
    assert again["a"][5]["y"][0] == 3
    assert again[7] == {"-1": float("inf")}


def test_strides_and_shared_memory_do_not_matter(tmp_path: Path) -> None:
    class Part:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

        def state_dict(self) -> dict[str, Any]:
            return {"a": self.tensor, "b": self.tensor[:, :1], "c": self.tensor.permute(0, 2, 1)}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.state = state

    part = Part(torch.randn(2, 3, 4))
    Checkpoint(tmp_path / "c", {"part": part}).save(1)
    Checkpoint(tmp_path / "c", {"part": part}).load()
    assert all(torch.equal(part.state[name], value) for name, value in part.state_dict().items())


class TestRefused:
    def refusal(self, path: Path, made: dict[str, Any]) -> None:
        with pytest.raises(InputError) as caught:
            Checkpoint(path, made).load()
        assert str(caught.value).startswith(f"{path}: does not fit this run (")
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 40])
    def test_something_else(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "c").write_bytes(content)
        self.refusal(tmp_path / "c", parts(1))

    @pytest.mark.parametrize("fraction", [0.1, 0.9])
    def test_cut_off(self, tmp_path: Path, fraction: float) -> None:
        Checkpoint(tmp_path / "c", parts(1)).save(1)
        whole = (tmp_path / "c").read_bytes()
        (tmp_path / "c").write_bytes(whole[: int(len(whole) * fraction)])
        self.refusal(tmp_path / "c", parts(1))

    @pytest.mark.parametrize(
        "state",
        [
            None,
            "{",
            "[]",
            "7",
            '{"step": 1}',
            '{"parts": {}}',
            '{"step": "x", "parts": {}}',
            '{"step": 1, "parts": 7}',
            '{"step": 1, "parts": {"network": {"items": []}}}',
            '{"step": 1, "parts": {"network": 3, "optimiser": 3, "adaptive": 3}}',
            '{"step": 1, "parts": {"network": {"__tensor__": "gone"}}}',
            '{"step": 1, "parts": {"network": {"items": 3}}}',
        ],
    )
    def test_other_states(self, tmp_path: Path, state: str | None) -> None:
        metadata = None if state is None else {"state": state}
        safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "c", metadata=metadata)
        self.refusal(tmp_path / "c", parts(1))

    def test_another_run(self, tmp_path: Path) -> None:
        Checkpoint(tmp_path / "c", parts(1)).save(1)
        self.refusal(tmp_path / "c", {"other": nn.Linear(1, 1)})
        self.refusal(tmp_path / "c", {"network": nn.Linear(1, 1)})
