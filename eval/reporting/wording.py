"""What a record of eval.skvd says, in words: numbers, intervals, verdicts, cautions, protocol."""

from dataclasses import dataclass

from eval.kvd.vgg_file import TORCHVISION_SHA256
from eval.records.estimate import Estimate
from eval.records.skvd_record import SkvdMethod, SkvdRecord

MIN_MATCHED, MAX_OF_ONE_PHOTO = 0.5, 0.3
"""A caution is due below this fraction of matched crops, and above this fraction of pairs with one photograph."""

OTHER_PHOTOGRAPHS = "other photographs"
"""The floor's name in tables and plots."""
FLOOR_MEANS = (
    "Fraction of the way from the first method (0) to other photographs (1), which are judged as if they were frames. "
    "Below 0 a method went away from them. A dash: there is no way to go, or too little to tell."
)


@dataclass(frozen=True)
class Verdict:
    """A method against the first one, layer by layer.

    Attributes:
        method: its name.
        closer: layers where it is closer to the photographs: the paired interval of the difference lies below 0.
        farther: layers where it is farther: the interval lies above 0.
        text: one sentence.
    """

    method: str
    closer: tuple[str, ...]
    farther: tuple[str, ...]
    text: str


def number(value: float) -> str:
    """A number as text, rounded to two to four significant digits."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}" if size >= 0.0995 or size == 0 else f"{value:.2g}"


def ends(found: Estimate) -> str:
    """The ends of an interval as text."""
    if found.low is None or found.high is None:
        return "no interval"
    return f"{number(found.low)} to {number(found.high)}"


def change(found: Estimate | None) -> str:
    """A ratio as a change in per cent."""
    return "–" if found is None else f"{100 * (found.value - 1):+.0f} %".replace("-", "−")


def side(difference: Estimate) -> str:
    """On which side of the first method it is: "closer", "farther" or "undecided"."""
    if difference.high is not None and difference.high < 0:
        return "closer"
    return "farther" if difference.low is not None and difference.low > 0 else "undecided"


def verdict(record: SkvdRecord, method: SkvdMethod) -> Verdict:
    """The layers at which a method differs from the first one, and a sentence about them."""
    sides = {layer: side(found) for layer, found in method.difference.items()}
    closer, farther, undecided = (
        tuple(layer for layer, found in sides.items() if found == name) for name in ("closer", "farther", "undecided")
    )
    text = f"closer to the photographs than {record.methods[0].name} at {len(closer)} of {len(sides)} layers"
    text += f", farther at {len(farther)}" if farther else ""
    text += f", undecided at {len(undecided)}" if undecided else ""
    changes = sorted((found for found in method.ratio.values() if found), key=lambda found: found.value)
    text += f"; sKVD {change(changes[0])} to {change(changes[-1])}." if len(changes) == len(sides) else "."
    return Verdict(method.name, closer, farther, text)


def cautions(record: SkvdRecord) -> list[str]:
    """Sentences about what makes a record's numbers unreliable; [] if nothing does."""
    frames, photos, found = record.frames, record.photos, []
    if record.protocol.name == "feamgan" and record.weights.source_sha256 != TORCHVISION_SHA256:
        found.append(
            f"The published rows of this protocol were made with torchvision's VGG16; these are other weights "
            f"({record.weights.file}), so the numbers are not to be compared with the published ones."
        )
    seeking = frames.matched + frames.dropped
    if frames.matched < MIN_MATCHED * seeking:
        found.append(
            f"Only {frames.matched} of {seeking} {record.protocol.seeking} crops have a partner; "
            "sKVD leaves out the rest. More photographs, or labels of fewer classes, make more pairs."
        )
    if photos.largest_fraction > MAX_OF_ONE_PHOTO:
        found.append(
            f"One photograph serves {100 * photos.largest_fraction:.0f} % of the pairs: sKVD is largely its distance. "
            "More photographs, or labels of fewer classes, spread the pairs."
        )
    return found


def floor_rows(record: SkvdRecord) -> list[tuple[str, list[str]]]:
    """Per layer, how far along the way to the floor each method but the first is, as text; [] without a floor."""
    ways = [method.toward_floor for method in record.methods[1:]]
    if record.floor is None or not ways or None in ways:
        return []

    def cell(found: Estimate | None) -> str:
        return "–" if found is None else f"{fraction(found.value)} ({fraction(found.low)} to {fraction(found.high)})"

    return [(layer, [cell(way[layer]) for way in ways if way]) for layer in record.protocol.layers]


