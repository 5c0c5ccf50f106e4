"""server/openapi.json is a valid OpenAPI 3.1 document, complete in itself; the server serves it as it stands."""
import json
import re

import jsonschema
import pytest

from admin import admin_address
from api import Api, expect
from replies import DOCUMENT, FORMATS, OPENAPI_FILE, Reply, parse_json

DOC = DOCUMENT.document
OPERATIONS = [(f"{method} {path}", path, method, operation)
              for path, item in DOC["paths"].items() for method, operation in item.items()]
ENDPOINTS = """
POST /api/place_order
POST /api/pay
POST /api/payment_callback
GET /api/check_balance
GET /api/orders/{order_id}
GET /api/orders
GET /api/accounts/{account}/entries
POST /api/accounts/{account}/debit
GET /api/orders/stuck
GET /api/orders/{order_id}/explain
POST /api/orders/{order_id}/close
POST /api/orders/{order_id}/refund
GET /api/exceptions
POST /api/exceptions/{exception_id}/resolve
POST /api/callbacks/{gateway}
GET /api/events
GET /api/webhooks
GET /api/webhooks/{webhook}
POST /api/webhooks/{webhook}
GET /api/orders/{order_id}/events
GET /api/accounts/{account}/events
GET /api/ws
GET /admin/status
GET /admin/backup
POST /admin/backup
POST /admin/checkpoint
POST /admin/log_level
GET /api/orders/{order_id}/qr.svg
POST /api/orders/{order_id}/query
GET /api/gateways/{gateway}/bill
GET /pay/{order_id}
GET /pay/{order_id}/status
GET /livez
GET /readyz
GET /metrics
GET /openapi.json
""".strip().splitlines()


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def lookup(pointer):
    node = DOC
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_every_endpoint_is_documented():
    assert {f"{method.upper()} {path}" for _, path, method, _ in OPERATIONS} == set(ENDPOINTS)


def test_version_and_dialect():
    assert DOC["openapi"] == "3.1.0"
    assert DOC["jsonSchemaDialect"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("name", DOC["components"]["schemas"])
def test_component_schema_is_valid(name):
    jsonschema.Draft202012Validator.check_schema(DOC["components"]["schemas"][name])


@pytest.mark.parametrize("operation", [row[3] for row in OPERATIONS], ids=[row[0] for row in OPERATIONS])
def test_operation_schemas_are_valid(operation):
    contents = [operation["requestBody"]] if "requestBody" in operation else []
    contents += [response for response in operation["responses"].values() if "$ref" not in response]
    for content in contents:
        for media in content["content"].values():
            jsonschema.Draft202012Validator.check_schema(media["schema"])
    assert {"101", "200"} & set(operation["responses"])
    for status, response in operation["responses"].items():
        assert re.fullmatch(r"[1-5][0-9]{2}", status)
        if status not in ("101", "200"):
            schema = lookup(response["$ref"])["content"]["application/json"]["schema"]
            error = lookup(schema.get("$ref") or schema["oneOf"][0]["$ref"])
            assert error["required"] == ["code", "msg", "error", "request_id"]
            assert error["properties"]["code"]["const"] == int(status)
            assert error["properties"]["error"]["enum"]


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_path_parameters_are_declared():
    for label, path, _, operation in OPERATIONS:
        parameters = [lookup(p["$ref"]) if "$ref" in p else p for p in operation["parameters"]]
        declared = {p["name"] for p in parameters if p["in"] == "path"}
        assert declared == set(re.findall(r"\{([^}]*)\}", path)), label


def test_references_resolve_and_no_component_is_left_over():
    used = set(references(DOC))
    for pointer in used:
        lookup(pointer)
    for *_, operation in OPERATIONS:
        used |= {f"#/components/securitySchemes/{name}" for needed in operation["security"] for name in needed}
    for kind, components in DOC["components"].items():
        for name in components:
            assert f"#/components/{kind}/{name}" in used, f"{kind}/{name} is not used"


ERROR = {"code": 404, "msg": "Order not found", "error": "order_not_found", "request_id": "r1"}
ORDER_PATH = "/api/orders/0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


def reply_of(status, value, request_id="r1", media="application/json"):
    return Reply(status, [("content-type", media), ("x-request-id", request_id)], json.dumps(value).encode())


def test_checker_accepts_what_is_documented():
    DOCUMENT.check("GET", ORDER_PATH, reply_of(404, ERROR))


@pytest.mark.parametrize("method, path, reply", [
    pytest.param("GET", ORDER_PATH, reply_of(404, ERROR | {"code": 400}), id="code is not the status"),
    pytest.param("GET", ORDER_PATH, reply_of(404, ERROR | {"error": "gone"}), id="unknown slug"),
    pytest.param("GET", ORDER_PATH, reply_of(404, ERROR | {"extra": 1}), id="unknown member"),
    pytest.param("GET", ORDER_PATH, reply_of(404, ERROR, request_id="r2"), id="another request id"),
    pytest.param("GET", ORDER_PATH, reply_of(404, ERROR, media="text/html"), id="content type"),
    pytest.param("GET", ORDER_PATH, reply_of(409, ERROR | {"code": 409}), id="undocumented status"),
    pytest.param("GET", ORDER_PATH, Reply(404, [("content-type", "application/json")], json.dumps(ERROR).encode()),
                 id="no request id header"),
    pytest.param("GET", "/api/check_balance?account=1", reply_of(
        200, {"code": 200, "account": "1", "balance": 0, "currency": "CNY"}), id="money without fraction"),
    pytest.param("GET", "/api/check_balance?account=1", Reply(
        200, [("content-type", "application/json"), ("x-request-id", "r1")],
        b'{"code":200,"account":"1","balance":0.0,"currency":"CNY"}'), id="money with one fraction digit"),
    pytest.param("PUT", "/api/pay", reply_of(404, ERROR), id="404 for a wrong method"),
])
def test_checker_refuses(method, path, reply):
    with pytest.raises(AssertionError):
        DOCUMENT.check(method, path, reply)


@pytest.mark.parametrize("text, good", [
    ("50.00", True), ("0.00", True), ("-0.05", True), ("50.0", False), ("50", False), ("5e1", False), ("50.000", False),
    ('"50.00"', False)])
def test_money_format(text, good):
    assert FORMATS.conforms(parse_json(f"[{text}]".encode())[0], "money") is good


def test_served_as_it_stands(api):
    assert expect(api.get("/openapi.json"), 200).body == OPENAPI_FILE.read_bytes()


@pytest.fixture(scope="module")
def operators(start_module_server):
    return Api(admin_address(start_module_server('[admin]\nlisten = "127.0.0.1:0"\n')))


@pytest.mark.parametrize("path, method", [row[1:3] for row in OPERATIONS if "{gateway}" not in row[1]],
                         ids=[row[0] for row in OPERATIONS if "{gateway}" not in row[1]])
def test_every_operation_is_routed(api, operators, path, method):
    target = path.replace("{account}", "13812345678")
    target = re.sub(r"\{[^}]*\}", "0190a1b2-c3d4-7e5f-8a6b-0123456789ab", target)
    door = operators if path.startswith("/admin/") else api
    asked = "HEAD" if path == "/api/accounts/{account}/events" else method.upper()  # GET would listen without an end
    reply = door.request(asked, target, b"" if method == "post" else None)
    assert reply.status == 200 or reply["error"] not in ("not_found", "method_not_allowed")
    other = door.request("DELETE", target)
    assert {name.strip() for name in expect(other, 405).header("allow").split(",")} - {"HEAD"} == {
        name.upper() for name in DOC["paths"][path]}
