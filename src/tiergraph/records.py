"""The record: the JSON audit row of one request. Kinds, counts, digests, costs and times; never content."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tiergraph.config import RouterConfig, expand_env
from tiergraph.policy import AllowedSet, Decision

Record = dict[str, Any]
OnRecord = Callable[[Record], None]

_PROCESS_SALT = secrets.token_hex(16)


def input_hash(text: str, config: RouterConfig) -> str:
    """Salted sha256 of the question: equal questions are recognised, the question is not."""
    salt = expand_env(config.record.salt) if config.record.salt else _PROCESS_SALT
    return hmac.new(salt.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision as the command line and the record show it."""
    return {
        "tier": decision.tier,
        "outcome": decision.outcome,
        "source": decision.source,
        "confidence": _rounded(decision.confidence),
        "score": _rounded(decision.score),
        "tier_probabilities": {name: _rounded(p) for name, p in decision.tier_probabilities.items()},
        "findings": [finding.as_json() for finding in decision.findings],
        "allowed": list(decision.allowed),
        "reason": decision.reasons[0] if decision.reasons else None,
        "reasons": list(decision.reasons),
        "proposal": decision.proposal.model_dump() if decision.proposal else None,
        "proposer": decision.proposer,
        "confidence_from": decision.confidence_from,
        "consulted": [asdict(asked) for asked in decision.consulted],
        "floor_clipped": decision.floor_clipped,
        "latency_ms": round(decision.latency_ms, 3),
        "config_digest": decision.config_digest,
    }


def build_record(
    *,
    state: Mapping[str, Any],
    config: RouterConfig,
    allowed: AllowedSet,
    model: Mapping[str, str],
    prompts_digest: str,
    prompts: Mapping[str, str],
) -> Record:
    """The record of a finished request.

    Args:
        state: The private state at its end.
        config: The configuration.
        allowed: The allowed set as it stood at the end.
        model: ``{"name", "digest"}`` of the router model.
        prompts_digest: sha256 over the prompts in use.
        prompts: ``name/version`` of each of them to its sha256.
    """
    decision = dict(state.get("decision") or {})
    hops = list(state.get("hops") or [])
    accepted = state.get("accepted")
    drafts = state.get("drafts") or []
    return {
        "version": 1,
        "id": str(uuid.uuid4()),
        "time": datetime.fromtimestamp(state["started"], UTC).isoformat(timespec="milliseconds"),
        "input_hash": state["input_hash"],
        "config_digest": config.digest,
        "prompts_digest": prompts_digest,
        "prompts": dict(prompts),
        "router_model": dict(model),
        "outcome": state.get("outcome"),
        "tier": drafts[accepted]["tier"] if accepted is not None else None,
        "decided": decision.get("tier"),
        "source": decision.get("source", "human" if allowed.stop == "human" else "rule"),
        "reason": decision.get("reason") or next(iter(allowed.why), None),
        "reasons": decision.get("reasons") or list(allowed.why),
        "confidence": decision.get("confidence"),
        "confidence_from": decision.get("confidence_from"),
        "score": decision.get("score"),
        "tier_probabilities": decision.get("tier_probabilities", {}),
        "proposer": decision.get("proposer"),
        "consulted": decision.get("consulted", []),
        "proposal": decision.get("proposal"),
        "findings": [{key: finding[key] for key in ("kind", "rule", "where")} for finding in state["findings"]],
        "allowed": list(allowed.tiers),
        "constraints": list(allowed.why),
        "floor_clipped": allowed.clipped,
        "redacted": any(hop.get("redacted") for hop in hops),
        "retrieval": state.get("retrieval") or {"called": False, "documents": 0, "code": None},
        "documents": len(state.get("sources") or []),
        "hops": hops,
        "trouble": state.get("trouble"),
        "review": state.get("review"),
        "cost_usd": round(sum(hop["cost_usd"] for hop in hops), 8),
        "latency_ms": round(state["spent_ms"], 3),
    }


class RecordLog:
    """Appends records to a JSONL file, one line each; give it to ``on_record``. Thread-safe."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def __call__(self, record: Record) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
