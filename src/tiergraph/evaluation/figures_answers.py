"""Figures over answers and verdicts: what a cascade accepted and what it left behind, and what a judge lets through."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tiergraph.evaluation.baselines import tfidf_labels
from tiergraph.evaluation.facts import LEAST_TO_LEARN, Array, Facts
from tiergraph.evaluation.figures_routing import calibration_figures
from tiergraph.evaluation.intervals import difference_interval
from tiergraph.evaluation.labelling import auc_interval
from tiergraph.evaluation.observations import Hop
from tiergraph.evaluation.report import ROUTER
from tiergraph.evaluation.sheet import Better, Sheet

SOLVED = 0.5
"""Score from which an answer counts as right where something is counted."""

_FEW = 200
_WORDS = re.compile(r"\w+")


def answer_figures(sheet: Sheet, facts: Facts) -> None:
    """What the cascade came to, for observations with hops."""
    at = np.array([i for i in sheet.at if not facts.failed[i]], dtype=int)
    seen = [facts.observations[i] for i in at]
    if not any(each.hops for each in seen):
        return
    for outcome in ("answered", "human", "refused", "abstained", "unavailable"):
        values = np.array([each.outcome == outcome for each in seen], dtype=float)
        better = {"answered": "higher", "unavailable": "lower"}.get(outcome)
        if values.any() or outcome == "answered":
            sheet.mean(f"share:{outcome}", values, at=at, unit="share", better=better)
    quality = np.array([np.nan if each.quality is None else each.quality for each in seen])
    cost = np.array([each.cost_usd or 0.0 for each in seen])
    sheet.mean("answer_quality", quality * facts.scale, at=at, unit=facts.unit, better="higher")
    scorable = np.array([bool(facts.cases[i].expect.contains or facts.cases[i].outcomes) for i in at])
    solved = np.where(np.isnan(quality), 0.0, quality)
    if scorable.any():
        # nobody's answer solves nothing, and misleads nobody: what went to a person is neither solved nor wrong
        wrong = np.where(np.isnan(quality), 0.0, quality < SOLVED)
        sheet.mean("solved", solved[scorable], at=at[scorable], unit="share", better="higher")
        sheet.mean("wrong_answers", wrong[scorable].astype(float), at=at[scorable], unit="share", better="lower")
        _without_cascade(sheet, facts, at[scorable], solved[scorable], wrong[scorable])
    if cost.any():
        sheet.mean("cost_usd", cost, at=at, unit="USD", better="lower")
        known = scorable & ((solved > 0) | (cost > 0))
        if known.any():
            sheet.of_sums("cost_per_solved", cost[known], solved[known], at=at[known], unit="USD", better="lower")
    asked = np.array([bool(each.hops) for each in seen])
    escalated = np.array([len(each.hops) > 1 for each in seen], dtype=float)
    sheet.mean("escalation_rate", escalated[asked], at=at[asked], unit="share")
    _mistakes(sheet, at, [facts.observations[i].hops for i in at])


def _without_cascade(sheet: Sheet, facts: Facts, at: Array, solved: Array, wrong: Array) -> None:
    """What one asking without a judge would have solved: each tier alone, each baseline at the router's first mix.

    Cases to which policy lets no tier answer count as they came out, whoever routes. Cases of which only some tiers'
    answers are known are left out.
    """
    nobody = np.isnan(facts.quality[at]).all(axis=1)  # no tier may answer them
    kept = facts.complete[at] | nobody
    at, solved, wrong, known = at[kept], solved[kept], wrong[kept], ~nobody[kept]
    some = at[known]
    if not len(some):
        return
    quality = facts.quality[some]
    takes = {f"always {name}": np.full(len(some), rung) for rung, name in enumerate(facts.names)}
    takes |= {
        name: _at_mix(score[some], facts.dice[some], _first_mix(facts, some)) for name, score in facts.baselines.items()
    }
    takes["best single tier"] = np.full(len(some), int(np.argmax(quality.mean(axis=0))))
    takes["oracle"] = quality.argmax(axis=1)
    for of, rungs in takes.items():
        reached, misled = solved.copy(), wrong.astype(float)
        reached[known] = quality[np.arange(len(some)), rungs]
        misled[known] = (reached[known] < SOLVED) & facts.spoke[some, rungs]
        sheet.mean("solved", reached, at=at, of=of, unit="share", better="higher")
        if of != "oracle":
            sheet.mean("wrong_answers", misled, at=at, of=of, unit="share", better="lower")
            pairs: tuple[tuple[str, Array, Array, Better], ...] = (
                ("solved", solved, reached, "higher"),
                ("wrong_answers", wrong.astype(float), misled, "lower"),
            )
            for name, own, other, better in pairs:
                gap = difference_interval(own, other, sheet.groups_of(at), weights=sheet.weights(at))
                sheet.add(name, gap, of=f"{ROUTER} - {of}", unit="share", better=better)


def _first_mix(facts: Facts, at: Array) -> Array:
    """How many of the cases the router decided for each tier."""
    return np.bincount(facts.decided[at], minlength=len(facts.names))


def _at_mix(score: Array, dice: Array, counts: Array) -> Array:
    """Rungs by rising score, as many of each as there are to give; dice decide between equal scores."""
    rungs = np.empty(len(score), dtype=int)
    rungs[np.lexsort((dice, score))] = np.repeat(np.arange(len(counts)), counts)
    return rungs


def _mistakes(sheet: Sheet, at: Array, hops: list[tuple[Hop, ...]]) -> None:
    """Wrong accepts of those accepted, and needless escalations of those rejected, over drafts that were scored."""
    for name, wanted in (("wrong_accepts", True), ("needless_escalations", False)):
        counted: list[list[float]] = []
        for each in hops:
            scores = [hop.quality for hop in each if hop.passed is wanted and hop.quality is not None]
            # a draft that was accepted is a mistake where it is wrong, one that was left behind where it is right
            counted.append([float((score >= SOLVED) != wanted) for score in scores])
        some = np.array([bool(each) for each in counted])
        if some.any():
            bad = np.array([sum(each) for each in counted if each], dtype=float)
            all_of_them = np.array([len(each) for each in counted if each], dtype=float)
            sheet.ratio(name, bad, all_of_them, at=at[some], unit="share", better="lower")


def overlap(draft: str, documents: str) -> float:
    """Share of the draft's words that stand in the documents: the baseline that a judge has to beat."""
    words = _WORDS.findall(draft.casefold())
    there = set(_WORDS.findall(documents.casefold()))
    return sum(word in there for word in words) / len(words) if words else 0.0


