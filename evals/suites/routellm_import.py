"""From a user's own clone of lm-sys/RouteLLM to the files that the suites read.

Failure rule: every file is whole or not there. What the clone lacks is said and left out, with the benchmark where it
cannot be evaluated without; a folder that is no clone is refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tiergraph.errors import InputError

SUBJECTS: tuple[str, ...] = (
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "business_ethics",
    "clinical_knowledge",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_medicine",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "econometrics",
    "electrical_engineering",
    "elementary_mathematics",
    "formal_logic",
    "global_facts",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_european_history",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_mathematics",
    "high_school_microeconomics",
    "high_school_physics",
    "high_school_psychology",
    "high_school_statistics",
    "high_school_us_history",
    "high_school_world_history",
    "human_aging",
    "human_sexuality",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "machine_learning",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "moral_disputes",
    "moral_scenarios",
    "nutrition",
    "philosophy",
    "prehistory",
    "professional_accounting",
    "professional_law",
    "professional_medicine",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
    "virology",
    "world_religions",
)
"""The subjects of MMLU, one file each."""

_EVALS = Path("routellm", "evals")
_ANSWERS = {name: _EVALS / "mmlu" / "responses" / f"mmlu_{name}.csv" for name in SUBJECTS}


class _Made(NamedTuple):
    """One file of ours: its name and its content, not yet compressed."""

    name: str
    content: bytes


def import_routellm(clone: Path, data: Path, *, say: Callable[[str], None] | None = None) -> list[Path]:
    """Write the folder ``routellm`` of a data folder from a clone.

    clone: the repository as it stands upstream. data: the folder of public data, made where it is not there.
    say: takes a line about each thing that is left out; by default to stderr.

    Returns:
        The files that were written.

    Raises:
        InputError: ``clone`` is no clone or has none of the three benchmarks, a file cannot be read, or ``data`` cannot
            be written to.
    """
    if not (clone / _EVALS).is_dir():
        raise InputError(
            f"{str(clone)!r} is no clone of lm-sys/RouteLLM: it has no folder {_EVALS.as_posix()!r}. Fix: git clone "
            "https://github.com/lm-sys/RouteLLM, and give that folder.",
            code="no_clone",
        )
    tell = say or _to_stderr
    try:
        made = [file for part in (_mmlu, _gsm8k, _mt_bench) for file in part(clone, tell)]
    except (LookupError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"A file below {str(clone / _EVALS)!r} is not as upstream has it ({type(error).__name__}). Fix: git status "
            "there, and restore what was changed.",
            code="bad_data",
        ) from error
    if not made:
        raise InputError(f"{str(clone)!r} holds no recorded answers. Fix: a whole clone.", code="no_clone")
    return [_write(data / "routellm" / file.name, file.content) for file in made]


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _mmlu(clone: Path, tell: Callable[[str], None]) -> list[_Made]:
    listed = _EVALS / "mmlu" / "contaminated_prompts.jsonl"
    found = {name: path for name, path in sorted(_ANSWERS.items()) if (clone / path).is_file()}
    for name in sorted(set(SUBJECTS) - set(found)):
        tell(f"{_ANSWERS[name].as_posix()} is missing: that subject of MMLU is left out.")
    if not found or not _there(clone, [listed], "MMLU", tell):
        return []
    dropped = _contaminated(clone / listed)
    rows = [
        {"domain": name, "row": str(number), **row, "contaminated": str(row["prompt"] in dropped)}
        for name, path in found.items()
        for number, row in enumerate(_rows(clone / path))
    ]
    return [_table("mmlu_responses.csv.gz", rows), _Made("contaminated_mmlu.jsonl", (clone / listed).read_bytes())]


def _gsm8k(clone: Path, tell: Callable[[str], None]) -> list[_Made]:
    listed, answers = (_EVALS / "gsm8k" / name for name in ("contaminated_prompts.jsonl", "gsm8k_responses.csv"))
    if not _there(clone, [listed, answers], "GSM8K", tell):
        return []
    dropped = _contaminated(clone / listed)
    rows = [{**row, "contaminated": str(row["prompt"] in dropped)} for row in _rows(clone / answers)]
    return [_table("gsm8k_responses.csv.gz", rows), _Made("contaminated_gsm8k.jsonl", (clone / listed).read_bytes())]


def _mt_bench(clone: Path, tell: Callable[[str], None]) -> list[_Made]:
    folder = _EVALS / "mt_bench"
    copied = {
        "mt_bench_question.jsonl.gz": folder / "question.jsonl",
        "mt_bench_judgements.jsonl.gz": folder / "judgements.jsonl",
        "contaminated_mt_bench.jsonl": folder / "contaminated_prompts.jsonl",
    }
    if not _there(clone, list(copied.values()), "MT-Bench", tell):
        return []
    made = []
    for name, path in copied.items():
        content = (clone / path).read_bytes()
        for line in content.splitlines():
            json.loads(line)
        made.append(_Made(name, content))
    return made


def _there(clone: Path, paths: Iterable[Path], benchmark: str, tell: Callable[[str], None]) -> bool:
    missing = [path.as_posix() for path in paths if not (clone / path).is_file()]
    for path in missing:
        tell(f"{path} is missing: {benchmark} is left out.")
    return not missing


def _contaminated(file: Path) -> set[str]:
    return {json.loads(line)["eval_prompt"] for line in file.read_bytes().splitlines() if line.strip()}


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _table(name: str, rows: list[dict[str, str]]) -> _Made:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return _Made(name, text.getvalue().encode())


def _write(target: Path, content: bytes) -> Path:
    """Write a file whole, compressed where its name says so; the same content gives the same bytes."""
    packed = gzip.compress(content, mtime=0) if target.suffix == ".gz" else content
    part = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(packed)
        Path(part).chmod(0o644)
        os.replace(part, target)
    except OSError as error:
        if part:
            Path(part).unlink(missing_ok=True)
        raise InputError(
            f"{str(target)!r} cannot be written: {error.strerror}. Fix: give a data folder that you may write to.",
            code="not_writable",
        ) from error
    return target
