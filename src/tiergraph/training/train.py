"""The training loop: the fields, the kinds of requests and a sentence encoder's vectors in one pass.

It is bounded by time or by steps. Kinds and vectors are told from the probes alone, and so are what these carry.

Batches hold sequences of near-equal length, so that little is padded. The order of rows, the augmentation and
the initial weights follow from the seed; with ``steps`` given instead of ``minutes`` so does the result, on one
machine and thread count.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiergraph.training.extras import require
from tiergraph.training.fields import FIELDS, PROBES
from tiergraph.training.labels import Row
from tiergraph.training.network import Shape, build
from tiergraph.training.teacher import WIDTH, Teacher, start_embeddings
from tiergraph.training.vocabulary import Vocabulary

FIELD_WEIGHTS: Mapping[str, float] = {
    "tier": 1.0,
    "difficulty": 0.4,
    "intent": 1.0,
    "needs_retrieval": 0.5,
    "contains_pii": 1.5,
    "is_legal": 1.5,
    "reason": 0.4,
    "needs_tools": 0.4,
    "planned_calls": 0.4,
    "structure": 0.4,
}
"""Weight of each field's cross-entropy in the loss."""

_KIND_WEIGHT = 0.5
_TEACHER_WEIGHT = 4.0
_CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how to train.

    minutes: wall-clock bound, > 0; the learning rate falls over it. steps: a bound in steps instead (then
    ``minutes`` is ignored). tokens: per batch. threads: of PyTorch, at most; bounded by minutes, one is used while
    that is faster (on a machine that others use too). work: folder for the resumable checkpoint.
    """

    minutes: float = 30.0
    steps: int | None = None
    seed: int = 0
    tokens: int = 3072
    rate: float = 1.5e-3
    threads: int = 2
    work: Path | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A trained network with what the manifest says of its training."""

    network: Any
    steps: int
    seconds: float
    tokens: int


Epoch = Callable[[random.Random], Sequence[Row]]
"""Draws the rows of one pass, augmented, from a generator that is seeded by the pass."""


def train(
    epoch: Epoch,
    vocabulary: Vocabulary,
    shape: Shape,
    plan: Plan,
    kinds: Sequence[str],
    teacher: Teacher | None = None,
) -> Outcome:
    """Train a network, on a GPU where PyTorch has one.

    A checkpoint in ``plan.work`` is taken up where it stood.

    Args:
        kinds: Names of the kinds of rows that the probes are taught to tell apart (`kind_of`).
        teacher: Vectors that the probes are taught to tell, and that the embeddings start from.
    """
    torch = require("torch")
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    network = build(shape, auxiliary=len(kinds) + (WIDTH if teacher is not None else 0))
    if teacher is not None and not _saved(plan):
        cosine = start_embeddings(network, vocabulary, teacher, plan.seed)
        if not plan.quiet:
            sys.stderr.write(f"train: bags of tokens tell the encoder's vectors with cosine {cosine:.3f}\n")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    matrices = [p for p in network.parameters() if p.dim() == 2]
    others = [p for p in network.parameters() if p.dim() < 2]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=plan.rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    clock = _Clock(plan)
    done, position, seen = _resume(torch, network, optimiser, clock, plan)
    half = device == "cuda" or _bf16_pays(torch, network, shape)
    column = {name: i for i, name in enumerate(kinds)}
    progress, pace = _Progress(plan, clock), _Pace(torch, plan)
    while not clock.over(done):
        passed, offset = position
        draw = random.Random(f"{plan.seed} {passed}")
        batches = list(_batches(epoch(draw), vocabulary, plan.tokens, draw))
        for index in range(offset, len(batches)):
            for group in optimiser.param_groups:
                group["lr"] = plan.rate * _schedule(clock.fraction(done), done)
            rows, ids = batches[index]
            with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
                losses = _losses(torch, network, vocabulary, rows, ids, column, teacher)
            loss = sum(losses.values())
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            fresh = sum(map(len, ids))
            done, seen = done + 1, seen + fresh
            pace.step(fresh)
            position = (passed, index + 1)
            progress.show(done, seen, passed, losses)
            if clock.checkpoint_due():
                _save(torch, network, optimiser, clock, plan, done, position, seen)
            if clock.over(done):
                break
        else:
            position = (passed + 1, 0)
    _save(torch, network, optimiser, clock, plan, done, position, seen)
    network.to("cpu").eval()
    return Outcome(network=network, steps=done, seconds=clock.elapsed(), tokens=seen)


def _schedule(fraction: float, step: int) -> float:
    """Share of the peak rate: a short warm-up, then a straight line down to zero."""
    return min(1.0, (step + 1) / 100) * max(0.0, 1.0 - fraction) + 1e-3


