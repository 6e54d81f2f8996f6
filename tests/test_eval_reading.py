"""Reading suites: every form that users have, every row that is broken, and nothing of a row's text in a message."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, messages_to_dict
from suite_rows import GOOD, RECORD, SECRET, TIERS, write_file

from tiergraph.errors import InputError
from tiergraph.evaluation import Case, Expect, Suite
from tiergraph.evaluation.cases import FINDING_KINDS
from tiergraph.evaluation.reading import (
    read_any,
    read_csv,
    read_jsonl,
    read_langsmith,
    read_pandas,
    read_rows,
    write_jsonl,
)
from tiergraph.tiers import Ladder, Tier


def _one(row: dict[str, Any], **options: Any) -> Case:
    return read_rows([{"id": "a", "text": "q", **row}], strict=True, **options).cases[0]


def _code(row: Any, **options: Any) -> str:
    with pytest.raises(InputError) as raised:
        read_rows([row], strict=True, **options)
    return raised.value.code


def test_a_row_keeps_everything_that_is_known_of_it(tmp_path: Path) -> None:
    row = {
        "id": 7,
        "text": "q",
        "documents": [{"id": "d", "text": "says"}],
        "metadata": {"plan": "free"},
        "attachments": ["image"],
        "outcomes": {"mini": True, "large": 0.5, "mid": None},
        "costs": {"mini": 0},
        "drafts": {"mini": "said", "large": None},
        "draft": "judged",
        "expect": {
            "tier": "mini",
            "outcome": "answered",
            "intent": "howto",
            "difficulty": "hard",
            "needs_retrieval": True,
            "findings": {"pii": False, "legal": None},
            "contains": "30 days",
            "grounded": False,
        },
        "strata": {"topic": "returns", "year": 2024},
        "source": "shop",
        "group": 3,
        "variant_of": None,
    }
    [case] = read_jsonl(write_file(tmp_path, row))
    assert case == Case(
        id="7",
        text="q",
        documents=({"id": "d", "text": "says"},),
        metadata={"plan": "free"},
        attachments=("image",),
        outcomes={"mini": 1.0, "large": 0.5},
        costs={"mini": 0.0},
        drafts={"mini": "said"},
        draft="judged",
        expect=Expect(
            tier="mini",
            outcome="answered",
            intent="howto",
            difficulty=3,
            needs_retrieval=True,
            findings={"pii": False},
            contains=("30 days",),
            grounded=False,
        ),
        strata={"difficulty": "hard", "intent": "howto", "topic": "returns", "year": "2024", "source": "shop"},
        group="3",
        file="cases.jsonl",
        line=1,
    )


def test_a_suite_is_named_after_its_file(tmp_path: Path) -> None:
    suite = read_jsonl(write_file(tmp_path, GOOD, name="my.cases.jsonl"))
    assert (suite.name, suite.title, suite.tiers, suite.sources) == ("my.cases", "", (), ())
    assert read_jsonl(tmp_path / "my.cases.jsonl", name="own", title="Ours", scale=10, unit="points").scale == 10
    assert read_jsonl(tmp_path / "my.cases.jsonl", name="own").name == "own"


def test_a_list_of_findings_says_that_the_others_are_not_there() -> None:
    assert _one({"expect": {"findings": ["pii"]}}).expect.findings == {kind: kind == "pii" for kind in FINDING_KINDS}
    assert _one({"expect": {"findings": []}}).expect.findings == dict.fromkeys(FINDING_KINDS, False)
    assert _one({"expect": {"findings": {}}}).expect.findings == {}
    assert _one({"expect": {"legal": True}}).expect.findings == {"legal": True}


@pytest.mark.parametrize(("said", "name"), [("easy", "easy"), ("Hard", "hard"), (2, "medium"), ("3", "hard")])
def test_a_difficulty_is_a_word_or_a_number(said: Any, name: str) -> None:
    assert _one({"difficulty": said}).strata == {"difficulty": name}
    assert _one({"expect": {"difficulty": said}}).expect.difficulty == ("easy", "medium", "hard").index(name) + 1


def test_expectations_become_strata_where_the_row_states_none() -> None:
    expect = {"difficulty": 1, "intent": "howto"}
    assert _one({"expect": expect}).strata == {"difficulty": "easy", "intent": "howto"}
    assert _one({"expect": expect, "difficulty": 3}).strata == {"difficulty": "hard", "intent": "howto"}
    assert _one({"expect": expect, "strata": {"difficulty": None, "intent": None}}).strata == {}


def test_aliases_of_expectations_are_read() -> None:
    assert _one({"expect": {"must_contain": ["a", "b"], "human": True}}).expect == Expect(
        outcome="human", contains=("a", "b")
    )
    assert _one({"expect": {"human": False}}).expect == Expect()


def test_harbors_inbox_is_read_whole() -> None:
    path = Path(str(files("tiergraph.graphs.harbor") / "inbox.jsonl"))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    suite = read_jsonl(path)
    assert len(suite) == len(rows) == 249
    assert suite.problems == ()
    humans = sum(row["expect"]["human"] for row in rows)
    assert sum(case.expect.outcome == "human" for case in suite) == humans > 0
    for case, row in zip(suite, rows, strict=True):
        assert case.strata["kind"] == row["kinds"][0]
        assert case.strata["difficulty"] == row["expect"]["difficulty"]
        assert case.expect.contains == tuple(row["expect"]["must_contain"])
        assert sorted(kind for kind, there in case.expect.findings.items() if there) == row["expect"]["findings"]
        assert case.question == row["messages"][-1]["content"]


def test_messages_of_every_form_become_role_and_content(tmp_path: Path) -> None:
    said = [("user", "hi"), ("assistant", "ho"), ("user", "q")]
    turns = [{"role": role, "content": content} for role, content in said]
    chain = [HumanMessage("hi"), AIMessage("ho"), HumanMessage("q")]
    forms: list[Any] = [turns, chain, [("user", "hi"), ["ai", "ho"], ("human", "q")], messages_to_dict(chain)]
    for form in forms:
        case = read_rows([{"id": "a", "messages": form}], strict=True).cases[0]
        assert [(turn["role"], turn["content"]) for turn in case.messages] == said
        assert case.question == "q"
    blocks = [{"role": "user", "content": ["what", {"type": "text", "text": "now"}]}]
    assert read_rows([{"id": "a", "messages": blocks}], strict=True).cases[0].question == "what now"


def test_documents_of_langchains_become_mappings() -> None:
    [document] = _one({"documents": [Document(page_content="says", metadata={"source": "s"}, id="d")]}).documents
    assert document == {"id": "d", "text": "says", "source": "s"}


BROKEN: list[tuple[str, Any]] = [
    ("no_id", {"text": SECRET}),
    ("bad_id", {"id": 1.5, "text": SECRET}),
    ("bad_id", {"id": True, "text": SECRET}),
    ("bad_id", {"id": "", "text": SECRET}),
    ("bad_id", {"id": "a\nb", "text": SECRET}),
    ("no_text", {"id": "a", "documents": [SECRET]}),
    ("not_text", {"id": "a", "text": [SECRET]}),
    ("empty", {"id": "a", "text": "  ", "documents": [SECRET]}),
    ("ambiguous", {"id": "a", "text": SECRET, "messages": [{"role": "user", "content": SECRET}]}),
    ("not_a_list", {"id": "a", "messages": SECRET}),
    ("no_messages", {"id": "a", "messages": [], "drafts": {"mini": SECRET}}),
    ("bad_messages", {"id": "a", "messages": [{"role": "nobody", "content": SECRET}]}),
    ("bad_messages", {"id": "a", "messages": [{"said": SECRET}]}),
    ("bad_messages", {"id": "a", "messages": [{"role": "user", "content": {"text": [SECRET]}}]}),
    ("bad_messages", {"id": "a", "messages": [{"role": "user", "content": 5}]}),
    ("no_question", {"id": "a", "messages": [{"role": "assistant", "content": SECRET}]}),
    ("not_a_list", {"id": "a", "text": "q", "documents": SECRET}),
    ("bad_document", {"id": "a", "text": "q", "documents": [{"content": SECRET}]}),
    ("bad_metadata", {"id": "a", "text": "q", "metadata": SECRET}),
    ("bad_attachment", {"id": "a", "text": "q", "attachments": [SECRET]}),
    ("not_an_object", {"id": "a", "text": SECRET, "outcomes": [1]}),
    ("bad_score", {"id": "a", "text": SECRET, "outcomes": {"mini": 1.01}}),
    ("bad_score", {"id": "a", "text": SECRET, "outcomes": {"mini": -0.01}}),
    ("bad_score", {"id": "a", "text": "q", "outcomes": {"mini": SECRET}}),
    ("bad_cost", {"id": "a", "text": SECRET, "costs": {"mini": -1}}),
    ("bad_cost", {"id": "a", "text": SECRET, "costs": {"mini": True}}),
    ("bad_cost", {"id": "a", "text": SECRET, "costs": {"mini": float("inf")}}),
    ("not_text", {"id": "a", "text": SECRET, "drafts": {"mini": 3}}),
    ("not_text", {"id": "a", "text": SECRET, "draft": 3}),
    ("unknown_key", {"id": "a", "text": SECRET, "outcomse": {"mini": 1}}),
    ("unknown_key", {"id": "a", "text": SECRET, "expect": {"tear": "mini"}}),
    ("unknown_finding", {"id": "a", "text": SECRET, "expect": {"findings": ["pij"]}}),
    ("unknown_finding", {"id": "a", "text": SECRET, "expect": {"findings": {"pij": True}}}),
    ("bad_expect", {"id": "a", "text": SECRET, "expect": {"findings": {"pii": 1}}}),
    ("bad_expect", {"id": "a", "text": SECRET, "expect": SECRET}),
    ("bad_expect", {"id": "a", "text": SECRET, "expect": {"outcome": "route"}}),
    ("bad_expect", {"id": "a", "text": SECRET, "expect": {"needs_retrieval": SECRET}}),
    ("bad_expect", {"id": "a", "text": SECRET, "expect": {"contains": [""]}}),
    ("ambiguous", {"id": "a", "text": SECRET, "expect": {"contains": "a", "must_contain": "a"}}),
    ("ambiguous", {"id": "a", "text": SECRET, "expect": {"human": True, "outcome": "answered"}}),
    ("ambiguous", {"id": "a", "text": SECRET, "expect": {"pii": True, "findings": []}}),
    ("bad_difficulty", {"id": "a", "text": SECRET, "difficulty": 4}),
    ("bad_difficulty", {"id": "a", "text": SECRET, "difficulty": True}),
    ("bad_difficulty", {"id": "a", "text": SECRET, "expect": {"difficulty": [1]}}),
    ("bad_label", {"id": "a", "text": "q", "strata": {"topic": SECRET * 20}}),
    ("bad_label", {"id": "a", "text": "q", "strata": {"topic": [SECRET]}}),
    ("bad_strata", {"id": "a", "text": "q", "strata": SECRET}),
    ("ambiguous", {"id": "a", "text": SECRET, "source": "x", "strata": {"source": "y"}}),
    ("bad_label", {"id": "a", "text": "q", "group": [SECRET]}),
    ("no_original", {"id": "a", "text": SECRET, "variant_of": "b"}),
    ("no_original", {"id": "a", "text": SECRET, "variant_of": "a"}),
    ("ambiguous", {"id": "a", "text": SECRET, "score": 1}),
    ("bad_record", {"id": "a", "text": SECRET, "record": [1]}),
    ("bad_record", {"id": "a", "text": SECRET, "record": {"tier": "mini"}}),
    ("bad_record", {"id": "a", "text": SECRET, "record": {**RECORD, "version": 2}}),
    ("bad_record", {"id": "a", "text": SECRET, "record": {**RECORD, "hops": [{"tier": "mini"}]}}),
    ("ambiguous", {"id": "a", "record": RECORD, "routing": RECORD, "drafts": {"mini": SECRET}}),
    ("not_an_object", [SECRET]),
]


@pytest.mark.parametrize(("code", "row"), BROKEN, ids=[f"{number}-{code}" for number, (code, _) in enumerate(BROKEN)])
def test_a_broken_row_is_left_out_with_its_place_and_a_fix(tmp_path: Path, code: str, row: Any) -> None:
    text = json.dumps(row).replace("Infinity", "1e999").encode()
    suite = read_jsonl(write_file(tmp_path, GOOD, b"", text, {**GOOD, "id": "last"}))
    assert [case.id for case in suite] == ["good", "last"]
    [problem] = suite.problems
    assert (problem.file, problem.line, problem.code) == ("cases.jsonl", 3, code)
    assert str(problem).startswith("cases.jsonl:3: ")
    assert "Fix:" in problem.message
    assert SECRET not in problem.message
    assert problem.id == (row.get("id") if isinstance(row, dict) and code not in ("no_id", "bad_id") else None)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("not_json", b'{"id": "a", "text": "zebra-telephone-7731"'),
        ("not_json", b'{"id": "a", "text": "zebra-telephone-7731", "outcomes": {"mini": NaN}}'),
        ("not_utf8", b'{"id": "a", "text": "zebra-telephone-7731 \xff"}'),
        ("not_an_object", b'"zebra-telephone-7731"'),
    ],
)
def test_a_line_that_is_no_object_is_left_out_with_a_fix(tmp_path: Path, code: str, line: bytes) -> None:
    suite = read_jsonl(write_file(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r", line))
    assert [(problem.line, problem.code) for problem in suite.problems] == [(2, code)]
    assert "Fix:" in suite.problems[0].message
    assert SECRET not in str(suite.problems)


def test_a_typo_is_answered_with_the_key_that_was_meant() -> None:
    with pytest.raises(InputError, match=r"row 1: Unknown key 'outcoms'. Fix: write 'outcomes', or leave it out."):
        read_rows([{**GOOD, "outcoms": {}}], strict=True)
    with pytest.raises(InputError, match=r"Unknown key in 'expect': 'teir'. Fix: write 'tier'"):
        read_rows([{**GOOD, "expect": {"teir": "mini"}}], strict=True)
    with pytest.raises(InputError, match=r"Unknown finding 'PII'. Fix: write 'pii'"):
        read_rows([{**GOOD, "expect": {"findings": ["PII"]}}], strict=True)


WORD = "SECRETTEXT"
"""Looks like a code, and is a value nevertheless."""

VALUES: list[dict[str, Any]] = [
    {"difficulty": WORD},
    {"difficulty": 7731},
    {"expect": {"difficulty": WORD}},
    {"expect": {"needs_retrieval": WORD}},
    {"expect": {"findings": WORD}},
    {"expect": {"contains": [7731]}},
    {"outcomes": {"mini": WORD}},
    {"outcomes": {"mini": 7731}},
    {"costs": {"mini": -7731}},
    {"costs": {"mini": WORD}},
    {"drafts": {"mini": 7731}},
    {"strata": WORD},
    {"metadata": WORD},
    {"documents": WORD},
    {"attachments": [WORD]},
    {"record": {**RECORD, "version": 7731}},
    {"record": {**RECORD, "score": 7731}},
    {"record": {**RECORD, "allowed": WORD}},
    {"record": {**RECORD, "proposal": WORD}},
]


@pytest.mark.parametrize("row", VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_no_message_repeats_a_value(row: dict[str, Any]) -> None:
    [problem] = read_rows([GOOD, {"id": "a", "text": "q", **row}]).problems
    assert WORD not in problem.message
    assert "7731" not in problem.message
    assert "Fix:" in problem.message


@pytest.mark.parametrize(
    "name", ["How do I cancel?", "x" * 41, "wie-geht-das-\u00fcberhaupt", "\u5982\u4f55\u91cd\u7f6e"]
)
@pytest.mark.parametrize(
    "row",
    [
        lambda name: {name: 1},
        lambda name: {"expect": {name: 1}},
        lambda name: {"expect": {"findings": [name]}},
        lambda name: {"expect": {"outcome": name}},
        lambda name: {"expect": {"tier": name}},
        lambda name: {"outcomes": {name: 1}},
        lambda name: {"variant_of": name},
        lambda name: {"record": {**RECORD, "tier": name}},
        lambda name: {"record": {**RECORD, "outcome": name}},
        lambda name: {"record": {**RECORD, "source": name}},
    ],
    ids=["key", "expect", "finding", "outcome", "tier", "outcomes", "variant", "record-tier", "record", "source"],
)
def test_a_name_that_could_be_a_text_is_told_by_its_length(name: str, row: Any) -> None:
    [problem] = read_rows([GOOD, {"id": "a", "text": "q", **row(name)}], tiers=TIERS).problems
    assert name[:9] not in problem.message
    assert f"a text of {len(name)} characters" in problem.message
    code = read_rows([GOOD, {"id": "a", "text": "q", **row("midi-2")}], tiers=TIERS).problems[0]
    assert "'midi-2'" in code.message


def test_an_id_that_could_be_a_text_is_in_no_message() -> None:
    rows = [{"id": "How do I cancel?", "text": "q"}] * 2
    assert "cancel" not in read_rows(rows).problems[0].message
    assert "a text of 16 characters" in read_rows(rows).problems[0].message


def test_a_table_without_a_header_repeats_none_of_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,text,How do I cancel?\n1,2,3\n")
    with pytest.raises(InputError, match="unknown column 3, a text of 16 characters,") as raised:
        read_csv(path)
    assert "cancel" not in str(raised.value)
    path.write_text("id,text,outcome.How do I,outcomes.How do I\n1,2,3,4\n")
    with pytest.raises(InputError, match="two columns are") as raised:
        read_csv(path)
    assert "How do" not in str(raised.value)


@pytest.mark.parametrize("name", [" bad ", "a\u200bb", "x" * 81])
def test_a_tier_is_named_as_a_configuration_would(name: str) -> None:
    for row in ({"outcomes": {name: 1}}, {"costs": {name: 1}}, {"drafts": {name: "d"}}, {"expect": {"tier": name}}):
        assert _code({**GOOD, **row}) == "bad_label"


def test_of_two_rows_with_one_id_the_first_stays(tmp_path: Path) -> None:
    suite = read_jsonl(write_file(tmp_path, {"id": 1, "text": "first"}, {"id": "1", "text": "second"}, GOOD))
    assert [case.text for case in suite] == ["first", GOOD["text"]]
    [problem] = suite.problems
    assert (problem.line, problem.id, problem.code) == (2, "1", "duplicate_id")
    assert "line 1" in problem.message


def test_a_row_takes_the_id_of_one_that_was_broken(tmp_path: Path) -> None:
    suite = read_jsonl(write_file(tmp_path, {"id": "a"}, {"id": "a", "text": "q"}))
    assert [(case.id, case.line) for case in suite] == [("a", 2)]


def test_variants_of_variants_go_when_their_original_is_not_there(tmp_path: Path) -> None:
    rows = [
        {"id": "c", "text": "q", "variant_of": "b"},
        {"id": "b", "text": "q", "variant_of": "a"},
        {"id": "a", "text": ""},
        {"id": "v", "text": "q", "variant_of": "good"},
        GOOD,
    ]
    suite = read_jsonl(write_file(tmp_path, *rows))
    assert [case.id for case in suite] == ["v", "good"]
    assert [(problem.line, problem.code) for problem in suite.problems] == [
        (1, "no_original"),
        (2, "no_original"),
        (3, "empty"),
    ]


@pytest.mark.parametrize("tiers", [TIERS, Ladder(TIERS), ["mini", "large"]], ids=["tiers", "ladder", "names"])
@pytest.mark.parametrize(
    "row",
    [
        {"outcomes": {"midi": None}},
        {"costs": {"midi": 1}},
        {"drafts": {"midi": "d"}},
        {"expect": {"tier": "midi"}},
        {"record": {**RECORD, "tier": "midi"}},
        {"record": {**RECORD, "decided": "midi"}},
    ],
    ids=["outcomes", "costs", "drafts", "expect", "record", "decided"],
)
def test_a_tier_that_is_not_on_the_ladder_breaks_its_row(tiers: Any, row: dict[str, Any]) -> None:
    suite = read_rows([{**GOOD, "outcomes": {"mini": 1}}, {"id": "a", "text": "q", **row}], tiers=tiers)
    assert [case.id for case in suite] == ["good"]
    assert suite.problems[0].code == "unknown_tier"
    assert "'midi'" in suite.problems[0].message
    assert "['mini', 'large']" in suite.problems[0].message
    assert suite.tiers == (() if isinstance(tiers, list) else TIERS)


@pytest.mark.parametrize("tiers", ["mini", [], [1], TIERS[:1], [TIERS[0], "large"], [TIERS[0], TIERS[0]]])
def test_what_is_no_ladder_is_refused(tiers: Any) -> None:
    with pytest.raises(InputError) as raised:
        read_rows([GOOD], tiers=tiers)
    assert raised.value.code == "bad_tiers"


def test_strict_stops_at_the_first_broken_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cases\.jsonl:2: There is neither 'text' nor 'messages'") as raised:
        read_jsonl(write_file(tmp_path, GOOD, {"id": "a"}, {"id": "b", "text": 3}), strict=True)
    assert raised.value.code == "no_text"


def test_a_file_without_a_row_that_can_be_used_says_why(tmp_path: Path) -> None:
    said = r"^cases\.jsonl: no row can be used.*cases\.jsonl:1: There is no 'id'"
    with pytest.raises(InputError, match=said) as raised:
        read_jsonl(write_file(tmp_path, {"text": "q"}))
    assert raised.value.code == "no_cases"
    with pytest.raises(InputError, match=r"no row can be used\. Fix"):
        read_jsonl(write_file(tmp_path, b""))


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.json", "none.tsv.gz", "none.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pandas, "read_parquet", lambda path: Path(path).read_bytes())
    with pytest.raises(InputError, match=rf"{name}: No such file.*Fix: check the path") as raised:
        read_any(tmp_path / name)
    assert raised.value.code == "no_file"


def test_keys_of_another_name_are_renamed_left_out_or_made_strata(tmp_path: Path) -> None:
    path = write_file(
        tmp_path, {"key": 1, "prompt": "q", "note": SECRET, "topic": "returns", "expect": {"difficulty": 1}}
    )
    [case] = read_jsonl(path, columns={"key": "id", "prompt": "text", "note": None}, strata=["topic"])
    assert (case.id, case.text, case.strata) == ("1", "q", {"topic": "returns", "difficulty": "easy"})


# ---- tables


def test_a_table_is_read_with_the_lines_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "\ufeffid,text,outcome.mini,outcomes.gpt-3.5,cost.mini,draft.mini,expect.tier,expect.pii,difficulty,topic\n"
        '007,"two\nlines, and ""quotes""",1,0.25,0.001,said,mini,no,easy,returns\n'
        "\n"
        ",,,,,,,,,\n"
        '8,"three\r\nlines\r\nhere",true,,,,,YES,2,\n'
        "9,,1,,,,,,,\n"
        "10,q,high,,,,,,,\n"
        "11,q,1\n"
        '12,"q" x,1,,,,,,,\n'
        "8,q,,,,,,,,\n",
        encoding="utf-8",
        newline="",
    )
    suite = read_csv(path, strata=["topic"])
    first, second = suite.cases
    assert (first.id, first.text, first.line) == ("007", 'two\nlines, and "quotes"', 2)
    assert first.outcomes == {"mini": 1.0, "gpt-3.5": 0.25}
    assert (first.costs, first.drafts) == ({"mini": 0.001}, {"mini": "said"})
    assert first.expect == Expect(tier="mini", findings={"pii": False})
    assert first.strata == {"difficulty": "easy", "topic": "returns"}
    assert (second.id, second.line, second.outcomes) == ("8", 6, {"mini": 1.0})
    assert second.expect.findings == {"pii": True}
    assert [(problem.line, problem.id, problem.code) for problem in suite.problems] == [
        (9, "9", "no_text"),
        (10, "10", "bad_score"),
        (11, "11", "ragged"),
        (12, None, "not_csv"),
        (13, "8", "duplicate_id"),
    ]


