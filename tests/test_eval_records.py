"""Routing records in: what is read of them is checked, all else is dropped, and a bad one costs its own row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from routers import Bench, make_config
from suite_rows import GOOD, RECORD, SECRET, TIERS, write_file

from tiergraph.commands.eval_run import read_suites
from tiergraph.evaluation.cases import FINDING_KINDS
from tiergraph.evaluation.reading import read_jsonl, read_records, read_rows
from tiergraph.evaluation.subjects import RecordsSubject
from tiergraph.testing import ScriptedJudge


def test_a_record_is_a_case_without_a_text(tmp_path: Path) -> None:
    for source in ([RECORD], write_file(tmp_path, RECORD)):
        [case] = read_records(source, tiers=["mini", "large"], strict=True)
        assert (case.id, case.text, case.record) == ("r-1", "", RECORD)
        assert case.strata == {"source": "model", "difficulty": "hard", "intent": "howto"}
    assert read_jsonl(write_file(tmp_path, RECORD)).cases[0].record == RECORD


FULL = {
    **RECORD,
    "source": "cache",
    "score": 0.25,
    "confidence": 1,
    "tier_probabilities": {"mini": 0.75, "large": 0.25},
    "allowed": ["mini", "large"],
    "reason": "rule:vip.customers:floor",
    "proposal": {
        "tier": "mini",
        "difficulty": 2,
        "intent": "howto",
        "needs_retrieval": True,
        "contains_pii": False,
        "is_legal": False,
        "reason": "multi_step",
    },
    "hops": [
        {
            "tier": "mini",
            "outcome": "rejected",
            "code": None,
            "verdict": {"passed": False, "score": 0.1},
            "cost_usd": 0.1,
            "latency_ms": 5.0,
            "input_tokens": 12,
            "output_tokens": 3,
            "retries": 0,
        },
        {"tier": "large", "outcome": "failed", "code": "rate_limited", "cost_usd": 0, "latency_ms": 0},
    ],
    "cost_usd": 0.1,
    "config_digest": "ab" * 32,
    "prompts_digest": "cd" * 32,
    "router_model": {"name": "tiergraph-router > openai:small/x", "digest": "ef"},
}


def _with(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at ``path``; numbers count in lists."""
    copy = json.loads(json.dumps(record))
    *outer, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inside = copy
    for part in outer:
        inside = inside[part]
    inside[last] = value
    return copy


def test_all_that_is_read_of_a_record_is_kept() -> None:
    [case] = read_records([FULL], strict=True, tiers=TIERS)
    assert case.record == FULL
    nothing = {key: None for key in FULL if key not in ("outcome", "hops")}
    [case] = read_rows([{"id": "a", "record": {**nothing, "outcome": "abstained", "hops": None}}], strict=True)
    assert case.record == {**nothing, "outcome": "abstained"}


@pytest.mark.parametrize(
    "path",
    [
        "prompt",
        "reason",
        "config_digest",
        "prompts_digest",
        "input_hash",
        "review",
        "router_model.name",
        "router_model.notes",
        "proposal.answer",
        "proposal.tier",
        "proposal.intent",
        "proposal.reason",
        "proposal.difficulty",
        "proposal.needs_retrieval",
        "proposal.contains_pii",
        "proposal.is_legal",
        "findings.0.text",
        "findings.0.rule",
        "hops.0.text",
        "hops.0.code",
        "hops.0.verdict.unsupported",
    ],
)
@pytest.mark.parametrize("content", [f"Cancel my card, {SECRET}", "x" * 200, "a\nb", ""])
def test_content_in_a_record_is_dropped(path: str, content: str) -> None:
    [case] = read_records([_with(FULL, path, content)], strict=True)
    assert case.record is not None
    kept = case.record
    *outer, last = path.split(".")
    for part in outer:
        kept = kept[int(part)] if part.isdigit() else kept[part]
    assert last not in kept
    assert len(kept) >= 1


@pytest.mark.parametrize("value", [[SECRET], {"a": SECRET}, 4, 0, 2.0, True, "2"])
def test_a_proposed_difficulty_is_1_to_3(value: Any) -> None:
    [case] = read_records([_with(FULL, "proposal.difficulty", value)], strict=True)
    assert case.record is not None
    assert "difficulty" not in case.record["proposal"]
    assert "difficulty" not in case.strata


def test_a_proposed_tier_with_spaces_is_kept_where_the_record_names_it() -> None:
    names = {"allowed": ["big one"], "tier_probabilities": {}, "tier": "big one", "decided": None, "hops": []}
    proposal = {"tier": "big one"}
    [case] = read_records([{**FULL, **names, "proposal": proposal}], strict=True)
    assert case.record is not None
    assert case.record["proposal"] == proposal


