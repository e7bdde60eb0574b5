"""What a record says, in words: numbers, intervals, verdicts, protocol."""

from dataclasses import dataclass

from eval.record import Estimate, Method, Record


@dataclass(frozen=True)
class Verdict:
    """A method against the first one, layer by layer.

    Attributes:
        method: its name.
        closer: layers where it is closer to the photographs; the paired interval of the ratio lies below 1.
        farther: layers where it is farther; the interval lies above 1.
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


def verdict(record: Record, method: Method) -> Verdict:
    """Where a method is told apart from the first one."""
    closer = tuple(
        layer for layer, found in method.ratio.items() if found and found.high is not None and found.high < 1
    )
    farther = tuple(layer for layer, found in method.ratio.items() if found and found.low is not None and found.low > 1)
    count, first = len(record.protocol.layers), record.methods[0].name
    changes = [found for found in method.ratio.values() if found]
    if not changes:
        return Verdict(method.name, closer, farther, f"{first} is too close to the photographs for a ratio.")
    smallest, largest = (change(pick(changes, key=lambda found: found.value)) for pick in (min, max))
    parts = [f"closer to the photographs than {first} at {len(closer)} of {count} layers"]
    if farther:
        parts.append(f"farther at {len(farther)}")
    undecided = count - len(closer) - len(farther)
    if undecided:
        parts.append(f"undecided at {undecided}")
    return Verdict(method.name, closer, farther, f"{', '.join(parts)}; sKVD {smallest} to {largest}.")


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