def test_cells_hold_json_where_their_column_does(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "id": ["a"],
            "messages": [json.dumps([{"role": "user", "content": "q"}])],
            "outcomes": [json.dumps({"mini": 1})],
            "outcome.large": ["0.5"],
            "attachments": ["image, file"],
            "documents": ["one text"],
            "expect.findings": ["pii, legal"],
            "expect.contains": ['["a", "b"]'],
            "expect.needs_retrieval": ["True"],
            "metadata.plan": ["free"],
            "strata.topic": ["returns"],
        }
    )
    frame.to_csv(tmp_path / "table.csv")
    [case] = read_csv(tmp_path / "table.csv", strict=True)
    assert case.question == "q"
    assert case.outcomes == {"mini": 1.0, "large": 0.5}
    assert case.attachments == ("image", "file")
    assert case.documents == ("one text",)
    assert [kind for kind, there in case.expect.findings.items() if there] == ["pii", "legal"]
    assert (case.expect.contains, case.expect.needs_retrieval) == (("a", "b"), True)
    assert (case.metadata, case.strata) == ({"plan": "free"}, {"topic": "returns"})
    bad = tmp_path / "bad.csv"
    bad.write_text(f'id;messages\na;"[{SECRET}"\nb;"[[""user"", ""q""]]"\n')
    suite = read_csv(bad)
    assert [case.question for case in suite] == ["q"]
    assert [(problem.line, problem.id, problem.code) for problem in suite.problems] == [(2, "a", "not_json")]
    assert SECRET not in str(suite.problems)


