"""Temperature, top-k, top-p and draws against their definitions in NumPy, float64."""

import itertools

import numpy as np
import pytest
import torch

from epe.networks.codes.choice import Choice, draw


def by_definition(logits: np.ndarray, choice: Choice) -> np.ndarray:
    """One row at a time: sort, cut, normalise, cut, normalise."""
    rows = []
    for row in logits:
        weights = np.exp(row / choice.temperature - np.max(row / choice.temperature))
        order = sorted(range(len(row)), key=lambda code: (-weights[code], code))
        kept = order[: choice.top_k] if choice.top_k else order
        total = sum(weights[code] for code in kept)
        if choice.top_p < 1:
            together, few = 0.0, []
            for code in kept:
                few.append(code)
                together += weights[code] / total
                if together >= choice.top_p:
                    break
            kept = few
        found = np.zeros(len(row))
        found[kept] = weights[kept] / weights[kept].sum()
        rows.append(found)
    return np.stack(rows)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    list(itertools.product((0.5, 1.0, 2.0), (0, 1, 5, 40, 100), (0.1, 0.7, 0.99, 1.0))),
)
def test_probabilities(temperature: float, top_k: int, top_p: float) -> None:
    logits = np.random.default_rng(0).normal(size=(6, 40)) * 3
    logits[0] = logits[0].round()  # ties
    logits[1] = 0
    choice = Choice(temperature, top_k, top_p)
    found = choice.probabilities(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found, by_definition(logits, choice), rtol=0, atol=1e-14)  # sums in another order
    np.testing.assert_allclose(found.sum(-1), 1, rtol=0, atol=1e-14)


class TestEdges:
    def halves(self, **settings: float) -> list[float]:
        """Of four codes with the probabilities 1/4, 1/2, 1/8, 1/8, all of which are exact."""
        logits = torch.tensor([0.25, 0.5, 0.125, 0.125], dtype=torch.float64).log()
        return Choice(**settings).probabilities(logits).tolist()  # type: ignore[arg-type]

    def test_of_equally_likely_codes_the_first_is_kept(self) -> None:
        assert Choice(top_k=2).probabilities(torch.zeros(4)).tolist() == [0.5, 0.5, 0, 0]
        assert Choice(top_p=0.3).probabilities(torch.zeros(4)).tolist() == [0.5, 0.5, 0, 0]

    def test_a_sum_that_is_p_is_enough(self) -> None:
        assert self.halves(top_p=0.5) == [0, 1, 0, 0]
        assert self.halves(top_p=0.51) == pytest.approx([1 / 3, 2 / 3, 0, 0])

    def test_one_code_at_least(self) -> None:
        assert self.halves(top_p=1e-9) == [0, 1, 0, 0]

    def test_top_p_is_of_what_top_k_leaves(self) -> None:
        """Of 2/3 and 1/3 the first alone has 0.6; of 1/2 it would have needed both."""
        assert self.halves(top_k=2, top_p=0.6) == [0, 1, 0, 0]

    def test_temperature_rises_entropy(self) -> None:
        logits = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
        entropies = []
        for temperature in (0.5, 1.0, 2.0):
            chances = Choice(temperature).probabilities(logits)
            entropies.append(float(-(chances * chances.clamp(min=1e-300).log()).sum()))
        assert entropies == sorted(entropies)

    def test_half_precision_logits_are_summed_in_float64(self) -> None:
        assert Choice().probabilities(torch.zeros(3, dtype=torch.bfloat16)).dtype == torch.float64


class TestDraw:
    def test_the_first_sum_beyond_the_number(self) -> None:
        chances = np.random.default_rng(1).random((200, 9)) * (np.random.default_rng(2).random((200, 9)) < 0.6)
        chances[:, 4] += 0.01
        numbers = np.random.default_rng(3).random(200)
        wanted = [
            next(code for code in range(9) if row[: code + 1].sum() > number * row.sum())
            for row, number in zip(chances, numbers, strict=True)
        ]
        assert draw(torch.from_numpy(chances), torch.from_numpy(numbers)).tolist() == wanted

    @pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
    def test_what_cannot_be_is_never_drawn(self, number: float) -> None:
        chances = torch.tensor([0, 0.1, 0, 0.7, 0.2, 0], dtype=torch.float64)
        assert draw(chances, torch.tensor(number, dtype=torch.float64)).item() == (1 if number == 0 else 4)

    def test_as_often_as_is_likely(self) -> None:
        chances = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
        numbers = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        fractions = torch.bincount(draw(chances.expand(20_000, 3), numbers)) / 20_000
        # Four standard deviations of a share of 20,000 draws.
        assert (fractions - chances).abs().max() < 4 * (0.25 / 20_000) ** 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": 0.0}, "temperature 0.0: wanted more than 0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"temperature": float("inf")}, "temperature inf"),
        ({"top_k": -1}, "top_k -1: wanted 0"),
        ({"top_p": 0.0}, "top_p 0.0: wanted more than 0"),
        ({"top_p": 1.5}, "top_p 1.5"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Choice(**settings)  # type: ignore[arg-type]
