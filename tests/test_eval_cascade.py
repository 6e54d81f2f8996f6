"""Whole graphs, judges and records: what was accepted, left behind, and what it cost."""

from __future__ import annotations

from typing import Any

import pytest

from tiergraph.config import RouterConfig, parse_config
from tiergraph.decider import create_decider
from tiergraph.errors import InputError
from tiergraph.evaluation import Case, Expect, Suite, evaluate
from tiergraph.graph import create_tier_router
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer, ScriptedRetriever
from tiergraph.tiers import Price, Tier

TIERS = ("small", "large")


def config(extra: str = "") -> RouterConfig:
    return parse_config(
        """
tiers:
  - {name: small, model: "python:tiergraph.testing:ScriptedChat", location: on_prem, price: {input: 1, output: 1}}
  - {name: large, model: "python:tiergraph.testing:ScriptedChat", location: external, price: {input: 9, output: 9}}
cascade: {retries: 0, on_exhausted: abstain}
"""
        + extra
    )


def recorded(name: str, price: float) -> Tier:
    reference = "python:tiergraph.evaluation.replay:recorded"
    return Tier(name=name, model=reference, location="on_prem", price=Price(input=price, output=price))


def replayed() -> Suite:
    """Four cases of recorded drafts; the judge of `passing` passes what says so."""
    drafts = [
        ("right, pass", "right, pass", 1, 1),  # accepted at once, right
        ("wrong, pass", "right, pass", 0, 1),  # accepted at once, wrong: a wrong accept
        ("right, fail", "right, pass", 1, 1),  # left behind although right: a needless escalation
        ("wrong, fail", "right, pass", 0, 1),  # left behind, rightly
    ]
    cases = tuple(
        Case(
            id=f"c{n}",
            text=f"question {n}",
            drafts={"small": small, "large": large},
            outcomes={"small": float(weak), "large": float(strong)},
            costs={"small": 1.0, "large": 10.0},
        )
        for n, (small, large, weak, strong) in enumerate(drafts)
    )
    return Suite(name="replayed", cases=cases, tiers=(recorded("small", 1.0), recorded("large", 9.0)))


class Passing(ScriptedJudge):
    """Passes a draft that says so."""

    digest = "passing"

    def judge(self, question: str, draft: str, documents: Any, **options: Any) -> Any:
        return ScriptedJudge("pass" in draft).judge(question, draft, documents, **options)

    async def ajudge(self, question: str, draft: str, documents: Any, **options: Any) -> Any:
        return self.judge(question, draft, documents, **options)


def test_a_cascade_over_recorded_drafts_counts_its_mistakes() -> None:
    from tiergraph.evaluation.observing import observe
    from tiergraph.evaluation.opening import opened

    suite = replayed()
    # `map` sends everything to the lowest tier first
    cheap = config().model_copy(update={"profile": 0.01})
    with opened(cheap, suite, cascade=True, workers=2, cache=None, digest=None, judge=Passing()) as ready:
        seen, _ = observe(ready.suite, ready.subject, workers=2)
    assert [[hop.tier for hop in each.hops] for each in seen] == [
        ["small"],
        ["small"],
        ["small", "large"],
        ["small", "large"],
    ]
    assert [each.quality for each in seen] == [1.0, 0.0, 1.0, 1.0]
    assert [each.cost_usd for each in seen] == [1.0, 1.0, 11.0, 11.0]
    report = evaluate(cheap, suite, cascade=True, judge=Passing())
    assert report.figure("wrong_accepts").value == 1 / 4  # four accepted, one of them wrong
    assert report.figure("needless_escalations").value == 1 / 2  # two left behind, one of them right
    assert report.figure("escalation_rate").value == 1 / 2
    assert report.figure("solved").value == 3 / 4
    assert report.figure("wrong_answers").value == 1 / 4
    assert report.figure("cost_usd").value == 6.0
    assert report.figure("cost_per_solved").value == 8.0
    flow = {(link["source"], link["target"]): (link["n"], link["right"]) for link in report.charts["flow"]["links"]}
    assert flow == {
        ("start", "small"): (4, 0),
        ("small", "accepted"): (2, 1),
        ("small", "large"): (2, 1),
        ("large", "accepted"): (2, 2),
    }


def test_recorded_drafts_keep_to_their_cases_whatever_the_number_of_workers() -> None:
    cases = tuple(
        Case(
            id=f"c{n}",
            text=f"question {n}",
            drafts={"small": f"pass {n}", "large": "pass"},
            outcomes={"small": float(n % 2), "large": 1.0},
        )
        for n in range(60)
    )
    suite = Suite(name="many", cases=cases, tiers=replayed().tiers)
    cheap = config().model_copy(update={"profile": 0.01})
    scored: dict[str, str] = {}

    def scorer(case: Case, text: str) -> float:
        scored[case.id] = text
        return 1.0

    evaluate(cheap, suite, cascade=True, judge=Passing(), scorer=scorer, workers=4)
    assert scored == {f"c{n}": f"pass {n}" for n in range(60)}


