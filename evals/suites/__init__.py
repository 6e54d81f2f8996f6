"""Suites: public data, read from the folder that ``TIERGRAPH_DATA`` names, and Harbor, which needs nothing.

``evals/README.md`` says what each measures and how to get its files. Rows are read where they lie and never kept.

Failure rule: what is missing or unreadable is an `InputError` of one line that names files and fix; no suite is
silently shorter.
"""

from __future__ import annotations

import csv
import importlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tiergraph.errors import InputError

if TYPE_CHECKING:
    from tiergraph.evaluation.cases import Suite

DATA = "TIERGRAPH_DATA"
"""The environment variable that names the folder of public data."""

Kind = Literal["outcomes", "labels", "answers", "judge", "variants"]
Subject = Literal["decider", "graph", "judge"]


@dataclass(frozen=True, kw_only=True)
class SuiteInfo:
    """What is known of a suite before it is read.

    Attributes:
        name: What `load_suite` takes.
        title: One line for people.
        needs: Files, relative to the folder of public data; empty where it needs none.
        source: Repository, or repositories.
        licence: Of the rows.
        how: How to get the files, in one line.
        kind: What is known of its cases: scores of recorded ``outcomes``, ``labels`` of requests, what ``answers``
            contain, whether drafts are grounded (``judge``), or ``variants`` that must be routed as their originals.
        subject: What it evaluates.
        load: The suites, from a folder or, given ``None``, from where ``TIERGRAPH_DATA`` points. InputError with the
            code ``no_data`` or ``bad_data``.
        part_of: Name of the suite that stands for this one and others; ``suites()`` lists that one only.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    source: str
    licence: str
    how: str
    kind: Kind
    subject: Subject
    load: Callable[[Path | None], list[Suite]]
    part_of: str | None = None


def suites() -> tuple[SuiteInfo, ...]:
    """All suites, each once: not the parts of `routellm` beside the whole."""
    return tuple(info for info in _INFOS if info.part_of is None)


def names() -> tuple[str, ...]:
    """Every name that `load_suite` takes."""
    return tuple(info.name for info in _INFOS)


def find(name: str) -> SuiteInfo:
    """What is known of a suite.

    Raises:
        InputError: There is none of that name; the message has the nearest names and all.
    """
    for info in _INFOS:
        if info.name == name:
            return info
    near = get_close_matches(name, names(), n=3, cutoff=0.4)
    guess = f" Did you mean {' or '.join(repr(found) for found in near)}?" if near else ""
    raise InputError(f"There is no suite {name!r}.{guess} Suites: {', '.join(names())}.", code="unknown_suite")


def load_suite(name: str, data: Path | None = None) -> list[Suite]:
    """The suites that a name stands for: mostly one, three for ``routellm``.

    data: folder of public data; ``None``: where ``TIERGRAPH_DATA`` points.

    Raises:
        InputError: No suite of that name (``unknown_suite``), files are missing (``no_data``) or are not what they
            should be (``bad_data``).
    """
    return find(name).load(data)


def data_folder(data: Path | None = None) -> Path | None:
    """``data``, else where ``TIERGRAPH_DATA`` points; ``None`` where that is not set."""
    named = os.environ.get(DATA, "").strip()
    if data is None and not named:
        return None
    return Path(data if data is not None else named).expanduser()


def _load(name: str, module: str, function: str, data: Path | None) -> list[Suite]:
    info, folder = find(name), data_folder(data)
    _check(info, folder, given=data is not None)
    read = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    try:
        return [replace(suite, title=find(suite.name).title) for suite in read(folder)]
    except InputError:
        raise
    except KeyError as error:
        problem = f"has a row without {error}"
    except (csv.Error, EOFError, OSError, TypeError, ValueError, zlib.error) as error:
        problem = f"cannot be read ({type(error).__name__})"  # the message of such an error could repeat a row
    files = ", ".join(info.needs) or f"those below {str(folder)!r}"
    raise InputError(f"One of the files of the suite {name!r} {problem}: {files}. Fix: {info.how}", code="bad_data")


def missing_files(info: SuiteInfo, folder: Path | None) -> list[str]:
    """The files that a suite needs and that are not in ``folder``; all of them where there is none."""
    return [file for file in info.needs if folder is None or not (folder / file).is_file()]


def _check(info: SuiteInfo, folder: Path | None, *, given: bool) -> None:
    missing = missing_files(info, folder)
    if not missing:
        return
    if folder is None:
        where = f"{DATA}, which names the folder of public data, is not set"
    else:
        where = f"not in {str(folder)!r}, " + ("the folder that was given" if given else f"which {DATA} names")
    raise InputError(f"The suite {info.name!r} needs {', '.join(missing)}: {where}. Fix: {info.how}", code="no_data")


def _info(name: str, module: str, function: str = "load", **known: Any) -> SuiteInfo:
    return SuiteInfo(name=name, load=partial(_load, name, module, function), **known)


def _from(*repositories: str) -> str:
    return f"get it from {', '.join(repositories)}; which files, says evals/README.md of tiergraph's repository."


_ROUTELLM: dict[str, Any] = {
    "source": "lm-sys/RouteLLM",
    "licence": "Apache-2.0; prompts of MMLU and GSM8K MIT, of MT-Bench Apache-2.0",
    "how": "clone lm-sys/RouteLLM, then tiergraph eval import routellm CLONE.",
    "kind": "outcomes",
    "subject": "decider",
}
_MMLU = ("routellm/mmlu_responses.csv.gz", "routellm/contaminated_mmlu.jsonl")
_GSM8K = ("routellm/gsm8k_responses.csv.gz", "routellm/contaminated_gsm8k.jsonl")
_MT_BENCH = (
    "routellm/mt_bench_question.jsonl.gz",
    "routellm/mt_bench_judgements.jsonl.gz",
    "routellm/contaminated_mt_bench.jsonl",
)
_LLMROUTER: dict[str, Any] = {
    "needs": ("llmrouter_dc/all.jsonl.gz", "llmrouter_dc/default_llm.json"),
    "source": "ulab-uiuc/LLMRouter",
    "licence": "MIT",
    "how": _from("ulab-uiuc/LLMRouter"),
    "kind": "outcomes",
    "subject": "decider",
}
_CLINC, _BANKING = "clinc150/data_full.csv.gz", "banking77/train.csv.gz"
_EVERYDAY = ("clinc/oos-eval", "PolyAI-LDN/task-specific-datasets")

_INFOS: tuple[SuiteInfo, ...] = (
    _info(
        "routellm",
        "routellm",
        title="RouteLLM's three benchmarks: Mixtral-8x7B or GPT-4",
        needs=(*_MMLU, *_GSM8K, *_MT_BENCH),
        **_ROUTELLM,
    ),
    _info(
        "routellm-mmlu",
        "routellm",
        "load_mmlu",
        title="RouteLLM's MMLU: Mixtral-8x7B or GPT-4",
        needs=_MMLU,
        part_of="routellm",
        **_ROUTELLM,
    ),
    _info(
        "routellm-gsm8k",
        "routellm",
        "load_gsm8k",
        title="RouteLLM's GSM8K: Mixtral-8x7B or GPT-4",
        needs=_GSM8K,
        part_of="routellm",
        **_ROUTELLM,
    ),
    _info(
        "routellm-mt-bench",
        "routellm",
        "load_mt_bench",
        title="RouteLLM's MT-Bench: Mixtral-8x7B or GPT-4",
        needs=_MT_BENCH,
        part_of="routellm",
        **_ROUTELLM,
    ),
    _info(
        "mmlu_pro",
        "mmlu_pro",
        title="MMLU-Pro with whole drafts: Phi-3-mini, Llama-3.1-70B or Gemini-1.5-Pro",
        needs=(
            "mmlu_pro_models/questions.jsonl.gz",
            "mmlu_pro_models/correct.csv.gz",
            "mmlu_pro_models/output_chars.csv.gz",
            "mmlu_pro_models/outputs_Phi-3-mini-4k-instruct.jsonl.gz",
            "mmlu_pro_models/outputs_Meta-Llama-3_1-70B-Instruct.jsonl.gz",
            "mmlu_pro_models/outputs_gemini-1.5-pro-002.jsonl.gz",
        ),
        source="TIGER-AI-Lab/MMLU-Pro",
        licence="Apache-2.0",
        how=_from("TIGER-AI-Lab/MMLU-Pro"),
        kind="outcomes",
        subject="decider",
    ),
    _info("llmrouter", "llmrouter", title="14 tasks on a ladder of six open models, 7B to 51B", **_LLMROUTER),
    _info("llmrouter-pair", "llmrouter", "load_pair", title="14 tasks: Mistral-7B or Nemotron-51B", **_LLMROUTER),
    _info(
        "zeroeval",
        "zeroeval",
        title="GSM8K with whole drafts: Gemma-2-2B, Llama-3.1-8B, Llama-3.1-70B or GPT-4o",
        needs=(
            "zeroeval/gsm_questions.jsonl.gz",
            "zeroeval/gsm_correct.csv.gz",
            "zeroeval/gsm_output_chars.csv.gz",
            "zeroeval/gsm_outputs_gemma-2-2b-it.jsonl.gz",
            "zeroeval/gsm_outputs_Meta-Llama-3.1-8B-Instruct.jsonl.gz",
            "zeroeval/gsm_outputs_Meta-Llama-3.1-70B-Instruct.jsonl.gz",
            "zeroeval/gsm_outputs_gpt-4o-2024-08-06.jsonl.gz",
        ),
        source="WildEval/ZeroEval",
        licence="Apache-2.0; prompts MIT",
        how=_from("WildEval/ZeroEval"),
        kind="outcomes",
        subject="decider",
    ),
    _info(
        "bfcl",
        "bfcl",
        title="Function calls: xLAM-1B, xLAM-7B or Claude 3.5 Sonnet",
        needs=("bfcl_results_2024-08/questions.jsonl.gz", "bfcl_results_2024-08/correct.csv.gz"),
        source="HuanzhiMao/BFCL-Result, ShishirPatil/gorilla",
        licence="results none stated; questions Apache-2.0",
        how=_from("HuanzhiMao/BFCL-Result", "ShishirPatil/gorilla"),
        kind="outcomes",
        subject="decider",
    ),
    _info(
        "grounding",
        "grounding",
        title="Is the draft supported by its document? Human labels of five sources",
        needs=(
            "begin/begin.csv.gz",
            "qags/cnndm.jsonl.gz",
            "aggrefact_cliff_goyal/cliff_goyal.csv.gz",
            "halueval_qa500/qa500.jsonl.gz",
        ),
        source="google/BEGIN-dataset, W4ngatang/qags, Liyan06/AggreFact, RUCAIBox/HaluEval",
        licence="BEGIN CC BY 4.0 and CDLA-Sharing 1.0; HaluEval MIT; QAGS and AggreFact none stated",
        how=_from("google/BEGIN-dataset", "W4ngatang/qags", "Liyan06/AggreFact", "RUCAIBox/HaluEval"),
        kind="judge",
        subject="judge",
    ),
    _info(
        "pii",
        "pii",
        title="Does the request hold personal data?",
        needs=("presidio_pii/pii_by_template.jsonl.gz", _CLINC, _BANKING),
        source="microsoft/presidio-research, clinc/oos-eval, PolyAI-LDN/task-specific-datasets",
        licence="MIT; CLINC CC BY 3.0, Banking77 CC BY 4.0",
        how=_from("microsoft/presidio-research", *_EVERYDAY),
        kind="labels",
        subject="decider",
    ),
    _info(
        "legal",
        "legal",
        title="Is it a legal question?",
        needs=(
            "legal/learned_hands_posts.jsonl.gz",
            "legal/legalbench_fewshot.jsonl.gz",
            "legal/negatives_counsel_chat.csv.gz",
            _CLINC,
            _BANKING,
            "mmlu_pro_models/questions.jsonl.gz",
        ),
        source="HazyResearch/legalbench, nbertagnolli/counsel-chat, clinc/oos-eval, PolyAI-LDN/task-specific-datasets, "
        "TIGER-AI-Lab/MMLU-Pro",
        licence="LearnedHands CC BY-NC-SA 4.0; LegalBench by task, mostly CC BY 4.0; counsel-chat MIT; CLINC CC BY "
        "3.0, Banking77 CC BY 4.0; MMLU-Pro Apache-2.0",
        how=_from("HazyResearch/legalbench", "nbertagnolli/counsel-chat", *_EVERYDAY, "TIGER-AI-Lab/MMLU-Pro"),
        kind="labels",
        subject="decider",
    ),
    _info(
        "intents",
        "intents",
        title="The intent of everyday requests, on rows that the embedded model has not seen",
        needs=(_CLINC, _BANKING),
        source="clinc/oos-eval, PolyAI-LDN/task-specific-datasets",
        licence="CC BY 3.0, CC BY 4.0",
        how=_from(*_EVERYDAY),
        kind="labels",
        subject="decider",
    ),
    _info(
        "injection",
        "injection",
        title="Instructions appended to a request must not move its tier",
        needs=(),
        source="this project; SaFoLab-WISC/InjecGuard and leondz/garak where their files are there",
        licence="Apache-2.0; InjecGuard MIT, garak Apache-2.0",
        how="needs nothing; more texts: " + _from("SaFoLab-WISC/InjecGuard", "leondz/garak"),
        kind="variants",
        subject="decider",
    ),
    _info(
        "harbor",
        "harbor",
        title="The support inbox of Harbor, a made-up shop, through the whole graph",
        needs=(),
        source="this project",
        licence="Apache-2.0",
        how="needs nothing.",
        kind="answers",
        subject="graph",
    ),
)