def test_columns_of_one_thing_add_up_in_any_order() -> None:
    for columns in (["outcome.large", "outcomes"], ["outcomes", "outcome.large"]):
        frame = pandas.DataFrame({"id": ["a"], "text": ["q"], "outcomes": [{"mini": 1}], "outcome.large": [0.5]})
        [case] = read_pandas(frame[["id", "text", *columns]], strict=True)
        assert case.outcomes == {"mini": 1.0, "large": 0.5}
        twice = frame.assign(outcomes=[{"large": 1}])[["id", "text", *columns]]
        with pytest.raises(InputError, match="is given twice"):
            read_pandas(twice, strict=True)


def test_the_index_that_pandas_writes_is_passed_over(tmp_path: Path) -> None:
    pandas.DataFrame([GOOD]).to_csv(tmp_path / "table.csv")
    frame = pandas.read_csv(tmp_path / "table.csv")
    assert frame.columns[0] == "Unnamed: 0"
    assert read_pandas(frame).digest == read_csv(tmp_path / "table.csv").digest


def _table(tmp_path: Path, text: str) -> tuple[list[tuple[int | None, str]], list[tuple[int | None, str]]]:
    """Line and id of every case, line and code of every problem."""
    path = tmp_path / "table.csv"
    path.write_text(text, newline="")
    suite = read_csv(path)
    assert SECRET not in str(suite.problems)
    return [(case.line, case.id) for case in suite], [(problem.line, problem.code) for problem in suite.problems]


