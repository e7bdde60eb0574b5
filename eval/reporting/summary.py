"""Several records of one set of frames as one table: a row per method, a column per metric.

Records belong together if their first methods show the same pictures and their photographs are the same, by digest. A
record without photographs belongs to all records of its frames. A method is identified by its name. Its pictures must
be the same in every record, and so must a value that several records hold.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.records import scores_record
from eval.records import skvd_record as skvd
from eval.records.dataclass_json import read_json
from eval.records.estimate import Estimate
from eval.records.scores_record import Scores
from eval.records.skvd_record import SkvdRecord
from eval.records.trial_record import TrialRecord
from eval.reporting.trust import trial_verdict
from eval.reporting.wording import counts, protocol, side
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE

Read = tuple[Path, SkvdRecord | Scores]


@dataclass(frozen=True)
class Column:
    """A metric as a column of the table.

    Attributes:
        key: a short name of one word.
        name: its name as papers write it.
        better: which values are better, "lower" or "higher"; "" if neither is.
        what: what it measures, in one line.
        group: the command that measures it.
        trial: what trials found about it (`eval.reporting.trust.trial_verdict`); "" if none tried it.
    """

    key: str
    name: str
    better: str
    what: str
    group: str
    trial: str = ""


@dataclass(frozen=True)
class Cell:
    """A value, and whether it differs from the first method's.

    Attributes:
        value: with its interval.
        against: "better", "worse" or "undecided", by the interval of the paired difference; "" if there is none, or if
            neither side is better.
        best: whether no method except the first has a better one.
    """

    value: Estimate
    against: str
    best: bool


@dataclass(frozen=True)
class Row:
    """A method's cells by the columns' keys; what was not measured is absent."""

    method: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class DataSet:
    """Everything that was measured on the same frames, against the same photographs.

    Attributes:
        title: folders of frames and photographs.
        folders: the folder of each method's pictures.
        columns, rows: the table; the first row is what the others are compared with.
        photographs: the photographs' own values, by column; for sKVD, those of the floor.
        skvd: records of eval.skvd, each with its file.
        scores: the other records.
        trials: records of eval.trial that were passed in beside them.
    """

    title: str
    folders: dict[str, Path]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    photographs: dict[str, float]
    skvd: tuple[tuple[Path, SkvdRecord], ...]
    scores: tuple[tuple[Path, Scores], ...]
    trials: tuple[TrialRecord, ...] = ()


def read_any(path: Path) -> SkvdRecord | Scores:
    """Read a record of any of the measuring commands.

    Raises:
        InputError: the file is not such a record, or its entries contradict each other.
    """
    kind = read_json(path).get("format")
    if kind not in (skvd.FORMAT, scores_record.FORMAT):
        raise InputError(
            f"{path}: its format is {kind!r:.40}; "
            "wanted one of eval.skvd, sets, content, segmentation, temporal, control."
        )
    found = skvd.read(path) if kind == skvd.FORMAT else scores_record.read(path)
    names = [method.name for method in found.methods]
    if not names or len(set(names)) < len(names):
        raise InputError(f"{path}: has the methods {names!r:.80}; wanted one or more, each once.")
    problem = problem_of(found)
    if problem:
        raise InputError(f"{path}: {problem}; make it again with its command.")
    return found


def problem_of(found: SkvdRecord | Scores) -> str:
    """How a record contradicts itself, in words; "" if it does not."""
    if isinstance(found, Scores):
        odd = [metric.better for metric in found.metrics if metric.better not in ("lower", "higher", "")]
        return f"better is {odd[0]!r:.40}, wanted 'lower', 'higher' or ''" if odd else ""
    size = (found.frames.width, found.frames.height)
    if not (min(size) > 0 and max(size) <= MAX_SIDE):
        return f"frames are {size[0]}x{size[1]}, wanted sides of 1..{MAX_SIDE}"
    layers = set(found.protocol.layers)
    for method in found.methods:
        if not layers or not all(
            layers == set(of) for of in (method.skvd, method.kvd, method.difference, method.ratio)
        ):
            return f"{method.name!r:.40} has not the layers {', '.join(found.protocol.layers)!r:.80}"
    ways = [set(method.toward_floor) for method in found.methods if method.toward_floor is not None]
    floors = [set(found.floor.skvd), set(found.floor.kvd)] if found.floor else []
    if not all(layers == of for of in ways + floors):
        return f"other photographs have not the layers {', '.join(found.protocol.layers)!r:.80}"
    groups = [(method.ckvd.value, method.ckvd.difference) for method in found.methods if method.ckvd]
    known = set(found.classes.pairs) if found.classes else set()
    if any(not set(groups[0][0]) <= set(part) & known for pair in groups for part in pair):
        return "methods have other groups of classes than the first or than the record"
    return ""


def data_sets(records: Iterable[Read], trials: Sequence[TrialRecord] = ()) -> list[DataSet]:
    """Records grouped by the frames that they judge and by photographs, in the order in which they come.

    Args:
        records: each with its file.
        trials: those whose findings are shown beside the measures.

    Raises:
        InputError: a name that stands for different pictures, or a value that occurs twice and differs.
    """
    of_frames: dict[str, list[Read]] = {}
    for path, found in records:
        of_frames.setdefault(found.methods[0].digest, []).append((path, found))
    return [tried(data_set(members), trials) for same in of_frames.values() for members in by_photographs(same)]


def tried(data: DataSet, trials: Sequence[TrialRecord]) -> DataSet:
    """A data set with trials: its columns say what the trials found about them."""
    columns = tuple(replace(column, trial=trial_verdict(trials, column.key)) for column in data.columns)
    return replace(data, columns=columns, trials=tuple(trials))


def by_photographs(records: Sequence[Read]) -> list[list[Read]]:
    """Records of the same frames, a list for each set of photographs; those without any are in all lists."""
    digests = dict.fromkeys(found.photos.digest for _, found in records if found.photos)
    return [
        [(path, found) for path, found in records if found.photos is None or found.photos.digest == digest]
        for digest in digests or [""]
    ]


def data_set(members: Sequence[Read]) -> DataSet:
    """The table of records whose frames and photographs are the same.

    Raises:
        InputError: a name that stands for different pictures, or a value that occurs twice and differs.
    """
    sources: dict[tuple[str, str], tuple[object, Path]] = {}
    columns: dict[str, Column] = {}
    cells: dict[str, dict[str, tuple[Estimate, Estimate | None]]] = {}
    digests: dict[str, str] = {}
    folders: dict[str, Path] = {}
    photographs: dict[str, float] = {}
    for path, found in members:
        for method in found.methods:
            if digests.setdefault(method.name, method.digest) != method.digest:
                raise InputError(
                    f"{path}: {method.name!r} shows other pictures than in the records before; measure it again, or "
                    "give it another name."
                )
            cells.setdefault(method.name, {})
            folders.setdefault(method.name, path.resolve().parent / method.folder)
        if isinstance(found, SkvdRecord) and found.floor and found.protocol.name == "ours":
            photographs |= {f"skvd_{layer}": own.value for layer, own in found.floor.skvd.items()}
        made = of_skvd(found) if isinstance(found, SkvdRecord) else of_scores(found)
        for column, values in made:
            columns[column.key] = column
            for name, value in values.items():
                check_equal(sources, repr(name), column.key, value, path)
                cells[name][column.key] = value
        if isinstance(found, Scores) and found.photos:
            for key, own in found.photos.values.items():
                check_equal(sources, "the photographs", key, own, path)
                photographs[key] = own
    return DataSet(
        title(members),
        folders,
        tuple(columns.values()),
        rows(tuple(columns.values()), cells),
        {key: value for key, value in photographs.items() if key in columns},
        tuple((path, found) for path, found in members if isinstance(found, SkvdRecord)),
        tuple((path, found) for path, found in members if isinstance(found, Scores)),
    )


def check_equal(
    sources: dict[tuple[str, str], tuple[object, Path]], name: str, key: str, value: object, path: Path
) -> None:
    """Note in `sources` which file holds a value.

    Raises:
        InputError: an earlier file holds another value, because of another protocol, other weights or another seed.
    """
    before, source = sources.setdefault((name, key), (value, path))
    if before != value:
        raise InputError(
            f"{path}: {key} of {name} is not that of {source}; measure all methods alike (protocol, weights, seed), or "
            "make a report of each."
        )


def title(members: Sequence[Read]) -> str:
    """Folders of frames and photographs, the last two parts of each."""
    frames = members[0][1].methods[0].folder
    photos = [found.photos.folder for _, found in members if found.photos]
    return " against ".join("/".join(Path(folder).parts[-2:]) for folder in (frames, *photos[:1]))


Values = dict[str, tuple[Estimate, Estimate | None]]
"""By method, a value and its difference to the first method's."""


