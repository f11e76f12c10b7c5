"""The methods that are compared: FAPrompt, its ablations and its rivals."""

from collections.abc import Iterable
from difflib import get_close_matches

from faprompt.errors import ConfigError
from faprompt.protocol.rivals.anomalyclip import ANOMALYCLIP
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.rivals.clip import CLIP, CLIP_AC, CLIP_AC_LOCAL
from faprompt.protocol.rivals.coop import COOP
from faprompt.protocol.rivals.faprompt import ABLATIONS, FAPROMPT
from faprompt.protocol.rivals.winclip import WINCLIP

__all__ = ["METHODS", "Method", "describe", "get_method"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        CLIP,
        CLIP_AC,
        CLIP_AC_LOCAL,
        WINCLIP,
        COOP,
        ANOMALYCLIP,
        FAPROMPT,
        *ABLATIONS,
    )
}
"""Every method by its name, in the order of tables."""


def get_method(name: str) -> Method:
    """Return the method of ``name``.

    Raises:
        ConfigError: there is none; the nearest name is suggested.

    Example:
        >>> get_method("faprompt").title
        'FAPrompt'
    """
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name, METHODS, n=1, cutoff=0.0)[0]
    raise ConfigError(
        f"unknown method {name!r}; did you mean {near!r}? Known: {', '.join(METHODS)}"
    )


def describe(methods: Iterable[Method]) -> str:
    """Source, settings and deviations of methods as Markdown: a table, then a section each."""
    methods = list(methods)
    lines = ["| method | name in plans | learns | source |", "|---|---|---|---|"]
    for method in methods:
        learns = "yes" if method.trained else "no"
        lines.append(f"| {method.title} | `{method.name}` | {learns} | {method.source} |")
    for method in methods:
        lines += ["", f"### {method.title} (`{method.name}`)", ""]
        lines += [f"* {name}: {text}" for name, text in method.settings.items()]
        lines += ["", "Deviations:", "", *(f"* {text}" for text in method.deviations)]
    return "\n".join(lines) + "\n"
