"""What a tier receives: the question and all that was learned so far, everything but the question fenced as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

from tiergraph.documents import Document
from tiergraph.extractive.answer import UNSURE
from tiergraph.extractive.words import fold
from tiergraph.prompting import Prompt, load_prompts

MAX_TOKENS = 24_000
"""Tokens that a rendered handoff takes at most unless the caller says otherwise; the question is never cut."""
BYTES_PER_TOKEN = 3
"""UTF-8 bytes that a token is taken to hold. Cautious: English has about four."""
CUT = "[cut]"
"""Stands where something was left out."""

_MAX_LABEL = 200  # characters of an id, title or tier name in a mark
_MAX_POINTS, _MAX_POINT = 12, 400  # claims or aspects of one verdict, and characters of each
_FENCE = re.compile(r"data-([0-9]{1,9})(?![0-9])")

Kind = Literal["turn", "document", "tool_result", "draft", "review"]
_GIVES_WAY: tuple[Kind, ...] = ("draft", "document", "tool_result", "turn", "review")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A rejected answer and why it was rejected.

    Attributes:
        tier: Name of the tier that wrote it.
        text: The answer.
        reason: Code of the verdict, or "" where there was none.
        unsupported: Claims that the judge found without support, verbatim.
        uncovered: Parts of the question that it leaves out, verbatim.
    """

    tier: str
    text: str
    reason: str = ""
    unsupported: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One fenced piece: its kind, what its mark says, and its text."""

    kind: Kind
    labels: tuple[tuple[str, str], ...]
    text: str

    def rendered(self, fence: str) -> str:
        return fenced(fence, self.kind, self.text, self.labels)


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """All that a tier may know of a request.

    Attributes:
        question: The last user turn.
        history: Earlier turns, oldest first: ``{"role": ..., "content": ...}``.
        documents: In order of relevance.
        tool_results: Texts that tools returned, oldest first.
        drafts: Rejected answers, oldest first.
    """

    question: str
    history: tuple[Mapping[str, str], ...] = ()
    documents: tuple[Document, ...] = ()
    tool_results: tuple[str, ...] = ()
    drafts: tuple[Draft, ...] = ()

    def render(
        self, prompts: Mapping[str, Prompt] | None = None, *, max_tokens: int = MAX_TOKENS
    ) -> list[dict[str, str]]:
        """A system and a user message, as ``{"role", "content"}``.

        Without anything but a question, the user message is the question. What does not fit into ``max_tokens`` is cut
        with a visible mark: drafts, documents and tool results from the last on, then turns from the first on, then
        reviews. A question that alone is larger stays whole.
        """
        prompts = load_prompts() if prompts is None else prompts
        parts = list(self._parts())
        fence = free_fence(
            [self.question, *(text for part in parts for text in (part.text, *dict(part.labels).values()))]
        )
        system = prompts["tier"].render(fence=fence, unsure=UNSURE)
        if not parts:
            return _messages(system, self.question)
        frame = prompts["handoff"].render(material="", question=self.question)
        room = max_tokens * BYTES_PER_TOKEN - _size(system) - _size(frame)
        material = _fitted(parts, fence, room)
        return _messages(system, prompts["handoff"].render(material=material, question=self.question))

    def _parts(self) -> Iterator[_Part]:
        for turn in self.history:
            yield _Part(kind="turn", labels=(("role", turn["role"]),), text=turn["content"])
        for document in self.documents:
            title = document.get("title", "")
            labels = (("id", document["id"]), *((("title", title),) if title else ()))
            yield _Part(kind="document", labels=labels, text=document["text"])
        for result in self.tool_results:
            yield _Part(kind="tool_result", labels=(), text=result)
        for draft in self.drafts:
            yield _Part(kind="draft", labels=(("tier", draft.tier),), text=draft.text)
            if draft.reason or draft.unsupported or draft.uncovered:
                yield _Part(kind="review", labels=(("tier", draft.tier),), text=_review(draft))


def free_fence(texts: Sequence[str]) -> str:
    """The first of ``data-1``, ``data-2``, ... that stands in none of ``texts``, in any case or width of letters."""
    taken = {int(number) for text in texts for number in _FENCE.findall(fold(text))}
    return next(f"data-{number}" for number in count(1) if number not in taken)


def fenced(fence: str, kind: str, text: str, labels: Sequence[tuple[str, str]] = ()) -> str:
    """``text`` between two marks of a `free_fence`, the first with what it is and its labels."""
    said = "".join(f" {name}={_quoted(value)}" for name, value in labels)
    return f"<{fence} kind={_quoted(kind)}{said}>\n{text}\n</{fence}>"


def _quoted(value: str) -> str:
    """One line of JSON that cannot close the mark it stands in."""
    short = value if len(value) <= _MAX_LABEL else value[:_MAX_LABEL] + CUT
    return json.dumps(short, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


def _review(draft: Draft) -> str:
    lines = [f"reason: {draft.reason or 'rejected'}"]
    for heading, points in (("without support:", draft.unsupported), ("left out:", draft.uncovered)):
        if points:
            lines += [heading, *(f"- {_line(point)}" for point in points[:_MAX_POINTS])]
            lines += [CUT] if len(points) > _MAX_POINTS else []
    return "\n".join(lines)


def _line(point: str) -> str:
    flat = " ".join(point[: 2 * _MAX_POINT].split())
    return flat if len(flat) <= _MAX_POINT and len(point) <= 2 * _MAX_POINT else f"{flat[:_MAX_POINT]} {CUT}"


def _fitted(parts: Sequence[_Part], fence: str, room: int) -> str:
    """The parts in order within ``room`` bytes; one `CUT` line at the end says that whole parts are gone."""
    sizes = [_size(part.rendered(fence)) + 2 for part in parts]
    excess = sum(sizes) - room
    left: dict[int, _Part] = dict(enumerate(parts))
    if excess > 0:
        excess += _size(CUT) + 2
    for number in _in_order_of_leaving(parts):
        if excess <= 0:
            break
        shorter = _shortened(parts[number], excess)
        if shorter is None:
            del left[number]
            excess -= sizes[number]
        else:
            left[number] = shorter
            excess = 0
    gone = [CUT] if len(left) < len(parts) else []
    return "\n\n".join([*(part.rendered(fence) for part in left.values()), *gone])


def _in_order_of_leaving(parts: Sequence[_Part]) -> Iterator[int]:
    for kind in _GIVES_WAY:
        numbers = [number for number, part in enumerate(parts) if part.kind == kind]
        yield from numbers if kind == "turn" else reversed(numbers)


def _shortened(part: _Part, excess: int) -> _Part | None:
    """The part with ``excess`` bytes less, its end cut; ``None`` where next to nothing would be left."""
    keep = _size(part.text) - excess - _size(CUT) - 1
    if keep < 1:
        return None
    text = part.text.encode("utf-8", "replace")[:keep].decode("utf-8", "ignore")
    return replace(part, text=f"{text}\n{CUT}")


def _size(text: str) -> int:
    """UTF-8 bytes; a lone surrogate counts as one."""
    return len(text.encode("utf-8", "replace"))


def _messages(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]
