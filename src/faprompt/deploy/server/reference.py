"""The OpenAPI document as one plain page: no script, nothing from elsewhere.

The pages that come with FastAPI load theirs from another host, which the desk never does.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Document = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")


def reference_page(document: Document) -> str:
    """Turn an OpenAPI document into HTML; every text is escaped."""
    title = escape(document["info"]["title"])
    operations = "".join(_operations(document))
    schemas = "".join(
        _schema(name, schema) for name, schema in document["components"]["schemas"].items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: API</title>\n"
        '<link rel="stylesheet" href="/css/base.css"><link rel="stylesheet" href="/css/docs.css">\n'
        f"</head>\n<body>\n<main>\n<h1>{title}: API {escape(document['info']['version'])}</h1>\n"
        f"<p>{_prose(document['info'].get('description', ''))}</p>\n"
        '<p>The same as a document for programs: <a href="/openapi.json">openapi.json</a>. '
        "With a key, programs send it as <code>Authorization: Bearer KEY</code>.</p>\n"
        f"{operations}\n<h2>Objects</h2>\n{schemas}</main>\n</body>\n</html>\n"
    )


def _operations(document: Document) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _operation(path, method, methods[method])


def _operation(path: str, method: str, operation: Document) -> str:
    rows = [_parameter(each) for each in operation.get("parameters", [])]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append(_row(kind, "body", _kind(content.get("schema", {})), ""))
    refused = []
    for status, reply in operation["responses"].items():
        if status >= "400":
            refused.append(status)
            continue
        for kind, content in reply.get("content", {}).items():
            rows.append(_row(kind, f"answer {status}", _kind(content.get("schema", {})), ""))
    if refused:
        kind = _kind({"$ref": "#/components/schemas/ErrorReply"})
        rows.append(_row("application/json", "error", kind, ", ".join(sorted(refused))))
    return (
        f"<section>\n<h2><span>{method.upper()}</span> <code>{escape(path)}</code></h2>\n"
        f"<p>{_prose(operation.get('description', ''))}</p>\n"
        f"<table><tbody>{''.join(rows)}</tbody></table>\n</section>\n"
    )


def _parameter(parameter: Document) -> str:
    place = parameter["in"] + ("" if parameter.get("required") else ", optional")
    text = parameter.get("description", "")
    return _row(parameter["name"], place, _kind(parameter["schema"]), text)


def _row(name: str, place: str, kind: str, text: str) -> str:
    return (
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(place)}</td>'
        f"<td>{kind}</td><td>{_prose(text)}</td></tr>"
    )


def _prose(text: str) -> str:
    """Text for people; what stands between backquotes is code."""
    return re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", escape(text))


def _schema(name: str, schema: Document) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        _row(
            field,
            "" if field in required else "optional",
            _kind(value),
            value.get("description", ""),
        )
        for field, value in schema.get("properties", {}).items()
    )
    return (
        f'<section id="{escape(name)}">\n<h3>{escape(name)}</h3>\n'
        f"<p>{_prose(schema.get('description', ''))}</p>\n"
        f"<table><tbody>{rows}</tbody></table>\n</section>\n"
    )


def _kind(schema: Document) -> str:
    """The type of a value as HTML, with links to objects."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if "properties" in schema:
        fields = (f"<code>{escape(n)}</code> {_kind(s)}" for n, s in schema["properties"].items())
        return ", ".join(fields)
    word = str(schema.get("format") or schema.get("const") or schema.get("type", "any"))
    return escape(word)
