"""From rows to a published router: the public entry of training."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from tiergraph.errors import InputError, ModelError
from tiergraph.training import data as rows_of
from tiergraph.training import equality, export, labels, report
from tiergraph.training import teacher as teachers
from tiergraph.training import train as loop
from tiergraph.training import vocabulary as vocabularies
from tiergraph.training.augment import augment, document, joinable
from tiergraph.training.data import Split
from tiergraph.training.extras import require
from tiergraph.training.fields import Contract
from tiergraph.training.labels import Row
from tiergraph.training.network import Shape
from tiergraph.training.sources import EXCLUDED, Source, available
from tiergraph.training.supplements import supplements
from tiergraph.training.train import Epoch, Plan

GGUF_NAME, MANIFEST_NAME = "embedded.gguf", "embedded.json"
"""The two files of a router, side by side."""

TAUGHT = 60_000
"""Texts that the sentence encoder is asked about, where nothing else is said: ten minutes on two cores."""

EQUAL_WITHIN = 0.03
"""Greatest difference of a probability between PyTorch and llama.cpp that is none; beyond it more bits are kept."""

_PROBED = 4000  # training rows over which the probes are brought to unit variance
_JUDGED = 1000  # rows of a source, of each of the calibration and held-out parts
_COMPARED = 200  # held-out texts run through llama.cpp
_DOCUMENTS = 0.015  # joined rows, as a share of a pass


class Manifest(TypedDict):
    """What is published beside a GGUF, as JSON: origin, licences, figures, calibration."""

    name: str
    version: str
    created: str
    gguf_sha256: str
    parameters: int
    quantisation: str
    contract: Contract
    data: list[dict[str, Any]]
    excluded: list[dict[str, str]]
    held_out: dict[str, Any]
    baselines: dict[str, Any]
    equality: dict[str, Any]
    calibration: dict[str, Any]
    training: dict[str, Any]
    command: str


def train_router(
    data: Path | None,
    out: Path,
    *,
    minutes: float = 30.0,
    steps: int | None = None,
    seed: int = 0,
    rows: Path | None = None,
    own_written: int = 80_000,
    taught: int | None = None,
    vocabulary: int = 12_000,
    layers: int = 3,
    width: int = 256,
    threads: int = 2,
    work: Path | None = None,
    version: str = "0.1.0",
    command: str = "tiergraph train",
    quiet: bool = False,
) -> Manifest:
    """Train a router and write ``embedded.gguf`` and ``embedded.json`` into ``out``.

    Args:
        data: Folder of public data sets; ``None`` to train without them.
        out: Folder for the result, made if absent.
        minutes: Wall-clock time of the training loop, > 0; preparation and evaluation come on top (minutes).
        steps: Bound the loop in steps instead.
        seed: Of rows, augmentation and weights.
        rows: A user's own rows, JSON lines (see ``tiergraph.training.data.read_rows``).
        own_written: How many own-written rows to draw before duplicates are dropped; 0 for none.
        taught: Texts at most whose vectors a sentence encoder gives for the probes to learn; 0 to train without it. By
            default ``TAUGHT`` where the ``teacher`` extra is installed.
        vocabulary: Tokens, control tokens included.
        layers: Of the network. width: Of its hidden state, a multiple of 64 (or 32, with one head).
        threads: PyTorch's, at most.
        work: Folder for checkpoints; an interrupted training with the same arguments goes on from there.
        version, command: Go into the manifest.
        quiet: No progress on stderr.

    Raises:
        MissingExtraError: torch, gguf, tokenizers, numpy or llama_cpp is not installed.
        InputError: nothing to train on; ``RowError`` for a bad line of ``rows``.
        FileNotFoundError: ``data`` holds no known data set.
        ModelError: llama.cpp does not read the GGUF as PyTorch computed it.
    """
    for package in ("torch", "gguf", "tokenizers", "numpy", "llama_cpp"):
        require(package)
    if taught is None:
        taught = TAUGHT if teachers.installed() else 0
    if taught:
        teachers.require_encoder()
    if minutes <= 0:
        raise InputError(f"minutes must be > 0, got {minutes!r}", code="bad_minutes")
    for folder in (out, work):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    say = _Say(quiet)
    say("reading rows")
    corpus = gather(data, rows, own_written, seed)
    vocab = prepare_vocabulary(corpus, vocabulary, work, seed)
    plan = Plan(minutes=minutes, steps=steps, seed=seed, threads=threads, work=work, quiet=quiet)
    train_rows = corpus.parts["train"]
    teacher = None
    if taught:
        say(f"asking the sentence encoder of {taught:,} texts at most")
        texts = teachers.choose(train_rows, taught, seed)
        teacher = teachers.teach(texts, work, threads=threads, quiet=quiet)
    shape = shape_for(vocab, layers, width)
    outcome = loop.train(passes(corpus), vocab, shape, plan, loop.kinds_of(train_rows), teacher)
    say("calibrating and evaluating")
    network = outcome.network
    sample = random.Random(seed).sample(train_rows, min(_PROBED, len(train_rows)))
    export.standardise_probes(network, vocab, loop.field_logits(network, vocab, [r.text for r in sample])[1])
    calibration_rows, held_out = (_thinned(corpus.parts[part], seed) for part in ("calibration", "held_out"))
    calibration = report.calibrate(calibration_rows, _logits(network, vocab, calibration_rows))
    figures = report.evaluate(held_out, _logits(network, vocab, held_out), calibration)
    say("comparing with llama.cpp")
    quantisation, digest, equal = _export(out / GGUF_NAME, network, vocab, held_out or train_rows, seed)
    manifest: Manifest = {
        "name": "tiergraph-router",
        "version": version,
        "created": datetime.now(UTC).date().isoformat(),
        "gguf_sha256": digest,
        "parameters": sum(int(array.size) for array in export.tensors(network).values()),
        "quantisation": quantisation,
        "contract": vocab.contract,
        "data": _used(corpus),
        "excluded": [{"name": name, "reason": reason} for name, reason in EXCLUDED.items()] if data else [],
        "held_out": figures,
        "baselines": report.baselines(train_rows, held_out, seed),
        "equality": asdict(equal),
        "calibration": calibration,
        "training": {
            "seed": seed,
            "steps": outcome.steps,
            "tokens": outcome.tokens,
            "minutes": round(outcome.seconds / 60, 1),
            "torch": str(require("torch").__version__),
            "threads": threads,
            "layers": layers,
            "width": width,
            "teacher": teachers.PACKAGE if teacher is not None else "",
            "taught": len(teacher.places) if teacher is not None else 0,
        },
        "command": command,
    }
    write_json(out / MANIFEST_NAME, manifest)
    return manifest


def _export(
    gguf: Path, network: Any, vocab: vocabularies.Vocabulary, rows: Sequence[Row], seed: int
) -> tuple[str, str, equality.Equality]:
    """The smallest file whose probabilities are PyTorch's: how it is stored, its sha256, and how near it is."""
    texts = [row.text for row in random.Random(seed).sample(rows, min(_COMPARED, len(rows)))]
    for quantisation in export.QUANTISATIONS:
        digest = export.write_gguf(gguf, network, vocab, name="tiergraph-router", quantisation=quantisation)
        found = equality.compare(gguf, network, vocab, texts)
        if found.token_mismatches == 0 and found.probability <= EQUAL_WITHIN:
            return quantisation, digest, found
    raise ModelError(f"llama.cpp does not read the GGUF as PyTorch computed it: {found}")


