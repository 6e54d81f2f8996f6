"""A case is one request with what is known of it; a suite is cases that are evaluated together.

Nothing about a case is required but its id and its request: what is not known is ``None`` or absent, and figures that
need it are computed over the cases that have it. Unscored is not wrong.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import shown
from tiergraph.tiers import Ladder, Tier

if TYPE_CHECKING:
    import pandas

    from tiergraph.config import RouterConfig

FINDING_KINDS = ("pii", "legal", "human_request", "safety", "attachment")
"""Kinds of findings that a case can state."""


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What a right system does with a case. ``None``, or an absent key, is not known and not asked.

    Attributes:
        tier: Name of the cheapest tier that suffices.
        outcome: How it ends: ``answered``, ``human`` or ``refused``.
        intent: As in the proposal.
        difficulty: 1, 2 or 3, as in the proposal.
        needs_retrieval: As in the proposal.
        findings: Kind (`FINDING_KINDS`) to whether it is there.
        contains: What an answer has to contain to be right, in any case of letters; empty where that is not known.
        grounded: Whether the documents support ``Case.draft``; for judges.
    """

    tier: str | None = None
    outcome: Literal["answered", "human", "refused"] | None = None
    intent: str | None = None
    difficulty: Literal[1, 2, 3] | None = None
    needs_retrieval: bool | None = None
    findings: Mapping[str, bool] = field(default_factory=dict)
    contains: tuple[str, ...] = ()
    grounded: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request.

    Attributes:
        id: Unique in its suite.
        text: The request, or the empty text where ``messages`` has it.
        messages: A conversation in place of ``text``; the last user message is the question.
        documents: As of `tiergraph.RouterInput`, as are ``metadata`` and ``attachments``.
        outcomes: Tier name to the score of its answer, in [0, 1]; tiers that were not scored are absent.
        costs: Tier name to what its answer cost, in USD; where absent, prices and lengths estimate it.
        drafts: Tier name to its recorded answer, which a cascade can be run over.
        draft: One answer to judge, for suites of judges.
        expect: What a right system does.
        strata: What figures are broken down by, such as ``{"difficulty": "easy", "intent": "...", "source": "..."}``.
        group: Cases of one group (a template, a topic) are not independent: they stay together in folds and
            in resampling. ``None``: the case is its own.
        variant_of: Id of the case that this one was made from, as by an instruction that was appended to it.
        record: The routing record of the request, where it was routed already.
        file: Where the case was read from; with ``line``, 1-based.

    Raises:
        InputError: A score outside [0, 1], a cost under 0, or either not a number; an unknown finding or difficulty.
    """

    id: str
    text: str = ""
    messages: tuple[Mapping[str, Any], ...] = ()
    documents: tuple[Any, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[Any, ...] = ()
    outcomes: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    drafts: Mapping[str, str] = field(default_factory=dict)
    draft: str | None = None
    expect: Expect = field(default_factory=Expect)
    strata: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    variant_of: str | None = None
    record: Mapping[str, Any] | None = None
    file: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        for name, limit in (("outcomes", 1.0), ("costs", sys.float_info.max)):
            for tier, value in getattr(self, name).items():
                if not _within(value, limit):
                    meant = "a score in [0, 1]" if name == "outcomes" else "USD, 0 or more"
                    fix = f"write {meant}, or leave the tier out where it is not known"
                    code = "bad_score" if name == "outcomes" else "bad_cost"
                    raise InputError(f"{self.id!r}: {name}[{shown(tier)}] is not {meant}. Fix: {fix}.", code=code)
        unknown = [kind for kind in self.expect.findings if kind not in FINDING_KINDS]
        if unknown:
            said = f"{self.id!r}: expect.findings names {shown(unknown[0])}. Fix: use one of {list(FINDING_KINDS)}."
            raise InputError(said, code="unknown_finding")
        if self.expect.difficulty not in (None, 1, 2, 3):
            raise InputError(f"{self.id!r}: expect.difficulty is not 1, 2 or 3. Fix: write one.", code="bad_difficulty")

    @property
    def question(self) -> str:
        """The text of the last user message: what baselines read."""
        asked = [turn for turn in self.messages if turn.get("role") in ("user", "human")]
        said = asked[-1].get("content", "") if asked else self.text
        return said if isinstance(said, str) else " ".join(part.get("text", "") for part in said)

    @property
    def request(self) -> dict[str, Any]:
        """Keyword arguments of `Decider.decide`."""
        asked: dict[str, Any] = {"messages": list(self.messages)} if self.messages else {"text": self.text}
        for name in ("documents", "metadata", "attachments"):
            if value := getattr(self, name):
                asked[name] = dict(value) if isinstance(value, Mapping) else list(value)
        return asked

    @cached_property
    def request_digest(self) -> str:
        """sha256 over all that a router or a judge is given; labels and scores are not in it."""
        return digest_of({"request": self.request, "drafts": dict(self.drafts), "draft": self.draft})

    @cached_property
    def digest(self) -> str:
        """sha256 over the request and everything known of it; where it was read from is not in it."""
        known = asdict(self)
        for place in ("file", "line"):
            known.pop(place)
        return digest_of(known)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A row that was left out.

    Attributes:
        file, line: Where it stands; ``line`` is 1-based, for a table without lines the row's number.
        id: Of the row, where it has one.
        code: Short and stable, such as ``duplicate_id``.
        message: What is wrong and how to mend it. It never holds the row's text.
    """

    file: str | None
    line: int | None
    id: str | None
    code: str
    message: str

    def __str__(self) -> str:
        if self.file is None:
            return self.message
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Cases to evaluate together.

    Attributes:
        name: Short and stable; also of the files of its results.
        cases: At least one, with distinct ids.
        tiers: The ladder that outcomes were recorded for, cheapest first; empty where that is the ladder of whoever is
            evaluated.
        title: One line for people.
        problems: Rows that were left out.
        scale: What a score of 1 stands for, such as 10 where judges gave up to ten points. ``unit`` names it.
        sources: Where the cases come from, one line each: repository, licence.

    Raises:
        InputError: No case, or two cases of one id.
    """

    name: str
    cases: tuple[Case, ...]
    tiers: tuple[Tier, ...] = ()
    title: str = ""
    problems: tuple[Problem, ...] = ()
    scale: float = 1.0
    unit: str = "share of cases"
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.cases:
            first = f" The first problem: {self.problems[0]}" if self.problems else ""
            raise InputError(f"The suite {self.name!r} has no case that can be used.{first}", code="no_cases")
        seen: set[str] = set()
        for case in self.cases:
            if case.id in seen:
                raise InputError(f"Two cases of {self.name!r} have the id {case.id!r}.", code="duplicate_id")
            seen.add(case.id)

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    @cached_property
    def digest(self) -> str:
        """sha256 over the cases, whatever their order, and the ladder."""
        tiers = [tier.model_dump(mode="json") for tier in self.tiers]
        return digest_of({"cases": sorted(case.digest for case in self.cases), "tiers": tiers, "scale": self.scale})

    @property
    def ladder(self) -> Ladder | None:
        return Ladder(self.tiers) if self.tiers else None

    @classmethod
    def from_jsonl(cls, path: str | PathLike[str], **options: Any) -> Suite:
        """Cases from a file of one JSON object a line; see `tiergraph.evaluation.reading.read_jsonl`."""
        from tiergraph.evaluation.reading import read_jsonl

        return read_jsonl(path, **options)

    @classmethod
    def from_csv(cls, path: str | PathLike[str], **options: Any) -> Suite:
        """Cases from a table in a file; see `tiergraph.evaluation.reading.read_csv`."""
        from tiergraph.evaluation.reading import read_csv

        return read_csv(path, **options)

    @classmethod
    def from_pandas(cls, frame: pandas.DataFrame, **options: Any) -> Suite:
        """Cases from a table in memory; see `tiergraph.evaluation.reading.read_pandas`."""
        from tiergraph.evaluation.reading import read_pandas

        return read_pandas(frame, **options)

    @classmethod
    def from_langsmith(cls, examples: Iterable[Any], **options: Any) -> Suite:
        """Cases from examples of LangSmith's form; see `tiergraph.evaluation.reading.read_langsmith`."""
        from tiergraph.evaluation.reading import read_langsmith

        return read_langsmith(examples, **options)

    @classmethod
    def from_records(cls, records: str | PathLike[str] | Iterable[Mapping[str, Any]], **options: Any) -> Suite:
        """Cases from routing records; see `tiergraph.evaluation.reading.read_records`."""
        from tiergraph.evaluation.reading import read_records

        return read_records(records, **options)

    def sample(self, n: int, *, seed: int = 0) -> Suite:
        """``n`` cases drawn without replacement, in their order; all of them where there are no more than that."""
        if n >= len(self.cases):
            return self
        kept = set(random.Random(seed).sample(range(len(self.cases)), n))
        return replace(self, cases=tuple(case for number, case in enumerate(self.cases) if number in kept))

    def on(self, ladder: Sequence[str]) -> Suite:
        """The suite without the cases that name a tier which is not on ``ladder``; they become problems."""
        kept, problems = [], list(self.problems)
        for case in self.cases:
            named = {*case.outcomes, *case.costs, *case.drafts, *([case.expect.tier] if case.expect.tier else [])}
            unknown = sorted(named - set(ladder))
            if unknown:
                message = (
                    f"{case.id!r} names the tier {unknown[0]!r}. Fix: use the tiers of the router, {list(ladder)}."
                )
                problems.append(
                    Problem(file=case.file, line=case.line, id=case.id, code="unknown_tier", message=message)
                )
            else:
                kept.append(case)
        return replace(self, cases=tuple(kept), problems=tuple(problems))

    def config(self, base: RouterConfig) -> RouterConfig:
        """``base`` with the ladder of this suite in place of its own.

        What names tiers of the old ladder goes with it: ``map`` and the rules with ``tiers``.
        """
        if not self.tiers:
            return base
        rules = tuple(rule for rule in base.policy.rules if not rule.tiers)
        policy = base.policy.model_copy(update={"rules": rules})
        return base.model_copy(update={"tiers": self.tiers, "map": (), "policy": policy})


def _within(value: Any, limit: float) -> bool:
    """Whether it is a number in [0, ``limit``]; NaN is not."""
    try:
        return bool(0 <= value <= limit)
    except (TypeError, ValueError):
        return False


def digest_of(*parts: Any) -> str:
    """sha256 over JSON-like parts, whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _plain(value: Any) -> Any:
    """What JSON has no form for: documents and messages of LangChain's, numbers of numpy's."""
    for method in ("model_dump", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return repr(value)