def _losses(
    torch: Any,
    network: Any,
    vocabulary: Vocabulary,
    rows: Sequence[Row],
    ids: Sequence[list[int]],
    column: Mapping[str, int],
    teacher: Teacher | None,
) -> dict[str, Any]:
    functional = torch.nn.functional
    weight, first = network.output.weight, vocabulary.first_control
    lengths = torch.tensor([len(x) for x in ids], device=weight.device)
    longest = int(lengths.max())
    padded = torch.tensor([x + [vocabulary.pad] * (longest - len(x)) for x in ids], device=weight.device)
    decided = network(padded)[torch.arange(len(ids), device=weight.device), lengths - 1]
    controls = functional.linear(decided, weight[first:]).float()
    losses = {}
    for name, values in vocabulary.contract["fields"].items():
        known = [i for i, row in enumerate(rows) if name in row.labels]
        if known:
            target = torch.tensor([rows[i].labels[name] for i in known], device=weight.device)
            start = next(iter(values.values())) - first
            logits = controls[known, start : start + len(values)]
            # Divided by the whole batch: a row counts the same whatever else the batch holds.
            loss = functional.cross_entropy(logits, target, reduction="sum") / len(rows)
            losses[name] = FIELD_WEIGHTS[name] * loss
    if network.auxiliary is not None:
        start = vocabulary.contract["probes"][0] - first
        told = network.auxiliary(controls[:, start : start + PROBES]).float()
        losses.update(_auxiliary(torch, told, rows, column, teacher))
    return losses


def _auxiliary(
    torch: Any, told: Any, rows: Sequence[Row], column: Mapping[str, int], teacher: Teacher | None
) -> dict[str, Any]:
    """Of which kind a row is, and the encoder's vector of it, told from the probes alone."""
    functional = torch.nn.functional
    losses = {}
    known = [(i, column[kind]) for i, row in enumerate(rows) if (kind := kind_of(row)) in column]
    if known:
        at, kinds = zip(*known, strict=True)
        target = torch.tensor(kinds, device=told.device)
        loss = functional.cross_entropy(told[list(at), : len(column)], target, reduction="sum")
        losses["kind"] = _KIND_WEIGHT * loss / len(rows)
    if teacher is not None:
        taught, vectors = teacher.of(rows)
        if taught:
            wanted = torch.from_numpy(vectors).to(told.device)
            near = functional.cosine_similarity(told[taught, len(column) :], wanted)
            losses["teacher"] = _TEACHER_WEIGHT * (1.0 - near).sum() / len(rows)
    return losses


def kind_of(row: Row) -> str:
    """Name of the kind of a row: its own, else its source's."""
    return row.kind or row.source


def kinds_of(rows: Sequence[Row]) -> list[str]:
    """Names of the kinds of ``rows`` in order."""
    return sorted({kind_of(row) for row in rows})


def _batches(
    rows: Sequence[Row], vocabulary: Vocabulary, tokens: int, draw: random.Random
) -> Iterator[tuple[list[Row], list[list[int]]]]:
    """Batches of near-equal length and at most ``tokens`` tokens, in random order."""
    encoded = vocabulary.requests([row.text for row in rows])
    order = sorted(range(len(rows)), key=lambda i: (len(encoded[i]), draw.random()))
    cuts: list[list[int]] = [[]]
    for i in order:
        if cuts[-1] and (len(cuts[-1]) + 1) * len(encoded[i]) > tokens:
            cuts.append([])
        cuts[-1].append(i)
    draw.shuffle(cuts)
    for cut in cuts:
        if cut:
            yield [rows[i] for i in cut], [encoded[i] for i in cut]


def _bf16_pays(torch: Any, network: Any, shape: Shape) -> bool:
    """Whether bfloat16 is clearly faster than float32 on this machine: the best of several turns of each."""
    ids = torch.zeros((16, 64), dtype=torch.long)
    best = {False: float("inf"), True: float("inf")}
    for half in (False, True) * 5:
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            network(ids).float().square().mean().backward()
        best[half] = min(best[half], time.perf_counter() - start)
        network.zero_grad(set_to_none=True)
    return bool(best[True] < 0.85 * best[False])


class _Pace:
    """Chooses between all threads and one, whichever trains faster, and asks again every minute.

    Threads that wait for one another are slower than a single one as soon as somebody else needs a core.
    """

    _TRIAL, _STAY = 8, 45.0  # steps with each, then seconds with the better

    def __init__(self, torch: Any, plan: Plan) -> None:
        self._torch, self._choices = (
            torch,
            sorted({1, plan.threads}) if plan.steps is None else [plan.threads],
        )
        self._speeds: dict[int, float] = {}
        self._until, self._steps, self._tokens, self._start = 0.0, 0, 0, time.monotonic()
        torch.set_num_threads(self._choices[0])

    def step(self, tokens: int) -> None:
        now = time.monotonic()
        if len(self._choices) < 2 or now < self._until:
            return
        if self._steps == 0:
            self._torch.set_num_threads(self._choices[len(self._speeds)])
        self._steps, self._tokens = self._steps + 1, self._tokens + tokens
        if self._steps == 1:  # the step in which the count changed is not timed
            self._start, self._tokens = now, 0
        elif self._steps > self._TRIAL:
            tried = self._choices[len(self._speeds)]
            self._speeds[tried] = self._tokens / (now - self._start)
            self._steps = 0
            if len(self._speeds) == len(self._choices):
                self._torch.set_num_threads(max(self._speeds, key=lambda count: self._speeds[count]))
                self._speeds, self._until = {}, now + self._STAY


