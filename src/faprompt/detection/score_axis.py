"""Scores for the eye: as many digits as they need, and an axis on which they do not crowd.

A steep model gives many images a score within a hundredth of 0 or 1. Three decimals make them
equal, and an axis from 0 to 1 puts them on one spot. Digits are therefore counted from the nearer
end, and axes are even in log-odds, log(s / (1 - s)): nearly straight around 0.5, and with as much
room between 0.99 and 0.999 as between 0.9 and 0.99. Both keep the order. Files hold raw scores.

The desk's page does the same in ``js/format.js`` and ``js/scale.js``; a test compares them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log, log10

LEAST = 1e-6
"""Scores nearer to 0 or 1 than this share the end of an axis."""
FEWEST_DIGITS, MOST_DIGITS = 3, 6
STEP = 0.25  # of log-odds: axes begin and end at multiples of it
MARGIN = 0.05  # of log-odds, beyond the outermost score
NARROWEST = 1.0  # of log-odds
APART = 0.15  # of an axis, between two ticks
EDGE = 0.05  # of an axis, free of ticks at both ends: half of one's text
ENOUGH = 4  # ticks that need no less round ones


def score_text(score: float) -> str:
    """A score in [0, 1] with two digits of what it lacks to 0 or 1, and three at least.

    Larger scores never get a smaller text. Scores that six digits do not tell from 0 or 1, but
    which are neither, are given as a bound.

    Example:
        >>> [score_text(score) for score in (0.5, 0.98, 0.99794, 0.99979, 1 - 1e-7, 1.0)]
        ['0.500', '0.980', '0.9979', '0.99979', '>0.999999', '1.000']
    """
    if not 0 < score < 1:
        return f"{score:.{FEWEST_DIGITS}f}"
    text = f"{score:.{min(MOST_DIGITS, _digits(score))}f}"
    if float(text) == 0:
        return f"<{LEAST:.{MOST_DIGITS}f}"
    return f">{1 - LEAST:.{MOST_DIGITS}f}" if float(text) == 1 else text


def threshold_text(score: float) -> str:
    """A threshold in [0, 1] with one digit more than scores have.

    Example:
        >>> threshold_text(0.968351), threshold_text(0.999788)
        ('0.9684', '0.999788')
    """
    digits = min(MOST_DIGITS, _digits(score)) + 1 if 0 < score < 1 else FEWEST_DIGITS
    return f"{score:.{digits}f}"


def _digits(score: float) -> int:
    return max(FEWEST_DIGITS, 1 + ceil(-log10(min(score, 1 - score))))


def log_odds(score: float) -> float:
    """log(s / (1 - s)) of a score in [0, 1], cut to about 14 on both sides.

    Example:
        >>> [round(log_odds(score), 2) for score in (0.0, 0.5, 0.9, 0.99)]
        [-13.82, 0.0, 2.2, 4.6]
    """
    inside = min(max(score, LEAST), 1 - LEAST)
    return log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class ScoreAxis:
    """An axis even in log-odds.

    Example:
        >>> axis = ScoreAxis.of([0.02, 0.5, 0.9998])
        >>> [round(axis.place(score), 2) for score in (0.02, 0.5, 0.99, 0.9998)]
        [0.01, 0.31, 0.67, 0.98]
        >>> axis.ticks()
        [0.1, 0.5, 0.9, 0.99, 0.999]
    """

    low: float
    """Log-odds where it begins."""
    high: float
    """Log-odds where it ends."""

    @classmethod
    def of(cls, scores: Iterable[float]) -> "ScoreAxis":
        """The axis that holds all scores, at least one, with some room at both ends."""
        lows, highs = zip(*(_around(log_odds(score)) for score in scores), strict=True)
        return cls(min(lows), max(highs))

    def place(self, score: float) -> float:
        """Where a score lies along the axis, in [0, 1]."""
        share = (log_odds(score) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        """Round scores to write at the axis, lowest first, none too near to another or an end."""
        chosen: dict[float, float] = {}  # place by tick
        for level in _round_scores():
            if len(chosen) >= ENOUGH:
                break
            for tick in level:
                place = (log_odds(tick) - self.low) / (self.high - self.low)
                far = all(abs(place - other) >= APART for other in chosen.values())
                if EDGE <= place <= 1 - EDGE and far:
                    chosen[tick] = place
        return sorted(chosen)


def _around(odds: float) -> tuple[float, float]:
    """Ends of an axis for one score; what it lacks in length is added towards the middle."""
    low = floor((odds - MARGIN) / STEP) * STEP
    high = ceil((odds + MARGIN) / STEP) * STEP
    if odds > 0:
        return min(low, high - NARROWEST), high
    return low, max(high, low + NARROWEST)


def _round_scores() -> Iterator[list[float]]:
    """The rounder, the earlier: 0.5, 0.1, 0.9, 0.01, 0.99 ..., then what lies between."""
    yield [0.5, *_tails((1,))]
    yield _tails((2, 5))
    yield _tails((3, 4, 6, 7, 8, 9))
    yield [percent / 100 for percent in range(1, 100)]


def _tails(factors: Sequence[int]) -> list[float]:
    """Multiples of 0.1, 0.01 and so on, and as much below 1."""
    places = range(1, MOST_DIGITS + 1)
    low = [(factor / 10**digits, digits) for digits in places for factor in factors]
    pairs = [(share, round(1 - share, digits)) for share, digits in low if share < 0.5]
    return [tick for pair in pairs for tick in pair]


def tick_text(tick: float) -> str:
    """A round score without zeros at its end.

    Example:
        >>> tick_text(0.9), tick_text(1e-5)
        ('0.9', '0.00001')
    """
    return f"{tick:.{MOST_DIGITS}f}".rstrip("0")
