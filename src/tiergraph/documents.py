"""Documents as the whole package passes them on: JSON-like dicts, whatever form they came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from tiergraph.errors import InputError


class Document(TypedDict):
    """One document.

    Keys:
        id: Unique in its list; drafts cite it as ``[id]``.
        text: What it says; may be empty.
        title: Its heading, where it has one.
        source: Where it came from, such as a path or an address.
        score: The retriever's score; comparable only inside one list.
    """

    id: str
    text: str
    title: NotRequired[str]
    source: NotRequired[str]
    score: NotRequired[float]


def as_documents(value: object) -> list[Document]:
    """Documents from a list of strings, dicts with a ``text``, or LangChain documents, in their order.

    A LangChain document is known by its ``page_content``; its id is ``metadata["id"]`` or its own ``id``. Missing ids
    become ``doc-1``, ``doc-2``, ... by position; a repeated id gets the first free suffix ``-2``, ``-3``, .... ``None``
    is no documents.

    Raises:
        InputError: ``bad_document``; names index and fix, never the text.
    """
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InputError(
            f"documents: a {type(value).__name__} is no list. Fix: pass strings, dicts or LangChain documents.",
            code="bad_document",
        )
    return _with_ids([_fields(item, index) for index, item in enumerate(value)])


def _bad(index: int, problem: str, fix: str) -> InputError:
    return InputError(f"documents[{index}]: {problem}. Fix: {fix}.", code="bad_document")


def _fields(item: object, index: int) -> dict[str, Any]:
    """The keys of one document that were given and are not ``None``, each with its type checked."""
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Mapping):
        given = dict(item)
        if "text" not in given and "page_content" in given:
            given = {**_metadata(given, index), "text": given["page_content"]}
    elif hasattr(item, "page_content"):
        given = {"id": getattr(item, "id", None), "metadata": getattr(item, "metadata", None)}
        given = {**_metadata(given, index), "text": item.page_content}
    else:
        raise _bad(
            index,
            f"a {type(item).__name__} is no document",
            "pass a string, a dict with 'text' or a LangChain document",
        )
    if not isinstance(given.get("text"), str):
        found = "is missing" if given.get("text") is None else f"is a {type(given['text']).__name__}"
        raise _bad(index, f"'text' {found}", "give 'text' as a string")
    return _typed(given, index)


def _metadata(given: Mapping[str, Any], index: int) -> dict[str, Any]:
    metadata = given.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise _bad(index, f"'metadata' is a {type(metadata).__name__}", "give 'metadata' as a dict")
    return {"id": given.get("id"), **metadata}


def _typed(given: Mapping[str, Any], index: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"text": given["text"]}
    for key in ("id", "title", "source"):
        found = given.get(key)
        if found is None or found == "":
            continue
        if not isinstance(found, str):
            raise _bad(index, f"{key!r} is a {type(found).__name__}", f"give {key!r} as a string or leave it out")
        fields[key] = found
    score = given.get("score")
    if score is not None:
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise _bad(index, f"'score' is a {type(score).__name__}", "give 'score' as a number or leave it out")
        fields["score"] = float(score)
    return fields


def _with_ids(rows: Sequence[dict[str, Any]]) -> list[Document]:
    taken: set[str] = {row["id"] for row in rows if "id" in row}
    seen: set[str] = set()
    documents = []
    for number, row in enumerate(rows, start=1):
        wanted = row.get("id")
        if wanted is None or wanted in seen:
            wanted = _free(f"doc-{number}" if wanted is None else wanted, taken)
            taken.add(wanted)
        seen.add(wanted)
        documents.append(Document(**{**row, "id": wanted}))  # type: ignore[typeddict-item]  # typed above
    return documents


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"
