"""What was scored, kept on disk as it comes: by digest of the tier, the request and the scorer.

Another order of the ladder, another threshold or a new tier leaves what is kept as good as it was. Only scores are
kept: what failed is asked again. Requests are never in it, answers only where the user wants them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from tiergraph.config import RouterConfig
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, digest_of
from tiergraph.evaluation.journal import Journal
from tiergraph.evaluation.opening import behind
from tiergraph.outcomes.asking import Answered, scored
from tiergraph.outcomes.prompts import Prompts
from tiergraph.outcomes.scorers import Scorer
from tiergraph.prompting import prompts_digest
from tiergraph.tiers import Tier

FORMAT = 1
"""Raised whenever what is kept of an answer would be another."""

_NO_MATTER = {"criteria", "price", "timeout_s"}
"""What an answer does not depend on; costs are computed from its tokens. A name tells twins apart."""


class Job(NamedTuple):
    """One tier to ask about one request. Equal by the request's id and the tier."""

    case: Case
    tier: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.case.id, self.tier) == (other.case.id, other.tier)

    def __hash__(self) -> int:
        return hash((self.case.id, self.tier))


class Keys:
    """Names of answers and of their scores; ``nameless``: what of it has no name but the user's own."""

    def __init__(
        self, config: RouterConfig, scorer: Scorer, *, models: Sequence[str], retriever: Any, digest: str | None
    ) -> None:
        self._config, self._scorer, self._models, self._digest = config, scorer, models, digest
        self._retriever = None if retriever is None else getattr(retriever, "digest", None)
        self._retrieves = retriever is not None
        unnamed = (
            ("models", bool(models)),
            ("retriever", self._retrieves and self._retriever is None),
            ("scorer", scorer.digest is None),
        )
        self.nameless = [] if digest is not None else [name for name, without in unnamed if without]
        self._tiers: dict[str, str] = {}

    def answer(self, job: Job) -> str:
        """Of all that decides what the tier answers."""
        if job.tier not in self._tiers:
            self._tiers[job.tier] = self._tier(self._config.ladder[job.tier])
        return digest_of(self._tiers[job.tier], job.case.request_digest)

    def score(self, job: Job, prompts: Prompts) -> str:
        """Of all that decides what the answer is worth."""
        id = job.case.id
        read: Any = None
        if self._scorer.reads == "row":
            read = prompts.rows[id]
        elif self._scorer.reads == "references":
            read = prompts.references.get(id, ())
        own = self._digest if self._scorer.digest is None else None
        return digest_of(self.answer(job), self._scorer.digest, own, read)

    def _tier(self, tier: Tier) -> str:
        redacted = self._config.policy.pii == "redact" and tier.location == "external"
        retrieval = self._config.retrieval.model_dump(mode="json") if self._retrieves else None
        given = tier.name in self._models
        return digest_of(
            FORMAT,
            tier.model_dump(mode="json", exclude=_NO_MATTER),
            self._digest if given else behind(tier),
            version("tiergraph") if tier.extractive else None,
            prompts_digest(),
            self._config.policy.model_dump(mode="json") if redacted else None,
            (retrieval, self._retriever or self._digest) if self._retrieves else None,
        )


class Kept:
    """Scores of earlier runs, and a place for those of this one. Thread-safe.

    Args:
        journal: Where they are; ``None`` keeps nothing.
        keys: Their names.
        scorer: Scores kept answers anew where only its score is missing.
        texts: Whether answers are kept.
    """

    def __init__(self, journal: Journal | None, keys: Keys, scorer: Scorer, *, texts: bool) -> None:
        self._journal, self._keys, self._scorer, self._texts = journal, keys, scorer, texts

    @classmethod
    def opened(cls, folder: str | PathLike[str] | None, keys: Keys, scorer: Scorer, texts: bool) -> Kept:
        """In a folder, which is made where it is missing.

        Raises:
            InputError: It cannot be written to, or something that decides an answer has no name.
        """
        if folder is None:
            return cls(None, keys, scorer, texts=texts)
        if keys.nameless:
            raise InputError(
                f"A cache needs a name for {' and '.join(keys.nameless)}. "
                "Fix: pass digest=, and change it whenever the answers or scores may.",
                code="no_digest",
            )
        path = Path(folder) / f"answers.v{FORMAT}.jsonl"
        return cls(Journal(path, name="answer", value="found", sync=True), keys, scorer, texts=texts)

    def known(self, jobs: Iterable[Job], prompts: Prompts) -> dict[Job, Answered]:
        """What needs no asking: scores, and scores of answers that were kept."""
        if self._journal is None:
            return {}
        rows = self._journal.known()
        found: dict[Job, Answered] = {}
        for job in jobs:
            answer = Answered.from_json(rows.get(self._keys.answer(job)))
            score = Answered.from_json(rows.get(self._keys.score(job, prompts)))
            text = None if answer is None else answer.text
            if score is not None and score.score is not None:
                found[job] = replace(score, text=text if self._texts else None)
            elif answer is not None and text is not None and self._scorer.function is not None:
                id = job.case.id
                bare = replace(answer, text=text if self._texts else None)
                found[job] = scored(bare, text, self._scorer, prompts.rows[id], prompts.references.get(id, ()))
        return found

    def add(self, job: Job, prompts: Prompts, answered: Answered) -> None:
        """Keep what came; it is on the disk when this returns."""
        if self._journal is None:
            return
        if self._texts and answered.text is not None:
            bare = replace(answered, score=None, code=None, detail=None)
            self._journal.add(self._keys.answer(job), bare.as_json())
        if answered.score is not None:
            self._journal.add(self._keys.score(job, prompts), replace(answered, text=None).as_json())

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
