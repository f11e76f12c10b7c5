"""Options of ``predict`` about regions and areas, and what they ask for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.errors import ConfigError

if TYPE_CHECKING:
    from faprompt.detection.areas import Areas
    from faprompt.detection.detector import Detector
    from faprompt.detection.region_files import RegionSettings
    from faprompt.runtime import Runtime

Regions = Annotated[
    bool, typer.Option("--regions", help="Also find regions: JSONL, CSV, COCO and mask files.")
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
Roi = Annotated[
    list[str] | None,
    typer.Option(help='What counts: a mask image, a JSON file of polygons, or "x,y x,y x,y".'),
]
Ignore = Annotated[
    list[str] | None, typer.Option(help="What does not count, in the same forms; wins over --roi.")
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
        self, colour_limits: tuple[float, float], *, station: float | None = None
    ) -> "RegionSettings | None":
        """What counts as a region, if regions are wanted.

        Args:
            colour_limits: Of the model.
            station: ``pixel_threshold`` of a calibrated station.

        Raises:
            ConfigError: a value is out of range.
        """
        if not self.wanted:
            return None
        from faprompt.detection.region_files import RegionSettings, choose_threshold

        return RegionSettings(
            pixel_threshold=choose_threshold(
                self.pixel_threshold, station=station, colour_limits=colour_limits
            ),
            min_area=self.min_area,
            mm_per_pixel=self.mm_per_pixel,
        )


def parse_areas(roi: list[str] | None, ignore: list[str] | None) -> "Areas | None":
    """The areas typed, None if there are none.

    Raises:
        ConfigError, DataError: one of them cannot be used.
    """
    if not roi and not ignore:
        return None
    from faprompt.detection.areas import Areas

    return Areas.parse(roi or (), ignore or ())


def with_references(
    detector: "Detector | Runtime", reference: str | None, areas: "Areas | None"
) -> "Detector | Runtime":
    """The detector with a memory of the good images in a folder, if one is named.

    Raises:
        ConfigError: an exported model has no patch features to compare.
        DataError: an image of the folder cannot be used, or there is none.
    """
    if reference is None:
        return detector
    from faprompt.runtime import Runtime

    if isinstance(detector, Runtime):
        raise ConfigError(
            "--reference compares patch features, which an exported model does not give; use the "
            "checkpoint it was exported from"
        )
    from faprompt.detection.references import reference_images

    return detector.with_references(reference_images(reference), areas=areas)


def recorded(regions: "RegionSettings | None") -> dict[str, Any]:
    """What of it decides the results; nothing where nothing was asked for."""
    return {} if regions is None else {"regions": regions.to_dict()}