def fraction(value: float | None) -> str:
    """A fraction with two decimals; a dash if there is none."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def class_rows(record: SkvdRecord) -> list[tuple[str, str, list[tuple[Estimate, Estimate]]]]:
    """cKVD as rows: a group, its number of pairs, value and difference of each method; last their means. [] if none."""
    found = [method.ckvd for method in record.methods if method.ckvd]
    if record.classes is None or not found:
        return []
    rows = [
        (name, str(record.classes.pairs[name]), [(each.value[name], each.difference[name]) for each in found])
        for name in found[0].value
    ]
    means = [(each.mean, each.mean_difference) for each in found if each.mean and each.mean_difference]
    return [*rows, (f"mean of {len(rows)}", "", means)] if means else rows


def class_facts(record: SkvdRecord) -> list[str]:
    """What cKVD is, and which groups it leaves out. [] if it was not asked for."""
    classes = record.classes
    if classes is None:
        return []
    facts = [
        f"Crops of which a group of classes covers more than {100 * classes.min_fraction:g} %, with {classes.hidden} "
        f"in place of all else; {classes.layer} alone. Pairs: {classes.partners}. Values of different groups are not "
        "to be compared: the outline of a group is seen, too."
    ]
    measured = record.methods[0].ckvd.value if record.methods[0].ckvd else {}
    left = [f"{name} ({pairs})" for name, pairs in classes.pairs.items() if name not in measured]
    if left:
        facts.append(
            f"Left out, with their pairs, for fewer than {classes.min_pairs} of them or for pairs of one picture "
            f"alone: {', '.join(left)}."
        )
    return facts


def counts(record: SkvdRecord) -> list[tuple[str, str]]:
    """What was used and what was dropped, as rows of a name and a text."""
    frames, photos = record.frames, record.photos
    return [
        ("frames", f"{frames.images} of {frames.width} x {frames.height} px"),
        (
            f"{record.protocol.seeking} crops",
            f"{frames.matched + frames.dropped}: "
            f"{frames.matched} matched, {frames.dropped} dropped for want of a partner",
        ),
        (
            "photographs",
            f"{photos.images}: {photos.resized} resized to the frames' height, "
            f"{photos.dropped} dropped as smaller than wanted",
        ),
        (
            "drawn",
            f"{frames.crops} crops of frames, {photos.candidates} of photographs; {photos.sample} of these for KVD",
        ),
        *_floor_counts(record),
        (
            "partners",
            f"{photos.partners} distinct crops of {photos.partner_images} photographs; "
            f"the busiest photograph serves {100 * photos.largest_fraction:.0f} % of the pairs",
        ),
    ]


def _floor_counts(record: SkvdRecord) -> list[tuple[str, str]]:
    floor = record.floor
    if floor is None:
        return []
    return [
        (
            OTHER_PHOTOGRAPHS,
            f"{floor.images} in {floor.folder}: {floor.crops} crops, {floor.matched} matched; resampled by themselves; "
            f"digest {floor.digest}, of labels {floor.labels}",
        )
    ]


def protocol(record: SkvdRecord) -> list[tuple[str, str]]:
    """Everything that the numbers depend on, as rows of a name and a text."""
    facts = record.protocol
    rows = [
        ("protocol", facts.name),
        ("metric", facts.metric),
        ("unit", facts.unit),
        ("estimator", facts.estimator),
        ("kernel", facts.kernel),
        ("features", f"VGG16 {', '.join(facts.layers)}; pooling {facts.pooling}; {facts.precision}"),
        ("scaling", facts.scaling),
        ("scales", ", ".join(f"{layer} {number(scale)}" for layer, scale in facts.scales.items())),
        (
            "crops",
            f"{facts.crop_side} px squares, {facts.crops_per_frame} per frame, {facts.crops_per_photo} per photograph",
        ),
        ("photographs", facts.photo_size),
        ("alignment", f"nearest by {facts.similarity}; kept above {facts.similarity_above:g}"),
        ("labels", f"{facts.label_method}, {facts.label_classes} classes"),
        ("intervals", f"{100 * facts.level:g} %, {facts.resamples} bootstrap resamples of {facts.resampled}"),
        ("seed", str(facts.seed)),
        ("tool", record.tool),
        (
            "weights",
            f"{record.weights.file}, sha256 {record.weights.sha256}: {record.weights.what or 'of unknown origin'}",
        ),
        ("photographs' digest", record.photos.digest),
        ("labels' digests", f"frames {record.frames.labels}; photographs {record.photos.labels}"),
    ]
    return rows + [(f"digest of {method.name}", method.digest) for method in record.methods]
