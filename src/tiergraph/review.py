"""Human review: what a person is shown, and what their answer does.

The packet holds kinds and counts, since it also goes into records and streams; the conversation and the drafts are
in the state of the thread that waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiergraph.policy import AllowedSet
from tiergraph.request import clean_text
from tiergraph.state import RouterState


def review_packet(state: RouterState, allowed: AllowedSet, released: Sequence[str]) -> dict[str, Any]:
    """What a reviewer is shown. ``released``: the tiers that a person may send the request to."""
    reasons = (state.get("decision") or {}).get("reasons") or list(allowed.why) or ["policy"]
    return {
        "type": "tiergraph.review",
        "reason": state.get("trouble") or reasons[0],
        "findings": [{key: finding[key] for key in ("kind", "rule", "where")} for finding in state["findings"]],
        "hops": [{key: hop[key] for key in ("tier", "outcome", "code", "verdict")} for hop in state["hops"]],
        "drafts": [{"tier": draft["tier"], "chars": len(draft["text"])} for draft in state["drafts"]],
        "tiers": list(released),
        "actions": ["answer", "refuse", *(["accept"] if state["drafts"] else []), *(["route"] if released else [])],
    }


def reviewed(state: RouterState, answer: Any, released: Sequence[str]) -> tuple[dict[str, Any] | None, str | None]:
    """The update that a reviewer's answer makes, or an error that names the fix; then the review asks again."""
    if isinstance(answer, str):
        answer = {"action": "answer", "content": answer}
    given = dict(answer) if isinstance(answer, Mapping) else {}
    action, content, tier = given.get("action"), given.get("content"), given.get("tier")
    if action == "answer" and isinstance(content, str) and content.strip():
        return {"outcome": "answered", "review": {"action": "answer", "content": clean_text(content)}}, None
    if action == "refuse":
        return {"outcome": "refused", "review": {"action": "refuse"}}, None
    if action == "route" and tier in released:
        return {"current": tier, "stop": None, "trouble": None, "review": {"action": "route", "tier": tier}}, None
    index = given.get("draft", len(state["drafts"]) - 1)
    if action == "accept" and isinstance(index, int) and 0 <= index < len(state["drafts"]):
        return {"outcome": "answered", "accepted": index, "review": {"action": "accept", "draft": index}}, None
    return None, (
        "Not understood. Resume with {'action': 'answer', 'content': text}, {'action': 'refuse'}, "
        "{'action': 'accept', 'draft': index} where there is a draft, or {'action': 'route', 'tier': name} "
        f"with one of {list(released)}."
    )
