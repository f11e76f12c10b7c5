"""Options of ``predict`` and ``evaluate`` about large images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from faprompt.detection.tiling import Tiling

Tile = Annotated[
    str | None,
    typer.Option(
        help="Look by windows of this side in pixels, or auto: as large as the model's input, or "
        "by --smallest-defect. Without it an image is looked at once, scaled down."
    ),
]
Overlap = Annotated[
    float | None, typer.Option(help="Share of a window that neighbours have in common (0.25).")
]
SmallestDefect = Annotated[
    int | None,
    typer.Option(help="Diameter in pixels of what has to be found; with --tile auto."),
]
Whole = Annotated[
    bool, typer.Option("--whole", help="Look at the whole image, too, and take the mean.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class TilingRequest:
    """What was typed."""

    tile: str | None
    overlap: float | None
    smallest_defect: int | None
    whole: bool

    def __post_init__(self) -> None:
        given = {
            "--overlap": self.overlap is not None,
            "--smallest-defect": self.smallest_defect is not None,
            "--whole": self.whole,
        }
        lonely = [name for name, is_given in given.items() if is_given]
        if lonely and self.tile is None:
            raise typer.BadParameter(f"{lonely[0]} needs --tile")

    def tiling(self, *, reference: str | None = None) -> "Tiling | None":
        """How to look by windows, if that is wanted.

        Args:
            reference: Folder of good images, which does not go together with windows.

        Raises:
            ConfigError: a value is out of range.
        """
        if self.tile is None:
            return None
        if reference is not None:
            raise typer.BadParameter(
                "--reference compares with whole images, --tile looks at windows: use one of them"
            )
        from faprompt.detection.tiling import OVERLAP, Tiling

        return Tiling.parse(
            self.tile,
            overlap=OVERLAP if self.overlap is None else self.overlap,
            smallest_defect=self.smallest_defect,
            whole=self.whole,
        )


def recorded(tiling: "Tiling | None") -> dict[str, Any]:
    """What of it decides the results; nothing where nothing was asked for."""
    return {} if tiling is None else {"tiling": tiling.to_dict()}
