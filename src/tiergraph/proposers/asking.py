"""What a hosted router model is asked: prompt, schema and response model for an allowed set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from tiergraph.handoff import CUT, free_fence
from tiergraph.prompting import PROMPTS, Prompt, load_prompt
from tiergraph.proposal import FIELDS, proposal_schema
from tiergraph.tiers import Ladder

MAX_CHARACTERS = 24_000
"""Of a request; of a longer one two thirds are sent from its start and one from its end, and the rest is unread."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an answer has to keep: ``schema`` is sent, ``model`` is its pydantic counterpart."""

    schema: dict[str, Any]
    model: type[BaseModel]


@lru_cache(maxsize=256)
def form_for(allowed: tuple[str, ...], intents: tuple[str, ...], reasons: tuple[str, ...]) -> Form:
    """The published schema of a proposal for an allowed set, and ``confidence`` as its last field."""
    schema = proposal_schema(allowed, intents=intents, reasons=reasons)
    schema["properties"]["confidence"] = {"enum": list(range(101))}  # llama.cpp's servers ignore numeric bounds
    schema["required"] = [*FIELDS, "confidence"]
    fields: dict[str, Any] = {
        "tier": (Literal[allowed], ...),
        "difficulty": (Literal[1, 2, 3], ...),
        "intent": (Literal[intents], ...),
        "needs_retrieval": (bool, ...),
        "contains_pii": (bool, ...),
        "is_legal": (bool, ...),
        "reason": (Literal[reasons], ...),
        "confidence": (int, Field(ge=0, le=100)),
    }
    strict = ConfigDict(extra="forbid", strict=True, frozen=True)
    return Form(schema=schema, model=create_model("Routing", __config__=strict, **fields))


class Asking:
    """The messages for a ladder: criteria, price order, closed sets, and the request fenced as data."""

    def __init__(self, ladder: Ladder, intents: Sequence[str], reasons: Sequence[str]) -> None:
        self._ladder, self._intents, self._reasons = ladder, ", ".join(intents), ", ".join(reasons)
        self.prompt: Prompt = load_prompt("propose", PROMPTS["propose"])

    def messages(self, text: str, allowed: tuple[str, ...]) -> list[dict[str, str]]:
        """System and user message. ``text``: as it is sent, cut already."""
        fence = free_fence([text])
        told = self.prompt.render(fence=fence, tiers=self._tiers(allowed), intents=self._intents, reasons=self._reasons)
        return [
            {"role": "system", "content": told},
            {"role": "user", "content": f"<{fence}>\n{text}\n</{fence}>"},
        ]

    def _tiers(self, allowed: tuple[str, ...]) -> str:
        lines = []
        for name in allowed:
            criteria = " ".join(self._ladder[name].criteria.split())
            lines.append(f"  - {name}: {criteria}" if criteria else f"  - {name}")
        return "\n".join(lines)


def shortened(text: str) -> str:
    """``text``, or its head and tail, `MAX_CHARACTERS` together."""
    if len(text) <= MAX_CHARACTERS:
        return text
    tail = MAX_CHARACTERS // 3
    return f"{text[: MAX_CHARACTERS - tail]}\n{CUT}\n{text[-tail:]}"
