"""What a run reads, as a part of its checkpoint: a resumed run must find the same again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gbuffer_tools.errors import InputError


class RunInputs:
    """Facts about a run's inputs that settings do not hold: digests of files, statistics of frames.

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
