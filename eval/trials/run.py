"""eval.trial from settings to record: pictures, measurements, values, agreement with what is known.

What is measured is a set of pictures: those of a folder, degraded in one way or not at all.

Shapes: C strengths, N pictures of a folder, B resamples, S selections of pictures.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from eval.features.vgg_statistics import MEANS, part
from eval.inputs import label_facts, relative
from eval.measuring.set_metrics import GRAM_LAYER
from eval.metrics.bootstrap import draw_resamples
from eval.records.estimate import LEVEL, estimate
from eval.records.scores_record import Metric
from eval.records.trial_record import (
    DegradationResult,
    FeatureSpace,
    OrderResult,
    TrialPictures,
    TrialRecord,
    new_trial,
)
from eval.trials import agreement, reference_set, stability
from eval.trials.degradations import Degradation
from eval.trials.orders import Order
from eval.trials.pictures import PictureSet, chosen_keys, degraded, read_pictures
from eval.trials.scorer import Array, ArrayCache, Arrays, Scorer
from eval.trials.scorers import Scorers
from eval.trials.settings import TrialSettings
from gbuffer_tools.errors import InputError

Values = dict[str, Array]
"""By the metric's key."""


@dataclass(frozen=True)
class MeasuredPictures:
    """What all scorers keep about some pictures.

    Attributes:
        scorers: the scorers.
        found: each scorer's arrays: common ones, and those of the pictures.
        count: N.
    """

    scorers: tuple[Scorer, ...]
    found: tuple[tuple[Arrays, Arrays], ...]
    count: int

    def values(self, draws: Array) -> Values:
        """Values (S,) of all measures for selections (S, N) of the pictures."""
        values: Values = {}
        for scorer, (common, found) in zip(self.scorers, self.found, strict=True):
            values |= scorer.values(common, found, draws)
        return values


