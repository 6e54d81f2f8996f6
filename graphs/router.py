"""The plain router as a deployable graph: ``langgraph.json`` names it, and so may yours.

Environment: ``TIERGRAPH_CONFIG`` is the path of a ``router.yaml`` (without it, the packaged default);
``TIERGRAPH_DOCS`` a folder of ``.md`` and ``.txt`` files, or a JSONL file, that answers may quote.
"""

from __future__ import annotations

import asyncio
import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergraph.commands.loading import read_config, read_retriever

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

_LOCK = threading.Lock()


def build() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The router, built at the first call and shared from then on.

    Raises:
        ConfigError, InputError, ModelError: What the environment names cannot be used; names the fix.
    """
    with _LOCK:
        return _built()


@cache
def _built() -> CompiledStateGraph[Any, Any, Any, Any]:
    from tiergraph.graph import create_tier_router

    config, docs = os.environ.get("TIERGRAPH_CONFIG"), os.environ.get("TIERGRAPH_DOCS")
    settings = read_config(Path(config) if config else None)
    retriever = read_retriever(Path(docs), k=settings.retrieval.k) if docs else None
    return create_tier_router(settings, retriever=retriever, name="router")


async def graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """What LangGraph's server calls for every run. Loading a model would block its event loop, hence the thread."""
    return await asyncio.to_thread(build)
