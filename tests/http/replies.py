"""Replies as the tests see them, and their check against server/openapi.json.

Every reply that a test receives passes through `check`: an undocumented status, an unknown member, a wrong type, a
missing header or a `code` that is not the status fails the test that caused it.
"""
import copy
import json
import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema

REPOSITORY = Path(__file__).resolve().parents[2]
OPENAPI_FILE = REPOSITORY / "server" / "openapi.json"


class ExactNumber(Decimal):
    """A JSON number that remembers its text."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a reply repeats a member: {names}"
    return dict(pairs)


def parse_json(body):
    return json.loads(body.decode("utf-8"), parse_float=ExactNumber, object_pairs_hook=_no_duplicates,
                      parse_constant=lambda text: (_ for _ in ()).throw(ValueError(text)))


class Reply:
    """One HTTP reply. Headers are (lower-case name, value) pairs."""

    def __init__(self, status, headers, body, version="HTTP/1.1"):
        self.status, self.headers, self.body, self.version = status, headers, body, version

    def header(self, name, default=None):
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) < 2, f"repeated header {name}: {values}"
        return values[0] if values else default

    @property
    def json(self):
        return parse_json(self.body)

    def __getitem__(self, name):
        return self.json[name]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:400]!r}>"


# --- formats that the document names ---------------------------------------------------------------------------------

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("money")
def _is_money(value):
    return isinstance(value, ExactNumber) and re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]{2}", value.text) is not None


@FORMATS.checks("uuid")
def _is_uuid(value):
    return not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


@FORMATS.checks("rfc3339-milliseconds")
def _is_time(value):
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z", value)
    if not match:
        return False
    _, month, day, hour, minute, second = map(int, match.groups())
    return 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61


# --- the document ----------------------------------------------------------------------------------------------------

def _close_objects(node):
    """Members that the document does not list are refused, so that it stays complete."""
    if isinstance(node, dict):
        if "properties" in node and "additionalProperties" not in node and node.get("type") != "array":
            node["additionalProperties"] = False
        for child in node.values():
            _close_objects(child)
    elif isinstance(node, list):
        for child in node:
            _close_objects(child)


class Document:
    def __init__(self, file=OPENAPI_FILE):
        self.document = json.loads(file.read_text(encoding="utf-8"))
        self._strict = copy.deepcopy(self.document)
        _close_objects(self._strict["components"])
        _close_objects(self._strict["paths"])
        self._resolver = jsonschema.RefResolver("", self._strict)
        self._templates = []
        for template, item in self._strict["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
            self._templates.append((template.count("{"), template, re.compile(pattern), item))
        self._templates.sort(key=lambda entry: entry[0])
        self.seen = set()  # (method, template, status)
        self._valid = set()  # (method, template, status, media, body) that were found valid before

    def _resolve(self, node):
        while "$ref" in node:
            node = self._resolver.resolve(node["$ref"])[1]
        return node

    def route(self, target):
        """The path's template and its item, or (None, None)."""
        path = urlsplit(target).path if target else ""
        for _, template, pattern, item in self._templates:
            if pattern.fullmatch(path):
                return template, item
        return None, None

    def _documented(self, method, target, status):
        template, item = self.route(target)
        operation = item and item.get({"HEAD": "get"}.get(method, (method or "").lower()))
        if operation:
            response = operation["responses"].get(str(status)) or (
                self._strict["x-any-request"].get(str(status)) if status not in (404, 405) else None)
            assert response, f"{method} {target}: reply {status} is not documented"
            return template, self._resolve(response)
        if template is None and target is not None:
            assert status != 405, f"{method} {target}: 405 for a path that is not documented"
        elif template is not None:
            assert status != 404, f"{method} {target}: 404 for a documented path; 405 says more"
        response = self._strict["x-any-request"].get(str(status))
        assert response, f"{method} {target}: reply {status} is not documented for any request"
        return template or "*", self._resolve(response)

    def check(self, method, target, reply):
        """method and target may be None where a raw request had none. Returns the reply."""
        template, response = self._documented(method, target, reply.status)
        self.seen.add((method, template, reply.status))
        for name, header in response.get("headers", {}).items():
            header, value = self._resolve(header), reply.header(name)
            assert value is not None or not header.get("required"), f"{method} {target}: no {name} in {reply}"
            if value is not None:
                self._validate(header["schema"], value, f"{method} {target}: header {name}")
        media = (reply.header("content-type") or "").split(";")[0].strip()
        if method == "HEAD":
            assert reply.body == b"", f"HEAD with a body: {reply}"
            assert media in response["content"], f"HEAD {target}: content type {media!r}"
            return reply
        assert media in response["content"], f"{method} {target}: content type {media!r} of {reply}"
        key = (method, template, reply.status, media, reply.body)
        if key in self._valid:
            return reply
        value = reply.json if media == "application/json" else reply.body.decode("utf-8")
        self._validate(response["content"][media]["schema"], value, f"{method} {target}: {reply}")
        own_words = media != "application/json" or isinstance(value.get("code"), str)  # of a gateway
        if not own_words and "code" in value:
            assert value["code"] == reply.status, f"code is not the status: {reply}"
        if reply.status >= 400 and not own_words:
            assert value["request_id"] == reply.header("x-request-id"), f"two request ids: {reply}"
        elif len(reply.body) < 100 and len(self._valid) < 1000:
            self._valid.add(key)
        return reply

    def _validate(self, schema, value, where):
        validator = jsonschema.Draft202012Validator(schema, resolver=self._resolver, format_checker=FORMATS)
        errors = sorted(validator.iter_errors(value), key=lambda error: list(error.absolute_path))
        assert not errors, where + "\n" + "\n".join(
            f"  at {list(error.absolute_path)}: {error.message}" for error in errors)


DOCUMENT = Document()
check = DOCUMENT.check
