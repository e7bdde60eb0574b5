"""What a trial found about a measure, for the reports that show its numbers."""

from collections.abc import Iterable, Sequence

from eval.records.trial_record import OrderResult, TrialRecord

ORDERS = "known orders"
ORIGINAL = "truth_"
"""Similarity to the render is judged by the trial of similarity to the original; its key lacks this prefix."""


def kept(order: OrderResult, key: str) -> str:
    """Whether a measure keeps an order: "kept", "reversed", or with "?" if the interval contains 0 or there is none."""
    found = order.difference[key]
    word = "kept" if found.value > 0 else "reversed"
    decided = found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)
    return word if decided else f"{word}?"


def questions(trial: TrialRecord, key: str) -> dict[str, float]:
    """How far a measure can be trusted, by question: Spearman's coefficient, and the fraction of orders kept.

    Args:
        trial: the record.
        key: the measure's key.
    """
    found = {kind.name: kind.spearman[key].value for kind in trial.degradations if key in kind.spearman}
    signs = [order.difference[key].value > 0 for order in trial.orders if key in order.difference]
    return found | ({ORDERS: sum(signs) / len(signs)} if signs else {})


def merged_questions(trials: Iterable[TrialRecord], key: str) -> dict[str, float]:
    """How far a measure can be trusted, by question, over several trials: the lowest value counts."""
    found: dict[str, float] = {}
    for trial in trials:
        own = questions(trial, key) or questions(trial, ORIGINAL + key)
        found |= {name: min(value, found.get(name, 1.0)) for name, value in own.items()}
    return found


def distrusted(trials: Sequence[TrialRecord], key: str) -> dict[str, float]:
    """The questions for which a measure is not trusted, with its values there."""
    minimum = max((trial.trusted_from for trial in trials), default=0.0)
    return {name: value for name, value in merged_questions(trials, key).items() if value < minimum}


NOT_TRUSTED = "not trusted for "
MARK = "†"
"""Follows the name of a measure that is not trusted for some question."""


def marked(name: str, said: str) -> str:
    """A measure's name, with the mark if a verdict says that it is not trusted for some question."""
    return f"{name} {MARK}" if said.startswith(NOT_TRUSTED) else name


def trial_of(trial: TrialRecord) -> str:
    """What a trial was made with, in a sentence."""
    return (
        f"Trial towards {trial.photographs.images} photographs in {trial.photographs.folder}: a measure is trusted for "
        f"a question from {trial.trusted_from:g} on (Spearman's coefficient over a degradation; fraction of known "
        "orders kept)."
    )


def trial_verdict(trials: Sequence[TrialRecord], key: str) -> str:
    """What the trials found about a measure, in one line; "" if they did not try it."""
    if not merged_questions(trials, key):
        return ""
    found = distrusted(trials, key)
    if not found:
        return "trusted for every question of the trial"
    return NOT_TRUSTED + ", ".join(f"{name} ({value:.2f})" for name, value in found.items())
