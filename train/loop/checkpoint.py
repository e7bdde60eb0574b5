"""The checkpoint: everything that a run needs to resume, in one file that is written whole or not at all.

    tensors            the tensors of all parts, by their path: "generator/stem.0.weight"
    metadata.state     JSON: the step, and the parts' state dicts with tensors replaced by their paths

The file is safetensors, not a pickle, so reading a checkpoint runs no code. It has a single metadata entry, because
safetensors writes several entries in an order that differs from file to file, and equal states must give equal bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import safetensors
import safetensors.torch
from torch import Tensor

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.io.atomic import replacing

# Marks a tensor in the tree; no state dict has such a key.
TENSOR = "__tensor__"


class Stateful(Protocol):
    """Anything that saves and loads its state like a module or an optimiser."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> object: ...


def unravel(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Turn a nested state into a tree that JSON can hold; move its tensors into `tensors`, keyed by path."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {TENSOR: path}
    if isinstance(value, Mapping):
        # Optimisers use integer keys, which JSON objects would turn into text; lists of pairs keep them.
        return {"items": [[key, unravel(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [unravel(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
    return value


def ravel(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Invert `unravel`; tuples come back as lists."""
    if isinstance(tree, dict):
        if TENSOR in tree:
            return tensors[tree[TENSOR]]
        return {key: ravel(item, tensors) for key, item in tree["items"]}
    if isinstance(tree, list):
        return [ravel(item, tensors) for item in tree]
    return tree


class RunInputs:
    """Facts about a run's inputs that settings do not hold: digests of files, statistics of frames. A resumed run must
    find the same again.

    With other frames, a network would go on with other means and deviations; with another file of matches, the record
    would name a file that the first steps did not see.

    Args:
        out: the run's folder.
        facts: values that JSON can hold, by what they are called in messages.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any]) -> None:
        self.out = out
        self.facts: dict[str, Any] = json.loads(json.dumps(dict(facts)))  # as a checkpoint returns them

    def state_dict(self) -> dict[str, Any]:
        """Return the facts."""
        return self.facts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compare the facts with those that the run was begun with.

        Raises:
            InputError: one differs.
        """
        for name in {**state, **self.facts}:
            if state.get(name) != self.facts.get(name):
                raise InputError(
                    f"{name}: the run in {self.out} was begun with {'others' if name in state else 'none'}; go on with "
                    "the same, or give another --out."
                )


class Checkpoint:
    """The file that holds the newest state of a run.

    Args:
        path: path of the file.
        parts: the objects whose state is saved and restored, by name.
    """

    def __init__(self, path: Path, parts: Mapping[str, Stateful]) -> None:
        self.path, self.parts = path, parts

    def save(self, step: int) -> None:
        """Write the state after `step` steps."""
        tensors: dict[str, Tensor] = {}
        state = {name: unravel(part.state_dict(), name, tensors) for name, part in self.parts.items()}
        text = json.dumps({"step": step, "parts": state})
        with replacing(self.path) as partial:
            safetensors.torch.save_file(tensors, partial, metadata={"state": text})

    def load(self) -> int:
        """Restore the parts.

        Returns:
            The number of completed steps; 0 if there is no checkpoint.

        Raises:
            InputError: the checkpoint is damaged or belongs to another run.
        """
        if not self.path.exists():
            return 0
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
            state = json.loads(metadata["state"])
            step = int(state["step"])
            tensors = safetensors.torch.load_file(self.path)
            for name, part in self.parts.items():
                part.load_state_dict(ravel(state["parts"][name], tensors))
        except (safetensors.SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError) as error:
            raise InputError(
                f"{self.path}: does not fit this run ({one_line(error, 300)}); "
                "give another --out, or delete the file to start over."
            ) from error
        return step
