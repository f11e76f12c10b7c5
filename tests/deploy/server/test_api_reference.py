"""The page of the API, made from the OpenAPI document alone."""

import re
from pathlib import Path

from desks import GreyModel, client_of, served

from faprompt.deploy.server.reference import reference_page


def test_every_operation_and_object_is_on_the_page(tmp_path: Path) -> None:
    with client_of(tmp_path, served(GreyModel())) as client:
        document = client.get("/openapi.json").json()
        reply = client.get("/docs")
    text = reply.text
    assert reply.headers["content-type"].startswith("text/html")
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<span>{method.upper()}</span> <code>{path}</code>" in text
    for target in re.findall(r'href="#(\w+)"', text):
        assert f'<section id="{target}">' in text
    assert not re.search(r"<script|style=|https?://|`", text)


def test_texts_are_escaped() -> None:
    schema = {"properties": {"a<b": {"type": "string", "description": "<script>"}}}
    page = reference_page(
        {
            "info": {"title": "x & y", "version": "1", "description": "2 < 3 in ``a<b``"},
            "paths": {"/<a>": {"get": {"description": "1 < 2", "responses": {}}}},
            "components": {"schemas": {"A": schema}},
        }
    )
    assert "&lt;script&gt;" in page
    assert "1 &lt; 2" in page
    assert "2 &lt; 3 in <code>a&lt;b</code>" in page
    assert "<script" not in page
