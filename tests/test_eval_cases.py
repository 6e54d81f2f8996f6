"""Cases, observations and reports: digests that say what is the same, and round trips that lose nothing."""

from __future__ import annotations

import json
import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.config import RouterConfig
from tiergraph.errors import InputError
from tiergraph.evaluation import Case, Expect, Figure, Problem, Report, Suite
from tiergraph.evaluation.cases import FINDING_KINDS
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.evaluation.report import FORMAT, VERSION, Row, by_id
from tiergraph.tiers import Tier

TIERS = tuple(Tier(name=name, model=f"openai:{name}", location="external") for name in ("mini", "large"))
CASE = Case(
    id="a",
    text="q",
    documents=("says",),
    metadata={"plan": "free"},
    attachments=("image",),
    drafts={"mini": "said"},
    draft="judged",
)
# What a router is given, and what is only known of a case.
GIVEN: dict[str, Any] = {
    "text": "other",
    "messages": ({"role": "user", "content": "q"},),
    "documents": ("other",),
    "metadata": {"plan": "paid"},
    "attachments": ("file",),
    "drafts": {"mini": "other"},
    "draft": "other",
}
KNOWN: dict[str, Any] = {
    "id": "b",
    "outcomes": {"mini": 1.0},
    "costs": {"mini": 0.1},
    "expect": Expect(tier="mini"),
    "strata": {"topic": "returns"},
    "group": "g",
    "variant_of": "c",
    "record": {"tier": "mini"},
}
PLACES: dict[str, Any] = {"file": "cases.jsonl", "line": 3}


def _suite(*cases: Case, **parts: Any) -> Suite:
    return Suite(name="s", cases=cases, **parts)


def test_every_field_of_a_case_is_given_known_or_a_place() -> None:
    assert {field.name for field in fields(Case)} == {*GIVEN, *KNOWN, *PLACES}


@pytest.mark.parametrize("name", GIVEN)
def test_a_request_digest_changes_with_what_a_router_is_given(name: str) -> None:
    other = replace(CASE, **{name: GIVEN[name]})
    assert other.request_digest != CASE.request_digest
    assert other.digest != CASE.digest


@pytest.mark.parametrize("name", KNOWN)
def test_a_request_digest_ignores_labels_and_scores(name: str) -> None:
    other = replace(CASE, **{name: KNOWN[name]})
    assert other.request_digest == CASE.request_digest
    assert other.digest != CASE.digest


def test_where_a_case_was_read_from_is_in_no_digest() -> None:
    other = replace(CASE, **PLACES)
    assert (other.digest, other.request_digest) == (CASE.digest, CASE.request_digest)


def test_a_request_holds_what_is_there_and_no_more() -> None:
    assert Case(id="a", text="q").request == {"text": "q"}
    assert CASE.request == {"text": "q", "documents": ["says"], "metadata": {"plan": "free"}, "attachments": ["image"]}
    turns = ({"role": "user", "content": "first"}, {"role": "assistant", "content": "no"})
    assert Case(id="a", messages=turns).request == {"messages": list(turns)}


@pytest.mark.parametrize(
    ("turns", "question"),
    [
        ([("user", "first"), ("assistant", "no"), ("human", "last"), ("assistant", "no")], "last"),
        ([("user", [{"type": "text", "text": "two"}, {"type": "text", "text": "parts"}])], "two parts"),
        ([], "own text"),
    ],
)
def test_the_question_is_what_the_user_said_last(turns: list[tuple[str, Any]], question: str) -> None:
    messages = tuple({"role": role, "content": content} for role, content in turns)
    assert Case(id="a", text="own text", messages=messages).question == question


@given(st.permutations([Case(id=str(number), text=f"q{number}", outcomes={"mini": number / 9}) for number in range(6)]))
def test_a_suites_digest_ignores_the_order_of_its_cases(cases: list[Case]) -> None:
    there = sorted(cases, key=lambda case: case.id)
    assert _suite(*cases).digest == _suite(*there).digest
    assert _suite(*cases[1:]).digest != _suite(*there).digest


def test_a_suites_digest_is_of_cases_ladder_and_scale() -> None:
    suite = _suite(CASE)
    assert suite.digest != _suite(replace(CASE, outcomes={"mini": 0.5})).digest
    assert suite.digest != replace(suite, tiers=TIERS).digest
    assert replace(suite, tiers=TIERS).digest != replace(suite, tiers=TIERS[::-1]).digest
    assert suite.digest != replace(suite, scale=10.0).digest
    problem = Problem(file=None, line=1, id=None, code="x", message="y")
    assert suite.digest == replace(suite, name="t", title="T", problems=(problem,), sources=("s",)).digest


def test_a_suite_without_cases_says_what_the_first_problem_was() -> None:
    problem = Problem(file="f.jsonl", line=3, id=None, code="no_id", message="There is no 'id'.")
    with pytest.raises(InputError, match=r"f\.jsonl:3: There is no 'id'\.") as raised:
        Suite(name="s", cases=(), problems=(problem,))
    assert raised.value.code == "no_cases"


