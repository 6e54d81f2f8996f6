"""Pairs of recorded models, weak and strong, over the questions of a public set; and a gain that is of no one pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.intervals import Floats
from tiergraph.evaluation.router_model import trained_on_outcomes
from tiergraph.evaluation.router_trial import Trial
from tiergraph.suites.files import json_rows, shared, table
from tiergraph.suites.llmrouter import PAIR
from tiergraph.suites.mmlu_pro import COLUMNS, asked, kept_out
from tiergraph.suites.seen import held_out

WEAK_MODELS = (
    "mistral-7b-instruct-v0.3",
    "llama-3.1-8b-instruct",
    "gemma-2-9b-it",
    "qwen2.5-7b-instruct",
)
"""LLMRouter's small models that are no worse than most at their size."""

STRONG_MODEL = PAIR[1]
LARGE_MODELS = (STRONG_MODEL, "llama-3.3-nemotron-super-49b-v1")
"""Its large models that are better than the small ones; a third is worse."""

PHI, GEMINI = COLUMNS["phi-3-mini"], COLUMNS["gemini-1.5-pro"]
"""MMLU-Pro's weakest and strongest model of those with whole drafts."""

SHORT = {
    "mistral-7b-instruct-v0.3": "Mistral-7B",
    "llama-3.1-8b-instruct": "Llama-3.1-8B",
    "gemma-2-9b-it": "Gemma-2-9B",
    "qwen2.5-7b-instruct": "Qwen2.5-7B",
    STRONG_MODEL: "Nemotron-51B",
}


@dataclass(frozen=True, kw_only=True)
class Questions:
    """n questions with the scores of recorded models.

    Attributes:
        texts: As a user would send them.
        categories: Task or subject of each.
        groups: Questions of one group stay in one fold; ``None`` is a group of its own.
        scores: Model to its score on each question in [0, 1], (n,); NaN is unscored.
        unseen: Whether the weights learned nothing from the outcomes of a question, (n,).
    """

    texts: tuple[str, ...]
    categories: tuple[str, ...]
    groups: tuple[str | None, ...]
    scores: Mapping[str, Floats]
    unseen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Questions:
        """Those of a mask, or at some places."""
        places = np.arange(len(self))[kept]
        return replace(
            self,
            texts=tuple(self.texts[place] for place in places),
            categories=tuple(self.categories[place] for place in places),
            groups=tuple(self.groups[place] for place in places),
            scores={model: column[places] for model, column in self.scores.items()},
            unseen=self.unseen[places],
        )

    def pair(self, weak: str, strong: str) -> Pair:
        """Two models on the questions that both have a score for."""
        both = ~np.isnan(self.scores[weak]) & ~np.isnan(self.scores[strong])
        kept = self.only(both)
        return Pair(questions=kept, weak=kept.scores[weak], strong=kept.scores[strong])


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A weak and a strong model: their scores, (n,), in [0, 1]."""

    questions: Questions
    weak: Floats
    strong: Floats

    def __len__(self) -> int:
        return len(self.questions)

    @cached_property
    def gain(self) -> Floats:
        """What the strong model adds, (n,)."""
        return self.strong - self.weak

    @cached_property
    def lengths(self) -> Floats:
        """Characters of each question, (n,)."""
        return np.array([len(text) for text in self.questions.texts], dtype=np.float64)

    def only(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Pair:
        return Pair(questions=self.questions.only(kept), weak=self.weak[kept], strong=self.strong[kept])


def llmrouter(trial: Trial) -> Questions:
    """LLMRouter's questions without those that RouteLLM's sets hold too."""
    trial.need("llmrouter")
    rows = json_rows(trial.folder / "llmrouter_dc" / "all.jsonl.gz")
    rows = trial.draw([row for row in rows if not row["overlaps_routellm"]])
    learned = trained_on_outcomes(trial.manifest, "llmrouter")
    models = sorted({model for row in rows for model in row["scores"]})
    return Questions(
        texts=tuple(row["question"] for row in rows),
        categories=tuple(row["task"] for row in rows),
        groups=(None,) * len(rows),
        scores={model: _column([row["scores"].get(model) for row in rows]) for model in models},
        unseen=np.array([not learned or held_out("llmrouter", row["question"]) for row in rows], dtype=bool),
    )


def of_cases(trial: Trial, cases: Sequence[Case]) -> Questions:
    """Questions of the cases of a suite that nothing is ever trained on."""
    cases = trial.drawn(cases)
    tiers = list(dict.fromkeys(tier for case in cases for tier in case.outcomes))
    return Questions(
        texts=tuple(case.text for case in cases),
        categories=tuple(case.strata.get("category", "") for case in cases),
        groups=tuple(case.group for case in cases),
        scores={tier: _column([case.outcomes.get(tier) for case in cases]) for tier in tiers},
        unseen=np.ones(len(cases), dtype=bool),
    )


def mmlu_pro(trial: Trial, *, overlapping: bool = True) -> Questions:
    """MMLU-Pro with its options and all recorded models.

    overlapping: with the questions that RouteLLM's MMLU holds too, on which nothing that is judged there may be fitted.
    """
    trial.need("mmlu_pro")
    folder = trial.folder / "mmlu_pro_models"
    rows = json_rows(folder / "questions.jsonl.gz")
    rows = trial.draw([row for row in rows if overlapping or not row["overlaps_routellm_mmlu"]])
    recorded = {row.pop("question_id"): row for row in table(folder / "correct.csv.gz")}
    given = [recorded[str(row["question_id"])] for row in rows]
    groups = shared(row["question"] for row in rows)
    learned = trained_on_outcomes(trial.manifest, "mmlu_pro")
    return Questions(
        texts=tuple(asked(row) for row in rows),
        categories=tuple(row["category"] for row in rows),
        groups=tuple(groups.get(row["question"]) for row in rows),
        scores={model: _column([float(each[model]) if each[model] else None for each in given]) for model in given[0]},
        unseen=np.array([not learned or kept_out(row) for row in rows], dtype=bool),
    )


def generic_gain(questions: Questions) -> Floats:
    """What a large model adds to a small one on LLMRouter, over the mean of each kind, (n,)."""
    large, small = (
        np.mean([questions.scores[name] for name in names], axis=0) for names in (LARGE_MODELS, WEAK_MODELS)
    )
    gain: Floats = large - small
    return gain


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
