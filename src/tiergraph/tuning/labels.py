"""Labelled rows to a head that reads one field, such as a user's own intents.

Failure rule: a row that cannot be used is named and left out; too few of them, or labels that the field cannot have,
are the user's mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tiergraph.errors import InputError
from tiergraph.proposers.fitted import VALUES
from tiergraph.rows import BadRow, Line, read_objects
from tiergraph.tuning.reading import load_unfitted, read_texts, tunable
from tiergraph.tuning.running import MIN_ROWS, Source, Work, heads_of, text_digest
from tiergraph.tuning.writing import changed_text, check_new, head_path, write_tuned

if TYPE_CHECKING:
    from tiergraph.evaluation.cases import Problem
    from tiergraph.evaluation.intervals import Interval

LEAST = 2
"""Rows that a label has at least: one to learn from and one to judge."""

LONGEST_LABEL = 80


class Labelled(NamedTuple):
    """Rows with one label each. ``name`` is the file's, ``problems`` are rows that were left out."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    problems: tuple[Problem, ...]
    name: str


@dataclass(frozen=True, kw_only=True)
class TunedField:
    """What tuning a field found.

    Attributes:
        config, head, digest, chosen: As of `Tuned`.
        values: Of the field, as the head knows them.
        rows: That were used; ``problems`` are those that were not.
        figures: Name to whose it is (``head``, ``TF-IDF``, ``most frequent``) to its interval.
    """

    config: Path
    head: Path
    digest: str
    field: str
    values: tuple[str, ...]
    rows: int
    problems: Sequence[Problem]
    figures: Mapping[str, Mapping[str, Interval | None]]
    chosen: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "config": str(self.config),
            "head": {"file": str(self.head), "sha256": self.digest},
            "field": self.field,
            "values": list(self.values),
            "rows": {"used": self.rows, "left_out": len(self.problems)},
            "figures": {
                name: {of: None if each is None else each._asdict() for of, each in cells.items()}
                for name, cells in self.figures.items()
            },
            "chosen": dict(self.chosen),
            "problems": [problem.as_json() for problem in self.problems],
        }


def read_labelled(path: Path, field: str) -> Labelled:
    """Rows ``{"text", FIELD: value}``; the value may stand in ``expect`` or be called ``label`` too.

    Raises:
        InputError: No such field, or no row that can be used.
    """
    from tiergraph.evaluation.cases import Problem

    if field not in VALUES:
        raise InputError(f"--field {field!r}: a head reads one of {list(VALUES)}.", code="unknown_field")
    found: list[tuple[str, str]] = []
    problems = []
    with path.open("rb") as stream:
        for line in read_objects(stream):
            try:
                found.append(_row(line, field))
            except InputError as error:
                number = line.line if isinstance(line, BadRow) else line.number
                problems.append(Problem(file=path.name, line=number, id=None, code=error.code, message=str(error)))
    if not found:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise InputError(f"{path.name}: no row can be used.{first}", code="no_rows")
    counted = Counter(label for _, label in found)
    kept = [(text, label) for text, label in found if counted[label] >= LEAST]
    for label in sorted(label for label, count in counted.items() if count < LEAST):
        message = f"the value {label!r} has one row. Fix: give it more."
        problems.append(Problem(file=path.name, line=None, id=None, code="rare_value", message=message))
    return Labelled(tuple(t for t, _ in kept), tuple(v for _, v in kept), tuple(problems), path.stem)


def _row(line: Line | BadRow, field: str) -> tuple[str, str]:
    if isinstance(line, BadRow):
        raise InputError(line.message, code=line.code)
    row = line.value
    text, expect = row.get("text"), row.get("expect")
    if not isinstance(text, str) or not text.strip():
        raise InputError("There is no 'text'. Fix: add one.", code="no_text")
    given = [row.get(field), row.get("label"), expect.get(field) if isinstance(expect, dict) else None]
    value = next((each for each in given if each is not None), None)
    if value is None:
        raise InputError(f"There is no {field!r}. Fix: add one.", code="no_label")
    label = str(value).lower() if isinstance(value, bool) else str(value)
    closed = VALUES[field]
    if not isinstance(value, (str, int)) or not 0 < len(label) <= LONGEST_LABEL or not label.isprintable():
        raise InputError(f"{field!r} is no name. Fix: write 1 to {LONGEST_LABEL} characters.", code="bad_label")
    if closed is not None and label not in closed:
        raise InputError(f"{field!r} is none of {list(closed)}. Fix: correct it.", code="bad_label")
    return text, label


