"""Harbor Support: a help centre, an inbox and a ladder of four tiers, two of which need no language model.

``tiergraph demo`` routes the whole inbox; ``langgraph.json`` deploys the graph. Everything is built when it is first
needed. See ``graphs/harbor/README.md`` for the content.
"""

from __future__ import annotations

import asyncio
import json
import threading
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from tiergraph.config import RouterConfig
    from tiergraph.extractive import Bm25Retriever

_CONTENT = "tiergraph.graphs.harbor"
_LOCK = threading.Lock()
_MODALITIES = ("image", "audio", "video", "file")


def harbor_config() -> RouterConfig:
    """Harbor's ``router.yaml``."""
    from tiergraph.config import parse_config

    return parse_config(files(_CONTENT).joinpath("router.yaml").read_text(encoding="utf-8"), file="harbor/router.yaml")


@cache
def harbor_retriever() -> Bm25Retriever:
    """BM25 over the articles of the help centre, as many for each request as the configuration says."""
    from tiergraph.extractive import Bm25Retriever

    with as_file(files(_CONTENT).joinpath("articles")) as folder:
        return Bm25Retriever.from_folder(folder, k=harbor_config().retrieval.k)


def inbox() -> list[dict[str, Any]]:
    """The messages, each with what a correct system does; ``request`` is what the graph takes."""
    text = files(_CONTENT).joinpath("inbox.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [{**row, "request": _request(row)} for row in rows]


def _request(row: dict[str, Any]) -> dict[str, Any]:
    """The graph's input. A mail client says ``pdf``; to a model that is a ``file``."""
    kinds = [item["type"] for item in row.get("attachments", [])]
    return {
        "messages": row["messages"],
        "documents": row.get("documents", []),
        "metadata": row["metadata"],
        "attachments": [{"type": kind if kind in _MODALITIES else "file"} for kind in kinds],
    }


def create_harbor(**options: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The support desk as a graph. ``options`` go to `create_tier_router`: ``models``, ``checkpointer``, ``on_record``.

    Raises:
        ModelError: The router model cannot be loaded, or was refused by the canary.
    """
    from tiergraph.graph import create_tier_router

    options = {"retriever": harbor_retriever(), "name": "harbor", **options}
    return create_tier_router(options.pop("config", None) or harbor_config(), **options)


@cache
def _built() -> CompiledStateGraph[Any, Any, Any, Any]:
    return create_harbor()


def build() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The deployed graph, built at the first call and shared from then on."""
    with _LOCK:
        return _built()


async def graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """What LangGraph's server calls for every run. Loading a model would block its event loop, hence the thread."""
    return await asyncio.to_thread(build)