def test_two_cases_of_one_id_are_refused() -> None:
    with pytest.raises(InputError, match="'a'") as raised:
        _suite(CASE, replace(CASE, text="other"))
    assert raised.value.code == "duplicate_id"


@given(n=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_sample_is_drawn_without_replacement_and_keeps_the_order(n: int, seed: int) -> None:
    suite = _suite(*(Case(id=f"{number:02}", text="q") for number in range(30)), tiers=TIERS)
    drawn = suite.sample(n, seed=seed)
    ids = [case.id for case in drawn]
    assert len(ids) == len(set(ids)) == min(n, 30)
    assert ids == sorted(ids)
    assert drawn.cases == suite.sample(n, seed=seed).cases
    assert drawn.tiers == TIERS


def test_another_seed_draws_other_cases() -> None:
    suite = _suite(*(Case(id=str(number), text="q") for number in range(30)))
    assert suite.sample(10, seed=0).cases != suite.sample(10, seed=1).cases


@pytest.mark.parametrize(
    "part",
    [{"outcomes": {"midi": 1.0}}, {"costs": {"midi": 1.0}}, {"drafts": {"midi": "d"}}, {"expect": Expect(tier="midi")}],
    ids=["outcomes", "costs", "drafts", "expect"],
)
def test_a_case_that_names_a_tier_off_the_ladder_becomes_a_problem(part: dict[str, Any]) -> None:
    before = Problem(file=None, line=1, id=None, code="x", message="y")
    there = Case(id="b", text="q", outcomes={"mini": 1.0}, expect=Expect(tier="large"))
    suite = _suite(Case(id="a", text="q", file="f", line=9, **part), there, problems=(before,)).on(["mini", "large"])
    assert suite.cases == (there,)
    assert suite.problems[0] == before
    problem = suite.problems[1]
    assert (problem.file, problem.line, problem.id, problem.code) == ("f", 9, "a", "unknown_tier")
    assert "'midi'" in problem.message
    assert "['mini', 'large']" in problem.message


def test_a_suite_that_leaves_no_case_on_a_ladder_is_refused() -> None:
    with pytest.raises(InputError, match="'midi'"):
        _suite(Case(id="a", text="q", outcomes={"midi": 1.0})).on(["mini"])


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        *(
            ({"outcomes": {"mini": bad}}, "bad_score", "'mini'")
            for bad in (1.01, -0.01, float("nan"), float("inf"), "1", None)
        ),
        *(({"costs": {"mini": bad}}, "bad_cost", "'mini'") for bad in (-0.01, float("nan"), float("inf"), "1", None)),
        ({"expect": Expect(findings={"pii": True, "pij": True})}, "unknown_finding", "'pij'"),
        *(({"expect": Expect(difficulty=bad)}, "bad_difficulty", "difficulty") for bad in (0, 4, "hard")),  # type: ignore[arg-type]
    ],
)
def test_a_case_of_code_with_a_value_out_of_range_is_refused(parts: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        Case(id="case-17", text="q", **parts)
    assert raised.value.code == code
    for part in ("'case-17'", said, "Fix:"):
        assert part in str(raised.value)


def test_a_case_takes_values_at_the_ends_of_their_ranges() -> None:
    known = {"mini": 0, "large": 1.0, "mid": np.float32(0.5), "own": np.int64(1), "flag": True}
    case = Case(id="a", text="q", outcomes=known, costs={"mini": 0, "large": 1e9})
    assert (case.outcomes, case.costs) == (known, {"mini": 0, "large": 1e9})
    for difficulty in (None, 1, 2, 3):
        expect = Expect(difficulty=difficulty, findings=dict.fromkeys(FINDING_KINDS, True))  # type: ignore[arg-type]
        assert Case(id="a", text="q", expect=expect).expect == expect


def test_a_suites_ladder_takes_the_place_of_a_configurations() -> None:
    base = RouterConfig(tiers=tuple(tier.model_copy(update={"name": f"own-{tier.name}"}) for tier in TIERS))
    assert _suite(CASE).config(base) is base
    assert _suite(CASE).ladder is None
    suite = _suite(CASE, tiers=TIERS)
    assert suite.config(base).tiers == TIERS
    assert suite.ladder is not None
    assert suite.ladder.names == ("mini", "large")


@pytest.mark.parametrize(
    ("file", "line", "shown"), [("f.jsonl", 3, "f.jsonl:3: m"), ("f.jsonl", None, "f.jsonl: m"), (None, None, "m")]
)
def test_a_problem_shows_its_place(file: str | None, line: int | None, shown: str) -> None:
    assert str(Problem(file=file, line=line, id="a", code="c", message="m")) == shown


# ---- observations and reports

OBSERVATION = Observation(
    case="case-17",
    tier="large",
    decided="mini",
    source="model",
    score=0.25,
    confidence=0.75,
    tier_probabilities={"mini": 0.75, "large": 0.25},
    allowed=("mini", "large"),
    findings=("pii",),
    proposal={"difficulty": 2},
    probabilities={"difficulty": 0.5},
    reason="model:howto",
    hops=(Hop(tier="mini", passed=False, score=0.1, quality=0.0, cost_usd=0.1), Hop(tier="large", passed=None)),
    passed=True,
    quality=1.0,
    cost_usd=0.3,
    latency_ms=4.5,
)
ROW = Row(
    observation=OBSERVATION,
    quality=1.0,
    cost_usd=0.3,
    outcomes={"mini": 0.0, "large": 1.0},
    costs={"mini": 0.1},
    strata={"topic": "returns"},
    group="group-5",
    text_length=11,
)
REPORT = Report(
    suite={"name": "s", "title": "", "digest": "00", "cases": 1, "scale": 1.0, "unit": "", "tiers": [], "sources": []},
    subject={"name": "router", "kind": "decider", "config_digest": "11", "model": {"name": "m", "digest": "22"}},
    manifest={"version": "1", "seed": 0},
    figures=(
        Figure(name="apgr", value=0.5, low=0.25, high=0.75, n=1, unit="share", better="higher"),
        Figure(name="apgr", value=None, n=0, of="length"),
        Figure(name="apgr", value=0.5, n=1, by="topic", stratum="returns"),
    ),
    charts={"mix": {"router": {"large": 1}}, "worst": [{"id": "case-17", "gap": 1.0}]},
    problems=(Problem(file="f.jsonl", line=3, id="case-3", code="no_text", message="m"),),
    timing={"seconds": 1.5},
    rows=(ROW,),
)


def test_an_observation_comes_back_from_json_the_same() -> None:
    value = json.loads(json.dumps(OBSERVATION.as_json()))
    assert Observation.from_json(value) == OBSERVATION
    assert Observation.from_json({**value, "of_a_later_version": 1}) == OBSERVATION
    assert Observation.from_json({"case": "a"}) == Observation(case="a")


def test_a_row_comes_back_from_json_the_same() -> None:
    assert Row.from_json(json.loads(json.dumps(ROW.as_json()))) == ROW
    assert by_id([ROW]) == {"case-17": ROW}


def test_a_report_comes_back_from_its_file_the_same(tmp_path: Path) -> None:
    path = REPORT.save(tmp_path / "deep" / "report.json")
    assert Report.load(path) == REPORT
    assert Report.load(Report.load(path).save(tmp_path / "again.json")) == REPORT
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_report_saved_without_rows_names_no_case_of_them(tmp_path: Path) -> None:
    path = REPORT.save(tmp_path / "report.json", rows=False)
    text = path.read_text(encoding="utf-8")
    assert "case-17" not in text
    assert "group-5" not in text
    again = Report.load(path)
    assert again.rows == ()
    assert again.charts == {"mix": REPORT.charts["mix"]}
    assert (again.figures, again.problems, again.suite) == (REPORT.figures, REPORT.problems, REPORT.suite)


def test_nan_is_not_written_into_a_report(tmp_path: Path) -> None:
    odd = replace(REPORT, figures=(Figure(name="apgr", value=float("nan")),))
    with pytest.raises(ValueError, match="JSON compliant"):
        odd.save(tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ('{"format": ', "not JSON"),
        ("[]", "no evaluation report"),
        ('{"rows": []}', "no evaluation report"),
        (json.dumps({"format": FORMAT, "version": VERSION + 1}), f"version {VERSION + 1}"),
        (json.dumps({"format": FORMAT, "version": VERSION}), "parts missing"),
        (json.dumps({**REPORT.as_json(), "figures": [{"name": "apgr"}]}), "parts missing or unknown"),
        (json.dumps({**REPORT.as_json(), "rows": [{"observation": {}}]}), "parts missing or unknown"),
    ],
)
def test_a_file_that_is_no_report_is_named_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        Report.load(path)
    assert raised.value.code == "bad_report"
    assert str(path) in str(raised.value)


