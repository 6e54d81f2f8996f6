"""What rules see in a request before any model reads it.

Each screen looks where it makes sense:

============== ==========================================================================================
PII            everywhere
legal          what the user writes (question, history); in documents and tool results only papers such as
               a subpoena, since legal vocabulary is normal there; not in drafts
human request  the question only
safety words   question, history and tool results
custom rules   where each rule says
attachments    the modalities that came along
context        the estimated length of everything, with room for the answer
============== ==========================================================================================

A screen that raises counts as having found what it looks for.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tiergraph.config import PolicyConfig
from tiergraph.policy import Finding, FindingKind, Where
from tiergraph.screening.legal import legal_paper, legal_request
from tiergraph.screening.pii import PiiScreen
from tiergraph.screening.rules import CustomRule, estimated_tokens, modality
from tiergraph.screening.words import SafetyWords, human_request
from tiergraph.tiers import Ladder

FAILED = "screen_failed"
"""Rule id of the findings of a screen that raised."""

HUGE = 1_000_000_000
"""Tokens that stand for "more than any window" where the context screen failed."""

CACHE_SIZE = 4096
"""Texts whose readings are kept, per screen."""

_NO_METADATA: Mapping[str, object] = MappingProxyType({})
_LEGAL_REQUEST: frozenset[Where] = frozenset({"question", "history"})
_LEGAL_PAPER: frozenset[Where] = frozenset({"document", "tool_result"})
_SAFETY: frozenset[Where] = frozenset({"question", "history", "tool_result"})

Rules = tuple[tuple[str, bool], ...]
"""Rule ids, each with whether every occurrence has a known place."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One piece of a request: where it stands, and its text. The last user message is the ``question``."""

    where: Where
    text: str


class _Cached:
    """The readings of one screen, by sha256 of the text: the latest `CACHE_SIZE`. A failure is not kept."""

    def __init__(self, read: Callable[[str], Rules], size: int = CACHE_SIZE) -> None:
        self._read, self._size = read, size
        self._kept: OrderedDict[bytes, Rules] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, text: str, key: bytes) -> Rules:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._read(text)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


class Screens:
    """Every screen of one configuration. Build it once; it may serve any number of threads.

    Args:
        policy: What to look for.
        ladder: Its smallest context window is the length from which the context is a finding.
        answer_tokens: Tokens that an answer is taken to need, >= 0.

    Raises:
        ConfigError: ``policy.pii_entities`` names an entity that is not known.
    """

    def __init__(self, policy: PolicyConfig, ladder: Ladder, *, answer_tokens: int) -> None:
        self.pii = PiiScreen(policy.pii_entities, policy.pii_score)
        self._answer_tokens = answer_tokens
        self._window = min(tier.context_window for tier in ladder)
        self._safety_words = SafetyWords(policy.safety_words)
        self._rules = tuple(CustomRule(rule) for rule in policy.rules)
        self._read_pii = _Cached(lambda text: tuple(self.pii.kinds(text).items()))
        self._read_request = _Cached(lambda text: _unplaced(legal_request(text)))
        self._read_paper = _Cached(lambda text: _unplaced(legal_paper(text)))
        self._read_safety = _Cached(lambda text: _unplaced(self._safety_words.find(text)))

    def screen(
        self,
        segments: Sequence[Segment],
        *,
        attachments: Sequence[str] = (),
        metadata: Mapping[str, object] = _NO_METADATA,
    ) -> tuple[Finding, ...]:
        """What every screen finds, once per kind, rule and place.

        Args:
            segments: The pieces of the request.
            attachments: Modalities or media types of what came along.
            metadata: Facts about the request, such as the plan or the channel, for custom rules.
        """
        keyed = [
            (segment, hashlib.sha256(segment.text.encode("utf-8", "surrogatepass")).digest()) for segment in segments
        ]
        found: list[Finding] = []
        for where in dict.fromkeys(segment.where for segment in segments):
            here = [(segment.text, key) for segment, key in keyed if segment.where == where]
            found += self._at(where, here)
        found += self._custom(segments, metadata)
        found += _attached(attachments)
        found += self._context(segments)
        return _distinct(found)

    def _at(self, where: Where, texts: Sequence[tuple[str, bytes]]) -> list[Finding]:
        found = _guarded("pii", where, self._read_pii, texts)
        if where in _LEGAL_REQUEST:
            found += _guarded("legal", where, self._read_request, texts)
        if where in _LEGAL_PAPER:
            found += _guarded("legal", where, self._read_paper, texts)
        if where in _SAFETY:
            found += _guarded("safety", where, self._read_safety, texts)
        if where == "question":
            found += _guarded("human_request", where, _asks_for_a_person, texts)
        return found

    def _custom(self, segments: Sequence[Segment], metadata: Mapping[str, object]) -> list[Finding]:
        everywhere = tuple(dict.fromkeys(segment.where for segment in segments)) or ("metadata",)
        found = []
        for rule in self._rules:
            try:
                places: tuple[Where, ...] = rule.fires(segments, metadata)
            except Exception:
                places = everywhere
            found += [Finding(kind="rule", rule=rule.id, where=where) for where in places]
        return found

    def _context(self, segments: Sequence[Segment]) -> list[Finding]:
        try:
            tokens = estimated_tokens([segment.text for segment in segments]) + self._answer_tokens
        except Exception:
            return [Finding(kind="context", rule=FAILED, where="question", amount=HUGE)]
        if tokens <= self._window:
            return []
        return [Finding(kind="context", rule="tokens", where="question", amount=tokens)]


def _unplaced(rules: Sequence[str]) -> Rules:
    return tuple((rule, False) for rule in rules)


def _asks_for_a_person(text: str, _key: bytes) -> Rules:
    return (("human_request", False),) if human_request(text) else ()


def _guarded(
    kind: FindingKind, where: Where, read: Callable[[str, bytes], Rules], texts: Sequence[tuple[str, bytes]]
) -> list[Finding]:
    """Findings of one screen in one place; the screen's failure is a finding too."""
    found: list[Finding] = []
    for text, key in texts:
        try:
            rules = read(text, key)
        except Exception:
            rules = ((FAILED, False),)
        found += [Finding(kind=kind, rule=rule, where=where, spans=placed) for rule, placed in rules]
    return found


def _attached(attachments: Sequence[str]) -> list[Finding]:
    try:
        kinds = dict.fromkeys(modality(attachment) for attachment in attachments)
    except Exception:
        # no tier takes in a modality of this name, so every tier is excluded
        return [Finding(kind="attachment", rule=FAILED, where="question")]
    return [Finding(kind="attachment", rule=kind, where="question") for kind in kinds if kind != "text"]


def _distinct(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding per kind, rule and place; it has spans only where each of them has."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        key = (finding.kind, finding.rule, finding.where)
        if key not in kept or (kept[key].spans and not finding.spans):
            kept[key] = finding
    return tuple(kept.values())


__all__ = ["FAILED", "HUGE", "Screens", "Segment"]