@pytest.mark.parametrize("at", [1, 50, 99], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    "other", ["q{}", '"two, or\r\nthree ""lines""\n\n{}"', '5" pipe {}'], ids=["plain", "quoted", "inch"]
)
def test_a_quote_that_is_never_closed_costs_its_own_row(tmp_path: Path, at: int, other: str) -> None:
    line, there, text = 2, [], "id,text,topic\n"
    for number in range(1, 100):
        row = f'r{number},"{SECRET},t\n' if number == at else f"r{number},{other.format(number)},t\n"
        there += [(line, f"r{number}")]
        line, text = line + row.count("\n"), text + row
    broken = there.pop(at - 1)[0]
    path = tmp_path / "table.csv"
    path.write_text(text, newline="")
    suite = read_csv(path, strata=["topic"])
    assert [(case.line, case.id) for case in suite] == there
    assert [(problem.line, problem.code) for problem in suite.problems] == [(broken, "not_csv")]
    assert SECRET not in str(suite.problems)


def test_every_quote_that_is_never_closed_is_found_where_it_opens(tmp_path: Path) -> None:
    text = f'"id","text"\n"a","q"\n"b","{SECRET}\n"c","{SECRET}\n"d","two\nlines"\n"e","{SECRET}\n"f","q"\n'
    assert _table(tmp_path, text) == (
        [(2, "a"), (5, "d"), (8, "f")],
        [(3, "not_csv"), (4, "not_csv"), (7, "not_csv")],
    )