def test_a_report_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name in ("none.json", "bytes.json", "."):
        with pytest.raises(InputError, match=r"Fix|No such file|directory") as raised:
            Report.load(tmp_path / name)
        assert raised.value.code == "bad_report"


def test_a_figure_is_found_by_name_holder_and_stratum() -> None:
    assert REPORT.figure("apgr").value == 0.5
    assert REPORT.figure("apgr", "length").value is None
    assert REPORT.figure("apgr", by="topic", stratum="returns").stratum == "returns"
    assert [figure.of for figure in REPORT.select("apgr")] == ["router", "length"]
    with pytest.raises(KeyError, match="apgr of length"):
        REPORT.figure("agpr")


def test_figures_are_a_table_with_a_row_each() -> None:
    frame = REPORT.frame()
    assert list(frame.columns) == [field.name for field in fields(Figure)]
    assert len(frame) == 3
    assert frame.loc[0, "value"] == 0.5
    assert list(replace(REPORT, figures=()).frame().columns) == list(frame.columns)


def test_a_shuffled_suite_is_sampled_by_place_and_not_by_id() -> None:
    cases = [Case(id=str(number), text="q") for number in range(9)]
    random.Random(3).shuffle(cases)
    kept = _suite(*cases).sample(4).cases
    assert [cases.index(case) for case in kept] == sorted(cases.index(case) for case in kept)