class Trial:
    """One trial of measures, on pictures of which it is known which ones are better.

    Args:
        settings: what is put on trial.

    Raises:
        InputError: folders, pictures or label maps that cannot be used.
    """

    def __init__(self, settings: TrialSettings) -> None:
        self.settings = settings
        keys = chosen_keys(settings.photos, settings.max_photos)
        self.own_half = settings.degrade is None and bool(settings.degradations)
        self.degraded_keys = keys[1::2] if self.own_half else ()
        keys = keys[::2] if self.own_half else keys
        if len(keys) <= reference_set.NEIGHBOUR or (self.own_half and len(self.degraded_keys) < 4):
            raise InputError(f"{settings.photos}: too few photographs for two halves; wanted eight, or --degrade DIR.")
        self.folders = self._folders()
        self.height = settings.height or min(_lowest(folder) for folder in (settings.photos, *self.folders))
        self.photos = read_pictures(
            settings.photos, self.height, self._labels(settings.photos), keys, settings.photo_filter
        )
        self.scorers, self.cache = Scorers(settings, self.photos, self.height), ArrayCache(settings.cache)
        self.metrics: dict[str, Metric] = {}
        self._common: dict[str, Arrays] = {}

    def _folders(self) -> dict[Path, tuple[str, ...]]:
        """Folders that are judged, with the keys that are used."""
        settings, found = self.settings, {}
        if settings.degradations and settings.degrade:
            found[settings.degrade] = chosen_keys(settings.degrade, settings.max_pictures)
        for order in settings.orders:
            for side in (order.better, order.worse):
                found[side.folder] = chosen_keys(side.folder, settings.max_pictures)
        return found

    def _labels(self, folder: Path) -> Path | None:
        """Label maps of a folder of pictures, in the photographs' taxonomy; None if there are none."""
        own, photos = (self.settings.labels.get(path.resolve()) for path in (folder, self.settings.photos))
        if own and photos:
            label_facts(own, photos)
        return own

    def _read(self, folder: Path) -> PictureSet:
        return read_pictures(folder, self.height, self._labels(folder), self.folders[folder])

    def run(self, relative_to: Path) -> TrialRecord:
        """Measure all pictures, and compare the measures with what is known.

        Args:
            relative_to: the folder that folders in the record are relative to.

        Raises:
            InputError: pictures that a measure cannot take, or a damaged cache.
        """
        settings = self.settings
        judged = self._degraded_pictures() if settings.degradations else None
        strengths = sum(len(kind.strengths) for kind in settings.degradations)
        of_orders = {side.folder for order in settings.orders for side in (order.better, order.worse)}
        total = (strengths + 1) * len(judged or ()) + sum(len(self.folders[folder]) for folder in of_orders)
        with tqdm(total=total, desc="trial", unit="picture") as bar:
            degradations = tuple(self._degradations(judged, bar)) if judged else ()
            measured = {folder: self._measured(self._read(folder), bar) for folder in sorted(of_orders)}
        orders = tuple(self._order(order, measured, relative_to) for order in settings.orders)
        return new_trial(
            tuple(self.metrics.values()),
            self._trial_pictures("photographs", settings.photos, self.photos, relative_to),
            self._spaces(),
            self._trial_pictures("degraded", judged.folder, judged, relative_to) if judged else None,
            degradations,
            orders,
            agreement.TRUSTED,
            self._protocol(),
        )

    def _degraded_pictures(self) -> PictureSet:
        folder = self.settings.degrade
        if folder:
            return self._read(folder)
        photos = self.settings.photos
        return read_pictures(photos, self.height, self._labels(photos), self.degraded_keys, self.settings.photo_filter)

    def _measured(
        self, pictures: PictureSet, bar: "tqdm[NoReturn]", scorers: tuple[Scorer, ...] | None = None
    ) -> MeasuredPictures:
        """Measure some pictures, or find what was already measured."""
        scorers = scorers or self.scorers.of(pictures)
        found = []
        for scorer in scorers:
            self.metrics |= {metric.key: metric for metric in scorer.metrics}
            found.append(
                (
                    self._of_photos(scorer),
                    self.cache.get((scorer.digest, pictures.digest), _measuring(scorer, pictures)),
                )
            )
        bar.update(len(pictures))
        return MeasuredPictures(scorers, tuple(found), len(pictures))

    def _of_photos(self, scorer: Scorer) -> Arrays:
        """What a scorer keeps about the photographs; held in memory, as all sets of pictures need it."""
        if scorer.digest not in self._common:
            self._common[scorer.digest] = self.cache.get(("common", scorer.digest), scorer.common)
        return self._common[scorer.digest]

    def _degradations(self, judged: PictureSet, bar: "tqdm[NoReturn]") -> Iterator[DegradationResult]:
        scorers = self.scorers.of(judged)
        untouched = PictureSet(judged.folder, judged.keys, judged.pixels, judged.labels, judged.pixels)
        first = self._measured(untouched, bar, scorers)
        for kind in self.settings.degradations:
            measured = [first]
            for strength in kind.strengths:
                changed = degraded(judged, kind, strength, self.settings.seed)
                measured.append(self._measured(changed, bar, scorers))
            yield self._degradation(kind, measured)

    def _degradation(self, kind: Degradation, measured: list[MeasuredPictures]) -> DegradationResult:
        settings = self.settings
        draws = draw_resamples(np.arange(measured[0].count), count=settings.resamples, seed=settings.seed)
        sizes, (drawn,) = stability.subsets(settings.subsets, (measured[0].count,), settings.seed)
        middle = len(kind.strengths) // 2 + 1
        found = [one.values(draws) for one in measured]
        before, after = (measured[index].values(drawn) if len(drawn) else {} for index in (0, middle))
        result = DegradationResult(kind.name, kind.what, (0.0, *map(float, kind.strengths)), {}, {}, {}, {}, {})
        for key, metric in self.metrics.items():
            rows = np.array([values[key] for values in found if key in values])
            if len(rows) < len(measured) or not np.isfinite(rows[:, 0]).all():
                continue
            result.values[key] = tuple(estimate(row) for row in rows)
            result.differences[key] = tuple(estimate(row - rows[0]) for row in rows)
            worse = _sign(metric) * rows
            agreeing = agreement.spearman(worse)
            if not metric.better or not np.isfinite(agreeing[0]):
                continue
            result.spearman[key] = estimate(agreeing)
            result.kendall[key] = agreement.kendall(worse[:, 0])
            change = _sign(metric) * (after[key] - before[key]) if len(drawn) else np.zeros(0)
            result.frames[key] = stability.frames_needed(change, sizes, worse[middle, 0] - worse[0, 0])
        return result

    def _order(self, order: Order, measured: dict[Path, MeasuredPictures], relative_to: Path) -> OrderResult:
        settings = self.settings
        sides = (order.better, order.worse)
        pair = [measured[side.folder] for side in sides]
        paired = self.folders[order.better.folder] == self.folders[order.worse.folder]
        # Frames with the same names are drawn together, others separately.
        draws = [
            draw_resamples(
                np.arange(one.count), count=settings.resamples, seed=settings.seed + (0 if paired else index)
            )
            for index, one in enumerate(pair)
        ]
        counts = (pair[0].count,) if paired else tuple(one.count for one in pair)
        sizes, drawn = stability.subsets(settings.subsets, counts, settings.seed)
        found = [one.values(rows) for one, rows in zip(pair, draws, strict=True)]
        few = [one.values(rows) if len(rows) else {} for one, rows in zip(pair, (drawn[0], drawn[-1]), strict=True)]
        shown = [self._trial_pictures(side.name, side.folder, self._read(side.folder), relative_to) for side in sides]
        result = OrderResult(shown[0], shown[1], paired, {}, {}, {}, {})
        for key, metric in self.metrics.items():
            rows = [values[key] for values in found if key in values]
            if len(rows) < 2 or not all(np.isfinite(row[0]) for row in rows):
                continue
            better, worse = rows
            result.better[key], result.worse[key] = estimate(better), estimate(worse)
            if not metric.better:
                continue
            result.difference[key] = estimate(_sign(metric) * (worse - better))
            change = _sign(metric) * (few[1][key] - few[0][key]) if len(sizes) else np.zeros(0)
            result.frames[key] = stability.frames_needed(change, sizes, result.difference[key].value)
        return result

    def _trial_pictures(self, name: str, folder: Path, pictures: PictureSet, relative_to: Path) -> TrialPictures:
        return TrialPictures(name, relative(folder, relative_to), len(pictures), pictures.digest)

    def _spaces(self) -> tuple[FeatureSpace, ...]:
        """What the photographs are like: in means of relu5_3, in Gram matrices, in spectra."""
        vgg, spectra = self.scorers.everywhere[:2]
        common = [self._of_photos(scorer) for scorer in (vgg, spectra)]
        spaces: list[tuple[str, NDArray[np.floating]]] = [
            ("VGG16 relu5_3, means", common[0][MEANS].astype(np.float64)),
            (f"VGG16 {GRAM_LAYER}, Gram matrices", reference_set.coordinates(common[0][f"yy {part(GRAM_LAYER)}"])),
        ]
        seen = common[1]["spectrum"].astype(np.float64)
        spaces.append(("power spectrum", seen[np.isfinite(seen).all(1)]))
        return tuple(
            FeatureSpace(name, reference_set.effective_rank(rows), reference_set.sparseness(rows))
            for name, rows in spaces
            if len(rows) > reference_set.NEIGHBOUR
        )

    def _protocol(self) -> dict[str, str]:
        settings = self.settings
        halves = "; every second photograph is degraded, the others are the reference" if self.own_half else ""
        return {
            "height": f"pictures are reduced to {self.height} lines where higher, photographs by "
            f"{settings.photo_filter}",
            "pictures": f"{len(self.photos)} photographs as reference{halves}",
            "sKVD, KVD": f"{settings.crops} crops of {self.scorers.side} px per picture, {settings.candidates} per "
            "photograph; layers divided by their root mean square over the photographs",
            "label maps": self._label_facts(),
            "VGG16": f"sha256 {self.scorers.weights}",
            "intervals": f"{100 * LEVEL:g} %, {settings.resamples} bootstrap resamples of pictures; photographs are "
            "fixed",
            "frames needed": f"{settings.subsets} subsets of each size up to half of the pictures; "
            f"{100 * stability.AGREEING:g} % of them have the sign of all pictures, at this and all larger sizes",
            "seed": str(settings.seed),
        }

    def _label_facts(self) -> str:
        """How the photographs' label maps were made, in words."""
        folder = self._labels(self.settings.photos)
        if folder is None:
            return "none; no sKVD"
        method, classes = label_facts(folder, folder)
        return f"{method}, {classes} classes"


def _sign(metric: Metric) -> float:
    """1 for measures where more is worse, -1 for those where less is."""
    return -1.0 if metric.better == "higher" else 1.0


def _measuring(scorer: Scorer, pictures: PictureSet) -> Callable[[], Arrays]:
    return lambda: scorer.measure(pictures)


def _lowest(folder: Path) -> int:
    images = Images(folder)
    return min(images.size(index)[0] for index in range(len(images)))
