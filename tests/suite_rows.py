"""Rows of suites for the tests: one that is whole, one routing record, and a file of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiergraph.tiers import Tier

SECRET = "zebra-telephone-7731"
TIERS = tuple(Tier(name=name, model=f"openai:{name}", location="external") for name in ("mini", "large"))
GOOD = {"id": "good", "text": "What is a router?"}
RECORD = {
    "version": 1,
    "id": "r-1",
    "input_hash": "00",
    "outcome": "answered",
    "tier": "large",
    "decided": "mini",
    "source": "model",
    "proposal": {"difficulty": 3, "intent": "howto"},
    "findings": [{"kind": "pii", "rule": "email", "where": "question"}],
    "hops": [
        {"tier": "mini", "outcome": "rejected", "cost_usd": 0.1, "latency_ms": 5.0},
        {"tier": "large", "outcome": "accepted", "cost_usd": 0.2, "latency_ms": 7.0},
    ],
    "latency_ms": 12.0,
}


def write_file(tmp_path: Path, *rows: Any, name: str = "cases.jsonl") -> Path:
    path = tmp_path / name
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