def test_a_later_row_that_closes_the_quote_loses_no_row_between(tmp_path: Path) -> None:
    rows = "".join(f"r{number},q,1\n" for number in range(9))
    assert _table(tmp_path, f'id,text,outcome.mini\na,"{SECRET},1\n{rows}b,5"\nc,q,1\n') == (
        [(number + 3, f"r{number}") for number in range(9)] + [(13, "c")],
        [(2, "not_csv"), (12, "ragged")],
    )


def test_lines_of_a_broken_cell_are_no_rows(tmp_path: Path) -> None:
    text = f'id,text,outcome.mini\na,"He said "hi" to me.\n\n{SECRET}\nThen left, {SECRET}",1\nb,q,1\n'
    path = tmp_path / "table.csv"
    path.write_text(text)
    suite = read_csv(path)
    assert [(case.line, case.id) for case in suite] == [(6, "b")]
    [problem] = suite.problems
    assert (problem.line, problem.code) == (2, "not_csv")
    assert "lines 2 to 5" in problem.message
    inside = f'id,text,outcome.mini\na,"He said "hi"\n"{SECRET}\n{SECRET}"\nb,q,1\n'
    assert _table(tmp_path, inside) == ([(5, "b")], [(2, "not_csv")])
    ragged = "".join(f"line {number}\n" for number in range(9))
    assert _table(tmp_path, f'id,text,outcome.mini\na,"{ragged}"\nb,q,1\n') == ([(12, "b")], [(2, "ragged")])


