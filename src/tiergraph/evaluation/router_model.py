"""The model file that is measured, and what its manifest says that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tiergraph.config import expand_env

EMBEDDED = "embedded"


def model_bytes(model: str) -> int:
    """Size of a GGUF file."""
    if model == EMBEDDED:
        return len((files("tiergraph") / "models" / "embedded.gguf").read_bytes())
    return Path(expand_env(model)).stat().st_size


def read_manifest(model: str) -> dict[str, Any]:
    """The JSON beside a GGUF; empty where there is none."""
    packaged = files("tiergraph") / "models" / "embedded.json"
    file = packaged if model == EMBEDDED else Path(expand_env(model)).with_suffix(".json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def trained_on_outcomes(manifest: Mapping[str, Any], source: str) -> bool:
    """Whether the weights learned tiers from the recorded outcomes of a source; its rows then say nothing of others."""
    return any(
        entry.get("name") == source and "tier" in str(entry.get("used_for", "")).split(", ")
        for entry in manifest.get("data", ())
    )
