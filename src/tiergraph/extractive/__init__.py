"""Answering without a language model: passages of the documents, word for word, and a small retriever.

`quote` and `compose` are the two tiers that need no model: plain functions, safe to call from several threads.
"""

from __future__ import annotations

from tiergraph.extractive.answer import UNSURE, Answer
from tiergraph.extractive.compose import COMPOSE_K, compose
from tiergraph.extractive.quote import QUOTE_K, quote
from tiergraph.extractive.search import Bm25Retriever

__all__ = ["COMPOSE_K", "QUOTE_K", "UNSURE", "Answer", "Bm25Retriever", "compose", "quote"]