def of_skvd(found: SkvdRecord) -> list[tuple[Column, Values]]:
    """sKVD of every layer and the mean of cKVD; a protocol other than ours has columns of its own."""
    first, protocol = found.methods[0].name, found.protocol.name
    key, name = ("", "") if protocol == "ours" else (f"{protocol}_", f" ({protocol})")
    what = "distance of crops to photographs' of the same layout"
    made: list[tuple[Column, Values]] = [
        (
            Column(f"skvd_{key}{layer}", f"sKVD {layer}{name}", "lower", what, "skvd"),
            {m.name: (m.skvd[layer], m.difference[layer] if m.name != first else None) for m in found.methods},
        )
        for layer in found.protocol.layers
    ]
    means: Values = {
        m.name: (m.ckvd.mean, m.ckvd.mean_difference if m.name != first else None)
        for m in found.methods
        if m.ckvd and m.ckvd.mean
    }
    column = Column(f"ckvd_{key}mean", f"cKVD{name}", "lower", "mean over classes, one at a time, relu5_3", "skvd")
    return [*made, (column, means)] if means else made


def of_scores(found: Scores) -> list[tuple[Column, Values]]:
    """The columns of another command: each of its metrics; class colours form a group for each class."""
    command = found.command.rpartition(".")[2]

    def group(key: str) -> str:
        parts = scores_record.class_colour(key)
        return f"{command}, colour of {parts[0]}" if parts else command

    return [
        (
            Column(metric.key, metric.name, metric.better, metric.what, group(metric.key)),
            {
                m.name: (m.values[metric.key], m.differences.get(metric.key))
                for m in found.methods
                if metric.key in m.values
            },
        )
        for metric in found.metrics
    ]


