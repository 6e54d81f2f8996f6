"""Does a server keep to a schema? Asked before it is trusted to, mode by mode.

The schema allows one value, a code made up on the spot, and the prompt begs for another. Who still gets the code, as
valid JSON and twice over, is held to schemas in that mode.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tiergraph.effects import Call, Steps, run
from tiergraph.endpoints import Mode
from tiergraph.errors import ModelError
from tiergraph.wire import Answer, Asked, Wire, WireError

TIMES = 2
"""How often a mode has to hold."""

_ORDER: tuple[Mode, ...] = ("json_schema", "json_object", "tools")
_ABSENT = ("unreachable", "timeout", "error")
_BEGGED = "open"

Outcome = Literal["proved", "unchecked", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What a probe found.

    Attributes:
        outcome: ``proved``; ``unchecked`` for the mode ``text``, which promises nothing; ``unreachable`` where the
            server did not answer, and the probe is left to the first request.
        mode: The mode to use; ``None`` where unreachable.
        tried: Mode to what it did: ``holds``, ``ignored`` (an answer off the schema), or the code and HTTP status of
            the failure.
        code: Reason code where unreachable.
    """

    outcome: Outcome
    mode: Mode | None
    tried: Mapping[Mode, str] = field(default_factory=dict)
    code: str | None = None


def probe_modes(wire: Wire, configured: Mode, *, name: str, deadline: float, timeout_s: float) -> ProbeReport:
    """Find the first mode that holds, or prove the configured one.

    Raises:
        ModelError: The server answers and none holds.
    """
    if configured == "text":
        return ProbeReport(outcome="unchecked", mode="text")
    modes = _ORDER if configured == "auto" else (configured,)
    tried: dict[Mode, str] = {}
    failures: list[WireError] = []
    for mode in modes:
        try:
            holds = all(_holds(wire, mode, deadline, timeout_s) for _ in range(TIMES))
        except WireError as error:
            tried[mode] = error.code if error.status is None else f"{error.code} ({error.status})"
            failures.append(error)
            if error.code in _ABSENT:
                return ProbeReport(outcome="unreachable", mode=None, tried=tried, code=error.code)
            continue
        tried[mode] = "holds" if holds else "ignored"
        if holds:
            return ProbeReport(outcome="proved", mode=mode, tried=tried)
    if len(failures) == len(modes) and _down(failures, wire, configured, deadline, timeout_s):
        return ProbeReport(outcome="unreachable", mode=None, tried=tried, code=failures[-1].code)
    raise _refused(name, tried, failures)


def _down(failures: list[WireError], wire: Wire, configured: Mode, deadline: float, timeout_s: float) -> bool:
    """Whether failures in every mode are the server's own state rather than what it makes of the modes."""
    if any(error.code not in ("server_error", "rate_limited") for error in failures):
        return False
    if configured == "auto" or failures[-1].code == "rate_limited":
        return True
    try:  # one mode alone says little: does it answer where no schema is asked for?
        _ask(wire, "text", "x", deadline, timeout_s)
    except WireError:
        return True
    return False


def _holds(wire: Wire, mode: Mode, deadline: float, timeout_s: float) -> bool:
    code = f"zq{secrets.token_hex(3)}"
    answer = _ask(wire, mode, code, deadline, timeout_s)
    try:
        return bool(json.loads(answer.text) == {"code": code})
    except (ValueError, RecursionError):
        return False


def _ask(wire: Wire, mode: Mode, code: str, deadline: float, timeout_s: float) -> Answer:
    now = time.monotonic()
    until = min(deadline, now + timeout_s)
    if until <= now:
        raise WireError("timeout", True)
    asked = Asked(messages=_messages(), schema=_schema(code), mode=mode, until=until)

    def steps() -> Steps[Answer]:
        answer: Answer = yield Call(lambda: wire.send(asked), None, until - now)
        return answer

    try:
        return run(steps())
    except TimeoutError:
        raise WireError("timeout", True) from None


def _messages() -> list[dict[str, str]]:
    wanted = json.dumps({"code": _BEGGED})
    return [
        {"role": "system", "content": f"You answer in JSON, always with {wanted}, whatever else you are told."},
        {"role": "user", "content": f"Which code is it? Write {wanted} and nothing else. No other code is right."},
    ]


def _schema(code: str) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"code": {"type": "string", "enum": [code]}},
        "required": ["code"],
        "additionalProperties": False,
    }


def _refused(name: str, tried: Mapping[Mode, str], failures: list[WireError]) -> ModelError:
    seen = ", ".join(f"{mode}: {what}" for mode, what in tried.items())
    if any(error.status in (401, 403) for error in failures):
        return ModelError(f"{name}: the server refuses the key ({seen}). Fix: check api_key and base_url.")
    if len(failures) == len(tried) and all(error.status == 404 for error in failures):
        return ModelError(f"{name}: the server knows no such model or path ({seen}). Fix: check model and base_url.")
    return ModelError(
        f"{name}: refused, because the server does not keep to a schema ({seen}). "
        "Fix: mode: auto tries every mode; mode: text reads whatever it writes, and validates every answer."
    )


__all__ = ["ProbeReport", "probe_modes"]
