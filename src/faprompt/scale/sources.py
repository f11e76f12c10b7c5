"""What is to be read: from arguments to a stream of names, listed in a fixed order.

Names are absolute paths or URLs. Nothing is opened but folders and manifests.
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from faprompt.data.files import is_folder, is_image, is_stray
from faprompt.data.layouts.manifest import PATH_NAMES, resolve
from faprompt.data.listing import STANDARD_INPUT, expand
from faprompt.data.parquet import parquet_rows
from faprompt.data.remote import file_system, is_url
from faprompt.errors import DataError
from faprompt.files import expanded

MANIFEST_SUFFIX = ".parquet"
DIGEST_BYTES = 16
"""Of a name, to tell whether it was listed before: two of 10^9 names meet with chance 1e-21."""


def list_inputs(
    arguments: Iterable[str], lines: Iterable[str] = (), *, exclude: str | None = None
) -> Iterator[str]:
    """Expand files, folders, globs, URLs, Parquet manifests, and ``-`` for a list of these.

    A name is listed once. One folder cannot list a name twice; for anything else a digest of
    every name is held, about 100 bytes each.

    Args:
        arguments: As typed.
        lines: What ``-`` stands for, one each.
        exclude: Folder or URL whose files are not listed: where results may lie.

    Yields:
        Absolute paths and URLs.

    Raises:
        DataError: a manifest or a folder elsewhere cannot be read.
        ConfigError: see :func:`faprompt.data.remote.file_system`.
    """
    arguments = list(arguments)
    names = (name for text in _texts(arguments, lines) for name in _expand(text))
    if exclude is not None:
        inside = exclude.rstrip("/") + "/"
        names = (name for name in names if not name.startswith(inside))
    single = len(arguments) == 1 and _is_folder(arguments[0])
    return names if single else _once(names)


def _texts(arguments: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield from (text for line in lines if (text := line.rstrip("\r\n")))
        else:
            yield argument


def _is_folder(text: str) -> bool:
    return text.endswith("/") if is_url(text) else is_folder(expanded(text))


def _once(names: Iterable[str]) -> Iterator[str]:
    seen: set[bytes] = set()
    for name in names:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=DIGEST_BYTES).digest()
        if digest not in seen:
            seen.add(digest)
            yield name


def _expand(text: str) -> Iterator[str]:
    if is_url(text):
        found: Iterable[str] = _expand_url(text)
    else:
        found = (str(listed.path.absolute()) for listed in expand(text))
    for name in found:
        if name.lower().endswith(MANIFEST_SUFFIX):
            yield from read_manifest(name)
        else:
            yield name


def _expand_url(url: str) -> Iterator[str]:
    if _is_web(url):  # a question mark is no glob there, and folders only say so by a slash
        return _walk(url) if url.endswith("/") else iter([url])
    system, path = file_system(url)
    if glob.has_magic(path):
        protocol, _, rest = url.partition("://")
        leading = "/" if rest.startswith("/") else ""  # memory and local names begin with one
        found = (str(name).lstrip("/") for name in sorted(system.glob(path)))
        return (f"{protocol}://{leading}{name}" for name in found)
    if url.endswith("/") or system.isdir(path):
        return _walk(url)
    return iter([url])


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _walk(url: str) -> Iterator[str]:
    """Images in a folder elsewhere and all below it, files first, sorted by name."""
    base = url.rstrip("/") + "/"
    system, path = file_system(base)
    try:
        listed = sorted(system.ls(path, detail=True), key=lambda entry: str(entry["name"]))
    except Exception as error:  # every client has errors of its own
        raise DataError(f"{url}: cannot be listed ({type(error).__name__}: {error})") from error
    if _is_web(url):  # links may lead anywhere
        listed = [entry for entry in listed if str(entry["name"]).startswith(base)]
    names = [(str(entry["name"]).rstrip("/").rpartition("/")[2], entry["type"]) for entry in listed]
    for name, kind in names:
        if kind == "file" and is_image(Path(name)):
            yield base + name
    for name, kind in names:
        if kind == "directory" and not is_stray(Path(name)):
            yield from _walk(base + name)


def read_manifest(name: str) -> Iterator[str]:
    """Names in a Parquet file's column ``path`` (or another name for it), in its order.

    Relative ones are relative to the file. Read in pieces: it may be larger than memory.

    Raises:
        DataError: the file cannot be read, or has no such column.
    """
    for row in parquet_rows(name, one_of=PATH_NAMES):
        path = next(iter(row.values()))
        if not path or not isinstance(path, str):
            raise DataError(f"{name}: a path is {path!r}; needed is a text")
        yield absolute(name, path)


def absolute(manifest: str, path: str) -> str:
    """A path of a manifest as an absolute path or URL."""
    if is_url(path):
        return path
    if is_url(manifest):
        return f"{manifest.rpartition('/')[0]}/{path}"
    return str(resolve(Path(manifest).absolute().parent, path))
