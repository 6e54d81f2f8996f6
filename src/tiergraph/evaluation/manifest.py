"""What a report was made with: versions, digests and the machine, so that a figure can be had again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tiergraph.machine import machine

PACKAGES = (
    "tiergraph",
    "langgraph",
    "langchain-core",
    "llama-cpp-python",
    "numpy",
    "pandas",
    "presidio-analyzer",
    "scikit-learn",
)


def new_manifest(*, subject: Mapping[str, Any], data_digest: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of an evaluation that ends now.

    Args:
        subject: As of `Report.subject`; its digests of configuration, model and prompts are repeated here.
        data_digest: Of the suite.
        options: What changes figures: seed, resamples, baselines.
    """
    digests = {name: subject[name] for name in ("config_digest", "model", "prompts_digest") if subject.get(name)}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **digests,
        "data_digest": data_digest,
        "options": dict(options),
        "machine": machine(PACKAGES),
    }