def test_a_cell_may_hold_lines_that_look_like_rows(tmp_path: Path) -> None:
    lines = "".join(f"{number},tea\n" for number in range(9))
    assert _table(tmp_path, f'id,text\na,"a list:\n{lines}"\nb,q\n') == ([(2, "a"), (13, "b")], [])
    short = 'id,text,outcome.mini\na,"a list:\n1,tea,1\n2,tea,1"\nb,q,1\n'
    assert _table(tmp_path, short) == ([(5, "b")], [(2, "ragged")])


def test_a_file_that_ends_in_an_open_quote_keeps_its_rows(tmp_path: Path) -> None:
    assert _table(tmp_path, f'id;text\na;q\nb;"{SECRET}') == ([(2, "a")], [(3, "not_csv")])
    with pytest.raises(InputError, match="The header is not CSV") as raised:
        _table(tmp_path, 'id,"text\na,q\n')
    assert raised.value.code == "not_csv"


@pytest.mark.parametrize(
    ("header", "code", "said"),
    [
        ("key,text", "no_id", "columns={'YOUR COLUMN': 'id'}"),
        ("id,prompt", "no_text", "columns={'YOUR COLUMN': 'text'}"),
        ("id,text,outcom.mini", "unknown_column", "'outcom.mini'"),
        ("id,text,dificulty", "unknown_column", "write 'difficulty'"),
        ("id,text,expect.teir", "unknown_column", "write 'expect.tier'"),
        ("id,text,outcome.mini,outcomes.mini", "ambiguous", "'outcomes.mini'"),
        ("id,text,a,b", "unknown_column", "(and 1 more)"),
    ],
)
def test_a_table_with_other_columns_is_refused_with_the_fix(tmp_path: Path, header: str, code: str, said: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n1,2,3,4\n")
    with pytest.raises(InputError) as raised:
        read_csv(path)
    assert raised.value.code == code
    assert said in str(raised.value)
    assert "table.csv" in str(raised.value)


def test_an_option_that_names_no_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,prompt,old\n1,q,z\n")
    with pytest.raises(InputError, match="no column 'topci'"):
        read_csv(path, columns={"prompt": "text", "old": None}, strata=["topci"])
    with pytest.raises(InputError, match="no column 'promt'"):
        read_csv(path, columns={"promt": "text"})
    assert read_csv(path, columns={"prompt": "text", "old": None}).cases[0].text == "q"


def test_another_encoding_is_read_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("id,text\na,café\nb,tea\n".encode("cp1252"))
    assert [problem.code for problem in read_csv(path).problems] == ["not_utf8"]
    assert read_csv(path, encoding="cp1252").cases[0].text == "café"
    with pytest.raises(InputError, match="Unknown encoding 'utf-9'"):
        read_csv(path, encoding="utf-9")
    with pytest.raises(InputError, match="not in 'utf-16'"):
        read_csv(path, encoding="utf-16")


def test_a_cell_may_be_longer_than_csvs_own_limit(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"id,text\na,{'word ' * 60_000}\n")
    assert len(read_csv(path, strict=True).cases[0].text) == 300_000


def test_a_frame_is_read_with_its_rows_counted() -> None:
    frame = pandas.DataFrame(
        {
            "id": [1.0, 2.0, None, 4.0],
            "text": ["a", "b", "c", float("nan")],
            "outcomes": [{"mini": 1}, None, None, None],
            "outcome.large": [0.5, float("nan"), 0.1, 0.2],
            "expect.pii": [1.0, float("nan"), 0.0, 0.0],
            "documents": [["one"], None, None, None],
            "day": pandas.to_datetime(["2024-01-02", None, None, None]),
        }
    )
    suite = read_pandas(frame, strata=["day"])
    first, second = suite.cases
    assert (first.id, first.outcomes, first.file, first.line) == ("1", {"mini": 1.0, "large": 0.5}, None, 1)
    assert first.expect.findings == {"pii": True}
    assert (first.documents, first.strata) == (("one",), {"day": "2024-01-02T00:00:00"})
    assert (second.id, second.outcomes, second.expect, second.strata) == ("2", {}, Expect(), {})
    assert [(problem.file, problem.line, problem.code) for problem in suite.problems] == [
        (None, 3, "no_id"),
        (None, 4, "no_text"),
    ]
    assert "row 3" in str(suite.problems[0])
    with pytest.raises(InputError, match=r"^row 3: There is no 'id'"):
        read_pandas(frame, strata=["day"], strict=True)
    assert len(frame.columns) == 7


def test_an_index_named_id_is_the_column() -> None:
    frame = pandas.DataFrame({"text": ["a", "b"]}, index=pandas.Index(["x", "y"], name="id"))
    assert [case.id for case in read_pandas(frame)] == ["x", "y"]


# ---- LangSmith


def test_examples_of_langsmiths_are_read() -> None:
    examples = [
        SimpleNamespace(
            id=11,
            inputs={"question": "q", "context": "says"},
            outputs={
                "tier": "mini",
                "intent": "howto",
                "outcomes": {"mini": 1},
                "answer": "30 days",
                "trace": SECRET,
            },
            metadata={"topic": "returns", "year": 2024, "long": "x " * 60, "dataset_split": ["base", "test"]},
        ),
        {"inputs": {"messages": messages_to_dict([HumanMessage("second")])}, "outputs": None, "split": "train"},
        {"id": "z", "inputs": "third", "outputs": "no mapping"},
    ]
    suite = read_langsmith(examples, strict=True)
    first, second, third = suite.cases
    assert (first.id, first.text, first.documents) == ("11", "q", ("says",))
    assert first.expect == Expect(tier="mini", intent="howto")
    assert first.outcomes == {"mini": 1.0}
    assert first.strata == {"topic": "returns", "year": "2024", "split": "base+test", "intent": "howto"}
    assert (second.id, second.question, second.strata) == ("example-2", "second", {"split": "train"})
    assert (third.text, third.expect) == ("third", Expect())
    asked = read_langsmith(examples, contains=True).cases
    assert [case.expect.contains for case in asked] == [("30 days",), (), ("no mapping",)]


def test_other_keys_of_examples_are_named() -> None:
    example = {"id": "a", "inputs": {"q": "asked", "text": SECRET}, "outputs": {"ref": "yes", "answer": "no"}}
    [case] = read_langsmith([example], input_key="q", output_key="ref", contains=True)
    assert (case.text, case.expect.contains) == ("asked", ("yes",))


@pytest.mark.parametrize(
    ("inputs", "code"),
    [({"prompt": SECRET}, "no_text"), ({"question": SECRET, "input": SECRET}, "ambiguous"), (None, "no_text")],
)
def test_an_example_without_one_request_is_left_out(inputs: Any, code: str) -> None:
    suite = read_langsmith([{"id": "g", "inputs": {"input": "q"}}, SimpleNamespace(id="a", inputs=inputs)])
    [problem] = suite.problems
    assert (problem.id, problem.line, problem.code) == ("a", 2, code)
    assert "row 2" in problem.message
    assert SECRET not in problem.message


# ---- whatever it is


def test_a_file_is_read_by_its_suffix_and_its_form(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "q", "outcomes": {"mini": 1}}]
    example = {"id": "a", "inputs": {"question": "q"}, "outputs": {"outcomes": {"mini": 1}}}
    line = json.dumps(rows[0]).encode()
    made = {
        "a.jsonl": line,
        "b.NDJSON": line,
        "c.jsonl.gz": gzip.compress(line),
        "d.json": json.dumps(rows).encode(),
        "e.csv": b"id,text,outcome.mini\na,q,1\n",
        "f.tsv": b"id\ttext\toutcome.mini\na\tq\t1\n",
        "g.csv.gz": gzip.compress(b"id;text;outcome.mini\na;q;1\n"),
        "h.jsonl": json.dumps(example).encode(),
        "i.json": json.dumps([example]).encode(),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
        suite = read_any(tmp_path / name)
        assert suite.name == name[0]
        assert [(case.id, case.text, case.outcomes) for case in suite] == [("a", "q", {"mini": 1.0})]


def test_things_in_memory_are_read_by_their_form() -> None:
    case = Case(id="a", text="q")
    assert read_any(Suite(name="s", cases=(case,))).name == "s"
    assert read_any([case], name="own").cases == (case,)
    assert read_any([Case(id="b", text="q", outcomes={"midi": 1.0}), case], tiers=TIERS).cases == (case,)
    assert read_any(pandas.DataFrame({"id": ["a"], "text": ["q"]})).cases[0].text == "q"
    assert read_any([{"id": "a", "text": "q"}]).cases[0].text == "q"
    assert read_any(iter([{"id": "a", "inputs": {"input": "q"}}])).cases[0].text == "q"
    assert read_any([RECORD]).cases[0].record == RECORD


def test_problems_of_a_json_list_name_file_and_row(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps([GOOD, {"id": "a"}]))
    [problem] = read_any(path).problems
    assert str(problem).startswith("d.json:2: There is neither")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.xlsx", b"x", "bad_suite"),
        ("a", b"x", "bad_suite"),
        ("a.json", b"{", "not_json"),
        ("a.json", b"{}", "not_a_list"),
        ("a.json", b'["\xff"]', "not_utf8"),
        ("a.jsonl.gz", b"plain", "bad_file"),
        ("a.jsonl.gz", gzip.compress(json.dumps(GOOD).encode() * 99)[:-9], "bad_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_fix(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name}.*Fix") as raised:
        read_any(tmp_path / name)
    assert raised.value.code == code


@pytest.mark.parametrize("source", [3, b"cases.jsonl", {"id": "a"}, None])
def test_what_is_no_suite_is_refused(source: Any) -> None:
    with pytest.raises(InputError) as raised:
        read_any(source)
    assert raised.value.code == "bad_suite"


def test_parquet_is_read_where_pandas_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(b"")
    frame = pandas.DataFrame({"id": ["a", "b"], "text": ["q", ""]})
    monkeypatch.setattr(pandas, "read_parquet", lambda path: frame)
    suite = read_any(path)
    assert (suite.name, str(suite.problems[0])[:13]) == ("p", "p.parquet:2: ")

    def missing(path: str) -> None:
        raise ImportError(SECRET)

    monkeypatch.setattr(pandas, "read_parquet", missing)
    with pytest.raises(InputError, match="pip install pyarrow"):
        read_any(path)


# ---- and back

_NAMES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)
_TEXTS = st.text(min_size=1, max_size=20).map(lambda text: f"q{text}")
_SHARES = st.floats(0, 1)
_BY_TIER = st.sampled_from(["mini", "large"])
_EXPECTS = st.builds(
    Expect,
    tier=st.none() | _BY_TIER,
    outcome=st.none() | st.sampled_from(["answered", "human", "refused"]),
    intent=st.none() | _NAMES,
    difficulty=st.none() | st.sampled_from([1, 2, 3]),
    needs_retrieval=st.none() | st.booleans(),
    findings=st.dictionaries(st.sampled_from(FINDING_KINDS), st.booleans()),
    contains=st.lists(_TEXTS, max_size=2).map(tuple),
    grounded=st.none() | st.booleans(),
)
_DOCUMENTS = st.fixed_dictionaries({"id": _NAMES, "text": _TEXTS})
_ASKED = st.one_of(
    st.fixed_dictionaries({"text": _TEXTS}),
    st.fixed_dictionaries(
        {
            "messages": st.lists(_TEXTS, min_size=1, max_size=2).map(
                lambda texts: tuple({"role": "user", "content": text} for text in texts)
            )
        }
    ),
    st.just({"record": RECORD}),
    st.fixed_dictionaries({"text": _TEXTS, "record": st.just({**RECORD, "proposal": None})}),
)
_CASES = st.builds(
    lambda asked, known: Case(**asked, **known),
    _ASKED,
    st.fixed_dictionaries(
        {
            "id": _NAMES,
            "documents": st.lists(_TEXTS | _DOCUMENTS, max_size=2).map(tuple),
            "metadata": st.dictionaries(_NAMES, st.integers() | _TEXTS | st.none() | _SHARES, max_size=2),
            "attachments": st.lists(st.sampled_from(["image", "file"]), max_size=1).map(tuple),
            "outcomes": st.dictionaries(_BY_TIER, _SHARES),
            "costs": st.dictionaries(_BY_TIER, _SHARES),
            "drafts": st.dictionaries(_BY_TIER, st.text(max_size=9)),
            "draft": st.none() | st.text(max_size=9),
            "expect": _EXPECTS,
            "strata": st.dictionaries(st.sampled_from(["difficulty", "intent", "source", "topic"]), _NAMES),
            "group": st.none() | _NAMES,
        }
    ),
)
_SUITES = st.lists(_CASES, min_size=1, max_size=4, unique_by=lambda case: case.id)


