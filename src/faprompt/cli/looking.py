"""Options about how images are looked at: what of them counts, and by windows or at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from faprompt.detection.areas import Areas
    from faprompt.detection.look import Look
    from faprompt.detection.tiling import Tiling

Roi = Annotated[
    list[str] | None,
    typer.Option(help='What counts: a mask image, a JSON file of polygons, or "x,y x,y x,y".'),
]
Ignore = Annotated[
    list[str] | None, typer.Option(help="What does not count, in the same forms; wins over --roi.")
]
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
class LookRequest:
    """What was typed."""

    tile: str | None
    overlap: float | None
    smallest_defect: int | None
    whole: bool
    roi: list[str] | None = None
    ignore: list[str] | None = None
    reference: str | None = None
    """Folder of good images, which does not go together with windows."""

    def __post_init__(self) -> None:
        given = {
            "--overlap": self.overlap is not None,
            "--smallest-defect": self.smallest_defect is not None,
            "--whole": self.whole,
        }
        lonely = [name for name, is_given in given.items() if is_given]
        if lonely and self.tile is None:
            raise typer.BadParameter(f"{lonely[0]} needs --tile")
        if self.tile is not None and self.reference is not None:
            raise typer.BadParameter(
                "--reference compares with whole images, --tile looks at windows: use one of them"
            )

    def look(self, *, responses: bool = False) -> "Look":
        """How to look.

        Args:
            responses: See ``Look``.

        Raises:
            ConfigError, DataError: a value is out of range, or an area cannot be used.
        """
        from faprompt.detection.look import Look

        return Look(areas=self._areas(), responses=responses, tiling=self.tiling())

    def tiling(self) -> "Tiling | None":
        """How to look by windows, if that is wanted.

        Raises:
            ConfigError: a value is out of range.
        """
        if self.tile is None:
            return None
        from faprompt.detection.tiling import OVERLAP, Tiling

        return Tiling.parse(
            self.tile,
            overlap=OVERLAP if self.overlap is None else self.overlap,
            smallest_defect=self.smallest_defect,
            whole=self.whole,
        )

    def _areas(self) -> "Areas | None":
        if not self.roi and not self.ignore:
            return None
        from faprompt.detection.areas import Areas

        return Areas.parse(self.roi or (), self.ignore or ())