def _logits(network: Any, vocab: vocabularies.Vocabulary, rows: Sequence[Row]) -> dict[str, Any]:
    return loop.field_logits(network, vocab, [row.text for row in rows])[0]


def _thinned(rows: Sequence[Row], seed: int) -> list[Row]:
    """At most ``_JUDGED`` rows of a source: beyond that a figure gains little and costs minutes."""
    by_source: dict[str, list[Row]] = {}
    for row in random.Random(seed).sample(rows, len(rows)):
        by_source.setdefault(row.source, []).append(row)
    return [row for members in by_source.values() for row in members[:_JUDGED]]


def _used(corpus: Corpus) -> list[dict[str, Any]]:
    """What went into the weights: name, licence, training rows, fields."""
    counts: dict[str, int] = {}
    for row in corpus.parts["train"]:
        counts[row.source] = counts.get(row.source, 0) + 1
    known = {source.name: (source.licence, source.used_for) for source in corpus.sources}
    own = ("written for this project", "all fields")
    return [
        {"name": name, "licence": licence, "rows": count, "used_for": used_for}
        for name, count in counts.items()
        for licence, used_for in [known.get(name, ("the user's own", "the fields given") if name == "rows" else own)]
    ]


class _Say:
    """Stages of the work, one line each on stderr."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, stage: str) -> None:
        if not self._quiet:
            sys.stderr.write(f"train: {stage}\n")
            sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Rows by part, with how often each source is drawn and what the manifest says of it."""

    parts: Mapping[Split, list[Row]]
    shares: Mapping[str, float]
    sources: Sequence[Source] = field(default_factory=tuple)