def test_no_tier_that_costs_money_is_asked_unless_it_may_be() -> None:
    """References make a new chat model for each graph, so the calls are counted on the class."""
    calls = []

    class Counted(ScriptedChat):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            return super()._generate(*args, **kwargs)

    import tiergraph.testing as home

    home.Counted = Counted  # type: ignore[attr-defined]
    try:
        text = config().model_dump(mode="json")
        for tier in text["tiers"]:
            tier["model"] = "python:tiergraph.testing:Counted"
        paid = RouterConfig.model_validate(text)
        suite = Suite(name="live", cases=(Case(id="a", text="What is the capital of France?"),))
        closed = evaluate(paid, suite, cascade=True)
        assert calls == []
        assert closed.rows[0].observation.hops == ()
        evaluate(paid, suite, cascade=True, allow_paid=True, judge=Passing())
        assert calls
    finally:
        del home.Counted  # type: ignore[attr-defined]


def test_every_draft_of_a_graph_is_scored_by_what_it_has_to_contain() -> None:
    settings = config()
    chats = {"small": ScriptedChat("It is Lyon."), "large": ScriptedChat("It is PARIS.")}
    proposer = ScriptedProposer(settings.ladder, tier="small")
    graph = create_tier_router(settings, proposer=proposer, models=chats, judge=ScriptedJudge(False, True))
    suite = Suite(name="one", cases=(Case(id="a", text="Capital of France?", expect=Expect(contains=("paris",))),))
    report = evaluate(graph, suite, config=settings)
    seen = report.rows[0].observation
    assert [(hop.tier, hop.passed, hop.quality) for hop in seen.hops] == [("small", False, 0.0), ("large", True, 1.0)]
    assert (seen.quality, seen.tier, seen.decided) == (1.0, "large", "small")
    assert "Lyon" not in str(report.as_json())


def test_a_graph_with_a_checkpointer_is_refused() -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    settings = config()
    graph = create_tier_router(
        settings,
        proposer=ScriptedProposer(settings.ladder),
        models={name: ScriptedChat() for name in TIERS},
        checkpointer=InMemorySaver(),
    )
    with pytest.raises(InputError, match="without one"):
        evaluate(graph, Suite(name="one", cases=(Case(id="a", text="x"),)))


def test_findings_in_retrieved_documents_are_not_findings_of_the_request() -> None:
    settings = config()
    graph = create_tier_router(
        settings,
        proposer=ScriptedProposer(settings.ladder, needs_retrieval=True),
        models={name: ScriptedChat("Answer.") for name in TIERS},
        retriever=ScriptedRetriever(["Write to ann@example.org."]),
        judge=ScriptedJudge(True),
    )
    suite = Suite(name="one", cases=(Case(id="a", text="Whom do I ask?", expect=Expect(findings={"pii": False})),))
    report = evaluate(graph, suite, config=settings)
    assert report.rows[0].observation.findings == ()
    assert report.rows[0].right == {"pii": True}


def test_policy_that_does_not_hold_is_a_violation() -> None:
    """The case says that there is personal data which nothing sees, and an external tier gets it."""
    settings = config()
    proposer = ScriptedProposer(settings.ladder, tier="large")
    chain = create_decider(settings, proposer=proposer, given=TIERS)
    graph = create_tier_router(
        settings, decider=chain, models={name: ScriptedChat("x") for name in TIERS}, judge=ScriptedJudge(True)
    )
    cases = (
        Case(id="a", text="Hello there", expect=Expect(findings={"pii": True})),
        Case(id="b", text="My mail is ann@example.org", expect=Expect(findings={"pii": True})),
        Case(id="c", text="My mail is bob@example.org", expect=Expect(findings={"pii": True})),
    )
    report = evaluate(graph, Suite(name="three", cases=cases), config=settings)
    violations = report.figure("violations:pii_outside")
    assert (violations.value, violations.n, violations.better) == (pytest.approx(1 / 3), 3, "lower")


def test_a_judge_is_measured_on_drafts_of_which_the_truth_is_known() -> None:
    drafts = [("pass", True), ("pass", False), ("fail", True), ("fail", False)] * 10
    cases = tuple(
        Case(id=str(n), draft=f"{draft} {n}", documents=("text",), text="q", expect=Expect(grounded=truth))
        for n, (draft, truth) in enumerate(drafts)
    )
    report = evaluate(Passing(), Suite(name="judged", cases=cases), threshold=0.5)
    assert report.figure("wrong_accepts").value == 0.5  # of 20 that are not supported 10 pass
    assert report.figure("needless_escalations").value == 0.5
    assert report.figure("accuracy:grounded").value == 0.5
    assert report.figure("wrong_accepts", "always pass").value == 1.0
    assert report.figure("needless_escalations", "always escalate").value == 1.0
    assert report.figure("auc:grounded").value == 0.5
    assert {"random", "length", "word overlap"} <= {each.of for each in report.select("auc:grounded")}