@given(cases=_SUITES, tiers=st.sampled_from([(), TIERS]), packed=st.booleans())
def test_what_is_written_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, cases: list[Case], tiers: tuple[Tier, ...], packed: bool
) -> None:
    if len(cases) > 1:
        cases[-1] = replace(cases[-1], variant_of=cases[0].id)
    suite = Suite(name="s", cases=tuple(cases), tiers=tiers)
    path = write_jsonl(suite, tmp_path_factory.mktemp("back") / ("s.jsonl.gz" if packed else "s.jsonl"))
    again = read_jsonl(path, tiers=tiers or None, strict=True)
    assert again.digest == suite.digest
    assert [case.id for case in again] == [case.id for case in suite]
    assert [replace(case, file=None, line=None) for case in again] == list(suite)


def test_objects_are_written_as_a_suites_digest_takes_them(tmp_path: Path) -> None:
    case = Case(id="a", text="lone \ud800 surrogate", documents=(Document(page_content="says"),))
    suite = Suite(name="s", cases=(case,))
    again = read_jsonl(write_jsonl(suite, tmp_path / "deep" / "s.jsonl"), strict=True)
    assert again.digest == suite.digest
    assert again.cases[0].text == case.text


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (Case(id="a", text="q", metadata={"x": object()}), "not_json"),
        (Case(id="a", text="q", metadata={"mini": float("nan")}), "not_json"),
        (Case(id="a", text="q", messages=({"role": "user", "content": "q"},)), "ambiguous"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(tmp_path: Path, case: Case, code: str) -> None:
    with pytest.raises(InputError) as raised:
        write_jsonl(Suite(name="s", cases=(case,)), tmp_path / "s.jsonl")
    assert raised.value.code == code
    assert not (tmp_path / "s.jsonl").exists()


def test_the_readers_of_a_suite_are_these(tmp_path: Path) -> None:
    path = write_file(tmp_path, GOOD)
    table = tmp_path / "t.csv"
    table.write_text(f"id,text\ngood,{GOOD['text']}\n")
    suites = [
        Suite.from_jsonl(path),
        Suite.from_csv(table),
        Suite.from_pandas(pandas.DataFrame([GOOD])),
        Suite.from_langsmith([{"id": "good", "inputs": {"text": GOOD["text"]}}]),
    ]
    assert len({suite.digest for suite in suites}) == 1
    assert Suite.from_records([RECORD]).cases[0].record == RECORD