def judged_truth(facts: Facts, at: Array) -> Array:
    """Whether the documents support the draft of each case."""
    return np.array([bool(facts.cases[i].expect.grounded) for i in at], dtype=bool)


def judge_baselines(facts: Facts) -> dict[str, Array]:
    """Scores of cheap judges for all cases: chance, length (short is grounded), word overlap, TF-IDF out of fold."""
    from tiergraph.documents import as_documents

    drafts = [case.draft or "" for case in facts.cases]
    texts = ["\n".join(document["text"] for document in as_documents(list(case.documents))) for case in facts.cases]
    found: dict[str, Array] = {
        "random": np.random.default_rng(facts.seed).random(len(facts)),
        "length": -np.array([len(draft) for draft in drafts], dtype=float),
        "word overlap": np.array([overlap(draft, text) for draft, text in zip(drafts, texts, strict=True)]),
    }
    truth = [bool(case.expect.grounded) for case in facts.cases]
    if len(facts) >= LEAST_TO_LEARN and len(set(truth)) > 1:
        guessed = tfidf_labels(drafts, truth, groups=facts.groups, seed=facts.seed)
        found["TF-IDF"] = guessed.probability[:, guessed.classes.index(True)]
    return found


def judge_figures(sheet: Sheet, facts: Facts, baselines: dict[str, Array]) -> None:
    """How a judge separates drafts that are supported from those that are not."""
    at = np.array(
        [
            i
            for i in sheet.at
            if facts.observations[i].passed is not None and facts.cases[i].expect.grounded is not None
        ],
        dtype=int,
    )
    if not len(at) or facts.observations[at[0]].outcome != "judged":
        return
    truth = judged_truth(facts, at)
    passed = np.array([bool(facts.observations[i].passed) for i in at])
    score = np.array([facts.observations[i].score for i in at], dtype=float)
    said = {ROUTER: passed, "always pass": np.ones(len(at), bool), "always escalate": np.zeros(len(at), bool)}
    for name, given in said.items():
        more: dict[str, Any] = {"of": name, "unit": "share"}
        right = (given == truth).astype(float)
        sheet.mean("accuracy:grounded", right, at=at, better="higher", **more)
        sheet.ratio(
            "wrong_accepts", (given & ~truth).astype(float), (~truth).astype(float), at=at, better="lower", **more
        )
        needless = (~given & truth).astype(float)
        sheet.ratio("needless_escalations", needless, truth.astype(float), at=at, better="lower", **more)
    if not truth.any() or truth.all():
        return
    weights = sheet.weights(at)[:_FEW]
    for name, values in {ROUTER: score, **{name: given[at] for name, given in baselines.items()}}.items():
        found = auc_interval(values, truth, sheet.groups_of(at), weights=weights)
        sheet.add("auc:grounded", found, of=name, better="higher")
    if sheet.by is None:
        calibration_figures(sheet, score, truth.astype(float), at)
