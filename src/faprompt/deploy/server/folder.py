"""The desk's folder: pictures under names of ours alone.

images/ab/abcd...   originals, by SHA-256
maps/ab/abcd...     raw maps as 16-bit PNG, by item
responses/ab/...    shares of the abnormality prompts per patch, by item
thumbs/ab/abcd...   small pictures, by SHA-256; made again when missing
incoming/           bodies that are still arriving; emptied at start
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.errors import OutputError
from faprompt.files import replacing

MAP_SIDE = 1024
"""Longest side of a stored map: maps are smooth, and the model's input is smaller."""
FULL_SCALE = 65535
THUMB_SIDE = 256
THUMB_QUALITY = 80
PNG_COMPRESSION = 1


class DeskFolder:
    """Where pictures lie."""

    def __init__(self, root: Path) -> None:
        """Make the folder.

        Raises:
            OutputError: it cannot be written.
        """
        self.root = root
        self.incoming = root / "incoming"
        try:
            shutil.rmtree(self.incoming, ignore_errors=True)
            self.incoming.mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"{root}: cannot be written ({error.strerror}); choose another --desk"
            ) from error

    def image(self, sha256: str) -> Path:
        """Where the original of a content lies."""
        return self._place("images", sha256)

    def thumb(self, sha256: str) -> Path:
        """Where the small picture of a content lies."""
        return self._place("thumbs", sha256)

    def map(self, item: str) -> Path:
        """Where the map of an item lies."""
        return self._place("maps", item)

    def _place(self, kind: str, name: str) -> Path:
        return self.root / kind / name[:2].lower() / name

    def new_file(self) -> Path:
        """A new empty file for a body that arrives.

        Raises:
            OutputError: the disk is full.
        """
        with writing("incoming"):
            handle, name = tempfile.mkstemp(dir=self.incoming)
            os.close(handle)
        return Path(name)

    def keep(self, arrived: Path, sha256: str) -> None:
        """Bring a complete body to the disk, then to its place.

        Raises:
            OutputError: the disk is full.
        """
        place = self.image(sha256)
        with writing("images"):
            with arrived.open("rb+") as file:
                os.fsync(file.fileno())
            place.parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(place)

    def write_map(self, item: str, anomaly_map: NDArray[np.float32], *, full: bool = False) -> None:
        """Keep a map (H, W) in [0, 1].

        Args:
            item: Its id.
            anomaly_map: Of the original image.
            full: In full resolution; else at most ``MAP_SIDE`` on its long side.

        Raises:
            OutputError: the disk is full.
        """
        image = Image.fromarray(anomaly_map)  # mode F
        if not full:
            image.thumbnail((MAP_SIDE, MAP_SIDE), Image.Resampling.BILINEAR)
        values = np.rint(np.asarray(image).clip(0, 1) * FULL_SCALE).astype(np.uint16)
        with _replacing(self.map(item)) as temporary:
            Image.fromarray(values).save(temporary, "PNG", compress_level=PNG_COMPRESSION)

    def write_responses(self, item: str, responses: NDArray[np.float32]) -> None:
        """Keep the shares of the prompts (K, h, w): regions may be found again.

        Raises:
            OutputError: the disk is full.
        """
        with _replacing(self._place("responses", item)) as temporary, temporary.open("wb") as file:
            np.save(file, responses.astype(np.float16))

    def read_responses(self, item: str) -> NDArray[np.float32] | None:
        """The stored shares, or None."""
        place = self._place("responses", item)
        return np.load(place).astype(np.float32) if place.is_file() else None

    def read_map(self, item: str) -> NDArray[np.float32]:
        """The stored map in [0, 1]."""
        with Image.open(self.map(item), formats=("PNG",)) as image:
            values = np.asarray(image, dtype=np.float32) / np.float32(FULL_SCALE)
        return values

    def make_thumb(self, sha256: str, image: Image.Image) -> bytes:
        """A small picture of an image as JPEG, kept where there is room for it."""
        small, buffer = image.copy(), io.BytesIO()
        small.thumbnail((THUMB_SIDE, THUMB_SIDE))
        small.save(buffer, "JPEG", quality=THUMB_QUALITY)
        with suppress(OutputError), _replacing(self.thumb(sha256)) as temporary:
            temporary.write_bytes(buffer.getvalue())
        return buffer.getvalue()

    def remove_item(self, item: str) -> None:
        """Remove what belongs to an item alone."""
        self.map(item).unlink(missing_ok=True)
        self._place("responses", item).unlink(missing_ok=True)

    def remove_content(self, sha256: str) -> None:
        """Remove an original and what was made of it."""
        self.image(sha256).unlink(missing_ok=True)
        self.thumb(sha256).unlink(missing_ok=True)


@contextmanager
def writing(kind: str) -> Iterator[None]:
    """What the system says of a file, in words for clients: they need not know where it lies.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{kind}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _replacing(place: Path) -> Iterator[Path]:
    try:
        with replacing(place) as temporary:
            yield temporary
    except OutputError as error:
        with writing(place.parts[-3]):
            raise error.__cause__ or error from None
