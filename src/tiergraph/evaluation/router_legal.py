"""Legal or not, by patterns and model together: on posts, clauses and cases, and on what only sounds like them."""

from __future__ import annotations

from dataclasses import replace

from tiergraph.evaluation.router_detection import detection
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

_FOUND = Bar(sense="at_least", must=0.95, aim=0.98)
_FALSE = Bar(sense="at_most", must=0.05, aim=0.02)

POSITIVE = {"learned_hands": "LearnedHands", "legalbench": "LegalBench"}
NEGATIVE = {
    "counsel_chat": "counsel-chat",
    "clinc150": "CLINC",
    "banking77": "Banking77",
    "mmlu_pro": "MMLU-Pro without law",
}


def legal(trial: Trial) -> tuple[Row, ...]:
    """Recall and false positives of each source, on rows that training never saw."""
    suite = trial.suite("legal")
    kept = [case for case in suite if case.strata["trained_on"] == "no"]
    cases = trial.drawn(kept, by=lambda case: case.strata["source"])
    found = detection(trial, cases, trial.asking.decisions(replace(suite, cases=cases)), "legal")
    return (
        *(found.recall(trial, f"recall, {said}", _FOUND, found.source(name)) for name, said in POSITIVE.items()),
        *(
            found.false_positives(trial, f"false positives, {said}", _FALSE, found.source(name))
            for name, said in NEGATIVE.items()
        ),
    )
