"""From what a user names to what scores answers: references, exact match, the judge, or a function of their own."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tiergraph.config import RouterConfig
from tiergraph.errors import ConfigError, InputError
from tiergraph.evaluation.cases import digest_of
from tiergraph.judges import EvidenceJudge, Judge
from tiergraph.judges.loading import load_judges
from tiergraph.outcomes.matching import exact_score, reference_score
from tiergraph.references import PREFIX, resolve

Own = Callable[[dict[str, Any], str], Any]
"""A scorer of the user's: from a row as it was given and an answer to a score in [0, 1]."""

NAMES = ("reference", "exact", "judge", "python:MODULE:FUNCTION")
_MATCHING = {"reference": reference_score, "exact": exact_score}
_VERSION = 1
"""Raised whenever `matching` would score the same answer otherwise."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """How answers are scored.

    Attributes:
        name: ``reference``, ``exact``, ``judge`` or the reference of a function.
        reads: What of a row the score depends on beside the request.
        digest: Of all that decides a score; ``None`` where nobody knows.
        function: From row, references and answer to a score in [0, 1]; ``None`` of a judge, which the graph asks.
        judge: The judge, where it is one.
    """

    name: str
    reads: Literal["nothing", "references", "row"]
    digest: str | None
    function: Callable[[Mapping[str, Any], tuple[str, ...], str], float] | None = None
    judge: Judge | None = None

    @property
    def strange_judge(self) -> bool:
        """Whether the judge is another than the one that stands in for every judge."""
        return self.judge is not None and not isinstance(self.judge, EvidenceJudge)


class ScorerError(Exception):
    """A user's function raised, or gave no score. ``kind``: the class of its error, or what it gave; no content."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


def find_scorer(
    wanted: str | Own | None,
    config: RouterConfig,
    *,
    judge: Judge | None,
    referenced: Collection[bool],
    documented: bool,
) -> Scorer:
    """The scorer of that name, the function itself as one, or the one that fits.

    Args:
        wanted: One of `NAMES`, a function, or ``None``: references where every row has one, else the judge. For
            ``reference`` and ``exact`` rows without one were left out before.
        config: With the judge.
        judge: In place of the configured one.
        referenced: Of each row, whether it has a reference.
        documented: Whether documents are at hand, for the judge that reads nothing else.

    Raises:
        InputError: There is no such scorer, or what it needs is not there; names the fix.
        ConfigError: The function or the judge cannot be loaded.
    """
    if callable(wanted):
        return _own(wanted, getattr(wanted, "__name__", type(wanted).__name__), getattr(wanted, "digest", None))
    if wanted is None:
        if referenced and all(referenced):
            return _matching("reference")
        if not _can_judge(config, judge, documented):
            lacking = sum(not each for each in referenced)
            raise InputError(
                f"Nothing says what is right: {lacking:,} of {len(referenced):,} requests have no 'reference', and "
                "no judge can score them without documents. Fix: add references, name a judge model under "
                "cascade.judge, or give --score python:MODULE:FUNCTION.",
                code="no_scorer",
            )
        return _judged(config, judge)
    if wanted in _MATCHING:
        return _matching(wanted)
    if wanted == "judge":
        return _judged(config, judge)
    if wanted.startswith(PREFIX):
        return _python(wanted)
    raise InputError(f"Unknown scorer {wanted!r}. Fix: give one of {', '.join(NAMES)}.", code="bad_scorer")


def _matching(name: str) -> Scorer:
    match = _MATCHING[name]
    return Scorer(
        name=name,
        reads="references",
        digest=digest_of(name, _VERSION),
        function=lambda row, references, answer: match(answer, references),
    )


def _can_judge(config: RouterConfig, judge: Judge | None, documented: bool) -> bool:
    """The evidence judge has nothing to say where there are no documents."""
    configured = config.cascade.judge
    if judge is not None:
        return not isinstance(judge, EvidenceJudge) or documented
    return configured != "none" and (configured != "evidence" or documented)


def _judged(config: RouterConfig, judge: Judge | None) -> Scorer:
    if judge is None and config.cascade.judge == "none":
        raise InputError(
            "--score judge: cascade.judge is none. Fix: name a judge there, or score by reference.", code="no_judge"
        )
    found = load_judges(config, judge)[0]
    return Scorer(name="judge", reads="nothing", digest=digest_of("judge", found.digest), judge=found)


def _python(reference: str) -> Scorer:
    found = resolve(reference, "--score")
    if not callable(found):
        raise ConfigError(
            f"--score: {reference!r} is a {type(found).__name__}.", fix="point it at a function of a row and an answer."
        )
    own = getattr(found, "digest", None)
    return _own(found, reference, own if isinstance(own, str) else _source(found, reference))


def _own(function: Own, name: str, digest: Any) -> Scorer:
    return Scorer(
        name=name,
        reads="row",
        digest=digest if isinstance(digest, str) else None,
        function=lambda row, references, answer: _checked(function, row, answer),
    )


def _checked(function: Own, row: Mapping[str, Any], answer: str) -> float:
    try:
        score = function(dict(row), answer)
    except Exception as error:  # its message may hold the answer, its class cannot
        raise ScorerError(type(error).__name__) from None
    try:
        number = float(score)
    except (TypeError, ValueError):
        raise ScorerError(f"it gave a {type(score).__name__}") from None
    if not 0 <= number <= 1:
        raise ScorerError("it gave a number outside [0, 1]")
    return number


def _source(function: Any, reference: str) -> str | None:
    """Digest of the file that a function stands in: what it calls elsewhere is not in it."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function) if inspect.isroutine(function) else type(function))
        return None if file is None else digest_of(reference, hashlib.sha256(Path(file).read_bytes()).hexdigest())
    except (OSError, TypeError):
        return None