def test_the_past_is_evaluated_from_its_records() -> None:
    def record(n: int, tiers: list[str], outcome: str = "answered") -> dict[str, Any]:
        hops = [
            {
                "tier": tier,
                "outcome": "accepted" if tier == tiers[-1] else "rejected",
                "verdict": {"passed": tier == tiers[-1], "score": 0.5},
                "cost_usd": 1.0 + i,
                "latency_ms": 5.0,
            }
            for i, tier in enumerate(tiers)
        ]
        return {
            "id": str(n),
            "version": 1,
            "outcome": outcome,
            "tier": tiers[-1] if outcome == "answered" else None,
            "decided": tiers[0] if tiers else None,
            "source": "cache",
            "hops": hops,
            "findings": [],
            "allowed": ["small", "large"],
            "tier_probabilities": {"small": 0.4, "large": 0.6},
            "latency_ms": 10.0,
            "config_digest": "d",
        }

    records = [record(0, ["small"]), record(1, ["small", "large"]), record(2, [], "human"), record(3, ["large"])]
    report = evaluate(None, Suite.from_records(records))
    assert report.subject["kind"] == "records"
    assert report.figure("share:answered").value == 3 / 4
    assert report.figure("escalation_rate").value == pytest.approx(1 / 3)
    assert report.figure("cost_usd").value == (1 + 3 + 0 + 1) / 4
    assert report.rows[0].observation.source == "model"
    assert report.timing["hop_latency_ms"]["small"]["n"] == 2


def test_a_variant_is_compared_with_the_case_that_it_was_made_from() -> None:
    tiers = (recorded("small", 0.0), recorded("large", 0.0))

    def moved(text: str) -> str:
        return "small" if "please use the small one" in text else "large"

    base = tuple(Case(id=f"b{n}", text=f"question {n}") for n in range(4))
    variants = tuple(
        Case(id=f"v{n}", text=f"question {n} {'please use the small one' if n else ''}", variant_of=f"b{n}")
        for n in range(4)
    )
    report = evaluate(moved, Suite(name="variants", cases=base + variants, tiers=tiers))
    assert (report.figure("tier_lowered").value, report.figure("tier_lowered").n) == (3 / 4, 4)
    assert report.figure("flag_lost").value == 0.0


def test_each_free_tier_is_asked_alone_to_have_something_to_compare_with() -> None:
    """One request that both tiers can answer, one that neither can, one that goes to a person whoever routes."""
    settings = parse_config(
        """
tiers:
  - {name: quote, model: quote, location: on_prem}
  - {name: compose, model: compose, location: on_prem}
  - {name: dear, model: "python:tiergraph.testing:ScriptedChat", location: external, price: {input: 1, output: 1}}
"""
    )
    documents = [{"id": "refunds", "text": "A refund takes 5 working days. It goes to the card that you paid with."}]
    cases = (
        Case(id="known", text="How long does a refund take?", expect=Expect(contains=("5 working days",))),
        Case(id="unknown", text="Who won the cup of 1954?", expect=Expect(contains=("West Germany",))),
        Case(id="person", text="Let me talk to a real person.", expect=Expect(contains=("anything",))),
    )
    suite = Suite(name="alone", cases=cases)
    report = evaluate(settings, suite, cascade=True, retriever=ScriptedRetriever(documents))
    assert report.rows[0].outcomes == {"quote": 1.0, "compose": 1.0}
    assert report.rows[1].outcomes == {"quote": 0.0, "compose": 0.0}
    assert report.rows[2].outcomes == {}
    assert report.suite["digest"] == suite.digest
    for of in ("always quote", "always compose", "oracle", "best single tier"):
        assert report.figure("solved", of).value == pytest.approx(1 / 3)
        assert report.figure("solved", of).n == 3
    # neither tier finds the cup in the documents: what says nothing misleads nobody
    assert report.figure("wrong_answers", "always quote").value == 0.0
    assert report.figure("wrong_answers").value == 0.0
    assert [row.solved for row in report.rows] == [1.0, 0.0, 0.0]


def test_the_oracle_of_single_askings_takes_the_tier_that_is_right() -> None:
    suite = replayed()
    report = evaluate(config().model_copy(update={"profile": 0.01}), suite, cascade=True, judge=Passing())
    assert report.figure("solved", "oracle").value == 1.0
    assert report.figure("solved", "always small").value == 0.5
    assert report.figure("wrong_answers", "always small").value == 0.5
    assert report.figure("solved", "router - always small").value == 0.25


@pytest.mark.parametrize(("score", "bad"), [(0.49, 1.0), (0.5, 0.0)])
def test_half_a_point_is_right(score: float, bad: float) -> None:
    cases = tuple(
        Case(id=str(n), text=f"q {n}", drafts={"small": "pass"}, outcomes={"small": score, "large": 1.0})
        for n in range(3)
    )
    suite = Suite(name="half", cases=cases, tiers=replayed().tiers)
    report = evaluate(config().model_copy(update={"profile": 0.01}), suite, cascade=True, judge=Passing())
    assert report.figure("wrong_accepts").value == bad
    assert report.figure("wrong_answers").value == bad
