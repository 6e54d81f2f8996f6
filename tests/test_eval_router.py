"""`tiergraph eval router` proves what it says: honest folds, hand-computed figures, verdicts that cannot flatter."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tiergraph.cli import app
from tiergraph.config import parse_config
from tiergraph.engine_bench import LADDER
from tiergraph.errors import InputError
from tiergraph.evaluation import router_intents, router_measures, router_pairs, router_pii, router_share, router_tuned
from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.evaluation.curves import CostCurve, apgr, cost_at, exact_curve
from tiergraph.evaluation.intervals import Floats, Interval
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.router_asking import Asking, Readings
from tiergraph.evaluation.router_detection import Detection, detection, threshold
from tiergraph.evaluation.router_gains import CATEGORY, LENGTH, TFIDF, apgr_row, baseline_scores, difference
from tiergraph.evaluation.router_generic import levels
from tiergraph.evaluation.router_injection import injection, moved, rung
from tiergraph.evaluation.router_learned import Labelled, category_gain, cross_fitted, tfidf_gain, tfidf_labels
from tiergraph.evaluation.router_measures import MEASURES, Measure, as_json, check_data, chosen, measured
from tiergraph.evaluation.router_model import trained_on_outcomes
from tiergraph.evaluation.router_pairs import Pair, Questions, generic_gain, llmrouter
from tiergraph.evaluation.router_plain import WORDS, plain
from tiergraph.evaluation.router_rows import Bar, Measured, Row
from tiergraph.evaluation.router_share import share_needed
from tiergraph.evaluation.router_store import ReadingStore
from tiergraph.evaluation.router_trial import Trial
from tiergraph.evaluation.router_truth import sufficed, truth

DATA = Path(os.environ["TIERGRAPH_DATA"]) if os.environ.get("TIERGRAPH_DATA") else None
with_data = pytest.mark.skipif(DATA is None, reason="TIERGRAPH_DATA is not set")

SECRET = "marmalade-cathedral-4417"
CONFIG = parse_config(
    "tiers:\n  - {name: a, model: quote, location: on_prem}\n  - {name: b, model: compose, location: on_prem}\n"
)
FIGURES = st.floats(-2, 2, allow_nan=False)


class Scripted(Asking):
    """A router that answers as a function of the case says; no model is loaded."""

    def decisions(self, suite: Suite) -> list[Observation]:
        return [self.said(case) for case in suite]  # type: ignore[attr-defined]

    def readings(self, texts: Sequence[str]) -> Readings:
        return Readings(np.full(len(texts), 0.5), np.zeros((len(texts), 3), np.float32))


def trial(said: Callable[[Case], Observation] | None = None, **options: Any) -> Trial:
    asking = Scripted(config=CONFIG)
    object.__setattr__(asking, "said", said)
    return Trial(asking=asking, **{"count": 200, **options})


def questions(n: int = 60, *, groups: Sequence[str | None] | None = None, **scores: Floats) -> Questions:
    return Questions(
        texts=tuple(
            f"{'prove' if place % 3 else 'find'} number {place} {'please ' * (place % 7)}" for place in range(n)
        ),
        categories=tuple("ab"[place % 2] for place in range(n)),
        groups=tuple(groups) if groups is not None else (None,) * n,
        scores=scores,
        unseen=np.ones(n, dtype=bool),
    )


def pair(n: int = 60, seed: int = 0, **options: Any) -> Pair:
    draw = np.random.default_rng(seed)
    weak = (draw.random(n) < 0.5).astype(float)
    strong = np.maximum(weak, draw.random(n) < 0.6).astype(float)
    return questions(n, weak=weak, strong=strong, **options).pair("weak", "strong")


# -- bars and verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "value", "verdict"),
    [
        (Bar(sense="at_least", must=0.9, aim=0.95), 0.95, "aim reached"),
        (Bar(sense="at_least", must=0.9, aim=0.95), 0.9, "pass"),
        (Bar(sense="at_least", must=0.9, aim=0.95), 0.899, "falls short"),
        (Bar(sense="at_most", must=0.03, aim=0.01), 0.01, "aim reached"),
        (Bar(sense="at_most", must=0.03, aim=0.01), 0.03, "pass"),
        (Bar(sense="at_most", must=0.03, aim=0.01), 0.031, "falls short"),
        (Bar(sense="at_least", must=0.583, aim=0.62, strict=True), 0.583, "falls short"),
        (Bar(sense="at_least", must=0.65, aim=0.62, strict=True), 0.63, "falls short"),
        (Bar(sense="at_least", aim=0.78), 0.77, "aim missed"),
        (Bar(sense="at_least", aim=0.78), 0.78, "aim reached"),
    ],
)
def test_a_verdict_follows_from_the_figure_and_its_bar(bar: Bar, value: float, verdict: str) -> None:
    assert bar.verdict(Interval(value, None, None, 10)) == verdict


def test_a_difference_passes_by_the_low_end_of_its_interval_and_not_by_its_value() -> None:
    bar = Bar(sense="at_least", must=0.0, strict=True, end="low")
    assert bar.verdict(Interval(0.05, 0.01, 0.09, 10)) == "pass"
    assert bar.verdict(Interval(0.05, 0.0, 0.09, 10)) == "falls short"
    assert bar.verdict(Interval(0.05, None, None, 1)) == "no figure"


@given(FIGURES, FIGURES, FIGURES, st.sampled_from(["at_least", "at_most"]))
def test_without_a_figure_nothing_passes_and_a_better_one_is_never_worse(
    one: float, other: float, must: float, sense: Any
) -> None:
    order = ["falls short", "pass", "aim reached"]
    bar = Bar(sense=sense, must=must, aim=must + (0.1 if sense == "at_least" else -0.1))
    worse, better = sorted((one, other), reverse=sense == "at_most")
    said = [order.index(bar.verdict(Interval(value, None, None, 2))) for value in (worse, better)]
    assert said[0] <= said[1]
    assert bar.verdict(None) == "no figure"


def test_a_row_is_json_even_where_it_has_no_figure() -> None:
    row = Row(name="x", figure=None, unit="share", bar=Bar(sense="at_least", must=1.0), baselines={"random": None})
    found = json.loads(json.dumps(row.as_json(), allow_nan=False))
    assert (found["value"], found["n"], found["verdict"]) == (None, 0, "no figure")
    assert found["baselines"]["random"]["value"] is None


# -- the share of the strong model ------------------------------------------------------------------------------------


def test_the_share_needed_is_where_the_curve_first_keeps_the_quality() -> None:
    # quality climbs from .5 to 1 over the first half: .97 is reached at .94 of it
    assert share_needed([2, 2, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], np.ones((1, 4)))[0] == pytest.approx(0.47)
    assert share_needed([1, 1, 2, 2], [0, 0, 1, 1], [1, 1, 1, 1], np.ones((1, 4)))[0] == pytest.approx(0.97)
    assert share_needed([1, 2], [1, 1], [1, 1], np.ones((1, 2)))[0] == 0.0
    assert np.isnan(share_needed([], [], [], np.ones((2, 0)))).all()


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_the_share_needed_is_that_of_the_exact_curve(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    score, weak, strong = draw.integers(0, 5, n).astype(float), draw.random(n).round(1), draw.random(n).round(1)
    weights = draw.integers(0, 3, (3, n))
    weights[:, 0] += 1
    for counts, found in zip(weights, share_needed(score, weak, strong, weights), strict=True):
        curve = exact_curve(score, weak, strong, counts)
        high = float(counts @ strong / counts.sum())
        assert found == pytest.approx(cost_at(CostCurve(*curve), 0.97 * high), abs=1e-6, nan_ok=True)


@given(st.integers(0, 10_000))
def test_the_oracle_needs_no_more_of_the_strong_model_than_any_score(seed: int) -> None:
    made = pair(seed=seed)
    ones = np.ones((1, len(made)))
    least = share_needed(made.gain, made.weak, made.strong, ones)[0]
    other = np.random.default_rng(seed + 1).random(len(made))
    assert least <= share_needed(other, made.weak, made.strong, ones)[0] + 1e-9


# -- folds and fits ---------------------------------------------------------------------------------------------------


def test_no_fit_sees_a_question_that_it_is_judged_on_nor_one_of_its_group() -> None:
    made = pair(groups=[f"g{place // 2}" for place in range(60)])
    read = Readings(np.arange(60.0), np.arange(60, dtype=np.float32)[:, None])
    told: list[str] = []

    def fit(known: Pair, seen: Readings, texts: Sequence[str], others: Readings, seed: int) -> Floats:
        assert not set(known.questions.texts) & set(texts)
        groups = dict(zip(made.questions.texts, made.questions.groups, strict=True))
        assert not {groups[text] for text in texts} & set(known.questions.groups)
        assert [made.questions.texts[int(place)] for place in others.logits[:, 0]] == list(texts)
        assert [made.questions.texts[int(place)] for place in seen.suffices] == list(known.questions.texts)
        told.extend(texts)
        return others.suffices

    found = cross_fitted(made, read, seed=0, fit=fit)
    assert sorted(told) == sorted(made.questions.texts)
    assert found.tolist() == list(range(60))


def test_words_that_gain_are_learned_and_told_of_other_texts() -> None:
    known = ["prove it"] * 20 + ["say it"] * 20
    said = tfidf_gain(known, np.array([1.0] * 20 + [0.0] * 20), ["prove that", "say that"])
    assert said[0] > 0.7 > 0.3 > said[1]
    found = tfidf_labels(known, ["hard"] * 20 + ["easy"] * 20, ["say that", "prove that"], seed=0)
    assert found.likeliest == ("easy", "hard")
    assert found.probability.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_an_unknown_category_gains_the_mean_of_all() -> None:
    assert category_gain(["a", "a", "b"], np.array([1.0, 0.0, -0.2]), ["b", "a", "c"]).tolist() == pytest.approx(
        [-0.2, 0.5, 0.8 / 3]
    )


def test_levels_are_models_by_their_mean_and_a_level_without_a_score_is_that_below() -> None:
    scores = {f"m{rank}": np.array([rank / 10, rank / 10]) for rank in (7, 3, 1, 5, 2, 6, 4)}
    scores["m5"][1] = np.nan
    found = levels(questions(2, **scores))
    assert found[0].tolist() == pytest.approx([0.15, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert found[1].tolist() == pytest.approx([0.15, 0.3, 0.4, 0.4, 0.6, 0.7])


def test_rows_that_the_weights_learned_the_outcomes_of_are_not_judged() -> None:
    made = pair()
    unseen = np.arange(60) % 2 == 0
    half = replace(made, questions=replace(made.questions, unseen=unseen))
    row = apgr_row(trial(), "x", half, made.gain, {"same": made.gain}, None)
    assert row.figure is not None
    assert row.figure.n == 30
    assert row.figure.value == pytest.approx(apgr(made.gain[unseen], made.weak[unseen], made.strong[unseen]))
    assert row.baselines["same"] == row.figure
    assert "30 rows left out" in row.note


def test_a_model_that_learned_tiers_from_a_source_is_known_by_its_manifest() -> None:
    manifest = {"data": [{"name": "llmrouter", "used_for": "tier, intent"}, {"name": "mmlu_pro", "used_for": "intent"}]}
    assert trained_on_outcomes(manifest, "llmrouter")
    assert not trained_on_outcomes(manifest, "mmlu_pro")
    assert not trained_on_outcomes({}, "llmrouter")


def four(score: Callable[[Pair], Floats]) -> Trial:
    made = trial()
    fits = {weak: (each := pair(200, seed), 1.0 - score(each)) for seed, weak in enumerate(router_tuned.WEAK_MODELS)}
    made.known["llmrouter fits"] = fits
    return made


def test_an_oracle_is_above_every_baseline_and_a_baseline_is_not_above_itself() -> None:
    best = {row.name: row for row in router_tuned.llmrouter_tuned(four(lambda each: each.gain))}
    over = [row for name, row in best.items() if name.startswith("above")]
    assert len(over) == 3
    assert {row.verdict for row in over} == {"pass"}
    assert all(row.figure is not None and row.figure.n == 200 for row in over)
    same = router_tuned.llmrouter_tuned(four(lambda each: each.lengths))
    length = next(row for row in same if row.name.startswith("above length"))
    assert length.figure is not None
    assert (length.figure.value, length.figure.low, length.figure.high) == (0.0, 0.0, 0.0)
    assert length.verdict == "falls short"


def test_a_difference_that_may_be_chance_falls_short_though_it_is_above_zero() -> None:
    found = []
    for seed in range(12):
        made = four(lambda each, seed=seed: np.random.default_rng([seed, len(each)]).random(len(each)))  # type: ignore[misc]
        row = next(row for row in router_tuned.llmrouter_tuned(made) if row.name.startswith("above length"))
        assert row.figure is not None
        assert row.figure.low is not None
        if row.figure.value > 0 > row.figure.low:
            found.append(row.verdict)
            break
    assert found == ["falls short"]


def test_a_difference_is_paired_over_the_same_resamples() -> None:
    made = pair()
    weights = trial().weights(len(made))
    value, drawn = difference(made.gain, made.gain, made, weights)
    assert value == 0.0
    assert not np.nan_to_num(drawn).any()
    value, drawn = difference(made.gain, made.lengths, made, weights)
    assert value == pytest.approx(apgr(made.gain, made.weak, made.strong) - apgr(made.lengths, made.weak, made.strong))
    assert np.nanmin(drawn) > 0


def test_a_pair_has_every_baseline_of_the_issue() -> None:
    found = apgr_row(trial(), "x", pair(), pair().gain, baseline_scores(trial(), pair()), None).baselines
    assert set(found) == {"random", LENGTH, CATEGORY, TFIDF, "best single tier", "oracle"}
    oracle = found["oracle"]
    assert oracle is not None
    assert all(each is not None and each.value <= oracle.value for each in found.values())


def test_the_share_is_judged_on_the_rows_outside_and_learned_from_as_many_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 500
    scores = {name: pair(n, seed).strong for seed, name in enumerate(router_tuned.WEAK_MODELS)}
    scores[router_share.QWEN], scores[router_share.STRONG_MODEL] = pair(n).weak, pair(n).strong
    monkeypatch.setattr(router_share, "as_known", lambda _, read: read)
    monkeypatch.setattr(router_share, "DRAWS", (router_share.Draw(300, 3, 0.5, 0.38),))
    seen: list[int] = []

    def fit(known: Pair, read: Readings, texts: Sequence[str], others: Readings, seed: int) -> Floats:
        seen.append(len(known))
        assert not set(known.questions.texts) & set(texts)
        assert len(known) + len(texts) == n
        return np.array([1.0 - dict(zip(made.questions.texts, made.gain, strict=True))[text] for text in texts])

    half = np.arange(n) < 250  # the others were trained on: they are learned from and judge nothing
    monkeypatch.setattr(router_share, "llmrouter", lambda _: replace(questions(n, **scores), unseen=half))
    made = questions(n, **scores).pair(router_share.QWEN, router_share.STRONG_MODEL)
    (row,) = router_share.shares(trial(), fit=fit)
    assert seen == [300] * 3
    assert row.figure is not None
    assert row.figure.n <= 250
    assert row.baselines["oracle"] is not None
    assert row.figure.value == pytest.approx(row.baselines["oracle"].value)


# -- probabilities ----------------------------------------------------------------------------------------------------


def test_a_weak_answer_suffices_as_far_as_the_strong_one_is_no_better() -> None:
    made = questions(3, weak=np.array([0.2, 1.0, 0.5]), strong=np.array([1.0, 0.0, 0.5])).pair("weak", "strong")
    assert sufficed(made).tolist() == pytest.approx([0.2, 1.0, 1.0])


def test_probabilities_that_are_the_outcomes_have_no_error_and_all_the_skill(monkeypatch: pytest.MonkeyPatch) -> None:
    from tiergraph.evaluation import router_truth

    made = four(lambda each: np.maximum(each.gain, 0.0))
    first = pair(200, 9)
    made.known["mmlu_pro fit"] = (first, sufficed(first))
    columns = {name: pair(200, seed).weak for seed, name in enumerate(router_tuned.WEAK_MODELS)}
    asked = questions(200, **columns, **{router_tuned.STRONG_MODEL: pair(200).strong})
    both = questions(200, **{router_pairs.PHI: first.weak, router_pairs.GEMINI: first.strong})
    monkeypatch.setattr(router_truth, "llmrouter", lambda _: asked)
    monkeypatch.setattr(router_truth, "mmlu_pro", lambda _: both)
    monkeypatch.setattr(router_truth, "as_known", lambda _, read: read)
    rows = {row.name: row for row in truth(made)}
    for name in ("LLMRouter, tuned", "MMLU-Pro, tuned"):
        assert rows[f"{name}: calibration error"].verdict == "aim reached"
        assert rows[f"{name}: Brier skill"].figure == (1.0, 1.0, 1.0, 200)
    plain_skill = rows["LLMRouter, untuned: Brier skill"]
    assert plain_skill.verdict == "falls short"
    assert plain_skill.baselines["base rate"] is not None
    assert plain_skill.baselines["base rate"].value == pytest.approx(0.0)


# -- findings ---------------------------------------------------------------------------------------------------------


def case(number: int, source: str, there: bool, kind: str = "pii", group: str | None = None) -> Case:
    return Case(
        id=f"{source}-{number}",
        text=f"{SECRET} {'name' if there else 'thing'} {number}",
        expect=Expect(findings={kind: there}),
        strata={"source": source, "kind": "name" if there else "none", "trained_on": "no"},
        group=group,
    )


def found_in(case: Case, kind: str, there: bool) -> Observation:
    return Observation(case=case.id, findings=(kind,) if there else ())


def test_recall_and_false_positives_are_counted_by_source() -> None:
    cases = [case(n, "p", True) for n in range(10)] + [case(n, "q", False) for n in range(20)]
    seen = [found_in(each, "pii", n < 9 or 10 <= n < 13) for n, each in enumerate(cases)]
    made = detection(trial(), cases, seen, "pii")
    bar = Bar(sense="at_least", must=0.5)
    recall = made.recall(trial(), "r", bar, made.source("p"))
    false = made.false_positives(trial(), "f", bar, made.source("q"))
    assert recall.figure is not None
    assert false.figure is not None
    assert (recall.figure.value, recall.figure.n) == (0.9, 10)
    assert (false.figure.value, false.figure.n) == (0.15, 20)
    assert recall.baselines["oracle"] is not None
    assert recall.baselines["oracle"].value == 1.0
    assert false.baselines["oracle"] is not None
    assert false.baselines["oracle"].value == 0.0


def test_a_baseline_of_recall_fires_on_the_negatives_as_often_as_the_router() -> None:
    cases = [case(n, "p", True) for n in range(4)] + [case(n, "q", False) for n in range(10)]
    score = np.array([9.5, 8.5, 7.5, 0.5, *range(10)], dtype=float)
    found = np.array([True] * 4 + [False] * 8 + [True] * 2)  # two of ten: the threshold is 8
    made = Detection(cases=cases, truth=np.arange(14) < 4, found=found, scores={"s": score})
    row = made.recall(trial(), "r", Bar(sense="at_least"), np.ones(14, dtype=bool))
    assert row.baselines["s"] is not None
    assert row.baselines["s"].value == 0.5


def test_a_baseline_of_false_positives_finds_as_many_of_the_positives_as_the_router() -> None:
    cases = [case(n, "p", True) for n in range(4)] + [case(n, "q", False) for n in range(10)]
    score = np.array([9.5, 8.5, 7.5, 0.5, *range(10)], dtype=float)
    found = np.array([True] * 2 + [False] * 12)  # half of the positives: the threshold is 8.5
    made = Detection(cases=cases, truth=np.arange(14) < 4, found=found, scores={"s": score})
    row = made.false_positives(trial(), "f", Bar(sense="at_most"), np.ones(14, dtype=bool))
    assert row.baselines["s"] is not None
    assert row.baselines["s"].value == 0.1


def test_a_threshold_raises_the_share_that_is_asked_for() -> None:
    scores = np.array([1.0, 4.0, 3.0, 2.0])
    assert [float((scores >= threshold(scores, rate)).mean()) for rate in (0.0, 0.25, 0.5, 1.0)] == [0, 0.25, 0.5, 1.0]
    assert threshold(scores, float("nan")) == float("inf")


def test_a_router_that_flags_everything_has_all_the_recall_and_fails_every_false_positive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = (
        *(case(n, "presidio", True, group=f"t{n % 4}") for n in range(12)),
        *(case(n, source, False) for source in ("clinc150", "banking77") for n in range(12)),
    )
    extra = [case(n, router_pii.REPLACED, False, group=f"t{n % 4}") for n in range(8)]
    monkeypatch.setattr(Trial, "suite", lambda self, name: Suite(name=name, cases=cases))
    monkeypatch.setattr(router_pii, "_replaced", lambda _: extra)
    always = router_pii.pii(trial(lambda each: found_in(each, "pii", True)))
    assert [row.verdict for row in always] == ["aim reached", "falls short", "falls short", "falls short"]
    right = router_pii.pii(trial(lambda each: found_in(each, "pii", each.expect.findings["pii"])))
    assert {row.verdict for row in right} == {"aim reached"}
    report = json.dumps([row.as_json() for row in (*always, *right)])
    assert SECRET not in report


def test_replaced_spans_leave_nothing_personal_and_the_rest_as_it_was() -> None:
    text = "Dear Ada Lovelace, meet Grace Hopper at 12 Mill Lane on Monday."
    places = {"Ada Lovelace": "PERSON", "Grace Hopper": "PERSON", "12 Mill Lane": "ADDRESS", "Monday": "DATE_TIME"}
    spans = [
        {"entity_type": kind, "start_position": text.index(value), "end_position": text.index(value) + len(value)}
        for value, kind in places.items()
    ]
    said = plain({"full_text": text, "spans": spans})
    assert not any(value in said for value in ("Ada", "Lovelace", "Hopper", "Mill"))
    assert said.startswith("Dear ")
    assert said.endswith(" on Monday.")
    assert any(word in said for word in WORDS["ADDRESS"])


def test_intents_are_judged_on_rows_that_neither_the_weights_nor_the_head_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("train", f"{SECRET} pay {n}", "pay") for n in range(20)]
    rows += [("train", f"{SECRET} book {n}", "book") for n in range(20)]
    rows += [("val", f"{SECRET} pay val {n}", "pay") for n in range(4)]
    rows += [("oos_train", f"{SECRET} odd {n}", "oos") for n in range(6)]
    rows += [("oos_val", f"{SECRET} odd val {n}", "oos") for n in range(3)]
    (tmp_path / "clinc150").mkdir()
    with gzip.open(tmp_path / "clinc150" / "data_full.csv.gz", "wt", encoding="utf-8") as file:
        file.write("split,text,intent,domain\n" + "".join(f"{split},{text},{of},\n" for split, text, of in rows))
    kept_out = {text for _, text, _ in rows if text.endswith((" 1", " 2"))}
    monkeypatch.setattr(Trial, "need", lambda self, *names: None)
    monkeypatch.setattr(router_intents, "held_out", lambda source, text: text in kept_out)
    seen: dict[str, list[str]] = {}

    def fit(texts: Any, logits: Any, labels: Any, others: Any, said: Any, **_: Any) -> Labelled:
        seen.update(known=list(texts), told=list(others))
        assert (len(logits), len(said)) == (len(texts), len(others))
        right = {text: label for _, text, label in rows}
        return Labelled(tuple(right[text] if "odd" not in text else "pay" for text in others), np.zeros((0, 0)), ())

    monkeypatch.setattr(router_intents, "fitted_labels", fit)
    found = {row.name: row for row in router_intents.intents(trial(data=tmp_path))}
    assert not kept_out & set(seen["known"])
    assert not any(" val " in text for text in seen["known"])
    accuracy, recall = found["accuracy of 150 intents"], found["out-of-scope recall"]
    assert accuracy.figure is not None
    assert recall.figure is not None
    assert (accuracy.figure.value, accuracy.figure.n, accuracy.verdict) == (1.0, 6, "aim reached")
    assert (recall.figure.value, recall.figure.n, recall.verdict) == (0.0, 4, "falls short")
    assert recall.baselines["oracle"] is not None
    assert recall.baselines["oracle"].value == 1.0
    whole = found["accuracy of 150 intents, all of val"]
    assert whole.figure is not None
    assert (whole.figure.n, whole.verdict) == (4, "")
    assert SECRET not in json.dumps([row.as_json() for row in found.values()])


# -- injections -------------------------------------------------------------------------------------------------------


def test_a_lower_tier_or_a_lost_flag_is_a_move_and_a_higher_tier_is_none() -> None:
    def seen(tier: str | None, *findings: str) -> Observation:
        return Observation(case="x", tier=tier, findings=findings)

    low, mid, top = LADDER.names
    assert moved(seen(low), seen(mid))
    assert moved(seen(top), seen(None))  # a person stands above every tier
    assert not moved(seen(None), seen(top))
    assert not moved(seen(top), seen(low))
    assert moved(seen(top), seen(low, "pii"))
    assert not moved(seen(low, "pii", "legal"), seen(low, "pii"))
    assert not moved(seen(low), seen(low, "safety"))
    assert [rung(name) for name in (*LADDER.names, None)] == [0, 1, 2, 3]


def test_what_could_not_be_lowered_is_told_apart() -> None:
    low, _, top = LADDER.names

    def said(each: Case) -> Observation:
        base = each.variant_of or each.id
        started_high = int.from_bytes(base.encode()[-1:]) % 2 == 0
        return Observation(case=each.id, tier=top if started_high and each.variant_of is None else low)

    rows = {row.name: row for row in injection(trial(said, sample=200))}
    strict = rows["of those that had something to lose"]
    assert strict.figure is not None
    assert strict.figure.value == 1.0
    own = rows["tier lowered or flag lost, own instructions"]
    assert own.figure is not None
    assert 0 < own.figure.value < 1
    assert own.verdict == "falls short"
    still = injection(trial(lambda each: Observation(case=each.id, tier=top), sample=200))
    assert [row.figure.value for row in still if row.figure is not None and row.figure.n] == [0.0] * len(
        [row for row in still if row.figure is not None and row.figure.n]
    )


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_readings_are_found_again_and_hold_no_text(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path, "d" * 64, 3)
    store.add(SECRET, np.array([1, 2, 3], np.float32))
    store.close()
    again = ReadingStore(tmp_path, "d" * 64, 3)
    assert again.get(SECRET) is not None
    assert list(again.get(SECRET)) == [1, 2, 3]  # type: ignore[arg-type]
    assert again.get("another text") is None
    assert SECRET.encode() not in again.path.read_bytes()
    again.close()
    other = ReadingStore(tmp_path, "e" * 64, 3)
    assert other.get(SECRET) is None
    other.close()


def test_a_reading_that_was_torn_is_cut_off_and_the_next_one_is_whole(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path, "d" * 64, 2)
    store.add("one", np.array([1, 1], np.float32))
    store.add("two", np.array([2, 2], np.float32))
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:-5])
    again = ReadingStore(tmp_path, "d" * 64, 2)
    assert again.get("two") is None
    again.add("three", np.array([3, 3], np.float32))
    again.close()
    last = ReadingStore(tmp_path, "d" * 64, 2)
    assert [None if (kept := last.get(text)) is None else list(kept) for text in ("one", "two", "three")] == [
        [1, 1],
        None,
        [3, 3],
    ]
    last.close()


def test_the_embedded_model_is_read_once_for_each_text(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    asking = Asking(config=CONFIG, cache=tmp_path, tell=lambda done, total: told.append((done, total)))
    first = asking.readings(["where is my parcel", "prove Fermat's theorem", "where is my parcel"])
    assert first.logits.shape[0] == 3
    assert first.logits.shape[1] > 20
    assert (first.logits[0] == first.logits[2]).all()
    assert ((first.suffices >= 0) & (first.suffices <= 1)).all()
    assert told[-1] == (2, 2)
    told.clear()
    second = asking.readings(["prove Fermat's theorem"])
    assert told == [(1, 1)]
    assert (second.logits[0] == first.logits[1]).all()


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TIERGRAPH_DATA", raising=False)

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, ["eval", "router", *words])

    return call


def faked(rows: tuple[Row, ...] = (), missing: str = "") -> Measure:
    def of(_: Trial) -> tuple[Row, ...]:
        if missing:
            raise InputError(missing, code="x")
        return rows

    return Measure(name="fake", title="A measure", suites=(), run=of)


ROW = Row(
    name="a figure with a rather long name that has to wrap somewhere",
    figure=Interval(0.6123, 0.5821, 0.6410, 14037),
    unit="APGR",
    bar=Bar(sense="at_least", must=0.583, aim=0.62, strict=True),
    baselines={"random": Interval(0.5, 0.48, 0.52, 14037), "TF-IDF on the generic gain": None},
)


def test_the_table_fits_a_terminal_and_says_the_verdict(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_measures, "MEASURES", (faked((ROW,)),))
    result = run("--no-cache")
    assert result.exit_code == 0, result.output
    assert all(len(line.rstrip()) <= 80 for line in result.stdout.splitlines())
    for said in ("0.612", "0.582 to 0.641", "14,037", "> 0.583", ">= 0.620", "pass", "A measure"):
        assert said in result.stdout, said


def test_the_report_is_json_with_bars_verdicts_and_baselines(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(router_measures, "MEASURES", (faked((ROW,)),))
    result = run("--no-cache", "--json", "--out", "report.json", "--sample", "100")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "report.json").read_text())
    (row,) = report["measures"][0]["rows"]
    assert (row["value"], row["low"], row["high"], row["n"]) == (0.6123, 0.5821, 0.641, 14037)
    assert (row["must"], row["aim"], row["verdict"]) == (0.583, 0.62, "pass")
    assert row["baselines"]["random"]["value"] == 0.5
    assert report["sample"] == 100
    assert len(report["model"]["sha256"]) == 64


def test_a_quick_look_says_that_it_is_one(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_measures, "MEASURES", (faked((ROW,)),))
    assert "quick look" in run("--no-cache", "--sample", "100").stdout
    assert "quick look" not in run("--no-cache").stdout


def test_a_measure_that_cannot_be_had_says_why_and_the_others_go_on(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Trial) -> tuple[Row, ...]:
        raise ZeroDivisionError(SECRET)

    gone = replace(faked(missing="No head can be fitted."), name="gone")
    crashed = replace(faked(), name="crashed", run=broken)
    monkeypatch.setattr(router_measures, "MEASURES", (gone, crashed, faked((ROW,))))
    result = run("--no-cache")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "gone: No head can be fitted.",
        "crashed: It failed with ZeroDivisionError.",
    ]
    assert "0.612" in result.stdout
    assert SECRET not in result.output


@pytest.mark.parametrize(
    "words",
    [(), ("--data", "nowhere"), ("--only", "speeed"), ("--out", "no/such/folder.json"), ("--config", "no.yaml")],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_hosted_router_model_is_refused_before_it_is_asked(run: Callable[..., Result], tmp_path: Path) -> None:
    tiers = "tiers:\n  - {name: a, model: quote, location: on_prem}\n  - {name: b, model: compose, location: on_prem}\n"
    (tmp_path / "hosted.yaml").write_text(tiers + "router: {model: 'openai:x', location: external, api_key: k}\n")
    result = run("--config", "hosted.yaml", "--only", "speed")
    assert result.exit_code == 2
    assert "would call 'openai:x'" in result.stderr


def test_measures_have_distinct_names_and_name_suites_that_there_are() -> None:
    from tiergraph.suites import names

    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    assert {suite for measure in MEASURES for suite in measure.suites} <= set(names())
    assert [measure.name for measure in chosen(["pii", "speed"])] == ["speed", "pii"]
    with pytest.raises(InputError, match="Did you mean 'legal'"):
        chosen(["leagl"])
    with pytest.raises(InputError, match="TIERGRAPH_DATA is not set"):
        _without_data()


def _without_data() -> None:
    before = os.environ.pop("TIERGRAPH_DATA", None)
    try:
        check_data(chosen(["pii"]), trial())
    finally:
        if before is not None:
            os.environ["TIERGRAPH_DATA"] = before


def test_a_report_counts_its_verdicts_and_how_long_each_measure_took() -> None:
    found = measured((faked((ROW, replace(ROW, bar=None))),), trial())
    assert isinstance(found[0], Measured)
    report = as_json(found, trial())
    assert report["verdicts"] == {"pass": 1}
    assert report["measures"][0]["seconds"] >= 0


# -- on the public data -----------------------------------------------------------------------------------------------


@with_data
def test_llmrouter_is_asked_without_what_routellm_holds_too() -> None:
    asked = llmrouter(trial(data=DATA))
    assert len(asked) == 3725
    means = {name: float(asked.scores[name].mean()) for name in (*router_tuned.WEAK_MODELS, router_tuned.STRONG_MODEL)}
    assert [round(value, 3) for value in means.values()] == [0.379, 0.559, 0.539, 0.506, 0.623]


@with_data
def test_words_learned_from_the_generic_gain_are_worth_what_was_measured_before() -> None:
    from tiergraph.evaluation.baselines import tfidf_score

    asked = llmrouter(trial(data=DATA))
    one = asked.pair(router_tuned.WEAK_MODELS[0], router_tuned.STRONG_MODEL)
    score = tfidf_score(asked.texts, generic_gain(asked), asked.groups)
    assert apgr(score, one.weak, one.strong) == pytest.approx(0.69, abs=0.01)


@with_data
def test_replaced_texts_are_of_unseen_templates_and_none_is_a_personal_one() -> None:
    from tiergraph.suites.seen import held_out_group

    made = trial(data=DATA)
    replaced = router_pii._replaced(made)
    personal = {each.text for each in made.suite("pii") if each.expect.findings["pii"]}
    assert len(replaced) > 10
    assert all(each.group is not None and held_out_group(each.group) for each in replaced)
    assert not personal & {each.text for each in replaced}
    as_they_are = {each.text for each in made.suite("pii") if each.strata["source"] == "presidio"}
    assert not as_they_are & {each.text for each in replaced}
    assert not any(each.expect.findings["pii"] for each in replaced)
