"""Files that are not on this machine: read through fsspec (S3, GCS, HTTP, memory, ...).

fsspec comes with torch; what a protocol needs besides (s3fs, gcsfs, aiohttp) is asked for by name.
"""

import time
from typing import Any

from faprompt.errors import ConfigError, DataError

ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt; doubled for the third


def is_url(text: str) -> bool:
    """Tell ``s3://bucket/a.png`` from a path.

    Only those who say so take texts for URLs: a detector never fetches what a stranger typed.
    """
    return "://" in text


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        ConfigError: the protocol is unknown, or its package is not installed.
    """
    import fsspec

    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        protocol = url.partition("://")[0]
        raise ConfigError(
            f"{url}: protocol {protocol!r} cannot be used ({error}); needed is one that fsspec "
            "knows, with its package: s3fs for s3, gcsfs for gs, aiohttp for http"
        ) from None
    return found


def fetch(url: str) -> bytes:
    """The bytes of a file elsewhere; a connection that breaks is tried again.

    Raises:
        DataError: the file is missing, or cannot be fetched in ``ATTEMPTS`` attempts.
        ConfigError: see :func:`file_system`.
    """
    system, path = file_system(url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            content: bytes = system.cat_file(path)  # one request
            return content
        except FileNotFoundError:
            raise DataError(f"{url}: not found; needed is an image file") from None
        except Exception as error:  # every client has errors of its own
            if attempt == ATTEMPTS:
                reason = f"{type(error).__name__}: {error}"
                raise DataError(f"{url}: not fetched in {ATTEMPTS} attempts ({reason})") from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
    raise AssertionError("not reached")