NAN, INF = float("nan"), float("inf")
OFF: list[tuple[str, Any]] = [
    ("id", 1.5),
    ("version", 2),
    ("outcome", None),
    ("outcome", SECRET),
    ("outcome", [1]),
    *(
        (path, value)
        for path in ("tier", "decided", "allowed.0", "hops.0.tier")
        for value in (" bad ", "a\tb", 1, "", [])
    ),
    ("tier", "x" * 81),
    ("tier", "a\u200bb"),
    ("hops.0.tier", None),
    ("source", SECRET),
    *(
        (path, value)
        for path in ("score", "confidence", "tier_probabilities.mini")
        for value in (1.01, -0.1, NAN, True, "1")
    ),
    ("tier_probabilities", [0.5]),
    ("tier_probabilities", {" bad ": 0.5}),
    ("tier_probabilities", {"mini": None}),
    ("findings", 5),
    ("findings", {"kind": "pii"}),
    ("findings.0", "pii"),
    ("findings.0.kind", SECRET),
    ("findings.0.kind", None),
    ("findings.0.where", SECRET),
    ("findings.0.where", 1),
    ("findings.0.where", None),
    ("allowed", 5),
    ("allowed", "mini"),
    ("allowed", [None]),
    ("reason", 5),
    ("proposal", SECRET),
    ("hops", 5),
    ("hops", {"tier": "mini"}),
    ("hops.0", SECRET),
    ("hops.0.outcome", SECRET),
    ("hops.0.outcome", 1),
    ("hops.0.verdict", SECRET),
    ("hops.0.verdict", {}),
    ("hops.0.verdict.passed", 1),
    ("hops.0.verdict.score", 2),
    *(
        (path, value)
        for path in (
            "cost_usd",
            "latency_ms",
            "hops.0.cost_usd",
            "hops.0.latency_ms",
            "hops.0.input_tokens",
            "hops.0.retries",
        )
        for value in (-1, NAN, INF, "1", True)
    ),
    ("hops.0.cost_usd", None),
    ("hops.0.latency_ms", None),
    ("config_digest", 5),
    ("prompts_digest", [SECRET]),
    ("input_hash", 1),
    ("router_model", SECRET),
    ("router_model.name", 1),
]


@pytest.mark.parametrize(("path", "value"), OFF, ids=[f"{number}-{path}" for number, (path, _) in enumerate(OFF)])
def test_a_record_with_a_part_of_another_type_is_a_problem_and_the_rest_is_evaluated(path: str, value: Any) -> None:
    suite = read_records([{**FULL, "id": "first"}, _with(FULL, path, value), {**FULL, "id": "last"}])
    assert [case.id for case in suite] == ["first", "last"]
    [problem] = suite.problems
    assert (problem.line, problem.code) == (2, "bad_record")
    assert "Fix:" in problem.message
    assert path.partition(".")[0] in problem.message
    subject = RecordsSubject(suite.cases)
    assert [tier.name for tier in subject.tiers] == ["mini", "large"]
    assert {subject.observe(case).error for case in suite} == {None}


def test_a_row_with_an_id_of_its_own_may_have_a_record_without() -> None:
    record = {key: value for key, value in FULL.items() if key != "id"}
    [case] = read_records([{"id": 5, "record": record}], strict=True)
    assert (case.id, case.record) == ("5", record)


@pytest.mark.parametrize("path", ["tier", "decided", "allowed.1", "hops.1.tier", "tier_probabilities"])
def test_every_tier_of_a_record_is_on_the_ladder(path: str) -> None:
    value = {"midi": 1.0} if path == "tier_probabilities" else "midi"
    suite = read_records([{**FULL, "id": "there"}, _with(FULL, path, value)], tiers=TIERS)
    assert [(problem.line, problem.code) for problem in suite.problems] == [(2, "unknown_tier")]
    assert "'midi'" in suite.problems[0].message


def test_what_a_real_router_records_loses_nothing_that_is_read() -> None:
    bench = Bench(make_config(record={"salt": "s"}), judge=ScriptedJudge(False, True))
    bench.ask("My mail is jo@example.org, cancel my contract or I call my lawyer.")
    bench.ask("hello")
    suite = read_records(bench.records, strict=True, tiers=bench.config.tiers)
    assert len(suite) == 2
    assert suite.cases[0].record is not None
    assert suite.cases[0].record["findings"]
    subject = RecordsSubject(suite.cases, bench.config)
    for case, written in zip(suite, bench.records, strict=True):
        assert case.record is not None
        assert all(case.record[key] == written[key] for key in case.record if key not in ("hops", "router_model"))
        assert subject.observe(case) == subject.observe(replace(case, record=written))
        assert subject.observe(case).error is None
        assert case.record["router_model"] == written["router_model"]


