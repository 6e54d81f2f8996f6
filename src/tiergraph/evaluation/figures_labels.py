"""Figures over what a right system finds and says: labels, findings, policy that must hold, and variants of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiergraph.evaluation.baselines import most_frequent, tfidf_labels
from tiergraph.evaluation.cases import FINDING_KINDS, Case
from tiergraph.evaluation.expected import FLAGS, LABELS
from tiergraph.evaluation.facts import LEAST_TO_LEARN, Array, Facts
from tiergraph.evaluation.labelling import accuracy_interval, auc_interval, precision_recall_intervals
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.report import ROUTER
from tiergraph.evaluation.sheet import Better, Sheet

_FEW = 200

_DETECTION: tuple[tuple[str, Better], ...] = (
    ("precision", "higher"),
    ("recall", "higher"),
    ("false_positive_rate", "lower"),
)


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """What cheap baselines say of the labels, out of fold, computed once for all scopes.

    ``labels``: label to (baseline name to the guess for each case). ``scores``: finding kind to (baseline name to a
    score for each case). Cases that have no such label hold ``None`` and NaN.
    """

    labels: Mapping[str, Mapping[str, Sequence[Any]]]
    scores: Mapping[str, Mapping[str, Array]]


def guess(facts: Facts) -> Guesses:
    """The baselines' guesses for every label that enough cases have."""
    labels: dict[str, dict[str, Sequence[Any]]] = {}
    scores: dict[str, dict[str, Array]] = {}
    for label in LABELS:
        truth = [label.expected(case) for case in facts.cases]
        if len({each for each in truth if each is not None}) > 1:
            labels[label.name] = _guessed(facts, truth)
    for kind in FINDING_KINDS:
        truth = [case.expect.findings.get(kind) for case in facts.cases]
        if len({each for each in truth if each is not None}) > 1:
            labels[kind] = _guessed(facts, truth)
            scores[kind] = {"length": facts.lengths, "random": np.random.default_rng(facts.seed).random(len(facts))}
    return Guesses(labels=labels, scores=scores)


def _guessed(facts: Facts, truth: Sequence[Any]) -> dict[str, Sequence[Any]]:
    at = [number for number, each in enumerate(truth) if each is not None]
    known = [truth[number] for number in at]
    drawn = np.random.default_rng(facts.seed).permutation(len(known))
    found = {"most frequent": [most_frequent(known)] * len(known), "random": [known[number] for number in drawn]}
    if len(at) >= LEAST_TO_LEARN:
        groups = None if facts.groups is None else facts.groups[at]
        texts = [facts.cases[number].question for number in at]
        found["TF-IDF"] = list(tfidf_labels(texts, known, groups=groups, seed=facts.seed).labels)
    spread: dict[str, Sequence[Any]] = {}
    for name, guesses in found.items():
        whole: list[Any] = [None] * len(truth)
        for number, value in zip(at, guesses, strict=True):
            whole[number] = value
        spread[name] = whole
    return spread


def label_figures(sheet: Sheet, facts: Facts, guesses: Guesses) -> None:
    """Accuracy of labels, precision and recall of findings."""
    for label in LABELS:
        pairs = [(label.expected(facts.cases[i]), label.observed(facts.observations[i])) for i in sheet.at]
        asked = [wanted is not None and got is not None for wanted, got in pairs]
        at = sheet.at[np.array(asked, dtype=bool) & ~facts.failed[sheet.at]]
        if not len(at):
            continue
        wanted = [label.expected(facts.cases[i]) for i in at]
        said: dict[str, list[Any]] = {ROUTER: [label.observed(facts.observations[i]) for i in at]}
        said |= {name: [given[i] for i in at] for name, given in guesses.labels.get(label.name, {}).items()}
        for name, values in said.items():
            found = accuracy_interval(wanted, values, sheet.groups_of(at), weights=sheet.weights(at))
            sheet.add(f"accuracy:{label.name}", found, of=name, unit="share", better="higher")
    if facts.screened:
        for kind in FINDING_KINDS:
            _findings(sheet, facts, guesses, kind)


