"""Every kind of router model, made ready for the contract suite: what passes there may stand in any slot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf_factory
import yaml
from loopback import ModelServer, routed

from tiergraph.config import RouterModelConfig
from tiergraph.proposers.base import Proposer
from tiergraph.tiers import Ladder, Tier

LADDER = Ladder(
    (
        Tier(name="local", model="quote", location="on_prem", criteria="One look-up."),
        Tier(name="middle", model="quote", location="on_prem", criteria="A few steps."),
        Tier(name="frontier", model="quote", location="external", criteria="Long reasoning."),
    )
)
WIRES = ("openai", "ollama")


def given(**changes: Any) -> dict[str, Any]:
    """What every ``load`` is called with; ``changes`` as under ``router:``."""
    config = RouterModelConfig(**{"contexts": 1, **changes})
    return {"ladder": LADDER, "config": config, "sufficiency": 0.5, "config_digest": "c" * 64}


def hosted(wire: str, url: str, **changes: Any) -> Any:
    """A hosted router model at ``url``."""
    from tiergraph.proposers.hosted import HostedProposer

    base = f"{url}/v1" if wire == "openai" else url
    entry = {"model": f"{wire}:m", "location": "on_prem", "base_url": base, "timeout_s": 5.0, **changes}
    return HostedProposer.load(**given(**entry))


def _gguf(path: str | Path) -> Any:
    from tiergraph.proposers.llamacpp import LlamaCppProposer

    return LlamaCppProposer.load(path, **given(model=str(path)))


def _embedding(folder: Path) -> Any:
    from tiergraph.proposers.embedding import EmbeddingProposer

    clusters = [
        {"name": "parcels", "tier": "local", "examples": ["where is my parcel", "track my order", "has it shipped"]},
        {"name": "returns", "tier": "middle", "examples": ["how do I return a lamp", "send it back", "refund please"]},
        {"name": "proofs", "tier": "frontier", "examples": ["prove the theorem", "derive the bound", "by induction"]},
    ]
    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "embeddings": {"model": "embedded"}, "clusters": clusters}))
    return EmbeddingProposer.load(**given(model=f"embedding:{file}"))


def _decision_model() -> Any:
    from decision_fakes import ScriptedDecisionModel

    from tiergraph.proposers.decisions import DecisionModelProposer

    return DecisionModelProposer.load(
        ScriptedDecisionModel(), **given(model="python:decision_fakes:model", location="on_prem")
    )


def _classifier(folder: Path, *, flags: bool) -> Any:
    from classifier_rows import write_classifier

    from tiergraph.proposers.classifier import ClassifierProposer

    return ClassifierProposer.load(**given(model=f"classifier:{write_classifier(folder / 'fitted', flags=flags)}"))


KINDS = (
    "embedded",
    "gguf",
    "openai",
    "ollama",
    "llama.cpp server",
    "embedding",
    "classifier",
    "classifier with flags",
    "decision model",
)


@contextmanager
def made(kind: str, folder: Path, server_url: str | None = None) -> Iterator[Proposer]:
    """A router model of that kind, closed at the end. ``server_url``: of llama.cpp's own server."""
    if kind in WIRES:
        with ModelServer(reply=routed) as server:
            proposer = hosted(kind, server.url)
            try:
                yield proposer
            finally:
                proposer.close()
        return
    if kind == "embedded":
        proposer = _gguf("embedded")
    elif kind == "gguf":
        path = gguf_factory.build(folder / "other.gguf", contract=False, context=2048, scale=4.0, seed=1)
        proposer = _gguf(path)
    elif kind == "llama.cpp server":
        assert server_url is not None
        proposer = hosted("openai", server_url, mode="json_object", timeout_s=60.0)
    elif kind == "embedding":
        proposer = _embedding(folder)
    elif kind.startswith("classifier"):
        proposer = _classifier(folder, flags=kind.endswith("flags"))
    else:
        proposer = _decision_model()
    try:
        yield proposer
    finally:
        proposer.close()