def test_a_records_row_may_hold_text_and_feedback() -> None:
    rows = [
        {"record": RECORD, "text": "q", "score": 0.8},
        {"id": "own", "routing": RECORD, "outcomes": {"mini": 0.1}, "score": True},
    ]
    first, second = read_records(rows, strict=True).cases
    assert (first.id, first.text, first.outcomes) == ("r-1", "q", {"large": 0.8})
    assert (second.id, second.text, second.outcomes) == ("own", "", {"mini": 0.1, "large": 1.0})


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"id": "a", "text": SECRET}, "no_record"),
        ({"id": "a", "record": {**RECORD, "tier": None}, "score": 1}, "ambiguous"),
        ({"id": "a", "record": RECORD, "score": 1, "outcomes": {"large": 1}}, "ambiguous"),
        ({"id": "a", "record": RECORD, "score": 1.5}, "bad_score"),
        ({"tier": "mini"}, "bad_record"),
    ],
)
def test_a_row_without_a_usable_record_is_left_out(row: dict[str, Any], code: str) -> None:
    suite = read_records([RECORD, row])
    assert [(problem.line, problem.code) for problem in suite.problems] == [(2, code)]
    assert SECRET not in str(suite.problems)


def test_what_the_demo_writes_is_read_as_records(tmp_path: Path) -> None:
    row = {
        "id": "easy-001",
        "kinds": ["easy"],
        "tier": "large",
        "decided": "mini",
        "source": "model",
        "reason": "model:procedure",
        "findings": ["pii"],
        "expected_findings": [],
        "hops": ["mini", "large"],
        "cost_usd_estimate": 0.3,
        "top_cost_usd_estimate": 0.4,
        "outcome": "answered",
        "contains_expected": True,
        "latency_ms": 9.0,
        "answer": "said",
    }
    human = {**row, "id": "h", "tier": None, "outcome": "human", "contains_expected": None, "hops": []}
    case, other = read_jsonl(write_file(tmp_path, row, human), strict=True).cases
    assert (case.id, case.outcomes, case.drafts) == ("easy-001", {"large": 1.0}, {"large": "said"})
    assert case.expect.findings == dict.fromkeys(FINDING_KINDS, False)
    assert case.strata == {"kind": "easy", "source": "model"}
    assert case.record is not None
    assert [(hop["tier"], hop["cost_usd"]) for hop in case.record["hops"]] == [("mini", 0.0), ("large", 0.3)]
    assert case.record["findings"] == [{"kind": "pii", "where": "question"}]
    assert (other.outcomes, other.drafts) == ({}, {})
    observed = RecordsSubject([case, other]).observe(case)
    assert (observed.error, observed.findings, observed.cost_usd) == (None, ("pii",), 0.3)


# ---- what the command line makes of a file


def test_rows_with_only_a_record_are_evaluated_as_the_past(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [suite], how = read_suites(str(write_file(tmp_path, RECORD, {**RECORD, "id": "r-2"})), None)
    assert (how, len(suite)) == ("records", 2)
    said = capsys.readouterr()
    assert said.err == "evaluating what the records say; give rows with a text to route them again\n"
    assert said.out == ""


def test_rows_with_a_record_and_a_text_are_routed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"role": "user", "content": "q"}]
    rows = [{"record": RECORD, "text": "q"}, {"id": "m", "record": RECORD, "messages": turns}, GOOD]
    [suite], how = read_suites(str(write_file(tmp_path, *rows)), None)
    assert (how, len(suite), suite.problems) == ("decider", 3, ())
    assert capsys.readouterr().err == ""


def test_of_a_mixed_file_the_rows_without_a_text_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [GOOD, RECORD, {"record": {**RECORD, "id": "r-2"}, "text": "q"}, {"id": "bad"}, {**RECORD, "id": "r-3"}]
    [suite], how = read_suites(str(write_file(tmp_path, *rows)), None)
    assert (how, [case.id for case in suite]) == ("decider", ["good", "r-2"])
    assert [(problem.file, problem.line, problem.id, problem.code) for problem in suite.problems] == [
        ("cases.jsonl", 2, "r-1", "no_text"),
        ("cases.jsonl", 4, "bad", "no_text"),
        ("cases.jsonl", 5, "r-3", "no_text"),
    ]
    assert all("Fix:" in problem.message for problem in suite.problems)
    assert capsys.readouterr().err == "routing the rows with a text; 2 with only a record left out\n"


def test_rows_with_a_draft_go_to_a_judge(tmp_path: Path) -> None:
    rows = [{**GOOD, "draft": "d"}, {"id": "b", "text": "q", "draft": "d"}, RECORD]
    assert read_suites(str(write_file(tmp_path, *rows)), None)[1] == "judge"
    assert read_suites(str(write_file(tmp_path, *rows[:1], {"id": "c", "text": "q"})), None)[1] == "decider"
