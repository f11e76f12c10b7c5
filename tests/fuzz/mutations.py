"""Changes that keep an input's form, so that the fuzzer gets behind the parser.

Bytes changed anywhere nearly always break JSON, a table of tensors or a pickle; most runs then test
the parser alone. A mutation takes an input and a source of chance and returns another input of the
same form, or None where the input has not that form.
"""

import copy
import json
import pickletools
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, TypeVar

import yaml

Mutation = Callable[[bytes, Random], bytes | None]
Part = TypeVar("Part")

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, 1e-9, 1e308, 5e-324, 2**31, 2**63, 10**30, 10**400,
    float("nan"), float("inf"), -float("inf"), "", "x", "auto", "0", "../x", "a\nb", "\ud800",
    "\u202e", "\x00", "x" * 300, [], {}, [[]], {"x": 1}, [0, 0], [1, 2, 3],
)  # fmt: skip
ODD_TEXTS = (
    b"", b"0", b"1", b"-1", b"0.5", b"1e-9", b"inf", b"nan", b"true", b"1" * 400, b'""', b"'", b'"',
    b"[]", b"{}", b"\xff", b"\x00", b"\xef\xbb\xbf", b"x" * 300, b"../x", b"=", b"\\", b"\r",
)  # fmt: skip
_TOKENS = re.compile(rb"[\w.+-]+|\s+|[^\w\s]+")
_DEEPEST = 50


def of_json(data: bytes, rng: Random) -> bytes | None:
    """Change a JSON value in one to three places."""
    try:
        return json.dumps(changed(json.loads(data), rng)).encode()
    except (ValueError, RecursionError):
        return None


def of_json_lines(data: bytes, rng: Random) -> bytes | None:
    """Change one line of JSON, or its place among the others."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    if rng.random() < 0.2:
        return of_lines(data, rng)
    line = of_json(lines[place], rng)
    if line is None:
        return None
    return b"\n".join([*lines[:place], line, *lines[place + 1 :]])


def of_yaml(data: bytes, rng: Random) -> bytes | None:
    """Change a YAML value in one to three places."""
    try:
        value = changed(yaml.load(data, Loader=yaml.CSafeLoader), rng)  # C: the reader is slow
        return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, encoding="utf-8")
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return None


def rearranged(parts: list[Part], kind: int, place: int, other: int) -> bool:
    """Leave a part out (0), repeat one (1) or exchange two (2); False for other kinds."""
    if kind == 0:
        del parts[place]
    elif kind == 1:
        parts.insert(other, parts[place])
    elif kind == 2:
        parts[place], parts[other] = parts[other], parts[place]
    return kind <= 2


def of_lines(data: bytes, rng: Random) -> bytes | None:
    """Change a text of lines: leave one out, repeat or move one, or exchange a word."""
    lines = data.split(b"\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if not rearranged(lines, kind, place, other):
        words = _TOKENS.findall(lines[place])
        if not words:
            return None
        more = _TOKENS.findall(lines[other])
        words[rng.randrange(len(words))] = rng.choice(more if kind == 3 and more else ODD_TEXTS)
        lines[place] = b"".join(words)
    return b"\n".join(lines)


def of_safetensors(data: bytes, rng: Random) -> bytes | None:
    """Change the table of a safetensors file, its length, or the numbers behind it."""
    if len(data) < 8:
        return None
    length = struct.unpack("<Q", data[:8])[0]
    table, numbers = data[8 : 8 + length], bytearray(data[8 + length :])
    kind = rng.randrange(4)
    if kind == 0:
        length += rng.choice((-8, -1, 1, 8, 2**40))
        return struct.pack("<Q", length % 2**64) + table + numbers
    if kind == 1 and numbers:
        place = rng.randrange(len(numbers))
        numbers[place : place + 4] = rng.randbytes(4)
        return data[: 8 + length] + numbers
    new = of_json(table, rng)
    return None if new is None else struct.pack("<Q", len(new)) + new + numbers


def of_pickle(data: bytes, rng: Random) -> bytes | None:
    """Leave an instruction of a pickle out, repeat or move one, or change what it carries."""
    try:
        starts = [place for _, _, place in pickletools.genops(data) if place is not None]
    except Exception:  # what is no pickle fails in many ways
        return None
    ends = [*starts[1:], len(data)]
    parts = [bytearray(data[a:b]) for a, b in zip(starts, ends, strict=True)]
    place, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    if not rearranged(parts, rng.randrange(6), place, other):
        long = [part for part in parts if len(part) > 1]
        if not long:
            return None
        part = rng.choice(long)
        part[rng.randrange(1, len(part))] = rng.choice((0, 1, 2, 48, 65, 127, rng.randrange(256)))
    return b"".join(parts)


def prefixed(kinds: Mapping[bytes, Mutation]) -> Mutation:
    """For inputs whose first byte says what the rest is."""

    def mutation(data: bytes, rng: Random) -> bytes | None:
        inner = kinds.get(data[:1])
        new = inner(data[1:], rng) if inner else None
        return None if new is None else data[:1] + new

    return mutation


def changed(value: Any, rng: Random) -> Any:
    """A plain value, changed in one to three places."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(value))
        if not places:
            return _odd(rng)
        holder, key = rng.choice(places)
        _change(holder, key, rng, others=places)
    return value


def _odd(rng: Random) -> Any:
    return copy.deepcopy(rng.choice(ODD_VALUES))  # the next change may go into it


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Every place in nested lists and objects, as holder and key."""
    if depth > _DEEPEST or not isinstance(value, dict | list):
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key], depth + 1)


def _change(holder: Any, key: Any, rng: Random, others: list[tuple[Any, Any]]) -> None:
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        again = copy.deepcopy(holder[key])
        if isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), again)
        else:
            holder[rng.choice((f"{key}x", "", "path", "label"))] = again
    elif kind == 2:
        other, place = rng.choice(others)
        with_place = place in other if isinstance(other, dict) else place < len(other)
        holder[key] = copy.deepcopy(other[place]) if with_place else None
    elif kind == 3:
        holder[key] = _odd(rng)
    else:
        holder[key] = _near(holder[key], rng)


def _near(value: Any, rng: Random) -> Any:
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, value * 2, value // 2, -value, value * 1000))
    if isinstance(value, float):
        return rng.choice((value * 2, value / 2, -value, value + 1e-3, rng.random()))
    if isinstance(value, str):
        return _near_text(value, rng)
    return value


def _near_text(value: str, rng: Random) -> str:
    if value[:1] == "{":  # JSON within JSON
        inner = of_json(value.encode(errors="replace"), rng)
        if inner is not None:
            return inner.decode()
    place = rng.randrange(len(value) + 1)
    more = rng.choice(("x", "0", "1", ".", "/", "_", " ", "\n", "é", "\u2028", "😀"))
    return value[:place] + more + value[place + rng.randrange(2) :]
