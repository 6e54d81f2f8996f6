"""Personal data or not, by patterns and model together: on templates that training never saw, and on what has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tiergraph.evaluation.cases import Case, Expect
from tiergraph.evaluation.router_detection import Mask, detection
from tiergraph.evaluation.router_plain import plain
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial
from tiergraph.suites.files import json_rows, labelled, short
from tiergraph.suites.seen import held_out_group

REPLACED = "replaced"
_EVERYDAY = Bar(sense="at_most", must=0.03, aim=0.01)


def pii(trial: Trial) -> tuple[Row, ...]:
    """Recall on unseen templates; false positives on everyday requests and on the same templates about nobody."""
    suite = trial.suite("pii")
    kept = [case for case in suite if case.strata["trained_on"] == "no" and case.strata["source"] != "template"]
    cases = trial.drawn((*kept, *_replaced(trial)), by=lambda case: case.strata["source"])
    suite = replace(suite, name="pii", cases=cases)
    found = detection(trial, cases, trial.asking.decisions(suite), "pii")
    templates = len({case.group for case in cases if case.strata["source"] == "presidio"})
    everywhere = found.source("presidio")
    by_kind = {
        kind: _recall(found.found, found.truth, [case.strata["kind"] == kind for case in cases])
        for kind in ("structured", "address", "name")
    }
    recall = found.recall(
        trial,
        "recall, unseen templates",
        Bar(sense="at_least", must=0.97, aim=0.995),
        everywhere,
        f"{templates} templates that training holds out",
    )
    return (
        Row(**{**vars(recall), "details": {"recall_by_kind": by_kind}}),
        found.false_positives(trial, "false positives, CLINC", _EVERYDAY, found.source("clinc150")),
        found.false_positives(trial, "false positives, Banking77", _EVERYDAY, found.source("banking77")),
        found.false_positives(
            trial,
            "false positives, spans replaced",
            Bar(sense="at_most", must=0.10, aim=0.03),
            found.source(REPLACED),
            "the texts of the same templates, with words that name nobody in place of what is personal",
        ),
    )


def _replaced(trial: Trial) -> list[Case]:
    """Personal texts of unseen templates, each distinct one once, with other words in place of the spans."""
    folder = trial.folder
    personal = {row.text for row in labelled("presidio_pii", folder) if row.labels["contains_pii"][0] > 0.5}
    found = {}
    for row in json_rows(folder / "presidio_pii" / "pii_by_template.jsonl.gz"):
        group = f"presidio:{row['template_id']}"
        if row["full_text"] in personal and held_out_group(group):
            text = plain(row)
            found[text] = Case(
                id=f"{REPLACED}-{short(text)}",
                text=text,
                expect=Expect(findings={"pii": False}),
                strata={"source": REPLACED, "kind": "none", "trained_on": "no"},
                group=group,
            )
    return list(found.values())


def _recall(found: Mask, truth: Mask, where: list[bool]) -> dict[str, float | int | None]:
    judged = truth & np.array(where, dtype=bool)
    return {"value": round(float(found[judged].mean()), 6) if judged.any() else None, "n": int(judged.sum())}
