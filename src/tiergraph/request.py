"""From messages, documents and metadata to the parts of one request that screens, router and tiers read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage, convert_to_messages

from tiergraph.documents import Document, as_documents
from tiergraph.errors import InputError
from tiergraph.screening import Segment

_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")
_BLOCK_MODALITY = {
    "image": "image",
    "image_url": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "file",
    "document": "file",
    "text-plain": "file",
    "pdf": "file",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, taken apart.

    Attributes:
        question: Text of the last user message.
        history: Earlier turns, ``{"role", "content"}``, oldest first.
        tool_results: Texts of tool messages, oldest first.
        documents: As `as_documents` normalises them.
        attachments: Modalities of what is attached to the question: ``image``, ``audio``, ``video``, ``file``.
        media: The attached content blocks themselves, for tiers that can take them in.
        metadata: Plan, channel, locale and the like.
    """

    question: str
    history: tuple[dict[str, str], ...] = ()
    tool_results: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    attachments: tuple[str, ...] = ()
    media: tuple[dict[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def segments(self, drafts: Sequence[str] = ()) -> tuple[Segment, ...]:
        """Every part that a screen has to read, with where it stands."""
        return (
            Segment(where="question", text=self.question),
            *(Segment(where="history", text=turn["content"]) for turn in self.history),
            *(Segment(where="document", text=_document_text(document)) for document in self.documents),
            *(Segment(where="tool_result", text=text) for text in self.tool_results),
            *(Segment(where="draft", text=text) for text in drafts),
        )


def clean_text(text: str) -> str:
    """``text`` with NUL and lone surrogates, which no encoder takes, as U+FFFD."""
    return _UNENCODABLE.sub("\ufffd", text)


def parse_request(
    messages: Any,
    *,
    documents: Any = None,
    metadata: Any = None,
    attachments: Any = None,
) -> Request:
    """Take a request apart.

    Args:
        messages: A text, or LangChain messages in any form that LangChain converts; the last user message is the
            question.
        documents: Texts, ``{"id", "text"}`` dicts or LangChain documents.
        metadata: A mapping with text keys.
        attachments: Modalities or ``{"type": modality}`` dicts, besides those in the question's content blocks.

    Raises:
        InputError: Names what is wrong and the fix.
    """
    turns = _as_messages(messages)
    asked = next((i for i in range(len(turns) - 1, -1, -1) if isinstance(turns[i], HumanMessage)), None)
    if asked is None:
        raise InputError("There is no user message. Fix: add one with role 'user'.", code="no_question")
    media = _media(turns[asked])
    modalities = (*(_BLOCK_MODALITY.get(block["type"], "file") for block in media), *_modalities(attachments))
    question = message_text(turns[asked])
    if not question.strip() and not modalities:
        raise InputError("The question is empty. Fix: send text or an attachment.", code="empty")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InputError(f"metadata is a {type(metadata).__name__}. Fix: send a mapping.", code="bad_metadata")
    rest = [turn for i, turn in enumerate(turns) if i != asked]
    return Request(
        question=question,
        history=tuple(
            {"role": _role(turn), "content": _history_text(turn)} for turn in rest if not isinstance(turn, ToolMessage)
        ),
        tool_results=tuple(message_text(turn) for turn in rest if isinstance(turn, ToolMessage)),
        documents=tuple(_clean_document(document) for document in as_documents(documents)),
        attachments=tuple(dict.fromkeys(modalities)),
        media=tuple(media),
        metadata=dict(metadata or {}),
    )


def message_text(message: BaseMessage) -> str:
    """The text of a message, without its other content blocks, cleaned."""
    content = message.content
    if isinstance(content, str):
        return clean_text(content)
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif isinstance(block.get("text"), str):
            parts.append(block["text"])
    return clean_text("\n".join(parts))


def _history_text(message: BaseMessage) -> str:
    """Text of an earlier turn; what a tool was asked counts too, since it may carry what the user said."""
    text = message_text(message)
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = "; ".join(f"{call['name']}({call['args']})" for call in message.tool_calls)
        return clean_text(f"{text}\n[called {calls}]".strip())
    return text


def _as_messages(messages: Any) -> list[BaseMessage]:
    if isinstance(messages, str):
        return [HumanMessage(messages)]
    if isinstance(messages, BaseMessage):
        return [messages]
    if not isinstance(messages, Sequence) or isinstance(messages, (bytes, bytearray)):
        raise InputError(
            f"The request is a {type(messages).__name__}. Fix: send a text or a list of messages.", code="not_text"
        )
    if not messages:
        raise InputError("There are no messages. Fix: send at least one user message.", code="no_messages")
    if all(isinstance(message, BaseMessage) for message in messages):
        return list(messages)
    try:
        return convert_to_messages(messages)
    except Exception as error:
        # LangChain's own message repeats the content, which must not reach a log.
        raise InputError(
            f"The messages cannot be read ({type(error).__name__}). "
            "Fix: send LangChain messages or {'role', 'content'} dicts.",
            code="bad_messages",
        ) from None


def _media(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return []
    return [
        block
        for block in message.content
        if isinstance(block, dict) and isinstance(block.get("type"), str) and block["type"] in _BLOCK_MODALITY
    ]


def _modalities(attachments: Any) -> list[str]:
    found: list[str] = []
    known = sorted(set(_BLOCK_MODALITY.values()))
    if isinstance(attachments, (str, bytes, Mapping)) or not isinstance(attachments or (), Iterable):
        raise InputError(
            f"attachments is a {type(attachments).__name__}. Fix: send a list of {known}.", code="bad_attachment"
        )
    for number, item in enumerate(attachments or ()):
        kind = item.get("type") if isinstance(item, Mapping) else item
        if not isinstance(kind, str) or kind not in _BLOCK_MODALITY:
            raise InputError(
                f"attachments[{number}] has no known type. Fix: use one of {known}.", code="bad_attachment"
            )
        found.append(_BLOCK_MODALITY[kind])
    return found


def _role(message: BaseMessage) -> str:
    return {"human": "user", "ai": "assistant"}.get(message.type, "system")


def _document_text(document: Document) -> str:
    """All of a document that a tier may come to see: its id and source can name a person too."""
    parts = (document.get("title"), document["text"], document["id"], document.get("source"))
    return "\n".join(part for part in parts if part)


def _clean_document(document: Document) -> Document:
    return {key: clean_text(value) if isinstance(value, str) else value for key, value in document.items()}  # type: ignore[return-value]
