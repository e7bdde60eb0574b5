"""Label maps from the class ids of frame files, and writing label maps with their facts to a folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from datasets.labelling.taxonomy import NONE, OTHER, Labels, SegmenterTaxonomy
from datasets.labels import forget_facts, write_facts, write_label
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard, shards

MAX_WRITTEN = 250
"""Maximum number of classes in label maps, whose ids have 8 bits; a few ids are left for pixels without a class."""


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the class names in a folder's frame files, each once.

    Raises:
        InputError: there are no frame files, or one has no class ids.
    """
    names: dict[str, None] = {}
    for path in shards(folder):
        with Shard(path) as shard:
            if "class" not in shard.ids:
                raise InputError(
                    f"{path}: has no ids/class, which labels are made from; extract frames with class ids."
                )
            names |= dict.fromkeys(shard.header.classes)
    return tuple(names)


def class_maps(folder: Path, taxonomy: SegmenterTaxonomy) -> Iterator[tuple[str, Labels]]:
    """Yield key and classes (H, W), or `NONE`, of every frame in a folder of frame files, in file order."""
    for path in shards(folder):
        with Shard(path) as shard:
            table = taxonomy.of_game(shard.header.classes)
            for i, name in enumerate(shard.names):
                yield f"{path.stem}/{name}", table[shard.id("class", i)]


def write_maps(
    folder: Path, maps: Iterable[tuple[str, Labels]], names: Iterable[str], method: str, digests: dict[str, str]
) -> np.ndarray:
    """Write the label maps of a folder, and labels.json; pixels without a class become the last class, `OTHER`.

    Args:
        folder: folder of label maps.
        maps: key and classes (H, W), or `NONE`, of each picture.
        names: class names.
        method: how they were made.
        digests: digests of what determines the meaning of an id.

    Returns:
        Each class's fraction of the pixels, `OTHER` last.

    Raises:
        InputError: too many classes, or one that is called `OTHER`.
    """
    names = [*names]
    if OTHER in names or len(names) > MAX_WRITTEN:
        raise InputError(
            f"{folder}: {len(names)} classes, wanted at most {MAX_WRITTEN}, none of them called {OTHER!r}, as pixels "
            "without a class are; change --classes."
        )
    counts = np.zeros(len(names) + 1, np.int64)
    forget_facts(folder)
    for key, labels in maps:
        ids = np.where(labels == NONE, len(names), labels).astype(np.uint8)
        counts += np.bincount(ids.ravel(), minlength=len(counts))
        write_label(folder, key, ids)
    fractions = counts / counts.sum()
    facts = {
        "method": method, "classes": len(counts), "names": [*names, OTHER], "other": len(names),
        "fractions": fractions.round(4).tolist(), "digests": digests,
    }  # fmt: skip
    write_facts(folder, facts)
    return fractions