class _Clock:
    """Time spent training, over interruptions."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._start, self._before = plan, time.monotonic(), 0.0
        self._saved = self._start

    def resume(self, seconds: float) -> None:
        self._before = seconds

    def elapsed(self) -> float:
        return self._before + time.monotonic() - self._start

    def fraction(self, done: int) -> float:
        if self._plan.steps is not None:
            return done / max(1, self._plan.steps)
        return self.elapsed() / (60.0 * self._plan.minutes)

    def over(self, done: int) -> bool:
        return self.fraction(done) >= 1.0

    def checkpoint_due(self) -> bool:
        if time.monotonic() - self._saved < _CHECKPOINT_SECONDS:
            return False
        self._saved = time.monotonic()
        return True


class _Progress:
    """One line on stderr, rewritten in place on a terminal."""

    def __init__(self, plan: Plan, clock: _Clock) -> None:
        self._quiet, self._clock, self._last = plan.quiet, clock, 0.0
        self._mean: dict[str, float] = {}
        self._live = sys.stderr.isatty()

    def show(self, done: int, seen: int, passed: int, losses: Mapping[str, Any]) -> None:
        for name, loss in losses.items():
            value = float(loss.detach())
            self._mean[name] = 0.98 * self._mean.get(name, value) + 0.02 * value
        now = time.monotonic()
        if self._quiet or now - self._last < (1.0 if self._live else 20.0):
            return
        self._last = now
        fraction, spent = self._clock.fraction(done), self._clock.elapsed()
        left = spent * (1.0 - fraction) / fraction if fraction > 0 else 0.0
        means = " ".join(f"{name} {value:.3f}" for name, value in self._mean.items())
        speed = f"step {done}  pass {passed}  {seen / spent:,.0f} tok/s"
        line = f"train {100 * fraction:5.1f} %  ETA {left / 60:.1f} min  {speed}  {means}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        sys.stderr.flush()


def _save(
    torch: Any,
    network: Any,
    optimiser: Any,
    clock: _Clock,
    plan: Plan,
    done: int,
    position: tuple[int, int],
    seen: int,
) -> None:
    if plan.work is None:
        return
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "shape": network.shape.as_dict(),
        "done": done,
        "position": list(position),
        "seen": seen,
        "seconds": clock.elapsed(),
    }
    partial = plan.work / "checkpoint.pt.partial"
    torch.save(state, partial)
    partial.replace(plan.work / "checkpoint.pt")


def _saved(plan: Plan) -> bool:
    return plan.work is not None and (plan.work / "checkpoint.pt").exists()


def _resume(torch: Any, network: Any, optimiser: Any, clock: _Clock, plan: Plan) -> tuple[int, tuple[int, int], int]:
    path = plan.work / "checkpoint.pt" if plan.work else None
    if path is None or not path.exists():
        return 0, (0, 0), 0
    state = torch.load(path, weights_only=True)
    if state["shape"] != network.shape.as_dict():
        raise ValueError(f"{str(path)!r} holds a network of another shape; remove it or choose another work folder")
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    clock.resume(state["seconds"])
    return int(state["done"]), (int(state["position"][0]), int(state["position"][1])), int(state["seen"])


def field_logits(network: Any, vocabulary: Vocabulary, texts: Sequence[str]) -> tuple[dict[str, Any], Any]:
    """Logits of every field, name to float32 numpy (texts, values), and hidden states at ``<decide>`` (torch)."""
    torch = require("torch")
    ids = vocabulary.requests(texts)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    first = vocabulary.first_control
    hidden = torch.empty((len(ids), network.shape.width))
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            chunk = order[start : start + 64]
            lengths = torch.tensor([len(ids[i]) for i in chunk])
            longest = int(lengths.max())
            padded = torch.tensor([ids[i] + [vocabulary.pad] * (longest - len(ids[i])) for i in chunk])
            hidden[chunk] = network(padded)[torch.arange(len(chunk)), lengths - 1].float()
        controls = (hidden @ network.output.weight[first:].float().T).numpy()
    logits = {
        name: controls[:, [value - first for value in values.values()]]
        for name, values in vocabulary.contract["fields"].items()
    }
    assert set(logits) == set(FIELDS)
    return logits, hidden