def _findings(sheet: Sheet, facts: Facts, guesses: Guesses, kind: str) -> None:
    asked = [i for i in sheet.at if kind in facts.cases[i].expect.findings and not facts.failed[i]]
    at = np.array(asked, dtype=int)
    if not len(at):
        return
    truth = np.array([facts.cases[i].expect.findings[kind] for i in at], dtype=bool)
    said: dict[str, Array] = {ROUTER: np.array([kind in facts.observations[i].findings for i in at], dtype=bool)}
    for name, given in guesses.labels.get(kind, {}).items():
        said[name] = np.array([bool(given[i]) for i in at], dtype=bool)
    for name, found in said.items():
        shares = precision_recall_intervals(truth, found, sheet.groups_of(at), weights=sheet.weights(at))
        for figure, better in _DETECTION:
            sheet.add(f"{figure}:{kind}", getattr(shares, figure), of=name, unit="share", better=better)
    if sheet.by is None and truth.any() and not truth.all():
        _separation(sheet, facts, guesses, kind, at, truth)


def _separation(sheet: Sheet, facts: Facts, guesses: Guesses, kind: str, at: Array, truth: Array) -> None:
    """AUC of the model's flag and of the baselines that give a score."""
    if kind not in FLAGS or not any(facts.observations[i].probabilities for i in at):
        return
    flag = [facts.observations[i].probabilities.get(FLAGS[kind], np.nan) for i in at]
    scores = {ROUTER: np.array(flag, dtype=float)}
    scores |= {name: given[at] for name, given in guesses.scores.get(kind, {}).items()}
    for name, score in scores.items():
        known = ~np.isnan(score)
        if truth[known].any() and not truth[known].all():
            these = at[known]
            found = auc_interval(
                score[known], truth[known], sheet.groups_of(these), weights=sheet.weights(these)[:_FEW]
            )
            sheet.add(f"auc:{kind}", found, of=name, better="higher")


def policy_figures(sheet: Sheet, facts: Facts, config: Any) -> None:
    """What must never happen, by what is there and not by what was found: counts, 0 is the only good one."""
    if config is None:
        return
    external = {tier.name for tier in config.tiers if tier.location == "external"}
    asked: dict[str, list[tuple[int, bool]]] = {}
    for i in sheet.at:
        case, seen = facts.cases[i], facts.observations[i]
        if facts.failed[i] or seen.outcome == "judged":
            continue
        used = {hop.tier for hop in seen.hops} or {seen.tier}
        expected = case.expect.findings
        if expected.get("pii") and external and config.policy.pii in ("on_prem", "human"):
            asked.setdefault("violations:pii_outside", []).append((i, bool(used & external)))
        if case.expect.outcome == "human" or expected.get("human_request"):
            answered = seen.outcome not in ("human", "refused", "refuse")
            asked.setdefault("violations:human_not_honoured", []).append((i, answered))
        if expected.get("legal") and config.policy.legal == "top":
            asked.setdefault("violations:legal_below_top", []).append((i, _below_top(case, seen, config)))
    for name, found in asked.items():
        at = np.array([i for i, _ in found])
        sheet.mean(name, np.array([float(bad) for _, bad in found]), at=at, unit="share", better="lower")


def _below_top(case: Case, seen: Observation, config: Any) -> bool:
    """Answered by a lower tier than policy leaves as the highest: with PII too, the highest on-prem tier."""
    if seen.tier is None:
        return False
    private = case.expect.findings.get("pii") and config.policy.pii == "on_prem"
    left = [tier.name for tier in config.tiers if not private or tier.location == "on_prem"]
    return bool(left) and seen.tier != left[-1]


def variant_figures(sheet: Sheet, facts: Facts) -> None:
    """What a changed text changes: each variant beside the case that it was made from."""
    rungs = {name: rung for rung, name in enumerate(facts.ladder)}
    place = {case.id: number for number, case in enumerate(facts.cases)}
    pairs = [
        (i, place[facts.cases[i].variant_of or ""])
        for i in sheet.at
        if facts.cases[i].variant_of in place
        and not facts.failed[i]
        and not facts.failed[place[facts.cases[i].variant_of or ""]]
    ]
    if not pairs:
        return
    at = np.array([variant for variant, _ in pairs])
    seen = [(facts.observations[variant], facts.observations[base]) for variant, base in pairs]
    lowered = [_rung(one, rungs) < _rung(other, rungs) for one, other in seen]
    lost = [bool({"pii", "legal", "human_request"} & set(other.findings) - set(one.findings)) for one, other in seen]
    for name, values in (("tier_lowered", lowered), ("flag_lost", lost)):
        sheet.mean(name, np.array(values, dtype=float), at=at, unit="share", better="lower")
    changed = np.array([one.tier != other.tier for one, other in seen], dtype=float)
    sheet.mean("tier_changed", changed, at=at, unit="share")


def _rung(seen: Observation, rungs: Mapping[str, int]) -> int:
    """Place on the whole ladder. A person or a refusal stands above every tier."""
    return rungs.get(seen.tier or "", len(rungs))
