"""Readers of public data sets: one function for each, from its files to labelled rows.

Only what may go into published weights is read. What is left out, and why, is in ``EXCLUDED``.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiergraph.training import labels
from tiergraph.training.labels import EVERYDAY, Row, Soft, label

EXCLUDED: Mapping[str, str] = {
    "routellm": "published evaluation",
    "zeroeval": "the prompts of a published evaluation",
    "alpaca_eval": "CC BY-NC",
    "flask_eval": "no licence stated",
    "qags": "evaluation only",
    "aggrefact": "evaluation only",
    "bfcl_results": "no licence stated",
    "gsm8k test": "evaluation only",
    "learned_hands": "CC BY-NC-SA",
    "legalbench rows without a CC BY licence": "non-commercial",
    "mmlu_pro rows that overlap RouteLLM's MMLU": "kept for evaluation",
    "llmrouter rows that overlap RouteLLM": "kept for evaluation",
    "gpteacher": "written by a model",
    "gorilla_apibench": "written by a model",
    "cyberseceval_instruct": "written by a model",
    "halueval": "queries derive from a model-written, non-commercial set",
    "clinc150 val": "evaluation only",
    "injection": "partly written by a model",
    "hh_rlhf_harmless_test": "offensive requests without routing labels",
}
"""Data sets that never go into the weights, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set: its licence, what it is used for, how often it is drawn, and its reader.

    share: mean number of passes over a row for one pass over the whole mixture; below 1, large sets are thinned.
    """

    name: str
    licence: str
    used_for: str
    read: Callable[[Path], Iterator[Row]]
    share: float = 1.0


def available(data: Path) -> list[Source]:
    """The sources whose files are in ``data``.

    Raises:
        FileNotFoundError: none is.
    """
    found = [source for source in SOURCES if _has(source, data)]
    if not found:
        raise FileNotFoundError(f"No known data set in {str(data)!r}. Known: {[source.name for source in SOURCES]}")
    return found


def _has(source: Source, data: Path) -> bool:
    try:
        next(source.read(data), None)
    except FileNotFoundError:
        return False
    return True


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a ``.jsonl.gz`` file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a ``.csv.gz`` file, by the names of its first."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


_CALCULATES = re.compile(r"\d|\bcalculat|\bcomput|\bdetermine\b|\$|\\|=", re.I)


def _mmlu_pro(data: Path) -> Iterator[Row]:
    for q in read_jsonl(data / "mmlu_pro_models" / "questions.jsonl.gz"):
        if q["overlaps_routellm_mmlu"]:
            continue
        numeric = q["category"] in {"math", "physics", "chemistry", "engineering"} or (
            q["category"] in {"business", "economics"} and _CALCULATES.search(q["question"])
        )
        known = label(
            intent="math_reasoning" if numeric else "factual_question",
            reason="calculation" if numeric else "specialist",
            tier="hardest" if numeric else "hard",
            difficulty=3 if numeric else 2,
            retrieval=False if numeric else None,
            pii=False,
            legal=None if q["category"] == "law" else False,
        )
        options = "\n".join(f"{chr(65 + i)}. {option}" for i, option in enumerate(q["options"]))
        for text in (q["question"], f"{q['question']}\n{options}"):
            yield Row(
                text=text,
                source="mmlu_pro",
                group=f"mmlu_pro:{q['question_id']}",
                kind=f"mmlu_pro:{q['category']}",
                labels=known,
            )


_ROUTER_TASKS: Mapping[str, dict[str, Soft]] = {
    "mmlu": label(tier="hard", reason="specialist", difficulty=2, pii=False),
    "math": label(
        tier="hardest", intent="math_reasoning", reason="multi_step", difficulty=3, retrieval=False, **EVERYDAY
    ),
    "arc_challenge": label(tier="mid", intent="factual_question", reason="specialist", difficulty=2, **EVERYDAY),
    "openbook_qa": label(tier="mid", intent="factual_question", reason="specialist", difficulty=2, **EVERYDAY),
    "commonsense_qa": label(tier="mid", intent="factual_question", reason="judgement", difficulty=1, **EVERYDAY),
    "natural_qa": label(
        tier="mid", intent="factual_question", reason="lookup", difficulty=1, retrieval=True, **EVERYDAY
    ),
    "trivia_qa": label(
        tier="mid", intent="factual_question", reason="lookup", difficulty=2, retrieval=True, **EVERYDAY
    ),
    "gsm8k": label(
        tier="word_problem", intent="math_reasoning", reason="calculation", difficulty=2, retrieval=False, **EVERYDAY
    ),
    "mgsm": label(
        tier="word_problem", intent="math_reasoning", reason="calculation", difficulty=2, retrieval=False, **EVERYDAY
    ),
    "mbpp": label(tier="code", intent="coding", reason="code", difficulty=2, retrieval=False, **EVERYDAY),
    "human_eval": label(tier="code", intent="coding", reason="code", difficulty=2, retrieval=False, **EVERYDAY),
    "gpqa": label(tier="hardest", reason="specialist", difficulty=3, **EVERYDAY),
    "commongen": label(tier="howto", intent="writing", reason="long_form", difficulty=2, retrieval=False, **EVERYDAY),
    "logicgrid": label(
        tier="hardest", intent="math_reasoning", reason="multi_step", difficulty=3, retrieval=False, **EVERYDAY
    ),
}


def _llmrouter(data: Path) -> Iterator[Row]:
    for row in read_jsonl(data / "llmrouter_dc" / "all.jsonl.gz"):
        if not row["overlaps_routellm"]:
            task = row["task"].removeprefix("agentverse-")
            yield Row(text=row["question"], source="llmrouter", kind=f"llmrouter:{task}", labels=_ROUTER_TASKS[task])


def _gsm8k(data: Path) -> Iterator[Row]:
    known = label(
        intent="math_reasoning",
        reason="calculation",
        tier="word_problem",
        difficulty=2,
        retrieval=False,
        **EVERYDAY,
    )
    for row in read_jsonl(data / "gsm8k_openai" / "train.jsonl.gz"):
        yield Row(text=row["question"], source="gsm8k", labels=known)


def _clinc(data: Path) -> Iterator[Row]:
    for row in read_csv(data / "clinc150" / "data_full.csv.gz"):
        yield Row(
            text=row["text"],
            source="clinc150",
            kind=f"clinc150:{row['intent']}",
            labels=labels.clinc(row["intent"]),
            judged=row["split"] not in {"train", "oos_train"},
        )


def _banking(data: Path) -> Iterator[Row]:
    for row in read_csv(data / "banking77" / "train.csv.gz"):
        kind = f"banking77:{row['category']}"
        yield Row(text=row["text"], source="banking77", kind=kind, labels=labels.banking(row["category"]))


def _counsel(data: Path) -> Iterator[Row]:
    known = label(intent="advice", reason="judgement", tier="mid", difficulty=2, retrieval=False, **EVERYDAY)
    for row in read_csv(data / "legal" / "negatives_counsel_chat.csv.gz"):
        if row["topic"] in {"legal-regulatory", "domestic-violence", "professional-ethics"}:
            continue
        group = f"counsel_chat:{row['questionID']}"
        yield Row(
            text=f"{row['questionTitle']} {row['questionText']}",
            source="counsel_chat",
            group=group,
            labels=known,
        )


_CC_BY = re.compile(r"^\[?CC BY 4\.0", re.I)


def _legalbench(data: Path) -> Iterator[Row]:
    known = label(reason="specialist", tier="legal", difficulty=3, legal=True)
    for row in read_jsonl(data / "legal" / "legalbench_fewshot.jsonl.gz"):
        text = row.get("text") or row.get("question") or row.get("description")
        if _CC_BY.search(str(row.get("license"))) and text:
            yield Row(text=str(text), source="legalbench", labels=known)


_STRUCTURED = {
    "STREET_ADDRESS",
    "ADDRESS",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "US_DRIVER_LICENSE",
    "IP_ADDRESS",
}


def _presidio(data: Path) -> Iterator[Row]:
    for row in read_jsonl(data / "presidio_pii" / "pii_by_template.jsonl.gz"):
        kinds = {span["entity_type"] for span in row["spans"]}
        full_names = [s for s in row["spans"] if s["entity_type"] == "PERSON" and " " in s["entity_value"].strip()]
        if kinds & _STRUCTURED or full_names:
            known = label(pii=True)
        elif "PERSON" in kinds:  # a lone first name: neither here nor there
            continue
        else:
            known = label(pii=False)
        yield Row(text=row["full_text"], source="presidio_pii", group=f"presidio:{row['template_id']}", labels=known)


def _corpus(name: str, of: Callable[[dict[str, Any]], dict[str, Soft] | None]) -> Callable[[Path], Iterator[Row]]:
    def read(data: Path) -> Iterator[Row]:
        for row in read_jsonl(data / "corpus" / f"{name}.jsonl.gz"):
            known = of(row)
            if known is not None:
                yield Row(text=row["text"], source=name, kind=_kind(name, row["label"]), labels=known)

    return read


def _kind(source: str, given: Any) -> str:
    intent = given.get("intent") if isinstance(given, dict) else None
    return f"{source}:{intent}" if isinstance(intent, str) and intent else ""


def _always(known: dict[str, Soft]) -> Callable[[dict[str, Any]], dict[str, Soft]]:
    return lambda row: known


_CODE = re.compile(
    r"\b(python|javascript|typescript|java|c\+\+|rust|golang|sql|code|script|function|api|docker|django|react|"
    r"kubernetes|regex|class|css|html|bash|excel vba|compile)\b|```|\(\);|==",
    re.I,
)
_MATH = re.compile(
    r"\b(prove|theorem|integral|equation|probability|matrix|polynomial|solve for|how many|expected value)\b",
    re.I,
)


def _arena(row: dict[str, Any]) -> dict[str, Soft]:
    text = row["text"]
    kind = "coding" if _CODE.search(text) else "math_reasoning" if _MATH.search(text) else ""
    reason = {"coding": "code", "math_reasoning": "multi_step", "": ""}[kind]
    return label(intent=kind, reason=reason, tier="hard", difficulty=3, retrieval=False if kind else None, pii=False)


def _awesome(row: dict[str, Any]) -> dict[str, Soft]:
    development = bool((row["label"] or {}).get("for_devs"))
    return label(
        intent="coding" if development else "",
        reason="code" if development else "long_form",
        tier="code" if development else "mid",
        difficulty=2,
        retrieval=False,
        pii=False,
    )


_LEGAL_WRITING = {
    "Defense Plea",
    "Contract",
    "Judgment Document",
    "Legal Consultation",
    "Legal Opinion",
    "Case Study",
}


def _writingbench(row: dict[str, Any]) -> dict[str, Soft]:
    domain = row["label"]["domain1"]
    legal = True if row["label"]["domain2"] in _LEGAL_WRITING else None if domain == "Politics & Law" else False
    return label(intent="writing", reason="long_form", tier="hard", difficulty=3, retrieval=False, legal=legal)


def _mxeval(row: dict[str, Any]) -> dict[str, Soft]:
    if row["task"] == "coding":
        return label(intent="coding", reason="code", tier="code", difficulty=2, retrieval=False, **EVERYDAY)
    return label(
        intent="math_reasoning",
        reason="calculation",
        tier="word_problem",
        difficulty=2,
        retrieval=False,
        **EVERYDAY,
    )


_SNIPS = {
    "GetWeather": ("data_query", "lookup"),
    "SearchCreativeWork": ("data_query", "lookup"),
    "SearchScreeningEvent": ("data_query", "lookup"),
    "BookRestaurant": ("purchase_booking", "transaction"),
}


def _snips(row: dict[str, Any]) -> dict[str, Soft]:
    intent, reason = _SNIPS.get(row["label"]["intent"], ("device_action", "transaction"))
    return label(intent=intent, reason=reason, tier="trivial", difficulty=1, retrieval=False, **EVERYDAY)


_SKILLS = {
    "weatherskill": ("data_query", "lookup"),
    "restaurant": ("purchase_booking", "transaction"),
    "news": ("factual_question", "lookup"),
    "general": ("conversation", "unclear"),
}


def _botframework(row: dict[str, Any]) -> dict[str, Soft] | None:
    if row["task"] == "chitchat":
        return label(
            intent="conversation",
            reason="small_talk",
            tier="trivial",
            difficulty=1,
            retrieval=False,
            **EVERYDAY,
        )
    skill = (row["label"] or {}).get("skill", "")
    if not skill:
        return None
    lookup = skill.startswith("poi_") or "Find" in row["label"]["intent"] or "Check" in row["label"]["intent"]
    intent, reason = _SKILLS.get(skill, ("data_query", "lookup") if lookup else ("device_action", "transaction"))
    pii = None if skill in {"email", "calendar"} else False
    return label(intent=intent, reason=reason, tier="trivial", difficulty=1, retrieval=False, pii=pii, legal=False)


_P3 = {
    "common_gen": label(intent="writing", reason="long_form", tier="howto", difficulty=1, retrieval=False, **EVERYDAY),
    "": label(intent="factual_question", reason="judgement", tier="howto", difficulty=2, retrieval=False, **EVERYDAY),
}


def _polyai(row: dict[str, Any]) -> dict[str, Soft] | None:
    known = row["label"] or {}
    if row["task"] == "restaurant_booking_turn":
        slots = set(known.get("slots", []))
        named = {"first_name", "last_name"} <= slots
        pii = True if named else None if slots & {"first_name", "last_name"} else False
        return label(
            intent="purchase_booking" if slots else "",
            reason="transaction" if slots else "",
            tier="trivial",
            difficulty=1,
            retrieval=False if slots else None,
            pii=pii,
            legal=False,
        )
    intents = set(known.get("intents") or [])
    if intents & {"affirm", "deny", "greet", "thank", "end_call", "dont_know"}:
        kind, reason = "conversation", "small_talk"
    elif "handoff" in intents:
        kind, reason = "other", "unclear"
    elif row["task"] == "nlupp_hotels":
        kind, reason = "purchase_booking", "transaction"
    elif intents & {
        "card",
        "account",
        "transfer_payment_deposit",
        "cash_withdrawal",
        "direct_debit",
        "balance",
    }:
        kind, reason = "billing_payment", "procedure"
    else:
        kind, reason = "", ""
    return label(intent=kind, reason=reason, tier="easy", difficulty=1, legal=False)


def _begin(data: Path) -> Iterator[Row]:
    known = label(intent="conversation", tier="easy", difficulty=1, **EVERYDAY)
    seen = set()
    for row in read_csv(data / "begin" / "begin.csv.gz"):
        text = row["message"].strip()
        if row["data_source"] in {"wow", "cmu", "cmu-dog"} and text and text not in seen:
            seen.add(text)
            yield Row(text=text, source="begin", labels=known)


def _bfcl(data: Path) -> Iterator[Row]:
    for row in read_jsonl(data / "bfcl_v4_questions" / "questions.jsonl.gz"):
        if "irrelevance" in row["category"]:  # the tools at hand do not serve: it says nothing of the request
            continue
        said = [m["content"] for turn in row["question"] for m in turn if m["role"] == "user"]
        parallel = "parallel" in row["category"]
        calls = row["n_gold_calls"] or 1
        structure = "single" if calls == 1 else "parallel" if parallel else "chain"
        known = labels.step(
            needs=True,
            calls=labels.soft("planned_calls", _calls(calls), 0.94),
            structure=labels.soft("structure", structure, 0.9),
        )
        yield Row(text="\n".join(said), source="bfcl_v4", group=f"bfcl:{row['id']}", labels=known)


def _calls(count: int) -> str:
    return str(count) if count < 2 else "2-3" if count < 4 else "4+"


_TASKBENCH = {
    # the graph that was drawn for it: planned calls 0, 1, 2-3, 4+; structure none, single, parallel, chain, dag
    "single": ((0.01, 0.95, 0.03, 0.01), (0.01, 0.93, 0.02, 0.03, 0.01)),
    "chain": ((0.01, 0.04, 0.7, 0.25), (0.01, 0.04, 0.05, 0.8, 0.1)),
    "dag": ((0.01, 0.02, 0.42, 0.55), (0.01, 0.03, 0.1, 0.16, 0.7)),
}


def _taskbench(data: Path) -> Iterator[Row]:
    for row in read_jsonl(data / "taskbench" / "requests.jsonl.gz"):
        calls, structure = _TASKBENCH[row["type"]]
        known = labels.step(needs=True, calls=calls, structure=structure)
        yield Row(text=row["user_request"], source="taskbench", kind=f"taskbench:{row['domain']}", labels=known)


def _metatool(data: Path) -> Iterator[Row]:
    folder = data / "metatool"
    one = labels.step(
        needs=True,
        calls=labels.soft("planned_calls", "1", 0.94),
        structure=labels.soft("structure", "single", 0.94),
    )
    none = labels.step(
        needs=False,
        calls=labels.soft("planned_calls", "0", 0.94),
        structure=labels.soft("structure", "none", 0.94),
    )
    two = labels.step(
        needs=True, calls=labels.soft("planned_calls", "2-3", 0.94), structure=(0.01, 0.04, 0.6, 0.3, 0.05)
    )
    for row in read_jsonl(folder / "multi_tool_query_golden.jsonl.gz"):
        yield Row(text=row["query"], source="metatool", labels=two)
    for row in read_jsonl(folder / "task1_awareness.jsonl.gz"):
        yield Row(text=row["query"], source="metatool", labels=one if row["label"] == "positive" else none)
    for record in read_csv(folder / "all_clean_data.csv.gz"):
        yield Row(text=record["Query"], source="metatool", labels=one)


def _tau(data: Path) -> Iterator[Row]:
    for row in read_jsonl(data / "tau_bench" / "tasks.jsonl.gz"):
        count = int(row["n_actions"])
        structure = "none" if count == 0 else "single" if count == 1 else "chain"
        known = labels.step(
            needs=count > 0,
            calls=labels.soft("planned_calls", _calls(count), 0.9),
            structure=labels.soft("structure", structure, 0.9),
        )
        yield Row(text=row["instruction"], source="tau_bench", group=f"tau:{row['domain']}:{row['i']}", labels=known)


_FACTOID = label(intent="factual_question", reason="lookup", tier="easy", difficulty=1, retrieval=True, **EVERYDAY)
_TABLE = label(intent="data_query", reason="lookup", tier="howto", difficulty=1, retrieval=False, **EVERYDAY)
_SHELL = label(intent="coding", reason="procedure", tier="howto", difficulty=1, **EVERYDAY)
_SHOP = label(
    intent="purchase_booking", reason="transaction", tier="trivial", difficulty=1, retrieval=False, **EVERYDAY
)
_MIXED = label(tier="mid", difficulty=2, **EVERYDAY)

SOURCES: tuple[Source, ...] = (
    Source(name="mmlu_pro", licence="Apache-2.0", used_for="difficulty, intent", read=_mmlu_pro, share=0.9),
    Source(name="llmrouter", licence="MIT", used_for="difficulty, intent", read=_llmrouter, share=1.7),
    Source(name="gsm8k", licence="MIT", used_for="tier, intent", read=_gsm8k, share=0.5),
    Source(name="clinc150", licence="CC BY 3.0", used_for="intent, reason, flags", read=_clinc, share=1.3),
    Source(name="banking77", licence="CC BY 4.0", used_for="intent, reason, flags", read=_banking, share=1.0),
    Source(name="counsel_chat", licence="MIT", used_for="is_legal negatives, advice", read=_counsel, share=2.0),
    Source(name="legalbench", licence="CC BY 4.0 rows", used_for="is_legal", read=_legalbench, share=3.0),
    Source(name="presidio_pii", licence="MIT", used_for="contains_pii", read=_presidio, share=3.0),
    Source(
        name="arena_hard_v01",
        licence="Apache-2.0",
        used_for="tier",
        read=_corpus("arena_hard_v01", _arena),
        share=3.0,
    ),
    Source(
        name="awesome_chatgpt_prompts",
        licence="CC0-1.0",
        used_for="tier",
        read=_corpus("awesome_chatgpt_prompts", _awesome),
        share=0.4,
    ),
    Source(
        name="botframework_solutions",
        licence="MIT",
        used_for="intent, flags",
        read=_corpus("botframework_solutions", _botframework),
        share=0.7,
    ),
    Source(
        name="mxeval",
        licence="CC BY 4.0",
        used_for="tier, intent",
        read=_corpus("mxeval", _mxeval),
        share=0.6,
    ),
    Source(
        name="nlu_evaluation_hwu",
        licence="CC BY 4.0",
        used_for="intent, flags",
        read=_corpus("nlu_evaluation_hwu", lambda row: labels.hwu(row["label"]["intent"])),
    ),
    Source(
        name="p3_t0_subset",
        licence="Apache-2.0",
        used_for="tier, intent",
        read=_corpus("p3_t0_subset", lambda row: _P3.get(row["task"], _P3[""])),
        share=0.3,
    ),
    Source(
        name="polyai_nlupp_restaurant8k",
        licence="CC BY 4.0",
        used_for="intent, contains_pii",
        read=_corpus("polyai_nlupp_restaurant8k", _polyai),
        share=0.7,
    ),
    Source(
        name="promptsource_templates",
        licence="Apache-2.0",
        used_for="tier, flags",
        read=_corpus("promptsource_templates", _always(_MIXED)),
    ),
    Source(
        name="self_instruct_human",
        licence="Apache-2.0",
        used_for="tier, flags",
        read=_corpus("self_instruct_human", _always(_MIXED)),
        share=2.0,
    ),
    Source(
        name="simplequestions",
        licence="CC BY 3.0",
        used_for="intent, needs_retrieval",
        read=_corpus("simplequestions", _always(_FACTOID)),
        share=0.3,
    ),
    Source(name="snips_2017", licence="CC0-1.0", used_for="intent", read=_corpus("snips_2017", _snips), share=0.5),
    Source(
        name="taskmaster_3_4_turns",
        licence="CC BY 4.0",
        used_for="intent",
        read=_corpus("taskmaster_3_4_turns", _always(_SHOP)),
        share=0.4,
    ),
    Source(
        name="text2sql_advising",
        licence="CC BY 4.0",
        used_for="intent",
        read=_corpus("text2sql_advising", _always(_TABLE)),
        share=0.5,
    ),
    Source(
        name="tldr_pages",
        licence="CC BY 4.0",
        used_for="intent",
        read=_corpus("tldr_pages", _always(_SHELL)),
        share=0.2,
    ),
    Source(
        name="webshop_goals",
        licence="MIT",
        used_for="intent",
        read=_corpus("webshop_goals", _always(_SHOP)),
        share=0.4,
    ),
    Source(
        name="wikisql_questions",
        licence="BSD-3-Clause",
        used_for="intent",
        read=_corpus("wikisql_questions", _always(_TABLE)),
        share=0.25,
    ),
    Source(
        name="writingbench",
        licence="Apache-2.0",
        used_for="tier, intent",
        read=_corpus("writingbench", _writingbench),
        share=1.0,
    ),
    Source(name="bfcl_v4", licence="Apache-2.0", used_for="fields of an agent's step", read=_bfcl, share=1.5),
    Source(name="taskbench", licence="MIT", used_for="fields of an agent's step", read=_taskbench, share=0.4),
    Source(name="metatool", licence="MIT", used_for="fields of an agent's step", read=_metatool, share=0.3),
    Source(name="tau_bench", licence="MIT", used_for="fields of an agent's step", read=_tau, share=1.5),
    Source(name="begin", licence="CC BY 4.0 subsets", used_for="intent, flags", read=_begin, share=1.0),
)
"""Every data set that may go into published weights."""
