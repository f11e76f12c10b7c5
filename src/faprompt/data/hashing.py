"""Names for content: the same bytes have the same hash wherever they lie."""

import hashlib
from pathlib import Path

from faprompt.data.files import regular_file
from faprompt.errors import DataError


def content_hash(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    path = Path(path)
    regular_file(path, needed="a readable file")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}); needed is a readable file"
        ) from error
