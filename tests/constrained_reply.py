"""What a model answers that is held to a JSON schema, and every way in which such an answer may be bad."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

ANSWERED_BADLY = (
    "plain text",
    "markdown fences",
    "reasoning first",
    "forbidden tier",
    "extra fields",
    "huge",
    "wrong types",
    "empty",
    "ignores the schema",
)
"""Bad answers that come in time and with status 200; `spoilt` makes them."""

FORBIDDEN = ("frontier", "no-such-value")
"""What ``forbidden tier`` says: the first of them that the schema does not allow."""


def mode_of(body: Mapping[str, Any]) -> str:
    """How a request asks for JSON: ``json_schema`` (also Ollama's ``format``), ``json_object``, ``tools``, ``text``."""
    if body.get("format"):
        return "json_schema" if isinstance(body["format"], dict) else "json_object"
    kind = (body.get("response_format") or {}).get("type", "text")
    if kind != "text":
        return str(kind)
    return "tools" if body.get("tools") else "text"


def schema_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that a request asks for, of whichever mode; else the last one that stands in its messages."""
    if isinstance(body.get("format"), dict):
        return dict(body["format"])
    wanted = body.get("response_format") or {}
    found = (wanted.get("json_schema") or {}).get("schema") or wanted.get("schema")
    if found:
        return dict(found)
    if body.get("tools"):
        return dict(body["tools"][0]["function"]["parameters"])
    schemas = [s for message in body.get("messages", ()) for s in _objects(_content(message)) if "properties" in s]
    return schemas[-1] if schemas else None


def routed(body: dict[str, Any]) -> str:
    """The least JSON that the request's schema allows, its first enum values taken; a stated confidence is 80."""
    schema = schema_of(body)
    if schema is None:
        return "I was given no schema."
    value = instance(schema)
    if isinstance(value, dict) and "confidence" in value:
        value["confidence"] = 80
    return json.dumps(value)


def instance(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """The least value that a schema allows."""
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        return instance(target, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return instance(schema[union][0], root)
    kind = schema.get("type", "object")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: instance(parts[name], root) for name in parts}
    if kind == "array":
        return [instance(schema.get("items", {"type": "string"}), root)] * schema.get("minItems", 0)
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"boolean": False, "null": None}.get(kind, "x" * schema.get("minLength", 1))


def spoilt(text: str, how: str, body: Mapping[str, Any]) -> str:
    """A good answer made bad, ``how`` being one of `ANSWERED_BADLY`."""
    if how == "empty":
        return ""
    if how == "plain text":
        return "This looks easy, so the cheapest one will do."
    if how == "markdown fences":
        return f"Here you are:\n```json\n{text}\n```\nIs there anything else?"
    if how == "reasoning first":
        return f'<think>\nPerhaps {{"tier": "frontier"}}? No.\n</think>\n\n{text}'
    if how == "ignores the schema":
        return '{"answer": "the cheapest one"}'
    if how == "huge":
        return text[:-1] + " " * 200_000 + "}"
    value = json.loads(text)
    if how == "extra fields":
        value["note"] = "more than was asked"
    elif how == "wrong types":
        value = {name: 7 if isinstance(given, str) else str(given) for name, given in value.items()}
    elif how == "forbidden tier":
        for name, part in ((schema_of(body) or {}).get("properties", {})).items():
            if "enum" in part or "const" in part:
                allowed = part.get("enum", [part.get("const")])
                value[name] = next(word for word in FORBIDDEN if word not in allowed)
                break
    return json.dumps(value)


def token_chances(text: str, chances: Mapping[str, float]) -> list[dict[str, Any]]:
    """The tokens of an answer as servers list them; at those of the first property's value with alternatives.

    ``chances``: value to probability. Tokens are runs of up to four letters, of digits, or one character.
    """
    opening = re.match(r'\s*\{\s*"[^"]*"\s*:\s*"', text)
    start = opening.end() if opening else len(text)
    end = text.find('"', start) + 1 if opening else len(text)
    listed = [_listed(token, {token: 1.0}) for token in _tokens(text[:start])]
    path: list[str] = []
    for token in _tokens(text[start:end]):
        following: dict[str, float] = {}
        for value, chance in chances.items():
            pieces = _tokens(value + '"')
            if pieces[: len(path)] == path and len(pieces) > len(path) and chance > 0:
                following[pieces[len(path)]] = following.get(pieces[len(path)], 0.0) + chance
        total = sum(following.values()) or 1.0
        listed.append(_listed(token, {piece: mass / total for piece, mass in following.items()} or {token: 1.0}))
        path.append(token)
    return listed + [_listed(token, {token: 1.0}) for token in _tokens(text[end:])]


def _tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{1,4}|[0-9]+|[\s\S]", text)


def _listed(token: str, alternatives: Mapping[str, float]) -> dict[str, Any]:
    ranked = sorted(alternatives.items(), key=lambda pair: -pair[1])
    top = [{"token": text, "logprob": math.log(mass), "bytes": list(text.encode())} for text, mass in ranked]
    own = math.log(alternatives.get(token, 1e-9))
    return {"token": token, "logprob": own, "bytes": list(token.encode()), "top_logprobs": top}


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object in a text that is in no other one."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            if isinstance(found, dict):
                yield found
        at = text.find("{", end)