def tune_field(
    rows: Labelled,
    source: Source,
    out: Path,
    *,
    field: str,
    outside: str | None = None,
    seed: int = 0,
    force: bool = False,
    work: Work | None = None,
) -> TunedField:
    """Fit a head to labels, and write it beside a configuration that names it and states its values.

    Args:
        rows: At least `MIN_ROWS`, with two labels.
        source, out, force, work: As of `tune_ladder`.
        outside: The label of what is none of the others.

    Raises:
        InputError: Too few rows or labels, or a file that is there.
        ConfigError: The configuration cannot be tuned, or its ``map`` names other values.
    """
    work = work or Work()
    config = source.parsed()
    file = head_path(out, field)
    check_new([out, file, file.with_suffix(".json")], force=force)
    place, entry = tunable(config)
    _check(rows, field, outside)
    with load_unfitted(config, entry, progress=work.stage) as proposer:
        with work.bar("reading", len(set(rows.texts))) as tick:
            read = read_texts(proposer, rows.texts, tick=tick)
        model, logit_names = proposer.model_sha256, proposer.feature_names
    from tiergraph.tuning.field import fit_field

    work.stage("fitting")
    fit = fit_field(
        rows.texts,
        read.logits,
        rows.labels,
        field=field,
        outside=outside,
        seed=seed,
        model_sha256=model,
        logit_names=logit_names,
        data={"rows": len(rows.texts), "sha256": text_digest(rows.texts, rows.labels), "source": rows.name},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    work.stage("measuring")
    values = tuple(fit.head.values)
    found = _figures(rows, values, np.asarray(fit.cross_fitted), outside, seed)
    shown = {
        name: {of: None if each is None else each._asdict() for of, each in cells.items()}
        for name, cells in found.items()
    }
    where = ("router", "chain", place) if config.router.chain else ("router",)
    changes: dict[tuple[str | int, ...], Any] = {(*where, "heads"): heads_of(config, entry, field, file, out)}
    if field in ("intent", "reason"):
        changes["router", f"{field}s"] = list(values)
    head = replace(fit.head, figures={**fit.head.figures, "cross_fitted": shown})
    text = changed_text(source.text, changes, name=source.name)
    return TunedField(
        config=out,
        head=file,
        digest=write_tuned(head, file, text, out),
        field=field,
        values=values,
        rows=len(rows.texts),
        problems=rows.problems,
        figures=found,
        chosen=fit.chosen,
    )


def _check(rows: Labelled, field: str, outside: str | None) -> None:
    known = sorted(set(rows.labels))
    if len(rows.texts) < MIN_ROWS:
        first = f" The first row that was left out: {rows.problems[0]}" if rows.problems else ""
        raise InputError(
            f"{len(rows.texts)} rows with a {field!r}, and {MIN_ROWS} are needed at least. Fix: label more.{first}",
            code="too_few_rows",
        )
    if len(known) < 2:
        raise InputError(f"All rows have the {field!r} {known[0]!r}. Fix: give rows of others.", code="one_value")
    closed = VALUES[field]
    if closed is not None and set(known) != set(closed):
        missing = sorted(set(closed) - set(known))
        raise InputError(f"No row has the {field!r} {missing[0]!r}. Fix: give two at least.", code="missing_value")
    if outside is not None and outside not in known:
        raise InputError(f"--outside {outside!r}: no row has it. Values: {known[:20]}.", code="unknown_value")


def _figures(
    rows: Labelled, values: Sequence[str], cross_fitted: Any, outside: str | None, seed: int
) -> dict[str, dict[str, Interval | None]]:
    from tiergraph.evaluation.baselines import most_frequent, tfidf_labels

    labels = np.array(rows.labels, dtype=object)
    said: dict[str, Any] = {
        "head": np.array(values, dtype=object)[cross_fitted.argmax(axis=1)],
        "TF-IDF": tfidf_labels(rows.texts, rows.labels, groups=list(rows.texts), seed=seed).labels,
        "most frequent": np.full(len(labels), most_frequent(rows.labels), dtype=object),
    }
    found: dict[str, dict[str, Interval | None]] = {}
    for name, rule in _rules(labels, outside):
        found[name] = {of: rule(given) for of, given in said.items()}
        said.pop("most frequent", None)  # of one label alone it is all or nothing
    return found


def _rules(labels: Any, outside: str | None) -> Iterator[tuple[str, Any]]:
    from tiergraph.evaluation.intervals import mean_interval

    def accuracy(given: Any) -> Interval | None:
        return mean_interval((given == labels).astype(bool))

    yield "accuracy", accuracy
    if outside is not None:
        within, beyond = labels != outside, labels == outside
        yield f"accuracy without {outside}", lambda given: mean_interval((given == labels)[within].astype(bool))
        yield f"recall of {outside}", lambda given: mean_interval((given == outside)[beyond].astype(bool))
        yield f"false {outside}", lambda given: mean_interval((given == outside)[within].astype(bool))
