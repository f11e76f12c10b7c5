"""Do recent images still look like those that a station was calibrated on? Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faprompt.detection.station import Station
from faprompt.errors import DataError
from faprompt.metrics.two_sample import kolmogorov_smirnov

ALARM = 0.01
"""A p-value below this is a warning: on steady production one in a hundred checks gives one."""
FEW = 20
"""Recent images below which only gross changes can show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Recent scores beside those of the calibration."""

    images: int
    statistic: float
    """Largest distance of the two distribution functions, in [0, 1]."""
    p_value: float
    """Chance of such a distance if nothing has changed."""
    shift: float
    """Median of the recent scores minus that of the calibration."""
    not_ok: float
    """Share of the recent images that is UNSURE or NG."""
    review_rate: float
    """Largest share that was promised for it, of normal images."""
    alarm: float
    """``p_value`` below this is a warning."""

    @property
    def warns(self) -> bool:
        """Whether the scores differ."""
        return self.p_value < self.alarm

    def __str__(self) -> str:
        shown = "< 0.0001" if self.p_value < 1e-4 else f"= {self.p_value:.4f}"
        figures = f"{self.images} recent images, distance {self.statistic:.2f}, p {shown}"
        if not self.warns:
            few = ""
            if self.images < FEW:
                few = f"; with fewer than {FEW} images only gross changes can show"
            return f"no drift seen ({figures}){few}"
        direction = "higher" if self.shift > 0 else "lower"
        return (
            f"the scores differ from those of the calibration ({figures}; the median is "
            f"{abs(self.shift):.3f} {direction}; {100 * self.not_ok:.0f} % are not OK, at most "
            f"{100 * self.review_rate:.0f} % of normal images should be). Until the cause is known "
            "do not rely on the false-alarm rate: look for changes of light, camera, position or "
            "product, or for more defects than usual; if this is the new normal, calibrate again"
        )


def measure_drift(station: Station, recent: Sequence[float], *, alarm: float = ALARM) -> Drift:
    """Compare recent scores with the calibration's normal ones (Kolmogorov-Smirnov, exact).

    The recent images should be as they come, not picked: a batch of defects differs, too.

    Args:
        station: Of the same model and product.
        recent: Image scores, at least one.
        alarm: p-value below which it warns.

    Raises:
        DataError: there are no recent scores.

    Example:
        >>> from faprompt.detection.station import Scored
        >>> normal = tuple(Scored(sha256=str(i), image_score=i / 99, peak=0) for i in range(99))
        >>> station = Station(
        ...     product="nut", model_sha256="", backbone="tiny", precision="fp32",
        ...     input_size=256, false_alarms=0.01, review_rate=0.1, normal=normal,
        ... )
        >>> measure_drift(station, [0.8] * 20).warns
        True
    """
    if not len(recent):
        raise DataError("no recent scores to compare with the calibration; needed is at least one")
    test = kolmogorov_smirnov(station.normal_scores, recent)
    values = np.asarray(recent, dtype=np.float64)
    return Drift(
        images=len(recent),
        statistic=test.statistic,
        p_value=test.p_value,
        shift=float(np.median(values) - np.median(station.normal_scores)),
        not_ok=float(np.mean(values >= station.review_threshold)),
        review_rate=station.review_rate,
        alarm=alarm,
    )


def drift_warning(station: Station, recent: Sequence[float]) -> str | None:
    """What to say of scores that differ; None if they do not, or are too few to tell.

    Args:
        station: Of the same model and product.
        recent: Image scores.
    """
    if len(recent) < FEW:
        return None
    drift = measure_drift(station, recent)
    return str(drift) if drift.warns else None