def rows(columns: Sequence[Column], cells: dict[str, Values]) -> tuple[Row, ...]:
    """The table's rows, in the order in which methods came."""
    names = list(cells)
    best = {column.key: best_of(column, [cells[name] for name in names[1:]]) for column in columns}

    def cell(column: Column, name: str) -> Cell:
        value, difference = cells[name][column.key]
        return Cell(value, against(column, difference), name != names[0] and value.value == best[column.key])

    return tuple(Row(name, {c.key: cell(c, name) for c in columns if c.key in cells[name]}) for name in names)


def best_of(column: Column, methods: Sequence[Values]) -> float | None:
    """The best value of a column; None if neither side is better, or there is nothing to choose from."""
    pick: dict[str, Callable[[list[float]], float]] = {"lower": min, "higher": max}
    values = [values[column.key][0].value for values in methods if column.key in values]
    return pick[column.better](values) if column.better and len(values) > 1 else None


def against(column: Column, difference: Estimate | None) -> str:
    """How a method compares with the first one: "better", "worse" or "undecided", or "" if nothing can be said."""
    if difference is None or difference.low is None or not column.better:
        return ""
    found = side(difference)
    if found == "undecided":
        return found
    return "better" if (found == "closer") == (column.better == "lower") else "worse"


def facts_of(data: DataSet) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was used and dropped, and the protocol, record by record."""
    found = [(f"eval.skvd ({path.name})", counts(record) + protocol(record)) for path, record in data.skvd]
    for path, record in data.scores:
        facts = [(metric.name, metric.what) for metric in record.metrics] + list(record.protocol.items())
        if record.photos:
            facts.append(("photographs", f"{record.photos.images} in {record.photos.folder}; {record.photos.digest}"))
        facts += [("tool", record.tool)] + [(f"digest of {method.name}", method.digest) for method in record.methods]
        found.append((f"{record.command} ({path.name})", facts))
    return found
