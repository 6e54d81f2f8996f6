"""A small BM25 retriever over documents in memory, for knowledge bases of up to some ten thousand pages."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tiergraph.documents import Document, as_documents
from tiergraph.errors import InputError
from tiergraph.extractive.passages import split
from tiergraph.extractive.rank import bm25, scores
from tiergraph.extractive.words import stems
from tiergraph.tiers import Location

if TYPE_CHECKING:
    from langchain_core.documents import Document as LangChainDocument

TITLE_WEIGHT = 3
PASSAGE_SHARE = 0.4  # of a document's score that its best passage gives; the rest comes from the whole


class Bm25Retriever:
    """Finds documents by their words. Nothing leaves the process.

    Args:
        documents: Anything that `as_documents` takes.
        k: Documents that one search gives, >= 1.

    Raises:
        InputError: ``bad_document`` or ``bad_k``.
    """

    location: Location = "on_prem"

    def __init__(self, documents: object, *, k: int = 6) -> None:
        self.documents = tuple(as_documents(documents))
        self.k = _at_least_one(k)
        self._passages = split(self.documents)
        titles = [stems(document.get("title", "")) for document in self.documents]
        rows = [[*titles[n] * TITLE_WEIGHT, *stems(d["text"])] for n, d in enumerate(self.documents)]
        parts = [[*titles[p.document], *stems(p.heading), *stems(p.text)] for p in self._passages]
        self._whole = bm25(rows) if rows else None
        self._parts = bm25(parts) if parts else None

    @cached_property
    def digest(self) -> str:
        """sha256 of the documents and ``k``: whatever decides what is found."""
        return hashlib.sha256(json.dumps([self.documents, self.k], sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str], *, k: int = 6) -> Self:
        """A retriever over every ``*.md`` of a folder, by name; front matter gives id, title and section.

        Raises:
            InputError: ``bad_folder`` or ``bad_document``; names the file.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise InputError(f"{folder.name!r} is no folder. Fix: pass a folder of *.md files.", code="bad_folder")
        return cls([_article(file) for file in sorted(folder.glob("*.md"))], k=k)

    def search(self, query: str, k: int | None = None) -> list[Document]:
        """The best ``k`` documents, best first, each with its ``score`` > 0; fewer where fewer share a word."""
        import numpy as np

        k = self.k if k is None else _at_least_one(k)
        terms = stems(query)
        if self._whole is None or not terms:
            return []
        whole = scores(self._whole, terms, len(self.documents))
        if self._parts is not None:
            best = np.zeros(len(self.documents))
            found = scores(self._parts, terms, len(self._passages))
            np.maximum.at(best, [p.document for p in self._passages], found)
            whole = (1 - PASSAGE_SHARE) * whole + PASSAGE_SHARE * best
        order = np.argsort(-whole, kind="stable")[:k]
        return [Document(**{**self.documents[n], "score": float(whole[n])}) for n in order if whole[n] > 0]  # type: ignore[typeddict-item]

    def invoke(self, query: str, config: object = None, **_: Any) -> list[LangChainDocument]:
        """`search` as a LangChain retriever has it: documents with ``page_content`` and ``metadata``."""
        from langchain_core.documents import Document as LangChainDocument

        found = self.search(query)
        return [
            LangChainDocument(page_content=d["text"], metadata={key: d[key] for key in d if key != "text"})  # type: ignore[literal-required]
            for d in found
        ]


def _at_least_one(k: int) -> int:
    if k < 1:
        raise InputError(f"k is {k!r}. Fix: pass 1 or more.", code="bad_k")
    return k


def _article(file: Path) -> dict[str, str]:
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        head, body = _front_matter(text)
        fields = yaml.safe_load(head) if head else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file.name}: cannot be read: {type(error).__name__}.", code="bad_document") from None
    if not isinstance(fields, dict):
        raise InputError(f"{file.name}: the front matter is no mapping.", code="bad_document")
    given = {key: str(fields[key]) for key in ("id", "title") if fields.get(key) is not None}
    return {"id": file.stem, "title": "", "source": file.name, **given, "text": body}


def _front_matter(text: str) -> tuple[str, str]:
    """Front matter between ``---`` lines at the start, and the rest; "" where there is none."""
    if not text.startswith("---\n"):
        return "", text
    head, mark, body = text[4:].partition("\n---\n")
    return (head, body.lstrip("\n")) if mark else ("", text)
