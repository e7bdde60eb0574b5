"""Makes id maps from named channels and their meaning (mapping/schema.py), and classes from their ids."""

from collections import abc

import numpy as np
import numpy.typing as npt

from gbuffer_tools.frame import Array
from gbuffer_tools.mapping import cryptomatte
from gbuffer_tools.mapping.channel_names import Channels, pick
from gbuffer_tools.mapping.schema import Classes, Ids, Mapping
from gbuffer_tools.source import Names

Bools = npt.NDArray[np.bool_]
IdNames = dict[str, abc.Mapping[int, str]]


def made_ids(
    channels: Channels, mapping: Mapping, drawn: Bools, attributes: abc.Mapping[str, object]
) -> tuple[dict[str, Array], IdNames, list[str]]:
    """Id maps (H,W), 0 where nothing was drawn; the names of their ids; and notes.

    Args:
        channels: name -> (H,W).
        mapping: its `ids` and `classes`.
        drawn: (H,W).
        attributes: header attributes, for the names of cryptomatte ids.

    Raises:
        ValueError: a channel or cryptomatte is missing, or ids are not valid.
    """
    declared = cryptomatte.cryptomattes(attributes)
    found, names, notes = dict[str, Array](), IdNames(), list[str]()
    for name, ids in mapping.ids.items():
        found[name], said = _ids(channels, drawn, name, ids)
        notes += said
        crypto = _declared(declared, ids.cryptomatte)
        names[name] = crypto.names
        if crypto.problem:
            notes.append(f"ids/{name} have no names: {crypto.problem}")
            if mapping.classes and mapping.classes.of == name and mapping.classes.rules:
                raise ValueError(f"{crypto.problem}; classes.rules need its names")
    classes = mapping.classes
    if classes is None:
        if "class" in found:
            raise ValueError("ids.class needs the section classes of a --mapping")
        return found, names, notes
    if classes.of not in found:
        wanted = f"wanted one of ids: {', '.join(found)}" if found else "and there are no ids; name some under ids"
        raise ValueError(f"classes.of is {classes.of!r}, {wanted}")
    labels = classes_of(found[classes.of], names[classes.of], classes)
    found["class"] = np.where(drawn, labels, 0).astype(np.uint8)
    return found, names, notes


def _declared(known: list[cryptomatte.Cryptomatte], name: str) -> cryptomatte.Cryptomatte:
    """What the header says about the cryptomatte with exactly this name, else about one that differs only in case."""
    same = [crypto for crypto in known if crypto.name == name] or [c for c in known if c.name.lower() == name.lower()]
    return same[0] if same and name else cryptomatte.Cryptomatte("", {})


def seen_names(ids: abc.Mapping[str, Array], names: abc.Mapping[str, abc.Mapping[int, str]]) -> dict[str, Names]:
    """The names of a frame's ids, by id map; ids without a name are left out."""
    found = {key: set(map(int, np.unique(ids[key]))) & set(known) for key, known in names.items() if known}
    return {f"ids/{key}": {i: {"name": names[key][i]} for i in sorted(seen)} for key, seen in found.items()}


def _ids(channels: Channels, drawn: Bools, name: str, ids: Ids) -> tuple[npt.NDArray[np.uint32], list[str]]:
    """Ids (H,W) uint32, the same in every frame, 0 where nothing was drawn; and notes."""
    if ids.cryptomatte:
        found = cryptomatte.ids(channels, ids.cryptomatte)
        if found is None:
            raise ValueError(f"lacks the layer {ids.cryptomatte}00 of ids.{name}")
        return np.where(drawn, found, 0).astype(np.uint32), []
    stored = pick(channels, ids.channel)
    if stored is None:
        raise ValueError(f"lacks the channel {ids.channel!r} of ids.{name}")
    values = np.nan_to_num(stored.astype(np.float64), nan=-1)
    whole = (values == np.round(values)) & (values >= 0) & (values < 2**32)
    notes = []
    if not whole.all():
        notes.append(f"ids/{name}: {(~whole).mean():.2%} are no whole numbers (averaged?) and become 0")
    return np.where(drawn & whole, np.where(whole, values, 0), 0).astype(np.uint32), notes


def classes_of(ids: Array, names: abc.Mapping[int, str], classes: Classes) -> npt.NDArray[np.uint8]:
    """The class of each pixel (H,W) by its id; 0, the first class, where the id is 0 unless a number says otherwise.

    Raises:
        ValueError: ids that are already classes exceed the list of classes.
    """
    found, where = np.unique(ids, return_inverse=True)
    if classes.of == "class":
        if int(found.max()) >= len(classes.names):
            raise ValueError(f"ids.class holds {int(found.max())}, wanted 0..{len(classes.names) - 1}")
        return ids.astype(np.uint8)
    table = [classes.index(i, names.get(i)) if i or 0 in classes.numbers else 0 for i in map(int, found)]
    return np.array(table, np.uint8)[where].reshape(ids.shape)
