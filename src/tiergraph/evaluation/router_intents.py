"""CLINC's 150 intents and what is none of them, by a head that is fitted on its training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation.intervals import mean_interval
from tiergraph.evaluation.router_gains import LENGTH, ORACLE, RANDOM, TFIDF
from tiergraph.evaluation.router_learned import fitted_labels, tfidf_labels
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial
from tiergraph.suites.files import table
from tiergraph.suites.seen import held_out

OUTSIDE = "oos"
FREQUENT = "most frequent"


def intents(trial: Trial) -> tuple[Row, ...]:
    """Accuracy on requests of the 150; recall and precision of what is outside them.

    The weights learned from CLINC too, so that judges are the rows that training held out; the whole of the split that
    is for judging stands beside them.
    """
    trial.need("intents")
    rows = table(trial.folder / "clinc150" / "data_full.csv.gz")
    split = "test" if any(row["split"] == "test" for row in rows) else "val"
    unseen = [row for row in rows if held_out("clinc150", row["text"])]
    known = [row for row in rows if row["split"] in ("train", "oos_train") and not held_out("clinc150", row["text"])]
    named = [row for row in rows if row["split"] in (split, f"oos_{split}")]
    told = list({row["text"]: row for row in (*trial.draw(unseen), *trial.draw(named))}.values())
    predicted = _predicted(trial, known, [row["text"] for row in told])
    truth = np.array([row["intent"] for row in told])
    kept = np.array([held_out("clinc150", row["text"]) for row in told], dtype=bool)
    whole = np.array([row["split"] in (split, f"oos_{split}") for row in told], dtype=bool)
    note = f"fitted on {len(known):,} rows"
    return (
        *_rows(trial, truth, predicted, kept, "", f"{note}, judged on rows that training held out"),
        *_rows(trial, truth, predicted, whole, f", all of {split}", f"{note}; the weights saw some of these rows"),
    )


def _predicted(trial: Trial, known: Sequence[Mapping[str, str]], told: Sequence[str]) -> dict[str, NDArray[np.str_]]:
    """Who says it, the router being the empty name, to the label of each text that is told."""
    texts, labels = [row["text"] for row in known], [row["intent"] for row in known]
    read = trial.asking.readings((*texts, *told))
    logits, said = read.logits[: len(texts)], read.logits[len(texts) :]
    found: dict[str, Sequence[str]] = {
        "": fitted_labels(texts, logits, labels, told, said, outside=OUTSIDE, seed=trial.seed).likeliest,
        RANDOM: _drawn(sorted(set(labels)), len(told), trial.seed),
        LENGTH: _by_length(texts, labels, told),
        FREQUENT: (Counter(labels).most_common(1)[0][0],) * len(told),
        TFIDF: tfidf_labels(texts, labels, told, seed=trial.seed).likeliest,
    }
    return {who: np.array(label) for who, label in found.items()}


def _rows(
    trial: Trial,
    truth: NDArray[np.str_],
    predicted: Mapping[str, NDArray[np.str_]],
    judged: NDArray[np.bool_],
    title: str,
    note: str,
) -> tuple[Row, ...]:
    """The figures over the texts of a mask, with bars where there is no ``title``."""
    right = truth[judged]
    outside = right == OUTSIDE
    kinds: tuple[tuple[str, Bar | None, Callable[[NDArray[np.str_]], NDArray[np.bool_]]], ...] = (
        ("accuracy of 150 intents", Bar(sense="at_least", must=0.90, aim=0.95), lambda said: (said == right)[~outside]),
        ("out-of-scope recall", Bar(sense="at_least", must=0.60, aim=0.80), lambda said: (said == OUTSIDE)[outside]),
        ("out-of-scope precision", None, lambda said: outside[said == OUTSIDE]),
    )
    found = []
    for name, bar, figure in kinds:
        figures = {
            who: mean_interval(figure(labels[judged]), count=trial.count, seed=trial.seed)
            for who, labels in ({**predicted, ORACLE: truth}).items()
        }
        ours = figures.pop("")
        found.append(
            Row(
                name=f"{name}{title}",
                figure=ours,
                unit="share",
                bar=None if title else bar,
                baselines=figures,
                note=note,
            )
        )
    return tuple(found)


def _drawn(labels: Sequence[str], n: int, seed: int) -> tuple[str, ...]:
    return tuple(np.random.default_rng(seed).choice(labels, n).tolist())


def _by_length(texts: Sequence[str], labels: Sequence[str], told: Sequence[str]) -> tuple[str, ...]:
    """The label that most known texts of the nearest length have."""
    counted: dict[int, Counter[str]] = {}
    for text, label in zip(texts, labels, strict=True):
        counted.setdefault(len(text), Counter())[label] += 1
    lengths = sorted(counted)
    best = {length: counted[length].most_common(1)[0][0] for length in lengths}
    return tuple(best[min(lengths, key=lambda length: abs(length - len(text)))] for text in told)