def gather(data: Path | None, rows: Path | None, own_written: int, seed: int) -> Corpus:
    """All rows of a training, split.

    Raises:
        InputError: there is nothing to train on, or (RowError) a user's line is bad. FileNotFoundError: no data set.
    """
    sources = available(data) if data is not None else []
    found = [row for source in sources for row in source.read(data)] if data is not None else []
    found += list(rows_of.read_rows(rows)) if rows is not None else []
    found += supplements(own_written, seed) if own_written else []
    found = [replace(row, labels=labels.with_steps(row.labels)) for row in found]
    if not found:
        raise InputError("Nothing to train on: give a data folder, rows, or own_written > 0", code="no_rows")
    shares = {source.name: source.share for source in sources}
    return Corpus(parts=rows_of.split(found), shares=shares, sources=tuple(sources))


def passes(corpus: Corpus, rate: float = 1.0) -> Epoch:
    """One pass over the mixture: every source at its share, augmented, plus joined documents."""
    by_source: dict[str, list[Row]] = {}
    for row in corpus.parts["train"]:
        by_source.setdefault(row.source, []).append(row)
    pool = [row for row in corpus.parts["train"] if joinable(row)]
    personal = [row for row in pool if row.labels["contains_pii"][0] > 0.5 or row.labels["is_legal"][0] > 0.5]

    def draw_pass(draw: random.Random) -> Sequence[Row]:
        drawn: list[Row] = []
        for name, members in by_source.items():
            wanted = max(1, round(corpus.shares.get(name, 1.0) * len(members)))
            whole, rest = divmod(wanted, len(members))
            drawn += members * whole + draw.sample(members, rest)
        drawn = [augment(row, draw, rate) for row in drawn]
        for _ in range(round(_DOCUMENTS * len(drawn)) if pool else 0):
            chosen = draw.choices(pool, k=draw.randint(2, 9))
            if personal and draw.random() < 0.5:
                chosen[draw.randrange(len(chosen))] = draw.choice(personal)
            drawn.append(document(chosen, draw))
        return drawn

    return draw_pass


def prepare_vocabulary(corpus: Corpus, size: int, work: Path | None, seed: int) -> vocabularies.Vocabulary:
    """The vocabulary in ``work`` where a training was interrupted, else a new one from the training rows."""
    path = work / "vocabulary.json" if work is not None else None
    if path is not None and path.exists():
        return vocabularies.load(path)
    texts = [row.text for row in corpus.parts["train"]]
    sample = random.Random(seed).sample(texts, min(len(texts), 120_000))
    made = vocabularies.learn(sample, size)
    if path is not None:
        vocabularies.save(made, path)
    return made


def shape_for(vocabulary: vocabularies.Vocabulary, layers: int, width: int) -> Shape:
    """A network with heads of 64 (32 where the width is small) and a feed-forward part of 2.75 times the width."""
    heads = max(1, width // 64)
    return Shape(
        vocabulary=vocabulary.size,
        layers=layers,
        width=width,
        heads=heads,
        feed_forward=round(2.75 * width / 32) * 32,
    )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """``value`` as indented JSON with a final newline."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
