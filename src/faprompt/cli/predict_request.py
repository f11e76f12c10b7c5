"""What ``predict`` is asked to tell of images, and the options about regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from faprompt.cli.looking import LookRequest
    from faprompt.detection.look import Look
    from faprompt.detection.region_files import RegionSettings
    from faprompt.detection.station import Station

Regions = Annotated[
    bool,
    typer.Option(
        "--regions",
        help="Also find regions: JSONL, CSV, COCO and mask files; with --engine in the shards, "
        "as CSV and COCO, and with --maps as masks.",
    ),
]
PixelThreshold = Annotated[
    float | None,
    typer.Option(
        help="Anomaly value from which a pixel belongs to a region; by default where the "
        "colour of the heat maps starts."
    ),
]
MinArea = Annotated[int, typer.Option(min=0, help="Smallest region in pixels.")]
MmPerPixel = Annotated[
    float | None, typer.Option(help="Side of a pixel in millimetres, for areas in mm^2.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRequest:
    """What was typed."""

    wanted: bool
    pixel_threshold: float | None
    min_area: int
    mm_per_pixel: float | None

    def __post_init__(self) -> None:
        given = {
            "--pixel-threshold": self.pixel_threshold is not None,
            "--min-area": self.min_area > 0,
            "--mm-per-pixel": self.mm_per_pixel is not None,
        }
        lonely = [name for name, is_given in given.items() if is_given]
        if lonely and not self.wanted:
            raise typer.BadParameter(f"{lonely[0]} needs --regions")

    def settings(
        self, colour_limits: tuple[float, float], station: "Station | None"
    ) -> "RegionSettings | None":
        """What counts as a region, if regions are wanted.

        Args:
            colour_limits: Of the model.
            station: Knows a pixel threshold, too.

        Raises:
            ConfigError: a value is out of range.
        """
        if not self.wanted:
            return None
        from faprompt.detection.region_files import RegionSettings, choose_threshold

        known = station.pixel_threshold if station else None
        return RegionSettings(
            pixel_threshold=choose_threshold(
                self.pixel_threshold, station=known, colour_limits=colour_limits
            ),
            min_area=self.min_area,
            mm_per_pixel=self.mm_per_pixel,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be told of every image."""

    looking: "LookRequest"
    regions: RegionRequest
    station: Path | None

    def look(self) -> "Look":
        """How to look at images.

        Raises:
            ConfigError, DataError: see :meth:`LookRequest.look`.
        """
        return self.looking.look(responses=self.regions.wanted)


def recorded(
    facts: Mapping[str, Any], station: "Station | None", regions: "RegionSettings | None"
) -> dict[str, Any]:
    """What decides the results: a folder holds those of one such setting.

    Args:
        facts: Of the model, and whatever else changes scores.
        station: That decides, if one does.
        regions: What counts as a region, if they are wanted.
    """
    found = dict(facts)
    if station is not None:
        found["station_sha256"] = station.sha256
    if regions is not None:
        found["regions"] = regions.to_dict()
    return found
