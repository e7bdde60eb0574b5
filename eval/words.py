"""What a record says, in words: numbers, intervals, verdicts, protocol."""

from dataclasses import dataclass

from eval.record import Estimate, Method, Record

# A caution is due below this share of matched crops, and above this share of pairs with one photograph.
FEW, MUCH = 0.5, 0.3


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
    """Two to four digits that matter."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}" if size >= 0.0995 or size == 0 else f"{value:.2g}"


def ends(found: Estimate) -> str:
    """An interval as text."""
    if found.low is None or found.high is None:
        return "no interval"
    return f"{number(found.low)} to {number(found.high)}"


def change(found: Estimate | None) -> str:
    """A ratio as a change in per cent."""
    return "–" if found is None else f"{100 * (found.value - 1):+.0f} %".replace("-", "−")


def side(difference: Estimate) -> str:
    """On which side of the first method: "closer", "farther" or "undecided"."""
    if difference.high is not None and difference.high < 0:
        return "closer"
    return "farther" if difference.low is not None and difference.low > 0 else "undecided"


def verdict(record: Record, method: Method) -> Verdict:
    """Where a method is told apart from the first one."""
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


def cautions(record: Record) -> list[str]:
    """Where the numbers stand on thin ground."""
    frames, photos, found = record.frames, record.photos, []
    if frames.matched < FEW * frames.crops:
        found.append(
            f"Only {frames.matched} of {frames.crops} rendered crops have a real partner; sKVD leaves out the rest. "
            "More photographs, or labels of fewer classes, make more pairs."
        )
    if photos.largest_share > MUCH:
        found.append(
            f"One photograph serves {100 * photos.largest_share:.0f} % of the pairs: sKVD is largely its distance. "
            "More photographs, or labels of fewer classes, spread the pairs."
        )
    return found


def counts(record: Record) -> list[tuple[str, str]]:
    """What was used and what was dropped."""
    frames, photos = record.frames, record.photos
    return [
        ("frames", f"{frames.images} of {frames.width} x {frames.height} px"),
        ("rendered crops", f"{frames.crops}: {frames.matched} matched, {frames.dropped} dropped for want of a partner"),
        (
            "photographs",
            f"{photos.images}: {photos.resized} reduced to the frames' height, "
            f"{photos.dropped} dropped as smaller than a crop",
        ),
        ("real crops", f"{photos.candidates} candidates; {photos.sample} of them sampled for KVD"),
        (
            "partners",
            f"{photos.partners} distinct crops of {photos.partner_images} photographs; "
            f"the busiest photograph serves {100 * photos.largest_share:.0f} % of the pairs",
        ),
    ]


def protocol(record: Record) -> list[tuple[str, str]]:
    """Everything that the numbers depend on."""
    rules = record.protocol
    rows = [
        ("metric", rules.metric),
        ("unit", rules.unit),
        ("estimator", rules.estimator),
        ("kernel", rules.kernel),
        ("features", f"VGG16 {', '.join(rules.layers)}; pooling {rules.pooling}"),
        ("scaling", rules.scaling),
        ("scales", ", ".join(f"{layer} {number(scale)}" for layer, scale in rules.scales.items())),
        (
            "crops",
            f"{rules.crop_side} px squares, {rules.crops_per_frame} per frame, {rules.crops_per_photo} per photograph",
        ),
        ("photographs", rules.photo_size),
        ("alignment", f"nearest by {rules.similarity}; kept above {rules.similarity_above:g}"),
        ("labels", f"{rules.label_method}, {rules.label_classes} classes"),
        ("intervals", f"{100 * rules.level:g} %, {rules.resamples} bootstrap resamples of {rules.resampled}"),
        ("seed", str(rules.seed)),
        ("tool", record.tool),
        ("weights", f"{record.weights.file}, sha256 {record.weights.sha256}"),
        ("photographs' digest", record.photos.digest),
        ("labels' digests", f"frames {record.frames.labels}; photographs {record.photos.labels}"),
    ]
    return rows + [(f"digest of {method.name}", method.digest) for method in record.methods]
