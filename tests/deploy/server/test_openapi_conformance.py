"""The desk against its own OpenAPI document: schemathesis asks every route, well and badly.

Values are chosen at random from the document, with a fixed seed; ids in them stand for things that
are there, so that both sides of a route are seen.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from desks import API, GreyModel, client_of, finished_items, new_batch, png, send, served
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = int(os.environ.get("FAPROMPT_API_EXAMPLES", "20"))
"""Per route and kind of values (as the document has them, and not), at most."""
GREYS = range(10, 100, 10)
"""Of the images of the batch: as many as a station needs."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
BOUNDED = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
)  # fmt: skip
NULL = {"type": "null"}
ADDRESS = "http://127.0.0.1"
IDS = {name: [f"ID-{name}", "nobody"] for name in ("batch", "item", "station")}
VALUES: dict[str, list[Any]] = {
    **IDS,
    "other": IDS["batch"],
    "images_of": IDS["batch"],
    "items": IDS["item"],
    "model": ["grey", "nobody"],
    "tile": ["auto", "64", "x"],
    "image": [base64.b64encode(png(7)).decode(), "eA==", "?"],
    "false_alarms": [0.2, 0.25],
    "review_rate": [0.5, 0.3],
    "confidence": [0.5],
}
"""What schemathesis chooses from where the document says no more than that it is a text."""

schemathesis.openapi.format("binary", st.sampled_from([png(3), png(4, (1, 1)), b"", b"x"]))


def document() -> dict[str, Any]:
    """The document of a desk, with values that mean something."""
    app = create_app(Desk(Path("never opened"), [served(GreyModel())]))
    found: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    for methods in found["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                _narrow(parameter["schema"], VALUES.get(parameter["name"]))
            for body in operation.get("requestBody", {}).get("content", {}).values():
                _narrow_properties(body["schema"])
    for schema in found["components"]["schemas"].values():
        if schema.get("additionalProperties") is False:  # of a request: answers stay as they are
            _narrow_properties(schema)
    found["components"]["schemas"]["NewStation"]["oneOf"] = [  # which its description says
        {"required": ["batch"], "properties": {"batch": {"type": "string"}, "items": NULL}},
        {"required": ["items"], "properties": {"items": {"type": "array"}, "batch": NULL}},
    ]
    return found


def _narrow_properties(schema: dict[str, Any]) -> None:
    for name, value in schema.get("properties", {}).items():
        _narrow(value, VALUES.get(name))


def _narrow(schema: dict[str, Any], values: list[Any] | None) -> None:
    """Let a text or number be one of some values, wherever in a schema it stands."""
    if schema.get("type") in {"string", "number"} and values is not None and "format" not in schema:
        schema["enum"] = values
    for inner in (*schema.get("anyOf", ()), schema.get("items", {})):
        if inner:
            _narrow(inner, values)


SCHEMA = schemathesis.openapi.from_dict(document())
Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
OPERATIONS: dict[str, Operation] = {}
for each in SCHEMA.get_all_operations():
    found = each.ok()  # type: ignore[union-attr]
    OPERATIONS[found.label] = found


class Served:
    """A desk in which there is always a finished batch with labels, and a station."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.ids: dict[str, str] = {}

    def refill(self) -> None:
        """Make again what a request has removed."""
        there = self.ids and all(
            self.client.get(f"{API}/{place}/{self.ids[kind]}").status_code == 200
            for kind, place in (("batch", "batches"), ("item", "items"), ("station", "stations"))
        )
        if there:
            return
        batch = new_batch(self.client)
        send(self.client, batch, *((f"{grey}.png", png(grey)) for grey in GREYS))
        items = [item["id"] for item in finished_items(self.client, batch)]
        self.client.put(f"{API}/batches/{batch}/labels", json={"items": items, "label": "ok"})
        asked = {"name": "nut", "batch": batch, "false_alarms": 0.2}
        station = self.client.post(f"{API}/stations", json=asked)
        assert station.status_code == 201, station.text
        self.ids = {"batch": batch, "item": items[0], "station": station.json()["id"]}

    def ask(self, case: Case) -> Any:
        """Send a case as the bytes that it is on the wire, with ids that are there."""
        self.refill()
        values = case.as_transport_kwargs(base_url=ADDRESS)
        sent = requests.Request(**values).prepare()
        url, body = str(sent.url), sent.body or b""
        content = body if isinstance(body, bytes) else str(body).encode()
        for kind, ident in self.ids.items():
            url = url.replace(f"ID-{kind}", ident)
            content = content.replace(f"ID-{kind}".encode(), ident.encode())
        headers = {name: str(v) for name, v in sent.headers.items() if name != "Content-Length"}
        return self.client.request(str(sent.method), url, content=content, headers=headers)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with client_of(tmp_path_factory.mktemp("desk"), served(GreyModel())) as client:
        yield Served(client)


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_route_answers_as_its_document_says(label: str, desk: Served) -> None:
    operation, seen = OPERATIONS[label], Counter[int]()

    def check(case: Case) -> None:
        response = desk.ask(case)
        seen[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    for mode in MODES if takes_values(operation) else MODES[:1]:
        BOUNDED(given(case=operation.as_strategy(mode))(check))()
    assert any(status < 300 for status in seen), seen
    assert any(status >= 400 for status in seen) == takes_values(operation), seen


def takes_values(operation: Operation) -> bool:
    """Whether there is anything that a request could say wrongly."""
    return bool(operation.body or operation.query or operation.path_parameters)
