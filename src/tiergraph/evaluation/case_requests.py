"""What a router is given, from a row: text or messages, documents, metadata and attachments.

Failure rule: whatever a decider would refuse is refused here, with its words, so that no evaluation stops on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import listed, mapping, text


def read_request(given: Mapping[Any, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a case that its router is given; a record needs none of them."""
    asked = [key for key in ("text", "messages") if key in given]
    if len(asked) == 2:
        raise InputError("There are both 'text' and 'messages'. Fix: give one of them.", code="ambiguous")
    if not asked and record is None:
        raise InputError("There is neither 'text' nor 'messages'. Fix: give one of them.", code="no_text")
    request: dict[str, Any] = {}
    if "text" in given:
        request["text"] = text(given["text"], "'text'")
    elif "messages" in given:
        request["messages"] = tuple(_messages(given["messages"]))
    if "metadata" in given:
        request["metadata"] = dict(mapping(given["metadata"], "'metadata'", "bad_metadata"))
    for key in ("documents", "attachments"):
        if key in given:
            request[key] = tuple(listed(given[key], f"'{key}'"))
    request["documents"] = _documents(request.get("documents", ()))
    if asked:
        _check_request(request)
    return request


def _check_request(request: Mapping[str, Any]) -> None:
    """What a decider would refuse is refused here, with its words."""
    from tiergraph.request import parse_request

    asked = list(request["messages"]) if "messages" in request else request["text"]
    parts = {key: list(request[key]) for key in ("documents", "attachments") if request.get(key)}
    parse_request(asked, metadata=request.get("metadata"), **parts)


def _documents(documents: Sequence[Any]) -> tuple[Any, ...]:
    """Documents as they were given, those of LangChain's as mappings."""
    from tiergraph.documents import as_documents

    if all(isinstance(document, (str, Mapping)) for document in documents):
        return tuple(documents)
    return tuple(as_documents(documents))


def _messages(value: Any) -> list[dict[str, Any]]:
    """Messages of any form that LangChain knows as dicts with ``role`` and ``content``."""
    turns = [_turn(turn) for turn in listed(value, "'messages'")]
    for number, turn in enumerate(turns):
        if turn["role"] in ("user", "human"):
            turn["content"] = _content(turn["content"], number)
    return turns


def _turn(turn: Any) -> dict[str, Any]:
    from langchain_core.messages import convert_to_messages, convert_to_openai_messages

    if isinstance(turn, Mapping):
        if "role" in turn and "content" in turn:
            return dict(turn)
        inner = turn.get("data", turn.get("kwargs"))  # how LangChain and LangSmith store messages
        turn = {**turn, **inner} if isinstance(inner, Mapping) else turn
    elif isinstance(turn, list):
        turn = tuple(turn)
    try:
        converted = convert_to_openai_messages(convert_to_messages([turn]))
    except Exception as error:
        # LangChain's own message repeats the content.
        raise InputError(
            f"The messages cannot be read ({type(error).__name__}). "
            "Fix: write {'role', 'content'} dicts, or give LangChain messages.",
            code="bad_messages",
        ) from None
    return dict(converted[0])


def _content(content: Any, number: int) -> str | list[dict[str, Any]]:
    """What a user said: a text, or content blocks whose texts are texts."""
    if isinstance(content, str):
        return content
    given = content if isinstance(content, (list, tuple)) else [content]
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in given]
    if not all(isinstance(block, Mapping) and isinstance(block.get("text", ""), str) for block in blocks):
        raise InputError(
            f"messages[{number}] has content that cannot be read. Fix: write a text or a list of content blocks.",
            code="bad_messages",
        )
    return [dict(block) for block in blocks]
